//! A report, as the policy reports of a cluster.

use kube::Client;
use serde_json::Value;

use super::Metrics;
use crate::audit::Report;
use crate::audit::policy_report::{self, Dialect};
use crate::cluster::kept::{Error, Keeper, Kept, is_served};

/// Which is written where a cluster has both: the one that the other became.
const PREFERRED: [Dialect; 2] = [Dialect::OpenReports, Dialect::PolicyReport];

/// After so many the API server is not asked for more.
const MOST_FAILURES: usize = 10;

/// Sees to it that the cluster has the policy reports of a report, in the first of the kinds that it has, and no others of
/// ours. Where it has none there is nothing to do.
///
/// What fails for one object leaves the others alone; the first error is told at the end.
///
/// # Errors
/// When one could not be read, written or deleted.
pub(super) async fn publish(client: &Client, report: &Report, metrics: &Metrics) -> Result<(), Error> {
    let mut is_written = false;
    for dialect in PREFERRED {
        let mut keepers = Vec::new();
        for kind in [dialect.kind(true), dialect.kind(false)] {
            if is_served(client, kind).await? {
                keepers.push((kind.kind, Keeper::look(client.clone(), kind).await?));
            }
        }
        if !is_written && !keepers.is_empty() {
            write(policy_report::objects(report, dialect), &mut keepers, metrics).await?;
            is_written = true;
        }
        for (_, keeper) in keepers {
            metrics.deleted(keeper.delete_others().await?);
        }
    }
    Ok(())
}

/// Writes what has changed. Where something fails nothing is deleted: what was to replace it may be missing.
async fn write(
    objects: impl Iterator<Item = Value>,
    keepers: &mut [(&str, Keeper)],
    metrics: &Metrics,
) -> Result<(), Error> {
    let mut failures = Vec::new();
    for object in objects {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        // Their definitions come one after the other.
        let Some((_, keeper)) = keepers.iter_mut().find(|(own, _)| *own == kind) else { continue };
        match keeper.keep(&object).await {
            Ok(Kept::Written) => metrics.written(),
            Ok(Kept::Unchanged | Kept::Gone) => {}
            Ok(Kept::Foreign) => {
                let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
                tracing::warn!(
                    namespace,
                    name,
                    "a policy report of this name is another's; ours is not written"
                );
            }
            Err(error) => failures.push(error),
        }
        if failures.len() == MOST_FAILURES {
            break;
        }
    }
    failures.into_iter().next().map_or(Ok(()), Err)
}

//! Single objects that are Podwright's own: followed by name, and written so that of several replicas one is first and
//! the others see what it wrote.

use std::fmt::Debug;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{Chain, Metrics};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(10);

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is in force.
    Done,
    /// Somebody else was first; what they wrote is about to be seen.
    Overtaken,
}

/// Why a change is not in force.
#[derive(Debug, thiserror::Error)]
#[error("writing {object}: {reason}")]
pub struct Error {
    object: String,
    reason: String,
}

/// The object of this name as it is from now on, `None` while there is none. It does not end; what fails is logged and
/// tried again.
pub(super) fn follow<K>(
    api: Api<K>,
    name: &str,
    source: &'static str,
    metrics: Metrics,
) -> impl Stream<Item = Option<K>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watch_object(api, name).default_backoff().filter_map(move |seen| {
        let seen = match seen {
            Ok(object) => {
                metrics.heard();
                Some(object)
            }
            Err(error) => {
                metrics.failed(source);
                let error = Chain(&error);
                tracing::warn!(source, %error, "watching what Podwright keeps in the cluster failed; trying again");
                None
            }
        };
        std::future::ready(seen)
    })
}

/// What became of the change that `writing` makes to an object that is named as a person would.
pub(super) async fn written<T>(
    object: String,
    writing: impl Future<Output = kube::Result<T>>,
) -> Result<Written, Error> {
    let reason = match timeout(WITHIN, writing).await {
        Ok(Ok(_)) => return Ok(Written::Done),
        // Made or changed by somebody else in between.
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => return Ok(Written::Overtaken),
        Ok(Err(error)) => Chain(&error).to_string(),
        Err(_elapsed) => format!("no answer within {WITHIN:?}"),
    };
    Err(Error { object, reason })
}

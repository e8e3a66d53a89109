//! An earlier report, as far as a later one compares itself with it.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Deserialize;

use super::report::{Counts, Finding, KIND, Status, Trend};
use crate::policy::API_VERSION;

/// An earlier report.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    api_version: String,
    kind: String,
    metadata: Metadata,
    summary: Summary,
    findings: Vec<Known>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    generated_at: Timestamp,
    generation: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Summary {
    findings: Counts,
}

#[derive(Debug, Clone, Deserialize)]
struct Known {
    id: String,
    exemption: Option<String>,
}

/// Why something is no earlier report.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is no JSON, or of another shape.
    #[error("expected a report that `podwright scan --format json` has written: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It says itself that it is something else.
    #[error("expected apiVersion {API_VERSION:?} and kind {KIND:?}, found {api_version:?} and {kind:?}")]
    Other {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
}

impl Baseline {
    /// Reads the JSON form of a report.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read(json: &[u8]) -> Result<Self, BaselineError> {
        let baseline: Self = serde_json::from_slice(json)?;
        if baseline.api_version != API_VERSION || baseline.kind != KIND {
            return Err(BaselineError::Other { api_version: baseline.api_version, kind: baseline.kind });
        }
        Ok(baseline)
    }

    /// Tells how later findings compare, and writes it on each.
    pub(super) fn compare(&self, findings: &mut [Finding]) -> Trend {
        let open = self.findings.iter().filter(|known| known.exemption.is_none());
        let mut left: HashSet<&str> = open.map(|known| known.id.as_str()).collect();
        let mut trend = Trend {
            since: self.metadata.generated_at,
            generation: super::text::name(&self.metadata.generation),
            before: self.summary.findings,
            new: 0,
            fixed: 0,
            exempted: 0,
            unchanged: 0,
        };
        for finding in findings {
            let was_open = left.remove(finding.id.as_str());
            match (was_open, &finding.exemption) {
                (true, Some(_)) => trend.exempted += 1,
                (false, Some(_)) => {}
                (true, None) => {
                    trend.unchanged += 1;
                    finding.status = Some(Status::Unchanged);
                }
                (false, None) => {
                    trend.new += 1;
                    finding.status = Some(Status::New);
                }
            }
        }
        trend.fixed = left.len() as u64;
        trend
    }
}

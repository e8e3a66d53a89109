//! Scans: objects in, wherever they come from, and a report out.
//!
//! ```text
//! manifests ─┐
//!            ├─► Fold ─► Collector ─► Report ─► a format
//! Survey ────┘                            └───► policy reports in the cluster (Background)
//! ```

mod background;
mod fold;
mod metrics;
mod publish;
mod survey;

pub use background::Background;
pub use fold::Fold;
pub use metrics::Metrics;
pub use survey::{Progress, Survey};

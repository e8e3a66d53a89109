//! What is told about the running process: metrics for machines, logs for people.

mod gather;
pub mod logs;
pub mod metrics;
mod reloads;
pub mod text;

pub use gather::gathered;
pub use metrics::Metrics;
pub use reloads::Reloads;

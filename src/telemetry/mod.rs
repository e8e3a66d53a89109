//! What is told about the running process: metrics for machines, logs for people.

pub mod logs;
pub mod metrics;

pub use metrics::Metrics;

//! The targets and what they start from. `tests/fuzz.rs` runs the same ones on the seeds alone, with any compiler.

pub mod seeds;
pub mod targets;

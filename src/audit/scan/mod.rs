//! Scans: objects in, wherever they come from, and a report out.

mod fold;
mod survey;

pub use fold::Fold;
pub use survey::{Progress, Survey};

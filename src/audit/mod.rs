//! What is told afterwards: the report over many Pods, and the formats that it is written in.
//!
//! ```text
//! Sighting + Decision ─► Collector ─► Report ─► json · csv · sarif · junit · policy_report · html
//!                                        ▲
//!                                    Baseline (an earlier report, as JSON)
//! ```
//!
//! [`Collector`] folds Pods one at a time, wherever they come from, and keeps nothing of those that are clean but a
//! count. [`Report`] is plain data; each format is one file that writes it. Whatever app teams wrote is made printable
//! and cut to a length where it enters the report, so that no format meets a control character.

mod baseline;
mod collect;
pub mod csv;
mod group;
pub mod html;
mod identity;
pub mod json;
pub mod junit;
pub mod policy_report;
pub mod report;
pub mod sarif;
mod severity;
mod text;
pub mod words;

pub use baseline::{Baseline, BaselineError};
pub use collect::{Collector, Settings, Sighting};
pub use group::GroupBy;
pub use report::Report;

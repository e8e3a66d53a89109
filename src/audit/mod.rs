//! What is told afterwards: a record of each decision while serving, and a report over many Pods.
//!
//! ```text
//! Question + Decision ─► Record ─► Recorder ─► queue ─► Sink's thread ─► standard output, or files that rotate
//!
//! Sighting + Decision ─► Collector ─► Report ─► json · csv · sarif · junit · policy_report · html
//!                                        ▲
//!                                    Baseline (an earlier report, as JSON)
//! ```
//!
//! [`Record`] is pure and bounded. A [`Recorder`] takes it off the way of an answer, and loses it rather than wait.
//!
//! [`Collector`] folds Pods one at a time, wherever they come from, and keeps nothing of those that are clean but a
//! count. [`Report`] is plain data; each format is one file that writes it. Whatever app teams wrote is made printable
//! and cut to a length where it enters the report, so that no format meets a control character.

mod baseline;
mod collect;
pub mod csv;
mod file;
mod group;
pub mod html;
mod identity;
pub mod json;
pub mod junit;
mod metrics;
pub mod policy_report;
mod record;
pub mod report;
pub mod sarif;
pub mod scan;
mod severity;
mod sink;
mod text;
pub mod words;

pub use baseline::{Baseline, BaselineError};
pub use collect::{Bounds, Collector, Scope, Settings, Sighting};
pub use file::Rotation;
pub use group::GroupBy;
pub use metrics::Metrics;
pub use record::Record;
pub use report::Report;
pub use sink::{Recorder, Sink, Target};

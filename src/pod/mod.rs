//! The Pod: readers over its raw JSON, and edits recorded as operations while they are applied.
//!
//! Everything above this folder sees a Pod only through these types, so the document model can change here alone.

mod bounds;
mod coalesce;
mod containers;
mod contains;
mod document;
mod draft;
mod edit;
mod object;
mod patch;
mod path;
mod port;
mod qos;
mod quantity;
mod read;
mod template;
mod typed;
mod verify;
mod workload;

pub use bounds::{ANNOTATIONS_LIMIT_BYTES, Excess};
pub use containers::{Container, Group, Mount};
pub use contains::{contains, is_empty};
pub use document::{Document, Fields, Items, Misfit, Node};
pub use draft::{Draft, Edited};
pub use object::Object;
pub use patch::{Operation, patch_json};
pub use path::{AbsolutePath, PathError};
pub use port::Port;
pub use qos::COMPUTE;
pub use quantity::{Quantity, QuantityError};
pub use read::{Pod, PodError, Volume};
pub use template::template_pointer;
pub use verify::Fault;
pub use workload::Workload;

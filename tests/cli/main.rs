//! The command line, as its users see it: the real binary, its output and its exit codes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod check;
mod corpus;
mod definitions;
mod explain;
mod help;
mod inputs;
mod kinds;
mod output;
mod refusals;
mod schema;
mod spellings;
mod support;
mod untouched;

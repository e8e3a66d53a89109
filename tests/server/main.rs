//! The server, over real sockets.

// Helpers are tests too; clippy's exceptions for tests do not see that.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod admin;
mod audit;
mod clients;
mod command;
mod connections;
mod drain;
#[path = "../generators/mod.rs"]
mod generators;
mod harness;
mod hostile;
mod looking;
mod memory;
mod patience;
mod process;
mod reload;
mod reviews;
mod routes;
mod stopping;
mod tls;
mod volume;

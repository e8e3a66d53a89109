//! The `podwright` command.

use std::panic::catch_unwind;
use std::process::ExitCode;

use podwright::cli::{self, Exit};
use podwright::tls;

fn main() -> ExitCode {
    tls::install_provider();
    // The panic has been reported where it happened.
    catch_unwind(cli::run).unwrap_or(Exit::Internal).into()
}

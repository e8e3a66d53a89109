//! The `podwright` command.

use std::panic::catch_unwind;
use std::process::ExitCode;

use mimalloc::MiMalloc;
use podwright::cli::{self, Exit};
use podwright::tls;

/// A decision makes and drops hundreds of small values: with glibc's allocator they take a sixth of its time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tls::install_provider();
    // The panic has been reported where it happened.
    catch_unwind(cli::run).unwrap_or(Exit::Internal).into()
}

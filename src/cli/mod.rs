//! The command line: one file per command.

mod check;
mod completions;
mod documents;
mod emit;
pub mod exit;
mod explain;
mod inject;
mod offline;
mod scan;
mod schema;
mod serve;
mod style;
mod values;

use std::io::{self, BufWriter, StdoutLock, Write as _};

use clap::{Parser, Subcommand};

pub use exit::Exit;

/// A Kubernetes admission webhook for Pods: log shipping, fixed IPs, a true /proc, another date, and rules on
/// host access and probes.
#[derive(Debug, Parser)]
#[command(name = "podwright", version, max_term_width = 100, after_help = exit::HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the API server's admission reviews
    Serve(Box<serve::Args>),
    Inject(inject::Args),
    Explain(explain::Args),
    Scan(scan::Args),
    Check(check::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

impl Command {
    fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Serve(args) => serve::run(&args),
            Self::Inject(args) => on_stdout(|out| args.run(out)),
            Self::Explain(args) => on_stdout(|out| args.run(out)),
            Self::Scan(args) => on_stdout(|out| args.run(out)),
            Self::Check(args) => on_stdout(|out| args.run(out)),
            Self::Schema(args) => on_stdout(|out| args.run(out)),
            Self::Completions(args) => on_stdout(|out| args.run(out)),
        }
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> Exit {
    match Cli::try_parse() {
        Ok(cli) => cli.command.run().unwrap_or_else(|error| exit::report(&error)),
        Err(error) => {
            let _ = error.print();
            // Help and version are what was asked for.
            if error.use_stderr() { Exit::Usage } else { Exit::Fine }
        }
    }
}

/// Runs a command that writes to stdout. Nothing filters it: what passes through must leave byte for byte.
fn on_stdout(
    command: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    let exit = command(&mut out)?;
    out.flush()?;
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

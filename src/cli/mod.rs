//! The command line: one file per command.

pub mod exit;
mod serve;
mod values;

use std::io::Write as _;

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
}

impl Command {
    fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Serve(args) => serve::run(&args),
        }
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> Exit {
    match Cli::try_parse() {
        Ok(cli) => cli.command.run().unwrap_or_else(|error| {
            // Nothing is left to do where even this fails.
            let _ = writeln!(anstream::stderr(), "error: {error:#}");
            Exit::Usage
        }),
        Err(error) => {
            let _ = error.print();
            // Help and version are what was asked for.
            if error.use_stderr() { Exit::Usage } else { Exit::Fine }
        }
    }
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

//! `podwright completions`: what a shell needs to complete our command line.

use std::io::Write;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use super::exit::Exit;

/// The flags of `completions`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Print what a shell needs to complete our command line",
    after_long_help = "\
Examples:
  podwright completions bash > /etc/bash_completion.d/podwright
  podwright completions zsh > \"${fpath[1]}/_podwright\"
  podwright completions fish > ~/.config/fish/completions/podwright.fish"
)]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Args {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<Exit> {
        // The generator panics where it cannot write, so it writes where it always can.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "podwright", &mut script);
        out.write_all(&script)?;
        Ok(Exit::Fine)
    }
}

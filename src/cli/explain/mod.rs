//! `podwright explain`: what becomes of a Pod, and why.

mod account;
mod text;

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::json;

use self::account::{Account, Verdict};
use super::documents::{InputArgs, Stream};
use super::exit::Exit;
use super::offline::OfflineArgs;
use super::style::Palette;
use crate::engine::Offline;
use crate::pod::Object;

/// The flags of `explain`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Tell what becomes of the Pods of manifests, and why",
    long_about = "\
Tell what becomes of the Pods of manifests, and why.

For each Pod and Pod template: the verdict in one line, then every policy with what it does or why it is not for this \
Pod, then warnings and edits.",
    after_long_help = "\
Examples:
  podwright explain -f deployment.yaml -n shop
  kubectl get deployment web -o yaml | podwright explain -f -
  podwright explain -f manifests/ -R -o json | jq '.objects[] | select(.verdict == \"refused\")'

It ends with 1 where a Pod would be refused."
)]
pub(super) struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// How to tell it
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Output::Text)]
    output: Output,

    #[command(flatten)]
    offline: OfflineArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For machines: one JSON object.
    Json,
}

impl Args {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<Exit> {
        let streams = self.input.read()?;
        let offline = self.offline.load(&streams)?;
        let accounts: Vec<_> = streams.iter().flat_map(|stream| accounts(&offline, stream)).collect();
        match self.output {
            Output::Json => {
                let whole = json!({ "generation": offline.policies.generation, "objects": accounts });
                writeln!(out, "{whole:#}")?;
            }
            Output::Text if accounts.is_empty() => {
                writeln!(io::stderr(), "nothing to explain: there is no Pod and no Pod template here")?;
            }
            Output::Text => text::write(&accounts, Palette::stdout(), out)?,
        }
        let any = |verdict| accounts.iter().any(|account| account.verdict == verdict);
        Ok(match () {
            () if any(Verdict::Fault) => Exit::Internal,
            () if any(Verdict::Refused) => Exit::Findings,
            () => Exit::Fine,
        })
    }
}

fn accounts(offline: &Offline, stream: &Stream) -> Vec<Account> {
    let mut accounts = Vec::new();
    for document in &stream.documents {
        for object in Object::all(&document.value) {
            if let Some(case) = offline.case(&object) {
                let line = stream.line_of_object(document, &object.pointer);
                accounts.push(Account::of(offline, &case, &stream.name, line));
            }
        }
    }
    accounts
}

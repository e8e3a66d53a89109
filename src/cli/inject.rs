//! `podwright inject`: what the mutators do, in manifests instead of the cluster.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::Value;

use super::documents::{Document, Format, InputArgs, Stream};
use super::emit::{self, Changed};
use super::exit::Exit;
use super::offline::{self, OfflineArgs};
use super::style::Palette;
use crate::engine::{Case, Decision, Offline};
use crate::pod::{self, Object, Operation};
use crate::validators::Violation;

/// The flags of `inject`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Make the edits in manifests that the webhook would make in the cluster",
    long_about = "\
Make the edits in manifests that the webhook would make in the cluster.

Reads Pods, Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs, ReplicationControllers, PodTemplates \
and lists of them; everything else passes through. A document that needs no change leaves as it came, byte for byte. \
A changed one is written anew: its meaning and the order of its fields stay, the comments within it do not.

What a Pod asks for and cannot be given is an error. Then nothing is written to stdout, so that a pipe into \
`kubectl apply` changes nothing. What the rules would refuse is a warning here: it is `podwright explain` that fails.",
    after_long_help = "\
Examples:
  podwright inject -f deployment.yaml | kubectl apply -f -
  helm template shop | podwright inject -f - --kubernetes-version 1.33
  podwright inject -f manifests/ -R --policies policies/ --diff

Namespaces among the manifests tell their labels to the policies' namespaceSelector."
)]
pub(super) struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// How to write [default: each file as it came]
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,

    /// Show what would change instead, as a unified diff of the YAML
    #[arg(long, conflicts_with = "output")]
    diff: bool,

    #[command(flatten)]
    offline: OfflineArgs,
}

impl Args {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<Exit> {
        let streams = self.input.read()?;
        let offline = self.offline.load(&streams)?;
        let mut injection = Injection { offline: &offline, told: Vec::new(), refused: 0, faults: 0 };
        let changed: Vec<_> =
            streams.iter().map(|stream| injection.stream(stream)).collect::<anyhow::Result<_>>()?;
        let exit = injection.conclude()?;
        if exit == Exit::Fine {
            if self.diff {
                emit::diff(&changed, out)?;
            } else {
                emit::manifests(&changed, self.output, out)?;
            }
        }
        Ok(exit)
    }
}

/// The edits under way, with what is to be told about them.
#[derive(Debug)]
struct Injection<'a> {
    offline: &'a Offline,
    told: Vec<Told>,
    refused: usize,
    faults: usize,
}

#[derive(Debug)]
enum Told {
    Error(String),
    Warning(String),
}

impl Injection<'_> {
    fn stream<'s>(&mut self, stream: &'s Stream) -> anyhow::Result<Changed<'s>> {
        let documents = stream.documents.iter().map(|document| self.document(stream, document));
        Ok(Changed { stream, documents: documents.collect::<anyhow::Result<_>>()? })
    }

    fn document(&mut self, stream: &Stream, document: &Document) -> anyhow::Result<Option<Value>> {
        let mut changed = None;
        for object in Object::all(&document.value) {
            let Some(case) = self.offline.case(&object) else { continue };
            let decision = self.offline.decide(&case);
            self.tell(stream, document, &case, &decision);
            if decision.rejections.is_empty() && !decision.operations.is_empty() {
                let after = changed.get_or_insert_with(|| document.value.clone());
                apply(after, &format!("{}{}", object.pointer, case.template), &decision.operations)?;
            }
        }
        Ok(changed)
    }

    fn tell(&mut self, stream: &Stream, document: &Document, case: &Case<'_>, decision: &Decision) {
        let warned = |violation: &&Violation| violation.warns();
        let line = stream.line_of_object(document, &case.object.pointer);
        let place = format!("{}:{line}: {}", stream.name, case.title());
        let mut error = |text: &dyn Display| self.told.push(Told::Error(format!("{place}: {text}")));
        decision.rejections.iter().for_each(|rejection| error(rejection));
        decision
            .fault
            .iter()
            .for_each(|fault| error(&format!("this is a bug of Podwright, please report it: {fault}")));
        let mut warning = |text: String| self.told.push(Told::Warning(format!("{place}: {text}")));
        for violation in decision.violations.iter().filter(|violation| violation.denies()) {
            warning(format!("would be refused: {}", case.on_object(violation)));
        }
        decision
            .violations
            .iter()
            .filter(warned)
            .for_each(|violation| warning(case.on_object(violation).to_string()));
        offline::plain_warnings(decision).for_each(|text| warning(text.clone()));
        self.refused += usize::from(!decision.rejections.is_empty());
        self.faults += usize::from(decision.fault.is_some());
    }

    /// Tells what is to be told, and whether the result may be used.
    fn conclude(self) -> io::Result<Exit> {
        let palette = Palette::stderr();
        let mut err = io::stderr().lock();
        for told in &self.told {
            match told {
                Told::Error(text) => writeln!(err, "{} {text}", palette.error("error:"))?,
                Told::Warning(text) => writeln!(err, "{} {text}", palette.warning("warning:"))?,
            }
        }
        let exit = match (self.faults, self.refused) {
            (0, 0) => return Ok(Exit::Fine),
            (0, _) => Exit::Findings,
            _ => Exit::Internal,
        };
        writeln!(
            err,
            "{} nothing was written to stdout; mend what is named above first",
            palette.error("error:")
        )?;
        Ok(exit)
    }
}

/// Applies the operations to the Pod that stands at a place of a document.
fn apply(document: &mut Value, pointer: &str, operations: &[Operation]) -> anyhow::Result<()> {
    if let Some(pod) = document.pointer_mut(pointer) {
        let mut edited = pod::Document::of(pod);
        operations.iter().try_for_each(|operation| operation.apply(&mut edited))?;
        *pod = edited.root().to_value();
    }
    Ok(())
}

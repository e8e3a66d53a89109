//! `podwright scan`: a report over many Pods.

mod live;
mod output;
mod pieces;
mod table;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueEnum;

use self::live::{Live, LiveArgs};
use self::output::Output;
use self::pieces::Input;
use super::documents::{InputArgs, MOST_BYTES, Stream};
use super::exit::{BadInput, Exit};
use super::offline::{Known, OfflineArgs, TELLING};
use super::style::Palette;
use super::values;
use crate::audit::policy_report::{self, Dialect};
use crate::audit::report::Place;
use crate::audit::scan::Fold;
use crate::audit::{Baseline, GroupBy, Report, Settings, csv, html, json, junit, sarif};
use crate::engine::Offline;
use crate::input;
use crate::pod::Object;
use crate::policy::Action;

/// The flags of `scan`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Report on the Pods of manifests or of a cluster: what breaks the rules, what Podwright does, what is exempt",
    long_about = "\
Report on the Pods of manifests or of a cluster: what breaks the rules, what Podwright does, what is exempt.

Decides on every Pod and Pod template as the webhook would, and reports by team, workload and rule: findings, \
mutations, and exemptions that are in force, about to end, past, or without use. Files and clusters are read a piece \
at a time, so that it takes little memory however many Pods they hold. Of a cluster nothing is changed; it takes the \
right to list what is reported on.",
    after_long_help = "\
Examples:
  podwright scan -f manifests/ -R
  podwright scan --live --format html -o report.html
  podwright scan -f manifests/ -R --format json -o today.json --baseline yesterday.json
  podwright scan -f manifests/ -R --format sarif -o podwright.sarif --fail-on warn

It ends with 1 where something was found about which --fail-on's action, or a stricter one, is taken. What an exemption \
excuses does not count; an exemption past its day excuses nothing."
)]
pub(super) struct Args {
    #[command(flatten)]
    input: Option<InputArgs>,

    #[command(flatten)]
    live: LiveArgs,

    /// What to write
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    format: Format,

    /// Where to write it [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The mildest action that makes it end with 1
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = FailOn::Deny)]
    fail_on: FailOn,

    /// An earlier report, as --format json writes it, to tell what is new, fixed and unchanged
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// What makes a team: namespace, or label=KEY for a label of the Pod, its workload or its namespace
    #[arg(long, value_name = "WHAT", default_value_t)]
    group_by: GroupBy,

    /// How long before its last day an exemption is about to expire
    #[arg(long, value_name = "DAYS", default_value = "30d", value_parser = values::days)]
    expiring_within: i32,

    #[command(flatten)]
    offline: OfflineArgs,
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, on a terminal
    Table,
    /// The whole report, for programs and for --baseline
    Json,
    /// A row for each finding, mutation and exemption, for spreadsheets
    Csv,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for CI; what --fail-on names are failures
    Junit,
    /// One HTML file, for people
    Html,
    /// PolicyReport objects (wgpolicyk8s.io/v1alpha2), one for each namespace
    #[value(name = "policyreport")]
    PolicyReport,
    /// Report objects (openreports.io/v1alpha1), one for each namespace
    #[value(name = "openreports")]
    OpenReports,
}

/// The mildest action that fails a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// What the cluster would refuse
    Deny,
    /// And what it would warn of
    Warn,
    /// And what it would only record
    Audit,
    /// Nothing
    Never,
}

impl FailOn {
    fn action(self) -> Option<Action> {
        match self {
            Self::Deny => Some(Action::Deny),
            Self::Warn => Some(Action::Warn),
            Self::Audit => Some(Action::Audit),
            Self::Never => None,
        }
    }
}

impl Args {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<Exit> {
        self.check_output()?;
        // What may be wrong with them should be known before the long work.
        let baseline = self.baseline()?;
        let (inputs, live) = (self.inputs()?, self.live.connect()?);
        let known =
            live.as_ref().map_or_else(|| Ok(self.learn(&inputs)), |live| live.learn(&self.offline))?;
        let offline = self.offline.load_with(known)?;
        let (report, faults) = self.scan(&inputs, live.as_ref(), &offline, baseline.as_ref())?;
        if report.summary.objects == 0 {
            writeln!(io::stderr(), "nothing to report: there is no Pod and no Pod template here")?;
        }
        match &self.output {
            None => self.write(&report, Output::terminal(), out)?,
            Some(path) => {
                let mut bytes = Vec::new();
                self.write(&report, Output::file(), &mut bytes)?;
                fs::write(path, bytes)
                    .map_err(|error| BadInput::from(format!("{}: {error}", path.display())))?;
            }
        }
        tell(&faults)?;
        Ok(match self.fail_on.action() {
            _ if !faults.is_empty() => Exit::Internal,
            Some(action) if report.has_at_least(action) => Exit::Findings,
            _ => Exit::Fine,
        })
    }

    /// What the manifests tell of the cluster, which may stand behind the Pods that it is for.
    fn learn(&self, inputs: &[Input]) -> Known {
        let mut known = Known::default();
        for input in inputs {
            // What is wrong with it is told when it is scanned.
            let _ = input.visit(TELLING, &mut |stream| {
                stream.documents.iter().for_each(|document| self.offline.learn(&document.value, &mut known));
            });
        }
        known
    }

    fn scan(
        &self,
        inputs: &[Input],
        live: Option<&Live>,
        offline: &Offline,
        baseline: Option<&Baseline>,
    ) -> Result<(Report, Vec<String>), BadInput> {
        let settings = Settings {
            now: offline.now,
            group_by: self.group_by.clone(),
            expiring_within_days: self.expiring_within,
            bounds: None,
        };
        let mut fold = Fold::new(offline, settings);
        let mut errors = Vec::new();
        for input in inputs {
            if let Err(BadInput(reasons)) = input.visit(&[], &mut |stream| add(&mut fold, stream)) {
                errors.extend(reasons);
            }
        }
        if let Some(Err(BadInput(reasons))) = live.map(|live| live.fold(&mut fold)) {
            errors.extend(reasons);
        }
        // Half a report would pass for a whole one.
        if !errors.is_empty() {
            return Err(BadInput(errors));
        }
        let faults = std::mem::take(&mut fold.faults);
        Ok((fold.report(baseline), faults))
    }

    fn write(&self, report: &Report, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
        match self.format {
            Format::Table => table::write(report, output, out)?,
            Format::Json => json::write(report, out)?,
            Format::Csv => csv::write(report, out)?,
            Format::Sarif => sarif::write(report, out)?,
            Format::Junit => junit::write(report, self.fail_on.action(), out)?,
            Format::Html => html::write(report, out)?,
            Format::PolicyReport => policy_report::write(report, Dialect::PolicyReport, out)?,
            Format::OpenReports => policy_report::write(report, Dialect::OpenReports, out)?,
        }
        Ok(())
    }

    fn inputs(&self) -> Result<Vec<Input>, BadInput> {
        let mut errors = Vec::new();
        let sources: Vec<_> = self.input.iter().flat_map(|input| input.sources(&mut errors)).collect();
        if errors.is_empty() { sources.into_iter().map(Input::new).collect() } else { Err(BadInput(errors)) }
    }

    fn baseline(&self) -> Result<Option<Baseline>, BadInput> {
        let Some(path) = &self.baseline else { return Ok(None) };
        let located = |error: &dyn std::fmt::Display| BadInput::from(format!("{}: {error}", path.display()));
        let bytes = input::read(path, MOST_BYTES).map_err(|error| located(&error))?;
        Baseline::read(&bytes).map(Some).map_err(|error| located(&error))
    }

    /// `inject -o` takes a format, and habit would make a file of that name here.
    fn check_output(&self) -> Result<(), BadInput> {
        let word = self.output.as_ref().and_then(|path| path.to_str()).unwrap_or_default();
        if <Format as ValueEnum>::from_str(word, true).is_ok() {
            let reason = format!(
                "-o {word}: expected a file; did you mean --format {word}? A file of that name is ./{word}"
            );
            return Err(reason.into());
        }
        Ok(())
    }
}

/// Adds every object of a stream.
fn add(fold: &mut Fold<'_>, stream: &Stream) {
    for document in &stream.documents {
        let lines = stream.lines(document);
        for object in Object::all(&document.value) {
            fold.object(&object, || {
                Some(Place { file: stream.name.clone(), line: lines.of(&object.pointer) })
            });
        }
    }
}

fn tell(faults: &[String]) -> io::Result<()> {
    let palette = Palette::stderr();
    let mut err = io::stderr().lock();
    for fault in faults {
        let error = palette.error("error:");
        writeln!(err, "{error} this is a bug of Podwright, please report it: {fault}")?;
    }
    Ok(())
}

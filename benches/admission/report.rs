//! The tables, and the run before to compare with.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::LOADS;
use crate::client::Sample;
use crate::mock::Sizes;
use crate::reviews::Scenario;

/// What one round showed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Figures {
    per_second: f64,
    p50_micros: f64,
    p99_micros: f64,
    cpu_micros: f64,
}

impl Figures {
    pub(crate) fn of(sample: Sample, cpu: Duration) -> Self {
        let count = sample.latencies.len() as f64;
        Self {
            per_second: count / sample.took.as_secs_f64(),
            cpu_micros: micros(cpu) / count,
            ..Self::of_latencies(sample.latencies)
        }
    }

    pub(crate) fn of_latencies(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        let last = (latencies.len() - 1) as f64;
        let quantile = |share: f64| micros(latencies[(last * share).round() as usize]);
        Self { p50_micros: quantile(0.5), p99_micros: quantile(0.99), ..Self::default() }
    }

    /// Of each figure its median.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let median = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
            figures.sort_unstable_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Self {
            per_second: median(|round| round.per_second),
            p50_micros: median(|round| round.p50_micros),
            p99_micros: median(|round| round.p99_micros),
            cpu_micros: median(|round| round.cpu_micros),
        }
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

const CPU: &str = "server's CPU per review, µs";
const P99: &str = "p99, µs";
const MEMORY: &str = "resident memory, MiB";

/// What is kept of a run: ratios to null, which say more than the figures do from one run to the next, and figures
/// where there is no null.
type Kept = BTreeMap<String, f64>;

/// The tables as they grow.
pub(crate) struct Report {
    file: PathBuf,
    last: Kept,
    kept: Kept,
    part: String,
    /// Scenarios with a target, in their order.
    targets: Vec<(&'static str, f64)>,
}

impl Report {
    /// Begins the tables; `file` holds what was kept of the last run, if there was one.
    pub(crate) fn new(file: PathBuf) -> Self {
        let last = fs::read_to_string(&file).ok().and_then(|text| serde_json::from_str(&text).ok());
        let (kept, part) = (Kept::new(), String::new());
        Self { file, last: last.unwrap_or_default(), kept, part, targets: Vec::new() }
    }

    /// Begins the table of one scenario.
    pub(crate) fn scenario(&mut self, scenario: &Scenario, answer_bytes: usize) {
        let Scenario { name, meaning, review, target, .. } = scenario;
        self.targets.extend(target.map(|target| (*name, target)));
        let kb = |bytes| bytes as f64 / 1000.0;
        println!("{name}: {meaning}; {:.1} kB in, {:.1} kB out", kb(review.len()), kb(answer_bytes));
        self.beside_null(name);
    }

    /// The row of the decision alone, to which null has no counterpart.
    pub(crate) fn decision(&mut self, time: Duration) {
        let (load, figure, time) = ("without a server", "decision, µs", micros(time));
        let change = self.change(load, figure, time);
        println!("  {load:<24}{figure:<28}{time:>11.1}{:>20}{change:>17}", "");
    }

    /// One load's rows.
    pub(crate) fn load(&mut self, load: &str, ours: &Figures, null: &Figures) {
        self.row(load, "reviews per second", ours.per_second, null.per_second, 0);
        self.row(load, "p50, µs", ours.p50_micros, null.p50_micros, 0);
        self.row(load, P99, ours.p99_micros, null.p99_micros, 0);
        self.row(load, CPU, ours.cpu_micros, null.cpu_micros, 1);
    }

    pub(crate) fn memory(&mut self, when: &str, ours_mib: f64, null_mib: f64) {
        self.row(when, MEMORY, ours_mib, null_mib, 1);
    }

    /// Begins the table of what is counted.
    pub(crate) fn counts(&mut self) {
        println!("instructions: what one review takes outside the kernel, on one connection");
        self.beside_null("instructions");
    }

    pub(crate) fn count(&mut self, scenario: &str, figure: &str, ours: f64, null: f64) {
        self.row(scenario, figure, ours, null, 1);
    }

    /// Begins the table of starts.
    pub(crate) fn start(&mut self, ours: Duration, null: Duration) {
        println!("start: from nothing to the first good answer; no cluster, the policies that ship");
        self.beside_null("start");
        self.row("target: 100 ms", "first answer, ms", micros(ours) / 1000.0, micros(null) / 1000.0, 1);
    }

    pub(crate) fn large(&mut self, sizes: Sizes, known: f64, served: f64, peak: f64) {
        let Sizes { stateful_sets, namespaces, volumes } = sizes;
        println!(
            "memory: {stateful_sets} StatefulSets, {namespaces} Namespaces, {volumes} PersistentVolumes in the view, \
             listed by a mock API server"
        );
        self.part = "memory".to_owned();
        let rows =
            [("once all is known", known), ("64 connections served", served), ("at its highest", peak)];
        for (when, mib) in rows {
            let change = self.change(when, MEMORY, mib);
            println!("  {when:<24}{MEMORY:<28}{mib:>11.1}{:>20}{change:>17}", "");
        }
        println!("  target                  {MEMORY:<28}{:>11.1}\n", 64.0);
    }

    /// Begins the table of creations.
    pub(crate) fn api_server(&mut self, (major, minor): (u32, u32)) {
        println!(
            "Through the API server of Kubernetes {major}.{minor}: dry-run creations of a Pod, not pinned, ms"
        );
        println!(
            "{:<26}{:>12}{:>14}{:>12}{:>17}{:>14}{:>16}",
            "", "no webhook", "does nothing", "Podwright", "since last run", "lists whole", "entry by entry"
        );
        self.part = "api-server".to_owned();
    }

    /// Its rows for so many clients. The last two answer, without working it out, what Podwright does.
    pub(crate) fn creations(&mut self, clients: &str, webhooks: [Figures; 5]) {
        type Figure = fn(&Figures) -> f64;
        for (figure, of) in [("p50", (|one| one.p50_micros) as Figure), ("p99", |one| one.p99_micros)] {
            let [none, nothing, podwright, whole, apart] =
                webhooks.each_ref().map(|figures| of(figures) / 1000.0);
            let change = self.change(clients, figure, podwright);
            println!(
                "  {clients:<16}{figure:<8}{none:>12.2}{nothing:>14.2}{podwright:>12.2}{change:>17}{whole:>14.2}{apart:>16.2}"
            );
        }
    }

    /// What was to be reached, and what was.
    pub(crate) fn summary(&self) {
        if self.targets.is_empty() {
            return;
        }
        println!("{:<28}{:>14}{:>14}{:>14}{:>14}", "ratios to null", "target", "at 1", "at 16", "at 64");
        for (scenario, target) in &self.targets {
            for (figure, target) in [(CPU, Some(*target)), (P99, (*target < 2.0).then_some(1.5))] {
                let ratios = LOADS.map(|(load, _)| self.kept[&format!("{scenario} / {load} / {figure}")]);
                let name = format!("{scenario}, {}", if figure == CPU { "CPU" } else { "p99" });
                let target = target.map_or_else(String::new, |target| format!("{target:.2}"));
                let [one, sixteen, sixty_four] = ratios;
                println!("{name:<28}{target:>14}{one:>14.2}{sixteen:>14.2}{sixty_four:>14.2}");
            }
        }
        println!();
    }

    /// Keeps this run for the next run to compare with.
    pub(crate) fn keep(mut self) {
        // Parts that were left out this time stay.
        for (key, value) in self.last {
            self.kept.entry(key).or_insert(value);
        }
        fs::create_dir_all(self.file.parent().unwrap()).unwrap();
        fs::write(&self.file, serde_json::to_string_pretty(&self.kept).unwrap()).unwrap();
        println!("Kept in {} for the next run to compare with.", self.file.display());
    }

    fn beside_null(&mut self, part: &str) {
        self.part = part.to_owned();
        println!("{:<54}{:>11}{:>11}{:>9}{:>17}", "", "podwright", "null", "ratio", "since last run");
    }

    fn row(&mut self, load: &str, figure: &str, ours: f64, null: f64, decimals: usize) {
        let ratio = ours / null;
        let change = self.change(load, figure, ratio);
        println!("  {load:<24}{figure:<28}{ours:>11.decimals$}{null:>11.decimals$}{ratio:>9.2}{change:>17}");
    }

    /// Keeps a value; tells how it differs from the last run's.
    fn change(&mut self, load: &str, figure: &str, value: f64) -> String {
        let key = format!("{} / {load} / {figure}", self.part);
        let last = self.last.get(&key).copied();
        self.kept.insert(key, value);
        last.map_or_else(String::new, |last| format!("{:+.0} %", (value / last - 1.0) * 100.0))
    }
}

//! The table, and the run before to compare with.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::client::Sample;

/// What one round showed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Figures {
    per_second: f64,
    p50_micros: f64,
    p99_micros: f64,
    cpu_micros: f64,
}

impl Figures {
    pub(crate) fn of(mut sample: Sample, cpu: Duration) -> Self {
        sample.latencies.sort_unstable();
        let count = sample.latencies.len();
        let quantile = |share: f64| micros(sample.latencies[((count - 1) as f64 * share).round() as usize]);
        Self {
            per_second: count as f64 / sample.took.as_secs_f64(),
            p50_micros: quantile(0.5),
            p99_micros: quantile(0.99),
            cpu_micros: micros(cpu) / count as f64,
        }
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

/// Ratios to null by what they are of: from one run to the next they say more than the figures do.
type Ratios = BTreeMap<String, f64>;

/// The table as it grows.
pub(crate) struct Report {
    file: PathBuf,
    last: Ratios,
    ratios: Ratios,
    case: String,
}

impl Report {
    /// Begins the table; `file` holds the ratios of the last run, if there was one.
    pub(crate) fn new(file: PathBuf) -> Self {
        let last = fs::read_to_string(&file).ok().and_then(|text| serde_json::from_str(&text).ok());
        Self { file, last: last.unwrap_or_default(), ratios: Ratios::new(), case: String::new() }
    }

    /// Begins the part of one case.
    pub(crate) fn case(&mut self, name: &str, review_bytes: usize, answer_bytes: usize) {
        self.case = name.to_owned();
        let kb = |bytes| bytes as f64 / 1000.0;
        println!("{name}: {:.1} kB in, {:.1} kB out", kb(review_bytes), kb(answer_bytes));
        println!("{:<54}{:>11}{:>11}{:>9}{:>17}", "", "podwright", "null", "ratio", "since last run");
    }

    /// One load's rows.
    pub(crate) fn load(&mut self, load: &str, ours: &Figures, null: &Figures) {
        self.row(load, "reviews per second", ours.per_second, null.per_second, 0);
        self.row(load, "p50, µs", ours.p50_micros, null.p50_micros, 0);
        self.row(load, "p99, µs", ours.p99_micros, null.p99_micros, 0);
        self.row(load, "server's CPU per review, µs", ours.cpu_micros, null.cpu_micros, 1);
    }

    /// The last row of a case.
    pub(crate) fn memory(&mut self, ours_mib: f64, null_mib: f64) {
        self.row("afterwards", "resident memory, MiB", ours_mib, null_mib, 1);
        println!();
    }

    fn row(&mut self, load: &str, figure: &str, ours: f64, null: f64, decimals: usize) {
        let ratio = ours / null;
        let key = format!("{} / {load} / {figure}", self.case);
        let change = self
            .last
            .get(&key)
            .map_or_else(String::new, |last| format!("{:+.0} %", (ratio / last - 1.0) * 100.0));
        println!("  {load:<24}{figure:<28}{ours:>11.decimals$}{null:>11.decimals$}{ratio:>9.2}{change:>17}");
        self.ratios.insert(key, ratio);
    }

    /// Keeps the ratios for the next run to compare with.
    pub(crate) fn keep(&self) {
        fs::create_dir_all(self.file.parent().unwrap()).unwrap();
        fs::write(&self.file, serde_json::to_string_pretty(&self.ratios).unwrap()).unwrap();
        println!("Kept in {} for the next run to compare with.", self.file.display());
    }
}

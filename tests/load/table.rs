//! The rows, one for each fault, and what holds of all of them.

use std::sync::Mutex;
use std::time::Duration;

use comfy_table::{Table, presets};

use crate::steady::Tally;

/// The process alone takes 40 MB in a development build, a connection some 100 KiB.
const MOST_MEMORY_BYTES: usize = 320 * 1024 * 1024;
/// Half of what API servers wait for an answer. What testing machines do beside this must not fail it.
const LONGEST_P99: Duration = Duration::from_secs(5);

static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

/// What is told of one fault.
pub(crate) struct Row {
    pub(crate) fault: String,
    /// What became of those who made the fault.
    pub(crate) crowd: String,
    pub(crate) before: Tally,
    pub(crate) under: Tally,
    pub(crate) memory_bytes: usize,
}

impl Row {
    /// Adds it to the table, and then sees whether it may stand there.
    pub(crate) fn told(self) {
        let fault = self.fault.clone();
        let (asked, answered, lost) = (self.under.asked, self.under.answered(), self.under.lost.clone());
        let (p99, memory) = (self.under.percentile(99), self.memory_bytes);
        ROWS.lock().unwrap().push(self);
        assert!(lost.is_empty(), "{fault}: {} lost, among them {:?}", lost.len(), &lost[..lost.len().min(5)]);
        assert_eq!(asked, answered, "{fault}");
        assert!(asked >= 50, "{fault}: only {asked} reviews were asked");
        assert!(p99 < LONGEST_P99, "{fault}: p99 {p99:?}");
        assert!(memory < MOST_MEMORY_BYTES, "{fault}: {memory} bytes");
    }
}

/// Prints all rows, as Markdown has tables.
pub(crate) fn print() {
    let rows = ROWS.lock().unwrap();
    if rows.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "fault",
        "what became of it",
        "reviews asked",
        "answered",
        "lost",
        "p50",
        "p99",
        "p99 before",
        "MiB",
    ]);
    for row in &*rows {
        table.add_row([
            row.fault.clone(),
            row.crowd.clone(),
            row.under.asked.to_string(),
            row.under.answered().to_string(),
            row.under.lost.len().to_string(),
            millis(row.under.percentile(50)),
            millis(row.under.percentile(99)),
            millis(row.before.percentile(99)),
            (row.memory_bytes / 1024 / 1024).to_string(),
        ]);
    }
    println!("{table}");
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

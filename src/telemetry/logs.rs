//! Logs: one JSON object per line on stderr, or text for people.
//!
//! A log line holds names, numbers and reasons; never an environment variable's value and never a whole object.

use std::io::{self, IsTerminal as _, Write};
use std::mem;
use std::panic;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use super::gathered;

/// How many lines wait for a stderr that nobody reads; the next ones are lost.
const WAITING_LINES: usize = 1024;
/// How long the end of the process waits for stderr.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The shape of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Json,
    /// Text for people; coloured on a terminal.
    Text,
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The level is none.
    #[error(
        "reading the log level {level:?}: {source}; expected error, warn, info, debug, trace, or a list such as \
         info,podwright=debug"
    )]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Something else already logs.
    #[error("starting the logs: {0}")]
    Started(#[from] TryInitError),
    /// There is no thread for it.
    #[error("starting the logs: {0}")]
    Thread(#[from] io::Error),
}

/// Running logs. When this is dropped, what has been logged is written, if stderr takes it within a second.
#[derive(Debug)]
#[must_use]
pub struct Logs {
    sender: SyncSender<Job>,
    lost: Counter,
}

impl Logs {
    /// Counts the lines that were lost because stderr did not take them.
    #[must_use]
    pub fn lost(&self) -> Counter {
        self.lost.clone()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        if self.sender.try_send(Job::Tell(done)).is_ok() {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }
}

/// Starts logging to stderr, for the whole process. A panic becomes a log line too.
///
/// Lines are written by a thread of their own: a stderr that nobody reads must not keep an answer waiting.
///
/// # Errors
/// When `level` is no level, something logs already, or there can be no thread.
pub fn init(format: Format, level: &str) -> Result<Logs, Error> {
    let filter =
        EnvFilter::try_new(level).map_err(|source| Error::Level { level: level.to_owned(), source })?;
    let (sender, jobs) = sync_channel(WAITING_LINES);
    thread::Builder::new().name("logs".to_owned()).spawn(move || write_all(&jobs))?;
    let lost = Counter::default();
    let lines = Lines { sender: sender.clone(), lost: lost.clone() };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).finish().try_init()?,
        Format::Text => builder.with_ansi(io::stderr().is_terminal()).finish().try_init()?,
    }
    log_panics();
    Ok(Logs { sender, lost })
}

/// Where, not what: a panic's message may quote the object that it failed on.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked; this is a bug of Podwright's");
    }));
}

enum Job {
    Write(Vec<u8>),
    /// Everything before this has been written.
    Tell(SyncSender<()>),
}

fn write_all(jobs: &Receiver<Job>) {
    let mut lines = Vec::new();
    while let Some(jobs) = gathered(jobs) {
        for job in jobs {
            match job {
                Job::Write(line) => lines.extend_from_slice(&line),
                Job::Tell(done) => {
                    write_out(&mut lines);
                    let _ = done.try_send(());
                }
            }
        }
        write_out(&mut lines);
    }
}

fn write_out(lines: &mut Vec<u8>) {
    // There is nowhere to report that reports cannot be written.
    let _ = io::stderr().write_all(lines);
    lines.clear();
}

/// Makes the writer of one line.
struct Lines {
    sender: SyncSender<Job>,
    lost: Counter,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, bytes: Vec::new() }
    }
}

/// One line, sent off as a whole when it is dropped.
struct Line<'a> {
    lines: &'a Lines,
    bytes: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if self.lines.sender.try_send(Job::Write(mem::take(&mut self.bytes))).is_err() {
            self.lines.lost.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_named() {
        let error = init(Format::Json, "podwright=loud").unwrap_err().to_string();
        assert!(error.contains("podwright=loud") && error.contains("expected error, warn"), "{error}");
    }

    #[test]
    fn lines_that_nobody_takes_are_lost_and_counted() {
        let (sender, jobs) = sync_channel(2);
        let lines = Lines { sender, lost: Counter::default() };
        for number in 0..5 {
            writeln!(lines.make_writer(), "line {number}").unwrap();
        }
        assert_eq!(lines.lost.get(), 3);
        let kept = jobs.try_iter().map(|job| match job {
            Job::Write(line) => String::from_utf8(line).unwrap(),
            Job::Tell(_) => String::new(),
        });
        assert_eq!(kept.collect::<Vec<_>>(), ["line 0\n", "line 1\n"]);
    }
}

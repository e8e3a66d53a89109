//! The queue of records, and the thread that writes them.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::file::{File, Rotation};
use super::metrics::{Loss, Metrics};
use super::record::Record;
use crate::telemetry::gathered;

/// How many bytes of records may wait to be written; the next ones are lost.
const MOST_WAITING: usize = 8 * 1024 * 1024;
/// How long the end of the process waits for them.
const LAST_RECORDS: Duration = Duration::from_secs(2);
/// How often it is told that writing fails.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// Where records are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file, and older ones beside it.
    File(Rotation),
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => out.write_str("standard output"),
            Self::File(rotation) => write!(out, "{}", rotation.path.display()),
        }
    }
}

/// The writing of records. When this is dropped, those that wait are written, if that takes no longer than two seconds.
#[derive(Debug)]
#[must_use]
pub struct Sink {
    recorder: Recorder,
}

/// Takes records to be written. It never waits: a record that there is no room for is lost, and counted.
#[derive(Debug, Clone)]
pub struct Recorder {
    sender: Sender<Job>,
    /// The bytes that wait.
    waiting: Arc<AtomicUsize>,
    most_waiting: usize,
    metrics: Metrics,
}

impl Sink {
    /// Starts to write, on a thread of its own. A target that cannot be written to is tried again with every record:
    /// reviews are more than their records.
    ///
    /// # Errors
    /// When there can be no thread, or there is no standard output to write to.
    pub fn start(target: Target, metrics: Metrics) -> io::Result<Self> {
        Self::holding(MOST_WAITING, target, metrics)
    }

    /// What takes records for it.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    fn holding(most_waiting: usize, target: Target, metrics: Metrics) -> io::Result<Self> {
        let trouble = Trouble::new(target.to_string());
        let output = Output::new(target)?;
        let (sender, jobs) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let recorder =
            Recorder { sender, waiting: Arc::clone(&waiting), most_waiting, metrics: metrics.clone() };
        let mut writer = Writer { output, metrics, waiting, trouble };
        thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&jobs))?;
        Ok(Self { recorder })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        let told = self.recorder.sender.send(Job::Tell(done));
        if told.is_err() || written.recv_timeout(LAST_RECORDS).is_err() {
            let bytes = self.recorder.waiting.load(Ordering::Relaxed);
            tracing::warn!(bytes, "audit records were not written before the end");
        }
    }
}

impl Recorder {
    /// Has a record written.
    pub fn record(&self, record: &Record<'_>) {
        match record.to_line() {
            Ok(line) => self.line(line.into_boxed_slice()),
            Err(_) => self.metrics.lost(Loss::WriteFailed),
        }
    }

    fn line(&self, line: Box<[u8]>) {
        let size = line.len();
        // The queue itself has no bound, so that a full one still takes the question whether it is empty.
        if self.waiting.fetch_add(size, Ordering::Relaxed).saturating_add(size) > self.most_waiting {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
            self.metrics.lost(Loss::QueueFull);
        } else if self.sender.send(Job::Write(line)).is_err() {
            self.metrics.lost(Loss::WriteFailed);
        }
    }
}

#[derive(Debug)]
enum Job {
    Write(Box<[u8]>),
    /// Everything before this has been written.
    Tell(SyncSender<()>),
}

struct Writer {
    output: Output,
    metrics: Metrics,
    waiting: Arc<AtomicUsize>,
    trouble: Trouble,
}

impl Writer {
    fn run(&mut self, jobs: &Receiver<Job>) {
        // What is wrong from the beginning is told before there is a record to lose.
        self.make_room(0);
        while let Some(jobs) = gathered(jobs) {
            for job in jobs {
                match job {
                    Job::Write(line) => {
                        self.write(&line);
                        self.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                    }
                    Job::Tell(done) => drop(done.try_send(())),
                }
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        self.make_room(line.len());
        match self.output.write(line) {
            Ok(()) => {
                self.metrics.written.inc();
                self.trouble.ends();
            }
            Err(error) => {
                self.metrics.lost(Loss::WriteFailed);
                self.trouble.is_lost(&error);
            }
        }
    }

    fn make_room(&mut self, line: usize) {
        if let Output::File(file) = &mut self.output
            && let Err(error) = file.make_room(line)
        {
            self.trouble.is_kept(&error);
        }
    }
}

enum Output {
    Stdout { stdout: fs::File, is_torn: bool },
    File(File),
}

impl Output {
    fn new(target: Target) -> io::Result<Self> {
        Ok(match target {
            // The library's own would keep a part of a line that could not be written.
            Target::Stdout => {
                let stdout = fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
                Self::Stdout { stdout, is_torn: false }
            }
            Target::File(rotation) => Self::File(File::new(rotation)),
        })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout { stdout, is_torn } => {
                if *is_torn {
                    stdout.write_all(b"\n")?;
                }
                *is_torn = true;
                stdout.write_all(line)?;
                *is_torn = false;
                Ok(())
            }
            Self::File(file) => file.write(line),
        }
    }
}

/// Tells of what goes wrong, now and then.
#[derive(Debug)]
struct Trouble {
    place: String,
    told: Option<Instant>,
    /// Whether it was told that records are lost, and not yet that they no longer are.
    is_open: bool,
    lost: u64,
}

impl Trouble {
    fn new(place: String) -> Self {
        Self { place, told: None, is_open: false, lost: 0 }
    }

    fn is_lost(&mut self, error: &io::Error) {
        self.lost += 1;
        if self.is_due() {
            let Self { place, lost, .. } = self;
            tracing::warn!(%error, place, lost, "audit records cannot be written and are lost");
            self.is_open = true;
        }
    }

    fn is_kept(&mut self, error: &io::Error) {
        if self.is_due() {
            tracing::warn!(%error, place = self.place, "the audit log cannot be opened, or not be rotated");
            self.is_open = true;
        }
    }

    fn ends(&mut self) {
        if self.is_open && self.lost > 0 {
            tracing::info!(place = self.place, lost = self.lost, "audit records are written again");
            (self.is_open, self.lost) = (false, 0);
        }
    }

    fn is_due(&mut self) -> bool {
        let is_due = self.told.is_none_or(|told| told.elapsed() >= BETWEEN_WARNINGS);
        if is_due {
            self.told = Some(Instant::now());
        }
        is_due
    }
}

//! Sinks over real files and pipes, as the server uses them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use podwright::audit::{Metrics, Record, Rotation, Sink, Target};
use podwright::engine::{Decision, Endpoint, Question, Refusal};
use podwright::review::Review;
use podwright::telemetry::metrics::Outcome;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything here takes; a test that meets it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A sink and what it counts.
struct Running {
    sink: Sink,
    registry: Registry,
}

impl Running {
    fn start(path: &Path, max_size: u64) -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let max_files = NonZeroUsize::new(3).unwrap();
        let target = Target::File(Rotation { path: path.to_owned(), max_size, max_files });
        Self { sink: Sink::start(target, metrics).unwrap(), registry }
    }

    /// Records refusals, the uid of each its number and its message this long.
    fn record(&self, numbers: impl IntoIterator<Item = u32>, message: usize) {
        for number in numbers {
            let request = json!({"uid": number.to_string(), "operation": "CREATE"});
            let body =
                json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
            let body = body.to_string();
            let request = Review::parse(body.as_bytes()).unwrap().request;
            let question = Question {
                endpoint: Endpoint::Mutate,
                request: &request,
                now: Default::default(),
                asked: None,
            };
            let refusal = Some(Refusal { code: 403, message: "x".repeat(message) });
            let decision = Decision { refusal, ..Decision::default() };
            let record = Record::of(&question, &decision, Outcome::Denied, Duration::ZERO).unwrap();
            self.sink.recorder().record(&record);
        }
    }

    /// Waits until this many were written and lost.
    fn becomes(&self, written: u64, queue_full: u64, write_failed: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counts = ["", r#"queue_full"#, r#"write_failed"#].map(|reason| self.count(reason));
            if counts == [written, queue_full, write_failed] {
                return;
            }
            assert!(Instant::now() < deadline, "written, queue full, write failed: {counts:?}");
            std::thread::yield_now();
        }
    }

    /// How many were lost for a reason; how many were written where that is empty.
    fn count(&self, reason: &str) -> u64 {
        let series = match reason {
            "" => "podwright_audit_records_total".to_owned(),
            reason => format!(r#"podwright_audit_records_lost_total{{reason="{reason}"}}"#),
        };
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &self.registry).unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix(&series)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{series} is not in\n{page}"))
    }
}

fn uids(text: &str) -> Vec<u32> {
    let record = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    text.lines().map(|line| record(line)["uid"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn what_waits_is_written_before_the_end_and_no_line_is_lost_on_the_way() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.log");
    let running = Running::start(&path, 128 * 1024);
    running.record(0..500, 100);
    // Some other program rotates too.
    running.becomes(500, 0, 0);
    fs::rename(&path, folder.path().join("moved")).unwrap();
    running.record(500..1000, 100);
    drop(running);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let files = ["audit.log.2", "audit.log.1", "moved"];
    let before: Vec<_> = files.iter().flat_map(|name| uids(&read(name))).filter(|uid| *uid < 500).collect();
    let after: Vec<_> = ["audit.log.2", "audit.log.1", "audit.log"]
        .iter()
        .flat_map(|name| uids(&read(name)))
        .filter(|uid| *uid >= 500)
        .collect();
    assert_eq!(before, (0..500).collect::<Vec<_>>());
    assert_eq!(after, (500..1000).collect::<Vec<_>>());
}

#[test]
fn a_folder_that_is_not_there_costs_records_until_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("later/audit.log");
    let running = Running::start(&path, 1 << 20);
    running.record(0..3, 10);
    running.becomes(0, 0, 3);
    fs::create_dir(path.parent().unwrap()).unwrap();
    running.record(3..5, 10);
    running.becomes(2, 0, 3);
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    running.record(5..6, 10);
    running.becomes(2, 0, 4);
}

#[test]
fn a_full_disk_costs_records_and_leaves_no_half_line() {
    let folder = TempDir::new().unwrap();
    let Some(_disk) = Disk::mount(folder.path()) else {
        println!("skipped: mounting a file system needs root");
        return;
    };
    let path = folder.path().join("audit.log");
    let running = Running::start(&path, 1 << 30);
    // 64 KiB are full within the last line.
    running.record(0..100, 1500);
    let deadline = Instant::now() + PATIENCE;
    while running.count("") + running.count("write_failed") < 100 {
        assert!(Instant::now() < deadline, "not all are written or lost");
        std::thread::yield_now();
    }
    let (written, lost) = (running.count(""), running.count("write_failed"));
    assert!(written > 10 && lost > 10, "{written} {lost}");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with('\n'));
    assert_eq!(uids(&text), (0..u32::try_from(written).unwrap()).collect::<Vec<_>>());

    fs::remove_file(&path).unwrap();
    running.record(100..110, 1500);
    drop(running);
    assert_eq!(uids(&fs::read_to_string(&path).unwrap()), (100..110).collect::<Vec<_>>());
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_nobody() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let running = Running::start(&path, 1);
    // More than the pipe and the queue take together.
    let began = Instant::now();
    running.record(0..6000, 2000);
    let (took, lost) = (began.elapsed(), running.count("queue_full"));
    assert!(took < PATIENCE && lost > 1000, "{took:?}, {lost} lost");
    assert_eq!(running.count("write_failed"), 0);
    // Whoever reads at last gets whole lines, in order.
    let pipe = BufReader::new(fs::File::open(&path).unwrap());
    let lines: Vec<_> = pipe.lines().take(100).map(Result::unwrap).collect();
    assert_eq!(uids(&lines.join("\n")), (0..100).collect::<Vec<_>>());
}

/// A file system of 64 KiB.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(at);
        mount.status().is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

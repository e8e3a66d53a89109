//! A server whose disk, clock or time is up.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::clients::{LOG, Scene};
use crate::harness::{PATIENCE, admin};
use crate::process::{Process, podwright};
use crate::table::Row;

/// From `/readyz` going off until no client opens a connection any more.
const WITHDRAWAL: Duration = Duration::from_millis(300);

/// A small file system.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&at);
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

pub(crate) async fn full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path().join("disk")) else {
        println!("skipped: mounting a file system needs root");
        return;
    };
    let scene = Scene::of(Process::local_in(folder, &[LOG, "--audit-log=disk/audit.log"])).await;
    let made = async {
        let filler = disk.0.join("filler");
        let mut file = File::create(&filler).unwrap();
        while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
        drop(file);
        scene.metric_passes("podwright_audit_records_lost_total", 100).await;
        let lost = scene.metric("podwright_audit_records_lost_total").await;
        fs::remove_file(filler).unwrap();
        let written = scene.metric("podwright_audit_records_total").await;
        scene.metric_passes("podwright_audit_records_total", written + 20).await;
        let text = fs::read_to_string(disk.0.join("audit.log")).unwrap();
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "a line is no record");
        format!("{lost} audit records lost and counted, then written again")
    };
    scene.under("a full disk under the audit log", made).await;
}

pub(crate) async fn clock() {
    let Some(library) = find_or_install() else {
        println!("skipped: libfaketime is not installed, and only root on Debian can install it here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (offset, audit) = (folder.path().join("offset"), folder.path().join("audit.log"));
    fs::write(&offset, "+0").unwrap();
    let mut command = podwright(&["serve", "--local", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"]);
    command.args([LOG, "--audit-log=audit.log"]).current_dir(folder.path());
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_CACHE_DURATION", "1");
    // Whoever sets a clock does not set the monotonic one.
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    let scene = Scene::of(Process::start(command, folder)).await;
    let made = async {
        for days in [2, -3, 400, 0] {
            fs::write(&offset, format!("{days:+}d")).unwrap();
            let moved = async {
                while days_off(&audit) != Some(days) {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(PATIENCE, moved).await.unwrap_or_else(|_| panic!("the clock is not set by {days} days"));
        }
        "set by +2, -3, +400 and 0 days"
    };
    scene.under("the clock set forward and back", made).await;
}

/// How many days the last audit record is away from our clock.
fn days_off(audit: &Path) -> Option<i64> {
    let text = fs::read_to_string(audit).ok()?;
    let record: Value = serde_json::from_str(text.lines().last()?).ok()?;
    let time: jiff::Timestamp = record["time"].as_str()?.parse().ok()?;
    let seconds = time.duration_since(jiff::Timestamp::now()).as_secs_f64();
    Some((seconds / 86_400.0).round() as i64)
}

fn find_or_install() -> Option<PathBuf> {
    find().or_else(|| {
        if rustix::process::geteuid().is_root() && Path::new("/etc/debian_version").exists() {
            let _ = apt(&["update"]) && apt(&["install", "--no-install-recommends", "libfaketime"]);
        }
        find()
    })
}

fn find() -> Option<PathBuf> {
    let triplets = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
    let paths =
        triplets.map(|triplet| Path::new("/usr/lib").join(triplet).join("faketime/libfaketimeMT.so.1"));
    paths.into_iter().find(|path| path.exists())
}

fn apt(arguments: &[&str]) -> bool {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-y", "-o", "DPkg::Lock::Timeout=120"]);
    apt.args(arguments).output().is_ok_and(|output| output.status.success())
}

pub(crate) async fn stop() {
    let mut scene = Scene::local(&["--drain-delay=1s", "--drain-timeout=5s"]).await;
    let before = scene.before().await;
    let steady = scene.steady();
    steady.answers(100).await;
    let answered = steady.answered();
    let memory_bytes = scene.process.most_memory_bytes();
    scene.process.signal(Signal::TERM);
    let off = async {
        while admin(scene.process.admin, "GET", "/readyz").await.status == 200 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, off).await.unwrap();
    // What it takes until every client knows.
    sleep(WITHDRAWAL).await;
    let under = steady.withdrawn().await;
    assert_eq!(scene.process.exit().code(), Some(0));
    assert_eq!(scene.process.log("drained")["cut"], 0);
    let crowd = format!("{} answered behind the signal, 0 cut", under.answered() - answered);
    Row { fault: "SIGTERM under load".to_owned(), crowd, before, under, memory_bytes }.told();
}

//! The servers as processes: started, kept to a CPU of their own, and watched through `/proc`.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::client::{Certificates, Target};
use crate::null;

/// Keeps this process to the first CPU, where `taskset` is and there is a second one for the servers.
pub(crate) fn pin_to_first() -> bool {
    let id = std::process::id().to_string();
    let pin = || Command::new("taskset").args(["-cp", "0", &id]).output();
    is_pinning() && pin().is_ok_and(|done| done.status.success())
}

fn is_pinning() -> bool {
    static IS_PINNING: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    // Asked before this process is pinned itself.
    *IS_PINNING.get_or_init(|| {
        let try_second = || Command::new("taskset").args(["-c", "1", "true"]).output();
        available_parallelism().is_ok_and(|cpus| cpus.get() > 1)
            && try_second().is_ok_and(|done| done.status.success())
    })
}

/// A running server. It ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) target: Target,
}

impl Server {
    /// The real one, with the policies that ship with it.
    pub(crate) async fn podwright(certificates: &Certificates) -> Self {
        let [listen, admin_listen] = free_addresses();
        let mut command = command(env!("CARGO_BIN_EXE_podwright"));
        command.args(["serve", "--no-cluster", "--log-level", "error"]);
        command.args(["--listen", &listen.to_string(), "--admin-listen", &admin_listen.to_string()]);
        command.arg("--tls-cert").arg(&certificates.certificate).arg("--tls-key").arg(&certificates.key);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut server = Self { child, target: Target::new(listen, certificates) };
        let deadline = Instant::now() + Duration::from_secs(10);
        while server.target.connect().await.is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "podwright serve does not serve: {ended:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server
    }

    /// The null server, with answers of this size.
    pub(crate) async fn null(certificates: &Certificates, answer_bytes: usize) -> Self {
        let mut command = command(std::env::current_exe().unwrap());
        command.arg(null::ARGUMENT).arg(&certificates.certificate).arg(&certificates.key);
        let mut child = command.arg(answer_bytes.to_string()).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, target: Target::new(address.trim().parse().unwrap(), certificates) }
    }

    /// The CPU time that all of its threads have taken.
    pub(crate) fn cpu(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// Its resident memory.
    pub(crate) fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `taskset` becomes the program that it starts: the child's id is the server's.
fn command(program: impl AsRef<OsStr>) -> Command {
    if !is_pinning() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "1"]).arg(program);
    command
}

fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    // All held before any is let go, or the kernel may give one twice.
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.each_ref().map(|listener| listener.local_addr().unwrap())
}

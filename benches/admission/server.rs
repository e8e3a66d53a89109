//! The servers as processes: started, kept to a CPU of their own, and watched through `/proc`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Certificates, Target};
use crate::null;
use crate::ports::free_ports;

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

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
    /// Where Podwright says that it is ready.
    admin: Option<SocketAddr>,
    started: Instant,
}

impl Server {
    /// The real one, in its default settings but for these flags; run by the program `under`, if there is one.
    pub(crate) fn podwright(certificates: &Certificates, flags: &[OsString], under: &[OsString]) -> Self {
        let [listen, admin_listen] = free_ports().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut command = command(under, env!("CARGO_BIN_EXE_podwright").as_ref());
        command.arg("serve").args(flags);
        command.args(["--listen", &listen.to_string(), "--admin-listen", &admin_listen.to_string()]);
        command.arg("--tls-cert").arg(&certificates.certificate).arg("--tls-key").arg(&certificates.key);
        // Its log costs it what it costs in a container; who reads it is nobody's concern here.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let (child, target) = (command.spawn().unwrap(), Target::new(listen, certificates));
        Self { child, target, admin: Some(admin_listen), started }
    }

    /// The null server, with answers of this size.
    pub(crate) fn null(certificates: &Certificates, answer_bytes: usize, under: &[OsString]) -> Self {
        let mut command = command(under, std::env::current_exe().unwrap().as_ref());
        command.arg(null::ARGUMENT).arg(&certificates.certificate).arg(&certificates.key);
        command.arg(answer_bytes.to_string()).stdout(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let target = Target::new(address.trim().parse().unwrap(), certificates);
        Self { child, target, admin: None, started }
    }

    /// Asks until there is an answer that will do; what it was, and how long after the start of the process it came.
    pub(crate) async fn answered(
        &mut self,
        request: &[u8],
        will_do: impl Fn(&[u8]) -> bool,
    ) -> (Vec<u8>, Duration) {
        let mut last = None;
        while self.started.elapsed() < PATIENCE {
            match self.target.try_ask_once(request).await {
                Ok(answer) if will_do(&answer) => return (answer, self.started.elapsed()),
                Ok(answer) => last = Some(String::from_utf8_lossy(&answer).into_owned()),
                Err(_) => {}
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the server has ended");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("no answer that will do within {PATIENCE:?}; the last was {last:?}");
    }

    /// Asks so many times over one connection.
    pub(crate) async fn ask(&self, request: &[u8], times: usize) {
        let mut connection = self.target.connect().await.unwrap();
        for _ in 0..times {
            connection.ask(request).await.unwrap();
        }
    }

    /// Ends it as a cluster does, and waits for that.
    pub(crate) fn stop(mut self) {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until Podwright knows its whole cluster.
    pub(crate) async fn synced(&mut self) {
        let address = self.admin.expect("only Podwright knows a cluster");
        while self.started.elapsed() < PATIENCE {
            if is_ready(address).await.unwrap_or(false) {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the server has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the cluster is not known within {PATIENCE:?}");
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
        self.memory("VmRSS:")
    }

    /// The most that it ever was.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn is_ready(address: SocketAddr) -> io::Result<bool> {
    let mut tcp = TcpStream::connect(address).await?;
    tcp.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

/// `taskset` becomes the program that it starts: the child's id is the server's.
fn command(under: &[OsString], program: &OsStr) -> Command {
    let pinned: &[_] = if is_pinning() { &["taskset", "-c", "1"].map(OsString::from) } else { &[] };
    let mut words = [pinned, under, &[program.to_owned()]].concat().into_iter();
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

//! The `serve` command as a process of its own.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::cargo::CommandCargoExt as _;
use rustix::process::{Pid, Signal, kill_process};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::PATIENCE;

/// The command as a process of its own, in a folder of its own.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) logs: mpsc::Receiver<Value>,
    /// The lines that came before one that was waited for.
    pub(crate) passed: RefCell<Vec<Value>>,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) folder: TempDir,
}

impl Process {
    pub(crate) fn local(flags: &[&str]) -> Self {
        Self::local_in(tempfile::tempdir().unwrap(), flags)
    }

    pub(crate) fn local_in(folder: TempDir, flags: &[&str]) -> Self {
        let mut command = podwright(&["serve", "--local"]);
        let local = ["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"];
        command.args(local).args(flags).current_dir(folder.path());
        Self::start(command, folder)
    }

    pub(crate) fn start(mut command: Command, folder: TempDir) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (tell, logs) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in stderr.lines() {
                let line = line.unwrap();
                let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
                let _ = tell.send(line);
            }
        });
        let passed = RefCell::default();
        let listening = log(&logs, &passed, "listening");
        let address = |field: &str| listening[field].as_str().unwrap().parse().unwrap();
        let (listen, admin) = (address("listen"), address("admin"));
        let roots = roots(&folder);
        Self { child, logs, passed, listen, admin, roots, folder }
    }

    /// The first line from here on with this message.
    pub(crate) fn log(&self, message: &str) -> Value {
        log(&self.logs, &self.passed, message)
    }

    /// The most memory that it has held so far.
    pub(crate) fn most_memory_bytes(&self) -> usize {
        self.memory_bytes("VmHWM:")
    }

    /// What the kernel tells of its memory under this name.
    pub(crate) fn memory_bytes(&self, name: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }

    /// The lines that no one has waited for, to the end of the process.
    pub(crate) fn rest(&self) -> Vec<Value> {
        self.passed.take().into_iter().chain(self.logs.iter()).collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The first lines of its standard output.
    pub(crate) fn stdout(&mut self, count: usize) -> Vec<String> {
        BufReader::new(self.child.stdout.take().unwrap()).lines().take(count).map(Result::unwrap).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The authority that `--local` made in `folder`, if it did.
pub(crate) fn roots(folder: &TempDir) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Ok(ca) = CertificateDer::from_pem_file(folder.path().join("certs/local/ca.crt")) {
        roots.add(ca).unwrap();
    }
    Arc::new(roots)
}

fn log(logs: &mpsc::Receiver<Value>, passed: &RefCell<Vec<Value>>, message: &str) -> Value {
    loop {
        let line = logs.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no log line says {message:?}"));
        if line["message"] == message {
            return line;
        }
        passed.borrow_mut().push(line);
    }
}

pub(crate) fn podwright(args: &[&str]) -> Command {
    let mut command = match env::var_os("PODWRIGHT_BINARY") {
        Some(path) => Command::new(path),
        None => Command::cargo_bin("podwright").unwrap(),
    };
    command.args(args).stdin(Stdio::null());
    command
}

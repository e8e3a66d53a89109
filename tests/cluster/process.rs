//! Child processes that cannot outlive the tests, and waiting by trying.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A running child, its output in a log file. Killed when dropped, also by a panic.
pub(crate) struct Process {
    program: PathBuf,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` and appends what it prints to `log`.
    pub(crate) fn start(program: &Path, args: &[String], log: &Path) -> Result<Self, String> {
        let attempt = || {
            let out = File::options().create(true).append(true).open(log)?;
            let mut command = command_that_dies_with_us(program);
            command.args(args).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
            // Everything is on loopback.
            for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
                command.env_remove(proxy);
            }
            spawn(command)
        };
        let child = attempt().map_err(|err| format!("starting {}: {err}", program.display()))?;
        Ok(Self { program: program.to_owned(), child, log: log.to_owned() })
    }

    /// What it has printed so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Tries `ready` until it holds; an error as soon as the process has ended, or after `limit`.
    pub(crate) fn wait_until(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        while !ready() {
            let ended = self.child.try_wait().map_err(|err| err.to_string())?;
            if ended.is_some() || Instant::now() > deadline {
                let state = ended.map_or(format!("not ready after {limit:?}"), |status| status.to_string());
                return Err(format!(
                    "{}: {state}; its last lines:\n{}",
                    self.program.display(),
                    self.last_lines()
                ));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Asks it to end, as a kubelet does, and waits for that; it is killed after `limit`.
    pub(crate) fn terminate(mut self, limit: Duration) -> Result<(), String> {
        // The standard library has no signal but KILL; the shell's kill is a builtin, so that no package is needed.
        let asked = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.child.id())).status();
        asked.map_err(|err| format!("sending SIGTERM: {err}"))?;
        within(limit, "the end after SIGTERM", || self.child.try_wait().ok().flatten()).map(drop)
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn last_lines(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill(); // nothing here is worth a clean end: the state is a temporary folder
    }
}

/// Between two tries; far below what is waited for, far above what a try costs.
const PAUSE: Duration = Duration::from_millis(20);

/// Tries until there is a value; names `what` when there is none within `limit`.
pub(crate) fn within<T>(
    limit: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Option<T>,
) -> Result<T, String> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = attempt() {
            return Ok(value);
        }
        if Instant::now() > deadline {
            return Err(format!("waited {limit:?} in vain for {what}"));
        }
        thread::sleep(PAUSE);
    }
}

/// Drop does not run when the tests themselves are killed: where util-linux is, the kernel sees to it.
fn command_that_dies_with_us(program: &Path) -> Command {
    const SETPRIV: [&str; 3] = ["--pdeathsig", "KILL", "--"];
    static HAS_SETPRIV: LazyLock<bool> = LazyLock::new(|| {
        Command::new("setpriv").args(SETPRIV).arg("true").output().is_ok_and(|output| output.status.success())
    });
    if !*HAS_SETPRIV {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(SETPRIV).arg(program);
    command
}

/// "Parent death" means the death of the parent *thread*, and a trial's thread ends early: one that lives as long as
/// the tests starts every child.
fn spawn(command: Command) -> std::io::Result<Child> {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in orders {
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, child) = mpsc::channel();
    SPAWNER.send((command, reply)).map_err(std::io::Error::other)?;
    child.recv().map_err(std::io::Error::other)?
}

//! A real LXCFS under the mounts that Podwright writes into a Pod: a process with limits must see them.
//!
//! It needs root, `/dev/fuse`, cgroups that can be written and `lxcfs` itself, which `tests/install-lxcfs` installs on
//! Debian. Where one is missing, a line says which, and the tests count as skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by a panic"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use podwright::engine::admit;
use podwright::pod::{Pod, Workload};
use podwright::policy::Subject;
use podwright::policy_set::PolicySet;
use podwright::view::View;
use serde_json::json;
use tempfile::TempDir;

/// What one trial runs.
type Test = fn() -> Result<(), Failed>;

const CGROUPS: &str = "/sys/fs/cgroup";
const MEMORY_BYTES: u64 = 256 << 20;
/// One processor: as much time in a period as the period is long.
const CPU_PERIOD_MICROS: u32 = 100_000;
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    let arguments = Arguments::from_args();
    let missing = if arguments.list { None } else { missing() };
    if let Some(missing) = &missing {
        eprintln!("skipping the tests with a real LXCFS: {missing}");
    }
    let tests: [(&str, Test); 3] = [
        ("a_process_sees_its_limits_and_only_them", sees_its_limits),
        ("so_does_one_in_the_process_namespace_of_the_node", sees_its_limits_with_host_pid),
        ("after_a_kill_mounts_are_broken_until_made_anew_from_the_parent", is_mended_from_the_parent),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, test)| Trial::test(name, test).with_ignored_flag(missing.is_some()))
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// What this machine lacks, if anything.
fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root".to_owned());
    }
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/fuse") {
        return Some(format!("/dev/fuse cannot be opened: {error}"));
    }
    if !Command::new("unshare").args(["-m", "-p", "-f", "true"]).status().is_ok_and(|status| status.success())
    {
        return Some("unshare -m -p is not permitted".to_owned());
    }
    if let Err(error) = Cgroup::create("probe") {
        return Some(format!("no cgroup with limits can be made: {error}"));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/install-lxcfs");
    match Command::new(script).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Err(error) => Some(format!("tests/install-lxcfs does not run: {error}")),
    }
}

fn sees_its_limits() -> Result<(), Failed> {
    check_limits("private", true)
}

fn sees_its_limits_with_host_pid() -> Result<(), Failed> {
    check_limits("host-pid", false)
}

fn check_limits(name: &str, own_processes: bool) -> Result<(), Failed> {
    let node = Node::start()?;
    let cgroup = Cgroup::create(name)?;
    let mut container = Container::start(&cgroup, own_processes)?;
    let before = container.run("cat /proc/meminfo")?;
    let mounts = node.mounts();
    assert_eq!(mounts.len(), 8, "{mounts:?}");
    for mount in &mounts {
        container.mount(mount)?;
    }
    let after = container.run("cat /proc/meminfo")?;
    assert!(
        !before.starts_with(&mem_total()),
        "the node has the limit's size, so this shows nothing: {before}"
    );
    assert!(after.starts_with(&mem_total()), "{after}");
    assert_eq!(container.run("grep -c ^processor /proc/cpuinfo")?, "1");
    assert_eq!(container.run("grep -c '^cpu[0-9]' /proc/stat")?, "1");
    assert_eq!(container.run("cat /sys/devices/system/cpu/online")?, "0");
    container.run("cat /proc/uptime /proc/swaps /proc/diskstats /proc/loadavg")?;
    for mount in &mounts {
        let options = container.run(&format!("grep ' {} ' /proc/self/mountinfo | tail -n 1", mount.path))?;
        assert!(options.contains(&format!(" {} ro,", mount.path)), "{options}");
    }
    // What runs without limits still sees the node.
    assert!(fs::read_to_string("/proc/meminfo")?.starts_with(before.lines().next().unwrap_or_default()));
    Ok(())
}

fn is_mended_from_the_parent() -> Result<(), Failed> {
    let mut node = Node::start()?;
    let cgroup = Cgroup::create("mended")?;
    let mut container = Container::start(&cgroup, true)?;
    let mounts = node.mounts();
    for mount in &mounts {
        container.mount(mount)?;
    }
    assert!(container.run("cat /proc/meminfo")?.starts_with(&mem_total()));

    node.kill()?;
    let broken = container.run("cat /proc/meminfo").unwrap_err();
    assert!(broken.contains("Transport endpoint is not connected"), "{broken}");
    node.run_lxcfs()?;
    let still = container.run("cat /proc/meminfo").unwrap_err();
    assert!(still.contains("Transport endpoint is not connected"), "{still}");

    // The new LXCFS has come through the directory above it; what is mounted from there is sound again.
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/lxcfs/remount");
    command(&text(&script), &[&text(&node.root())])?;
    assert_eq!(container.run("cat /sys/devices/system/cpu/online")?, "0");
    for mount in &mounts {
        container.run(&format!("head -c1 {0} || ls {0}", mount.path))?;
        let options = container.run(&format!("grep ' {} ' /proc/self/mountinfo | tail -n 1", mount.path))?;
        assert!(options.contains(&format!(" {} ro,", mount.path)), "{options}");
    }
    assert!(container.run("cat /proc/meminfo")?.starts_with(&mem_total()));
    Ok(())
}

fn mem_total() -> String {
    format!("MemTotal: {:>14} kB", MEMORY_BYTES / 1024)
}

/// A node that runs LXCFS.
struct Node {
    parent: TempDir,
    lxcfs: Option<Child>,
}

impl Node {
    fn start() -> Result<Self, Failed> {
        let mut node = Self { parent: tempfile::tempdir()?, lxcfs: None };
        let parent = node.parent.path();
        // A mount of its own, shared as a node's are, so that what is mounted in it reaches running containers.
        command("mount", &["-t", "tmpfs", "podwright-lxcfs", &text(parent)])?;
        command("mount", &["--make-shared", &text(parent)])?;
        fs::create_dir(node.root())?;
        node.run_lxcfs()?;
        Ok(node)
    }

    fn root(&self) -> PathBuf {
        self.parent.path().join("lxcfs")
    }

    fn run_lxcfs(&mut self) -> Result<(), Failed> {
        let root = self.root();
        let child = Command::new("lxcfs")
            .args(["--foreground", "--enable-loadavg", "--enable-cfs"])
            .arg(format!("--pidfile={}", text(&self.parent.path().join("pid"))))
            .arg(&root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.lxcfs = Some(child);
        wait_for("LXCFS", || root.join("proc/meminfo").exists())
    }

    /// Ends LXCFS as the kernel does for want of memory.
    fn kill(&mut self) -> Result<(), Failed> {
        if let Some(mut lxcfs) = self.lxcfs.take() {
            lxcfs.kill()?;
            lxcfs.wait()?;
        }
        command("umount", &["-l", &text(&self.root())])
    }

    /// What Podwright mounts into a container of a Pod that asks for it.
    fn mounts(&self) -> Vec<Bind> {
        let policy = json!({
            "apiVersion": "podwright.dev/v1alpha1", "kind": "LXCFS", "metadata": {"name": "lxcfs"},
            "spec": {"root": self.root()},
        });
        let file = self.parent.path().join("policy.yaml");
        fs::write(&file, policy.to_string()).unwrap();
        let policies = PolicySet::load(&[file]).unwrap();
        let mut document = json!({
            "metadata": {"name": "shop", "annotations": {"lxcfs.podwright.dev/mount": "true"}},
            "spec": {"containers": [{"name": "app", "image": "app", "resources": {"limits": {"memory": "256Mi"}}}]},
        });
        let (pod, view) = (Pod::from_value(document.clone()).unwrap(), View::default());
        let subject = Subject::new("shop", Workload::of(&pod), &pod, &view);
        let decision = admit(&policies, &subject, jiff::Timestamp::UNIX_EPOCH);
        assert!(decision.refusal.is_none(), "{:?}", decision.refusal);
        let patch: json_patch::Patch = serde_json::from_value(json!(decision.operations)).unwrap();
        json_patch::patch(&mut document, &patch).unwrap();
        let pod = Pod::from_value(document).unwrap();
        let container = pod.containers().next().unwrap();
        container
            .mounts()
            .map(|mount| {
                let volume = pod.volume(mount.volume()).unwrap();
                let source = volume.source("hostPath").unwrap();
                let field = |name: &str| source.get(name).and_then(podwright::pod::Node::as_str).unwrap();
                let host = PathBuf::from(field("path"));
                // What the kubelet asks before it mounts.
                assert_eq!(host.is_dir(), field("type") == "Directory", "{host:?}");
                assert_eq!(host.is_file(), field("type") == "File", "{host:?}");
                Bind { host, path: mount.path().to_owned(), read_only: mount.read_only() }
            })
            .collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = command("umount", &["-l", &text(self.parent.path())]);
    }
}

/// One mount, as a container runtime makes it.
#[derive(Debug)]
struct Bind {
    host: PathBuf,
    path: String,
    read_only: bool,
}

/// A shell with its own mounts, in a cgroup: what a container is to LXCFS.
struct Container {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Container {
    fn start(cgroup: &Cgroup, own_processes: bool) -> Result<Self, Failed> {
        let namespaces = if own_processes { "-p -f --mount-proc" } else { "" };
        let script = format!(
            "for d; do echo $$ >$d/cgroup.procs || exit; done; exec unshare -m {namespaces} --propagation slave sh"
        );
        let mut child = Command::new("sh")
            .args(["-c", &script, "sh"])
            .args(&cgroup.folders)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Ok(Self { child, input, output })
    }

    /// Runs a command; what it writes, or the same as an error where it fails.
    fn run(&mut self, command: &str) -> Result<String, String> {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{{ {command}; }} 2>&1; status=$?; echo; echo \"@$status\"")
            .map_err(|error| error.to_string())?;
        let mut text = String::new();
        let status = loop {
            let mut line = String::new();
            match self.output.read_line(&mut line) {
                Ok(0) => return Err(format!("the container has ended: {text}")),
                Err(error) => return Err(error.to_string()),
                Ok(_) => {}
            }
            if let Some(status) = line.strip_prefix('@') {
                break status.trim().to_owned();
            }
            text.push_str(&line);
        };
        let text = text.trim_end().to_owned();
        if status == "0" { Ok(text) } else { Err(text) }
    }

    fn mount(&mut self, bind: &Bind) -> Result<(), String> {
        let (host, path) = (text(&bind.host), &bind.path);
        self.run(&format!("mount --bind {host} {path}"))?;
        if bind.read_only {
            self.run(&format!("mount -o remount,bind,ro {path}"))?;
        }
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// A cgroup with a limit of memory and of one processor, in whichever version the machine has.
struct Cgroup {
    folders: Vec<PathBuf>,
}

impl Cgroup {
    fn create(name: &str) -> Result<Self, String> {
        let name = format!("podwright-{}-{name}", std::process::id());
        let root = Path::new(CGROUPS);
        let mut cgroup = Self { folders: Vec::new() };
        if root.join("cgroup.controllers").exists() {
            write(&root.join("cgroup.subtree_control"), "+memory +cpu +cpuset")?;
            let folder = cgroup.folder(&root.join(name))?;
            write(&folder.join("memory.max"), &MEMORY_BYTES.to_string())?;
            write(&folder.join("cpu.max"), &format!("{CPU_PERIOD_MICROS} {CPU_PERIOD_MICROS}"))?;
            return Ok(cgroup);
        }
        let memory = cgroup.folder(&root.join("memory").join(&name))?;
        write(&memory.join("memory.limit_in_bytes"), &MEMORY_BYTES.to_string())?;
        let cpu = cgroup.folder(&root.join("cpu").join(&name))?;
        write(&cpu.join("cpu.cfs_period_us"), &CPU_PERIOD_MICROS.to_string())?;
        write(&cpu.join("cpu.cfs_quota_us"), &CPU_PERIOD_MICROS.to_string())?;
        // LXCFS counts processors only for who has its own cpuset, as containers do.
        let cpuset = cgroup.folder(&root.join("cpuset").join(&name))?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let of_node =
                fs::read_to_string(root.join("cpuset").join(file)).map_err(|error| error.to_string())?;
            write(&cpuset.join(file), of_node.trim())?;
        }
        cgroup.folder(&root.join("cpuacct").join(&name))?;
        Ok(cgroup)
    }

    /// Makes a folder, once where one hierarchy has several controllers.
    fn folder(&mut self, path: &Path) -> Result<PathBuf, String> {
        let path = match fs::create_dir(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(format!("{}: {error}", path.display()));
            }
            _ => fs::canonicalize(path).map_err(|error| error.to_string())?,
        };
        if !self.folders.contains(&path) {
            self.folders.push(path.clone());
        }
        Ok(path)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            let _ = wait_for("the cgroup's end", || fs::remove_dir(folder).is_ok());
        }
    }
}

fn write(file: &Path, value: &str) -> Result<(), String> {
    fs::write(file, value).map_err(|error| format!("{}: {error}", file.display()))
}

fn command(program: &str, arguments: &[&str]) -> Result<(), Failed> {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) -> Result<(), Failed> {
    let start = Instant::now();
    while !is_there() {
        if start.elapsed() > PATIENCE {
            return Err(format!("{what} is not there after {PATIENCE:?}").into());
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(())
}

//! What the decision costs, in instructions: the figure that a busy machine cannot move.
//!
//! valgrind counts them over `decision.rs` beside this, built for speed; what happens once is taken out by counting
//! twice. A change that makes a decision dearer by a seventh fails here: either it is mended, or the number below is
//! raised with a reason.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by a panic, and its figures are to be seen"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::{Arguments, Failed, Trial};

/// The most instructions of one decision, about a seventh more than there are.
const CASES: &[(&str, u64)] = &[
    ("unselected", 3_100),
    ("judged", 60_000),
    ("filebeat", 422_000),
    ("everything", 822_000),
    ("large", 487_000),
];
/// How many decisions are counted.
const TIMES: u64 = 200;

fn main() {
    let arguments = Arguments::from_args();
    let is_there = arguments.list || is_valgrind_there();
    if !is_there {
        eprintln!("instructions are not counted: valgrind is missing and could not be installed");
    }
    let trial = |(case, most): &(&'static str, u64)| {
        let (case, most) = (*case, *most);
        Trial::test(case, move || within(case, most)).with_ignored_flag(!is_there)
    };
    libtest_mimic::run(&arguments, CASES.iter().map(trial).collect()).exit();
}

fn within(case: &str, most: u64) -> Result<(), Failed> {
    // A few first, so that what is made once is there in both.
    let instructions = (count(case, TIMES + 10)? - count(case, 10)?) / TIMES;
    println!("{case:12} {instructions:>9} instructions of at most {most}");
    if instructions <= most {
        return Ok(());
    }
    Err(format!("deciding {case:?} takes {instructions} instructions, and may take at most {most}").into())
}

/// The instructions of so many decisions, with all around them.
fn count(case: &str, times: u64) -> Result<u64, Failed> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program())
        .args([case, &times.to_string()])
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    let counted = told.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    match counted {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(told.into()),
    }
}

/// The program, built as the image's is: what that build has made serves this one.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let compiler = Command::new("rustc").arg("-vV").output().unwrap();
        let compiler = String::from_utf8(compiler.stdout).unwrap();
        let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--profile", "optimized", "--target", &host])
            .args(["--features", "instructions", "--bin", "decision"])
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success(), "the program does not build");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        target.join(host).join("optimized/decision")
    })
}

fn is_valgrind_there() -> bool {
    let runs =
        || Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    runs() || apt(&["update"]) && apt(&["install", "--no-install-recommends", "valgrind"]) && runs()
}

fn apt(arguments: &[&str]) -> bool {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-y", "-o", "DPkg::Lock::Timeout=120"]);
    apt.args(arguments).output().is_ok_and(|output| output.status.success())
}

//! Faketime: what app teams get wrong, a row each; and what they ask for, seen by real processes with the real library.
//!
//! The second half needs Debian's libfaketime. Root on Debian gets it installed; elsewhere those tests count as ignored.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by a panic"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use libtest_mimic::{Arguments, Trial};
use podwright::engine::{Decision, admit};
use podwright::pod::{Pod, Workload};
use podwright::policy::Subject;
use podwright::policy_set::PolicySet;
use podwright::view::View;
use serde_json::{Value, json};

/// Where the shipped policy has the library.
const MOUNT_PATH: &str = "/opt/podwright/faketime/glibc";
/// 2027-01-01 00:00:00 in UTC.
const NEW_YEAR: f64 = 1_798_761_600.0;
/// How far a process may be off for its own start, in seconds; machines that test are busy.
const SLACK_SECONDS: f64 = 20.0;
const DAY: f64 = 86_400.0;

fn main() {
    let mut trials = vec![
        trial("whatever_is_wrong_is_refused", wrong_values),
        trial("every_mistake_is_told_at_once", all_at_once),
        trial("what_comes_after_keeps_the_true_time", later_containers),
        trial("labels_forbid_too", forbidden_by_labels),
        trial("wrong_policies_do_not_load", wrong_policies),
    ];
    let arguments = Arguments::from_args();
    let library = if arguments.list { find() } else { find_or_install() };
    if library.is_none() && !arguments.list {
        eprintln!("skipped: libfaketime is not installed, and only root on Debian can install it here");
    }
    let mut real = |name: &str, test: fn(&Path)| {
        let found = library.clone();
        let run = move || test(&found.expect("ignored without it"));
        trials.push(trial(&format!("real::{name}"), run).with_ignored_flag(library.is_none()));
    };
    real("a_frozen_time_stands", frozen);
    real("a_start_runs_on", start_at);
    real("an_offset_of_every_unit_is_that_far_away", offsets);
    real("a_rate_makes_time_run_faster", rate);
    real("a_step_is_made_with_each_call", step);
    real("child_processes_start_anew_or_go_on", children);
    real("the_monotonic_clock_is_left_alone", monotonic);
    real("what_we_refuse_it_gets_wrong", misread);
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, || {
        test();
        Ok(())
    })
}

fn decide(annotations: &Value) -> Decision {
    let pod = pod(annotations);
    let view = View::default();
    let subject = Subject::new("shop", Workload::of(&pod), &pod, &view);
    admit(&PolicySet::embedded().unwrap(), &subject, "2026-11-22T12:00:00Z".parse().unwrap())
}

fn pod(annotations: &Value) -> Pod {
    Pod::from_value(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "shop", "annotations": annotations},
        "spec": {
            "initContainers": [{"name": "migrate", "image": "example/migrate:1"}],
            "containers": [
                {"name": "app", "image": "example/shop:1"},
                {"name": "web", "image": "nginx:1"},
                {"name": "podwright-mine", "image": "example/mine:1"}]},
    }))
    .unwrap()
}

/// The annotation that is wrong, and parts of what is told.
const WRONG: &[(&str, &str, &[&str])] = &[
    ("faketime.podwright.dev/time", "-7h20m40s", &["take it for -420 seconds", "did you mean \"-26440\"?"]),
    ("faketime.podwright.dev/time", "+3h40s", &["take it for +10800 seconds", "did you mean \"+10840\"?"]),
    ("faketime.podwright.dev/time", "+1d12h", &["take it for +3600 seconds", "did you mean \"+129600\"?"]),
    ("faketime.podwright.dev/time", "+1w", &["take it for +1 seconds", "did you mean \"+7d\"?"]),
    ("faketime.podwright.dev/time", "+5M", &["take it for +5 seconds", "did you mean \"+5m\"?"]),
    ("faketime.podwright.dev/time", "+1,5h", &["take it for +3600 seconds", "did you mean \"+1.5h\"?"]),
    ("faketime.podwright.dev/time", "2d", &["ends the app", "did you mean \"+2d\"?"]),
    ("faketime.podwright.dev/time", "+ 2d", &["is no offset", "did you mean \"+2d\"?"]),
    ("faketime.podwright.dev/time", "+0x10", &["is no offset", "expected a frozen time"]),
    ("faketime.podwright.dev/time", "+-5", &["is no offset"]),
    ("faketime.podwright.dev/time", "-300y", &["out of range: from 1970 to 9999"]),
    ("faketime.podwright.dev/time", "2027-02-30 00:00:00", &["no such day", "\"2027-02-28 00:00:00\""]),
    ("faketime.podwright.dev/time", "@2027-04-31 12:00:00", &["no such day", "\"@2027-04-30 12:00:00\""]),
    ("faketime.podwright.dev/time", "2027-01-01 25:00:00", &["no such time"]),
    ("faketime.podwright.dev/time", "1950-01-01 00:00:00", &["out of range"]),
    ("faketime.podwright.dev/time", "2027-01-01", &["ends the app", "did you mean \"2027-01-01 00:00:00\"?"]),
    ("faketime.podwright.dev/time", "2027-01-01T08:00:00Z", &["did you mean \"2027-01-01 08:00:00\"?"]),
    ("faketime.podwright.dev/time", "2027-01-01 08:00:00 UTC", &["not see \" UTC\" at its end"]),
    ("faketime.podwright.dev/time", "01.02.2027 08:00", &["ends the app", "expected a frozen time"]),
    ("faketime.podwright.dev/time", "2027-01-01 00:00:00 x2", &["frozen", "\"@2027-01-01 00:00:00 x2\""]),
    ("faketime.podwright.dev/time", "+2d x2 i2", &["one rate or one step", "did you mean \"+2d x2\"?"]),
    ("faketime.podwright.dev/time", "+2dx2", &["did you mean \"+2d x2\"?"]),
    ("faketime.podwright.dev/time", "+2d x-1", &["\"x-1\" is no rate"]),
    ("faketime.podwright.dev/time", "+2d i0", &["\"i0\" is no step"]),
    ("faketime.podwright.dev/time", "x2", &["alone changes nothing", "did you mean \"+0 x2\"?"]),
    ("faketime.podwright.dev/time", "%", &["% follows the time of a file"]),
    ("faketime.podwright.dev/time", "tomorrow", &["ends the app", "+90 (seconds)"]),
    ("faketime.podwright.dev/time", "", &["ends the app"]),
    ("faketime.podwright.dev/time", "+2d\n", &["did you mean \"+2d\"?"]),
    ("faketime.podwright.dev/time", "$(date)", &["ends the app"]),
    ("faketime.podwright.dev/tim", "+2d", &["did you mean faketime.podwright.dev/time?"]),
    ("app.faketime.podwright.dev/tme", "+2d", &["did you mean app.faketime.podwright.dev/time?"]),
    ("faketme.podwright.dev/time", "+2d", &["did you mean faketime.podwright.dev/time?"]),
    ("apps.faketime.podwright.dev/time", "+2d", &["did you mean app.faketime.podwright.dev/time?"]),
    ("backend.faketime.podwright.dev/time", "+2d", &["its containers are app, web, migrate"]),
    ("podwright-mine.faketime.podwright.dev/time", "+2d", &["keeps the true time"]),
    ("app.faketime.podwright.dev/init-containers", "true", &["for the whole Pod"]),
    ("faketime.podwright.dev/init-containers", "yes", &["\"yes\" is no boolean", "\"true\""]),
    ("faketime.podwright.dev/libc", "must", &["did you mean \"musl\"?"]),
    ("faketime.podwright.dev/libc", "uclibc", &["expected glibc or musl"]),
    ("faketime.podwright.dev/threads", "2", &["\"2\" is no boolean"]),
    ("faketime.podwright.dev/keep-start", "true", &["no start to keep"]),
    ("web.faketime.podwright.dev/time", "soon", &["\"soon\"", "ends the app"]),
    ("faketime.podwright.dev/policy", "faketim", &["did you mean \"faketime\"?"]),
];

fn wrong_values() {
    for (key, value, parts) in WRONG {
        let mut annotations = json!({ *key: value });
        let others = annotations.as_object_mut().unwrap();
        others.entry("faketime.podwright.dev/time").or_insert_with(|| "+2d".into());
        let decision = decide(&annotations);
        let message = decision.refusal.unwrap_or_else(|| panic!("{key}: {value:?} was admitted")).message;
        for part in parts.iter().chain([key]).filter(|part| !part.ends_with("/policy")) {
            assert!(message.contains(part), "{key}: {value:?}\n  told {message}\n  lacks {part}");
        }
    }
    let nothing = decide(&json!({"faketime.podwright.dev/libc": "musl"})).refusal.unwrap().message;
    assert!(nothing.contains("add faketime.podwright.dev/time"), "{nothing}");
    let alone = decide(&json!({"app.faketime.podwright.dev/libc": "musl"})).refusal.unwrap().message;
    assert!(alone.contains("add app.faketime.podwright.dev/time"), "{alone}");
}

fn all_at_once() {
    let decision = decide(&json!({
        "app.faketime.podwright.dev/time": "soon", "web.faketime.podwright.dev/time": "2d",
        "migrate.faketime.podwright.dev/libc": "none",
    }));
    assert_eq!(decision.rejections.len(), 3, "{:?}", decision.rejections);
}

/// Another webhook adds a proxy; then the API server asks us again.
fn later_containers() {
    let annotations = json!({"faketime.podwright.dev/time": "+2d"});
    let mut patched = pod(&annotations).node().to_value();
    let patch: json_patch::Patch = serde_json::from_value(json!(decide(&annotations).operations)).unwrap();
    json_patch::patch(&mut patched, &patch).unwrap();
    patched["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "mesh", "image": "example/mesh:1"}));
    let pod = Pod::from_value(patched).unwrap();
    let view = View::default();
    let subject = Subject::new("shop", Workload::of(&pod), &pod, &view);
    let again = admit(&PolicySet::embedded().unwrap(), &subject, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(again.operations, []);
    assert_eq!(again.mutations, decide(&annotations).mutations);
}

/// Loads a policy whose `spec` is that of the mounted image, and these lines.
fn load(lines: &str) -> Result<PolicySet, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    let head = "apiVersion: podwright.dev/v1alpha1\nkind: Faketime\nmetadata: {name: one}\nspec:\n";
    std::fs::write(&file, format!("{head}{lines}\n")).unwrap();
    PolicySet::load(&[file]).map_err(|errors| errors.to_string())
}

fn forbidden_by_labels() {
    let policies = load(
        "  delivery: {imageVolume: {image: a}}\n  forbidden: {namespaceSelector: {matchLabels: {stage: live}}, owner: QA}",
    )
    .unwrap();
    let pod = pod(&json!({"faketime.podwright.dev/time": "+2d"}));
    for (labels, told) in [
        (Some(json!({"stage": "live"})), Some("holds for its labels; remove the annotations, or ask QA")),
        (Some(json!({"stage": "test"})), None),
        (Some(json!({})), None),
        (None, Some("its label \"stage\"")),
    ] {
        let mut view = View::default();
        if let Some(labels) = labels {
            let labels = std::sync::Arc::new(serde_json::from_value(labels).unwrap());
            view.namespaces = std::sync::Arc::new([("shop".to_owned(), labels)].into());
        }
        let subject = Subject::new("shop", Workload::of(&pod), &pod, &view);
        let refusal =
            admit(&policies, &subject, jiff::Timestamp::UNIX_EPOCH).refusal.map(|refusal| refusal.message);
        match (&refusal, told) {
            (None, None) => {}
            (Some(message), Some(told)) if message.contains(told) => {}
            _ => panic!("{refusal:?} and {told:?}"),
        }
    }
}

fn wrong_policies() {
    let mounted = "  delivery: {imageVolume: {image: a}}\n";
    for (lines, told) in [
        ("  libc: glibc", "delivery"),
        ("  delivery: {initContainer: {image: a}}", "command"),
        ("  delivery: {initContainer: {image: a, command: []}}", "a program and its arguments"),
        ("  delivery: {imageVolume: {image: a}, initContainer: {image: a, command: [cp]}}", "5:"),
        ("  delivery: {shell: cp}", "shell"),
        (&format!("{mounted}  mountPath: /opt"), "would hide a directory of the system"),
        (&format!("{mounted}  mountPath: /opt/my libs"), "LD_PRELOAD cannot hold"),
        (&format!("{mounted}  mountPath: opt/libs"), "is relative"),
        (
            &format!("{mounted}  libraries: {{glibc: {{single: ../a, threads: b}}}}"),
            "no path below mountPath",
        ),
        (
            &format!("{mounted}  libraries: {{glibc: {{single: 'a:b', threads: b}}}}"),
            "LD_PRELOAD cannot hold",
        ),
        (&format!("{mounted}  libraries: {{uclibc: {{single: a, threads: b}}}}"), "uclibc"),
        (&format!("{mounted}  thread: true"), "thread"),
    ] {
        let error = load(lines).err().unwrap_or_else(|| panic!("{lines} loads"));
        assert!(error.contains(told), "{lines}: {error}");
    }
}

/// Debian's library, if it is there.
fn find() -> Option<PathBuf> {
    let triplets = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
    let paths = triplets.map(|triplet| Path::new("/usr/lib").join(triplet).join("faketime"));
    paths.into_iter().find(|path| path.join("libfaketimeMT.so.1").exists())
}

fn find_or_install() -> Option<PathBuf> {
    find().or_else(|| {
        let is_root = rustix::process::geteuid().is_root();
        if is_root && Path::new("/etc/debian_version").exists() {
            let lists = apt(&["update"]);
            let _ = lists && apt(&["install", "--no-install-recommends", "libfaketime"]);
        }
        find()
    })
}

fn apt(arguments: &[&str]) -> bool {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-y", "-o", "DPkg::Lock::Timeout=120"]);
    apt.args(arguments).output().is_ok_and(|output| output.status.success())
}

/// Runs a program with exactly the environment that the mutator gives the container; only the library's path is
/// Debian's, and `TZ` that of most images.
fn run(library: &Path, annotations: &Value, program: &[&str]) -> String {
    let decision = decide(annotations);
    assert!(decision.refusal.is_none(), "{:?}", decision.refusal);
    let mut patched = pod(annotations).node().to_value();
    let patch: json_patch::Patch = serde_json::from_value(json!(decision.operations)).unwrap();
    json_patch::patch(&mut patched, &patch).unwrap();
    let env = patched["spec"]["containers"][0]["env"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().replace(MOUNT_PATH, library.to_str().unwrap());
    let env = env.iter().map(|entry| (text(&entry["name"]), text(&entry["value"])));
    printed(&spawn(env, program))
}

fn spawn(env: impl Iterator<Item = (String, String)>, program: &[&str]) -> Output {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).env_clear().env("TZ", "UTC").env("PATH", "/usr/bin:/bin").envs(env);
    command.output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    // What the dynamic linker cannot load it says, and goes on without.
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn seconds(text: &str) -> Vec<f64> {
    text.split_whitespace().map(|word| word.parse().unwrap_or_else(|_| panic!("{text}"))).collect()
}

fn time_of(library: &Path, value: &str) -> f64 {
    let annotations = json!({"faketime.podwright.dev/time": value});
    seconds(&run(library, &annotations, &["date", "+%s.%N"]))[0]
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn assert_near(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() < SLACK_SECONDS, "{what}: {found}, expected {expected}");
}

fn frozen(library: &Path) {
    assert_eq!(time_of(library, "2027-01-01 00:00:00"), NEW_YEAR);
    assert_eq!(time_of(library, "2027-01-01 00:00:05.25"), NEW_YEAR + 5.25);
    assert_eq!(time_of(library, "2028-02-29 00:00:00"), NEW_YEAR + 424.0 * DAY);
    assert_eq!(time_of(library, "1970-01-01 00:00:01"), 1.0);
    let annotations = json!({"faketime.podwright.dev/time": "2027-01-01 00:00:00"});
    let twice = run(
        library,
        &annotations,
        &["perl", "-e", "print time; select undef, undef, undef, 1.1; print ' ', time"],
    );
    assert_eq!(seconds(&twice), [NEW_YEAR, NEW_YEAR]);
}

fn start_at(library: &Path) {
    let found = time_of(library, "@2027-01-01 00:00:00");
    assert!(found >= NEW_YEAR, "{found}");
    assert_near(found, NEW_YEAR, "a start");
    let annotations = json!({"faketime.podwright.dev/time": "@2027-01-01 00:00:00"});
    let twice = run(
        library,
        &annotations,
        &["perl", "-e", "print time; select undef, undef, undef, 1.1; print ' ', time"],
    );
    let [first, second] = seconds(&twice)[..] else { panic!("{twice}") };
    assert!(second > first, "{twice}");
}

fn offsets(library: &Path) {
    for (value, offset) in [
        ("+2d", 2.0 * DAY),
        ("-30m", -1_800.0),
        ("+1.5h", 5_400.0),
        ("-26440", -26_440.0),
        ("+90.5", 90.5),
        ("+1y", 365.0 * DAY),
        ("-2y", -730.0 * DAY),
        ("+0", 0.0),
        ("+2d x2", 2.0 * DAY),
        ("+3h i2", 10_800.0),
    ] {
        assert_near(time_of(library, value) - now(), offset, value);
    }
}

fn rate(library: &Path) {
    // The time that passes is read from the clock that is left alone, so that a busy machine does not matter.
    let program = "use Time::HiRes qw(clock_gettime CLOCK_REALTIME CLOCK_MONOTONIC);
        sub both { (clock_gettime(CLOCK_REALTIME), clock_gettime(CLOCK_MONOTONIC)) }
        my ($t, $m) = both(); select undef, undef, undef, 0.6; my ($u, $n) = both();
        print(($u - $t) / ($n - $m))";
    for (value, expected) in
        [("@2027-01-01 00:00:00 x2", 2.0), ("+2d x10", 10.0), ("+0 x0.5", 0.5), ("+2d", 1.0)]
    {
        let annotations = json!({"faketime.podwright.dev/time": value});
        let found = seconds(&run(library, &annotations, &["perl", "-e", program]))[0];
        assert!((found / expected - 1.0).abs() < 0.1, "{value}: {found}");
    }
}

fn step(library: &Path) {
    let annotations = json!({"faketime.podwright.dev/time": "@2027-01-01 00:00:00 i2"});
    let calls = seconds(&run(library, &annotations, &["perl", "-e", "print join ' ', map {time} 1..4"]));
    let steps: Vec<_> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(steps, [2.0, 2.0, 2.0], "{calls:?}");
    assert_near(calls[0], NEW_YEAR, "the first call");
}

fn children(library: &Path) {
    let program = ["sh", "-c", "date +%s.%N; sleep 1; date +%s.%N"];
    let times = |keep: &str| {
        let time = "@2027-01-01 00:00:00";
        let annotations =
            json!({"faketime.podwright.dev/time": time, "faketime.podwright.dev/keep-start": keep});
        seconds(&run(library, &annotations, &program))
    };
    let (anew, kept) = (times("false"), times("true"));
    assert!(kept[1] - kept[0] >= 1.0, "{kept:?}");
    assert!(anew[1] - anew[0] < 1.0, "{anew:?}");
}

fn monotonic(library: &Path) {
    let program = "use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC); print clock_gettime(CLOCK_MONOTONIC)";
    let clock = |annotations: &Value| seconds(&run(library, annotations, &["perl", "-e", program]))[0];
    let truth = seconds(&printed(&spawn(std::iter::empty(), &["perl", "-e", program])))[0];
    let left_alone = clock(&json!({"faketime.podwright.dev/time": "+2d"}));
    assert_near(left_alone, truth, "the monotonic clock");
    let faked =
        clock(&json!({"faketime.podwright.dev/time": "+2d", "faketime.podwright.dev/monotonic": "true"}));
    assert!((faked - truth).abs() > DAY, "{faked} and {truth}");
}

/// What a row of this would do if it were let through.
fn misread(library: &Path) {
    let raw = |value: &str| {
        let preload = library.join("libfaketimeMT.so.1").to_str().unwrap().to_owned();
        let env = [("LD_PRELOAD".to_owned(), preload), ("FAKETIME".to_owned(), value.to_owned())];
        spawn(env.into_iter(), &["date", "+%s.%N"])
    };
    let refused = |value: &str| {
        let refusal = decide(&json!({"faketime.podwright.dev/time": value})).refusal;
        refusal.unwrap_or_else(|| panic!("{value} is admitted")).message
    };
    for (value, meant, made) in [
        ("-7h20m40s", -26_440.0, -420.0),
        ("+3h40s", 10_840.0, 10_800.0),
        ("+1d12h", 1.5 * DAY, 3_600.0),
        ("+1w", 7.0 * DAY, 1.0),
        ("+5M", 300.0, 5.0),
        ("+1,5h", 5_400.0, 3_600.0),
    ] {
        assert_near(seconds(&printed(&raw(value)))[0] - now(), made, value);
        assert!(refused(value).contains(&format!("take it for {made:+} seconds")), "{}", refused(value));
        let near =
            refused(value).split("did you mean ").nth(1).unwrap().split('"').nth(1).unwrap().to_owned();
        assert_near(time_of(library, &near) - now(), meant, &near);
    }
    // It moves on into the next month, and does not see what stands behind a time.
    assert_eq!(seconds(&printed(&raw("2027-02-30 00:00:00")))[0], NEW_YEAR + 60.0 * DAY);
    assert_eq!(seconds(&printed(&raw("2027-01-01 00:00:00 UTC+5")))[0], NEW_YEAR);
    refused("2027-02-30 00:00:00");
    refused("2027-01-01 00:00:00 UTC+5");
    for value in ["tomorrow", "2027-01-01", "2027-01-01T00:00:00Z", "2d", "%"] {
        assert!(!raw(value).status.success(), "{value}: {:?}", raw(value));
        refused(value);
    }
}

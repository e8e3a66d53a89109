//! Exit codes, the flags, and what a report compares itself with.

use std::fs;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::support::{NOW, folder, json, scan, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("outcome::the_threshold_decides_the_exit_code", thresholds),
        trial("outcome::what_is_wrong_with_flags_and_files_is_told", usage),
        trial("outcome::half_a_report_is_none", malformed),
        trial("outcome::a_report_compared_with_itself_is_unchanged", itself),
        trial("outcome::what_was_mended_and_what_was_excused_is_told", trend),
        trial("outcome::teams_are_told_by_label", labels),
        trial("outcome::an_expired_exemption_excuses_nothing", expiry),
        trial("outcome::a_report_goes_to_a_file", to_file),
        trial("outcome::policy_reports_stay_small", shards),
        trial("outcome::two_alike_on_one_workload_stay_two", twins),
        trial("outcome::colours_are_for_those_who_ask", colours),
    ]
}

fn code(words: &[&str]) -> Option<i32> {
    scan(words).status.code()
}

fn thresholds() {
    let pod = |action: &str| {
        let folder = tempfile::tempdir().unwrap();
        let policy = format!(
            "apiVersion: podwright.dev/v1alpha1\nkind: HostPath\nmetadata: {{name: a}}\nspec: {{action: {action}}}\n"
        );
        fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        let pod = "apiVersion: v1\nkind: Pod\nspec: {volumes: [{name: a, hostPath: {path: /a}}]}\n";
        fs::write(folder.path().join("pod.yaml"), pod).unwrap();
        folder
    };
    for (action, codes) in [
        ("deny", [("deny", 1), ("warn", 1), ("audit", 1), ("never", 0)]),
        ("warn", [("deny", 0), ("warn", 1), ("audit", 1), ("never", 0)]),
        ("audit", [("deny", 0), ("warn", 0), ("audit", 1), ("never", 0)]),
    ] {
        let folder = pod(action);
        let (manifest, policy) = (folder.path().join("pod.yaml"), folder.path().join("policy.yaml"));
        let (manifest, policy) = (manifest.to_str().unwrap(), policy.to_str().unwrap());
        for (threshold, expected) in codes {
            let found = code(&["-f", manifest, "--policies", policy, "--fail-on", threshold]);
            assert_eq!(found, Some(expected), "{action} with --fail-on {threshold}");
        }
    }
    assert_eq!(code(&["-f", "policies.yaml"]), Some(0), "nothing there is a Pod");
}

fn usage() {
    let manifests = ["-f", "manifests/shop.yaml"];
    for (words, told) in [
        (&["-f", "missing.yaml"][..], "missing.yaml: No such file"),
        (&["--baseline", "missing.json"], "missing.json: No such file"),
        (
            &["--baseline", "policies.yaml"],
            "policies.yaml: expected a report that `podwright scan --format json`",
        ),
        (&["--baseline", "expected/report.sarif"], "expected/report.sarif: expected a report"),
        (&["-o", "json"], "-o json: expected a file; did you mean --format json?"),
        (&["-o", "missing/report.json"], "missing/report.json: No such file"),
        (&["--group-by", "team"], "expected namespace, or label=KEY such as label=team"),
        (&["--expiring-within", "soon"], "expected a number of days such as 30d or 4w"),
        (&["--format", "pdf"], "possible values: table, json, csv"),
        (&["--policies", "manifests"], "manifests"),
    ] {
        let all: Vec<_> = manifests.iter().chain(words).copied().collect();
        let output = scan(&all);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
        assert!(stderr.contains(told), "{words:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

fn malformed() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.yaml", "kind: Pod\n---\na: [\n"),
        ("b.json", "{\"kind\": \"Pod\"}\n{,}"),
        ("c.yaml", "a: \"\u{7f}"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::write(folder.path().join("d.yaml"), b"kind: Pod\nname: \xff\n").unwrap();
    let output = scan(&["-f", folder.path().to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
    for place in ["a.yaml:3:", "b.json:2:2:", "c.yaml:1:", "d.yaml:2: expected UTF-8"] {
        assert!(stderr.contains(place), "{place}: {stderr}");
    }
}

/// A report over one of the manifests, compared with an earlier one.
fn compared(manifest: &str, baseline: Option<&Value>, words: &[&str]) -> Value {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut all = vec!["-f", manifest, "--policies", "policies.yaml", "--format", "json"];
    all.extend(words);
    if !words.contains(&"--now") {
        all.extend(["--now", NOW]);
    }
    if let Some(baseline) = baseline {
        fs::write(file.path(), baseline.to_string()).unwrap();
        all.extend(["--baseline", file.path().to_str().unwrap()]);
    }
    serde_json::from_slice(&scan(&all).stdout).unwrap()
}

fn itself() {
    let first = compared("manifests", None, &[]);
    assert_eq!(first.get("trend"), None);
    assert!(first["findings"].as_array().unwrap().iter().all(|finding| finding.get("status").is_none()));
    let second = compared("manifests", Some(&first), &[]);
    let open =
        first["findings"].as_array().unwrap().iter().filter(|finding| finding.get("exemption").is_none());
    assert_eq!(second["trend"]["unchanged"], open.count());
    for none in ["new", "fixed", "exempted"] {
        assert_eq!(second["trend"][none], 0, "{none}");
    }
}

fn trend() {
    // Lines that move and a volume before the others are no new findings, but the volume's own.
    let shop = fs::read_to_string(folder().join("manifests/shop.yaml")).unwrap();
    let changed = format!(
        "# more\n\n{}",
        shop.replace("      volumes:\n", "      volumes:\n        - {name: new, hostPath: {path: /etc}}\n",)
    );
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    fs::write(file.path(), changed).unwrap();
    let first = compared("manifests/shop.yaml", None, &[]);
    let second = compared(file.path().to_str().unwrap(), Some(&first), &[]);
    let count = |report: &Value| report["findings"].as_array().unwrap().len() as u64;
    assert_eq!(second["trend"]["unchanged"], count(&first));
    // All three policies forbid it.
    assert_eq!((&second["trend"]["new"], &second["trend"]["fixed"]), (&3.into(), &0.into()));
    let back = compared("manifests/shop.yaml", Some(&second), &[]);
    assert_eq!((&back["trend"]["new"], &back["trend"]["fixed"]), (&0.into(), &3.into()));
    // The collector's exemption was in force once.
    let late = compared("manifests/monitoring.json", None, &[]);
    let early = compared("manifests/monitoring.json", Some(&late), &["--now", "2026-12-01"]);
    assert_eq!(early["trend"]["exempted"], 1, "{:#}", early["trend"]);
}

fn labels() {
    let report = compared("manifests/shop.yaml", None, &["--group-by", "label=team"]);
    let names: Vec<_> = report["teams"].as_array().unwrap().iter().map(|team| &team["name"]).collect();
    // The Pod's own label wins over its namespace's.
    assert_eq!(names, ["payments", "web-shop"]);
    let report = compared("manifests/monitoring.json", None, &["--group-by", "label=team"]);
    assert_eq!(report["teams"][0]["name"], "");
}

fn expiry() {
    let report = json();
    let collector = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["workload"]["name"] == "collector");
    let collector = collector.unwrap();
    assert_eq!(collector.get("exemption"), None);
    assert_eq!(
        collector["expired"][0],
        "its exemption collector ended on 2026-12-31, ask observability@example.com"
    );
    let states: Vec<_> = report["exemptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|exemption| {
            (
                exemption["name"].as_str().unwrap(),
                exemption["state"].as_str().unwrap(),
                exemption["findings"].as_u64(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("collector", "expired", Some(0)),
            ("node-exporter", "expiring", Some(1)),
            ("forgotten", "inForce", Some(0))
        ]
    );
    assert_eq!(report["summary"]["exemptions"]["unmatched"], 1);
}

fn to_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.csv");
    let output = scan(&["-f", "manifests", "--format", "csv", "-o", path.to_str().unwrap()]);
    assert_eq!((output.stdout.len(), output.status.code()), (0, Some(1)));
    assert!(fs::read_to_string(path).unwrap().starts_with("record,outcome,"));
}

fn colours() {
    let run = |variable: &str| {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("podwright"));
        command.args(["scan", "-f", "manifests"]).current_dir(folder());
        command.env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR").env(variable, "1").env("COLUMNS", "80");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(run("CLICOLOR_FORCE").contains("\u{1b}[1m\u{1b}[31mdeny"), "{:?}", run("CLICOLOR_FORCE"));
    let plain = run("NO_COLOR");
    assert!(!plain.contains('\u{1b}'));
    assert!(plain.lines().skip(2).all(|line| line.chars().count() <= 80), "{plain}");
}

/// A file of Pods, each with so many paths of the node.
fn pods(count: usize, volumes: usize) -> tempfile::NamedTempFile {
    let volumes: Vec<_> =
        (0..volumes).map(|volume| format!("{{name: v{volume}, hostPath: {{path: /etc}}}}")).collect();
    let pod = format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{volumes: [{}]}}\n",
        volumes.join(", ")
    );
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    fs::write(file.path(), pod.repeat(count)).unwrap();
    file
}

fn shards() {
    let output = scan(&[
        "-f",
        pods(250, 1).path().to_str().unwrap(),
        "--policies",
        "policies.yaml",
        "--format",
        "policyreport",
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    let reports: Vec<Value> = podwright::yaml::documents(&text)
        .into_iter()
        .map(|document| podwright::yaml::read(document).unwrap())
        .filter(|report: &Value| report["kind"] == "PolicyReport")
        .collect();
    let told: Vec<_> = reports
        .iter()
        .map(|report| {
            (
                report["metadata"]["name"].as_str().unwrap(),
                report["results"].as_array().unwrap().len(),
                report["summary"]["fail"].as_u64(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("podwright", 100, Some(100)), ("podwright-2", 100, Some(100)), ("podwright-3", 50, Some(50))]
    );
}

fn twins() {
    let two = compared(pods(1, 2).path().to_str().unwrap(), None, &[]);
    let ids: Vec<_> = two["findings"].as_array().unwrap().iter().map(|finding| &finding["id"]).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    let one = compared(pods(1, 1).path().to_str().unwrap(), Some(&two), &[]);
    assert_eq!(
        (&one["trend"]["unchanged"], &one["trend"]["fixed"], &one["trend"]["new"]),
        (&1.into(), &1.into(), &0.into())
    );
}

//! The HTML report in a real browser: it sorts, filters, follows links, runs nothing that is not its own, and fits.
//!
//! Its pictures are left in Cargo's folder for the tests' files: look at them after a change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::support::{self, report, scan, trial};

pub(crate) fn trials(only_list: bool) -> Vec<Trial> {
    let is_there = !only_list && has_browser();
    let real = |name: &str, test: fn()| trial(&format!("page::{name}"), test).with_ignored_flag(!is_there);
    vec![
        trial("page::it_names_nothing_that_is_elsewhere", self_contained),
        trial("page::a_report_without_findings_says_so", clean),
        real("values_stay_text_and_nothing_else_runs", only_text),
        real("a_click_sorts", sorting),
        real("words_and_choices_filter", filtering),
        real("a_link_leads_to_its_finding", links),
        real("it_fits_every_screen_and_paper", screens),
    ]
}

fn has_browser() -> bool {
    let output = Command::new(support::folder().join("install-tools")).output().unwrap();
    if !output.status.success() {
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stdout).trim());
    }
    Command::new("chromium").arg("--version").output().is_ok()
}

/// The report as a file, and a browser that shows it.
fn shown(name: &str) -> (PathBuf, Browser) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.html"));
    fs::write(&file, report("html")).unwrap();
    let mut browser = Browser::start();
    browser.become_device(1280, "light", "");
    browser.open(&file, "");
    (file, browser)
}

/// The texts of one column of the findings that are shown.
fn column(browser: &mut Browser, number: usize) -> Vec<String> {
    let cells = browser.eval(&format!(
        "[...document.querySelectorAll('#findings-table tbody tr')].filter((row) => !row.hidden)\
         .map((row) => row.cells[{number}].innerText.trim().replace(/\\s+/g, ' '))"
    ));
    cells.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap().to_owned()).collect()
}

fn self_contained() {
    let html = report("html");
    for word in ["src=", "@import", "url(", "<iframe", "<object", "http-equiv=\"refresh\""] {
        let found: Vec<_> =
            html.match_indices(word).map(|(at, _)| &html[at..html.len().min(at + 60)]).collect();
        assert!(found.is_empty(), "{word}: {found:?}");
    }
    let policy =
        html.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src &#39;none&#39;; style-src &#39;sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(html.matches("<script>").count(), 1);
    assert!(!html.contains(" style=\"") && !html.contains(" onclick"));
}

fn clean() {
    let words = ["-f", "policies.yaml", "--format", "html", "--policies", "policies.yaml"];
    let html = String::from_utf8(scan(&words).stdout).unwrap();
    assert!(html.contains("There was no Pod and no Pod template to look at."), "{html}");
    assert!(html.contains("Nothing was found."));
}

fn only_text() {
    let (_, mut browser) = shown("only-text");
    let counts = browser.eval("['script', 'img', 'svg[onload]', 'b script', 'iframe', '[onerror]'].map((one) => document.querySelectorAll(one).length)");
    assert_eq!(counts, json!([1, 0, 0, 0, 0, 0]));
    assert!(column(&mut browser, 2).contains(&"Pod <script>alert(1)</script> =cmd|' /C calc'!A0".to_owned()));
    // What does not stand in the file as we wrote it may not run, even if it came to be in the page.
    browser.eval("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))");
    assert_eq!(browser.eval("window.ran ?? null"), Value::Null);
    let complaints = browser.complaints();
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(complaints[0].contains("violates the following Content Security Policy"), "{complaints:#?}");
}

fn sorting() {
    let (_, mut browser) = shown("sorting");
    let head = "#findings-table th:nth-child(3) button";
    browser.click(head);
    browser.until(
        "it is sorted",
        "document.querySelector('#findings-table th:nth-child(3)').ariaSort === 'ascending'",
    );
    let up = column(&mut browser, 2);
    assert!(up[0].starts_with("CronJob nightly"), "{up:?}");
    // By keyboard it goes the other way.
    browser.eval(&format!("document.querySelector({head:?}).focus()"));
    browser.press("Enter");
    browser.until(
        "it is turned",
        "document.querySelector('#findings-table th:nth-child(3)').ariaSort === 'descending'",
    );
    assert!(column(&mut browser, 2)[0].starts_with("Pod behind"), "{:?}", column(&mut browser, 2));
    browser.click("#findings-table th:nth-child(2) button");
    let severities = column(&mut browser, 1);
    assert_eq!(
        (severities.first().unwrap().as_str(), severities.last().unwrap().as_str()),
        ("low", "high"),
        "{severities:?}"
    );
    assert_eq!(browser.complaints(), [""; 0]);
}

fn filtering() {
    let (_, mut browser) = shown("filtering");
    let report = support::json();
    let findings = report["findings"].as_array().unwrap();
    let shows = |what: &str, holds: &dyn Fn(&Value) -> bool| {
        let count = findings.iter().filter(|finding| holds(finding)).count();
        assert!(count > 0, "{what} would find nothing");
        format!(
            "document.querySelector('form[data-for=findings-table] output').value === '{count} of {all}' \
             && document.querySelectorAll('#findings-table tbody tr:not([hidden])').length === {count}",
            all = findings.len()
        )
    };
    let all = shows("all", &|_| true);
    browser.until("all are shown", &all);
    browser.press("/");
    browser.type_text("docker FRONT");
    let docker =
        |finding: &Value| finding.to_string().contains("docker") && finding["workload"]["name"] == "front";
    browser.until("words filter", &shows("docker", &docker));
    browser.press("Escape");
    browser.until("Escape clears", &all);
    browser.type_text("no such words");
    browser.until("nothing fits", "!document.querySelector('.nothing').hidden");
    browser.click("form[data-for=findings-table] button[type=reset]");
    browser.until("a click clears", &all);
    // A name in a chart shows its findings.
    browser.click("button.pick[data-column=team][data-value=shop]");
    browser.until("a name filters", &shows("shop", &|finding| finding["team"] == "shop"));
    type Choice = (&'static str, &'static str, fn(&Value) -> bool);
    let choices: [Choice; 4] = [
        ("outcome", "exempt", |finding| finding.get("exemption").is_some()),
        ("status", "new", |finding| finding["status"] == "new"),
        ("severity", "low", |finding| finding["severity"] == "low"),
        ("rule", "HostPath/watch", |finding| finding["rule"]["policy"] == "watch"),
    ];
    for (name, value, holds) in choices {
        browser.eval(&format!(
            "(() => {{ const form = document.querySelector('form[data-for=findings-table]'); form.reset(); \
             form.elements[{name:?}].value = {value:?}; form.dispatchEvent(new Event('input')); }})()"
        ));
        browser.until(&format!("{name} filters"), &shows(name, &holds));
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

fn links() {
    let (file, mut browser) = shown("links");
    let id = support::json()["findings"][11]["id"].as_str().unwrap().to_owned();
    browser.open(&file, &format!("#finding-{id}"));
    let is_shown = format!(
        "(() => {{ const row = document.getElementById('finding-{id}'); const box = row.getBoundingClientRect(); \
         return !row.hidden && document.activeElement === row && row.matches(':target') && box.top >= 0 && box.bottom <= innerHeight; }})()"
    );
    browser.until("the finding is shown", &is_shown);
    // Also where a filter hides it.
    browser.eval("location.hash = ''");
    browser.press("/");
    browser.type_text("nightly");
    browser.until("it is hidden", &format!("document.getElementById('finding-{id}').hidden"));
    browser.eval(&format!("location.hash = 'finding-{id}'"));
    browser.until("the finding is shown again", &is_shown);
    // Every finding has its own, and every link within the page leads somewhere.
    let lost = browser.eval("[...document.querySelectorAll('a[href^=\"#\"]')].map((a) => a.hash.slice(1)).filter((id) => !document.getElementById(id))");
    assert_eq!(lost, json!([]));
    let doubled = browser.eval("(() => { const ids = [...document.querySelectorAll('[id]')].map((one) => one.id); return ids.length - new Set(ids).size; })()");
    assert_eq!(doubled, 0);
    assert_eq!(browser.complaints(), [""; 0]);
}

fn screens() {
    let (file, mut browser) = shown("screens");
    let mut backgrounds = Vec::new();
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.become_device(width, scheme, "");
        browser.open(&file, "");
        let needed = browser.eval("document.documentElement.scrollWidth");
        let wide = browser.eval(&format!(
            "[...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > {width})\
             .map((one) => one.outerHTML.slice(0, 90))"
        ));
        assert!(needed.as_u64().unwrap() <= u64::from(width), "{needed} pixels at {width}: {wide:#}");
        let spilt = browser.eval(
            "[...document.querySelectorAll('td, td *')].filter((one) => one.getBoundingClientRect().right \
             > one.closest('.scroll').getBoundingClientRect().right + 1).map((one) => one.outerHTML.slice(0, 90))",
        );
        assert_eq!(spilt, json!([]), "at {width}");
        backgrounds.push(browser.eval("getComputedStyle(document.body).backgroundColor"));
        assert_eq!(browser.complaints(), [""; 0]);
        browser.picture(&file.with_file_name(format!("report-{width}-{scheme}.png")));
    }
    assert_eq!(backgrounds[0], backgrounds[2]);
    assert_ne!(backgrounds[0], backgrounds[1]);
    // On paper nothing is hidden but what one would click.
    browser.become_device(1000, "dark", "print");
    browser.open(&file, "");
    let displays = browser.eval("['.bar', '.controls', '#findings-table', '#exemptions'].map((one) => getComputedStyle(document.querySelector(one)).display)");
    assert_eq!(displays, json!(["none", "none", "table", "block"]));
    let pdf = browser.send("Page.printToPDF", json!({"printBackground": true}));
    assert!(pdf["data"].as_str().unwrap().len() > 10_000);
}

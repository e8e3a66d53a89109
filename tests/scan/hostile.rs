//! What app teams write reaches no format as anything but text.

use libtest_mimic::Trial;
use serde_json::Value;

use crate::formats::FORMATS;
use crate::support::{report, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("hostile::no_format_has_a_character_that_steers", steering),
        trial("hostile::no_cell_is_a_formula", formulas),
        trial("hostile::xml_is_read_back_as_it_was_meant", xml),
        trial("hostile::uris_are_uris", uris),
        trial("hostile::no_message_is_a_link", links),
    ]
}

fn steering() {
    for (format, _) in FORMATS {
        let written = report(format);
        let bad: Vec<_> = written
            .chars()
            .filter(|c| c.is_control() && !matches!(c, '\n' | '\r') || matches!(c, '\u{202e}' | '\u{fffe}'))
            .collect();
        assert!(bad.is_empty(), "{format}: {bad:?}");
    }
}

fn formulas() {
    let csv = report("csv");
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let (mut cells, mut guarded) = (0, 0);
    for row in rows.records() {
        for cell in &row.unwrap() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
            cells += 1;
            guarded += usize::from(cell.starts_with("'=") || cell.starts_with("'@"));
        }
    }
    assert!(cells > 200 && guarded > 2, "{guarded} of {cells}");
}

fn xml() {
    let xml = report("junit");
    let mut reader = quick_xml::Reader::from_str(&xml);
    let mut names = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Start(element) | quick_xml::events::Event::Empty(element) => {
                names.push(element.name().as_ref().to_owned());
                for attribute in element.attributes() {
                    attribute.unwrap();
                }
            }
            _ => {}
        }
    }
    names.sort();
    names.dedup();
    let known = [
        "failure",
        "properties",
        "property",
        "skipped",
        "system-err",
        "system-out",
        "testcase",
        "testsuite",
        "testsuites",
    ];
    assert_eq!(names, known);
}

fn uris() {
    let sarif: Value = serde_json::from_str(&report("sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let mut uris: Vec<_> = results
        .iter()
        .map(|result| result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap())
        .collect();
    uris.dedup();
    assert_eq!(uris, ["manifests/hostile%20%231.yaml", "manifests/monitoring.json", "manifests/shop.yaml"]);
}

/// SARIF 2.1.0, 3.11.6: a viewer makes a link of `[text](target)`, also in plain text.
fn links() {
    let sarif: Value = serde_json::from_str(&report("sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let messages: Vec<_> = results.iter().map(|result| result["message"]["text"].as_str().unwrap()).collect();
    assert!(messages.iter().any(|message| message.contains("[a] (http://example.com)")), "{messages:?}");
    assert!(!messages.iter().any(|message| message.contains("](")), "{messages:?}");
}

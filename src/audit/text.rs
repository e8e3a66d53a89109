//! Texts of others, made fit to be shown: printable, and of a bounded length.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The longest name; Kubernetes' own longest has 253 characters.
const NAME: usize = 256;
/// The longest sentence.
const SENTENCE: usize = 1024;
/// The most items of one list, and of one object, in a fact: as many as a StatefulSet has Pods whose addresses are told.
const ITEMS: usize = 1024;

/// A name: of an object, a field, a file.
pub(super) fn name(text: &str) -> String {
    clean(text, NAME)
}

/// A sentence.
pub(super) fn sentence(text: &str) -> String {
    clean(text, SENTENCE)
}

/// What a mutator tells, at any depth.
pub(super) fn facts(facts: &Map<String, Value>) -> Map<String, Value> {
    facts.iter().take(ITEMS).map(|(key, value)| (name(key), fact(value))).collect()
}

fn fact(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(sentence(text)),
        Value::Array(items) => Value::Array(items.iter().take(ITEMS).map(fact).collect()),
        Value::Object(fields) => Value::Object(facts(fields)),
        plain => plain.clone(),
    }
}

/// The text with whatever steers a terminal, hides itself or is no character of XML written as an escape, and cut
/// where it is too long.
fn clean(text: &str, longest: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(longest));
    for (count, c) in text.chars().enumerate() {
        if count == longest {
            shown.push('…');
            break;
        }
        if is_hidden(c) {
            // Writing to a String does not fail.
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Control characters, those that turn the direction of a line (CVE-2021-42574), those without a width, and those that
/// XML 1.0 has not.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_shown_and_what_is_long_is_cut() {
        assert_eq!(name("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\u{a}b");
        assert_eq!(name("gpj\u{202e}.exe"), "gpj\\u{202e}.exe");
        assert_eq!(name("über <b>\u{1f600}"), "über <b>\u{1f600}");
        assert_eq!(name(&"x".repeat(300)), format!("{}…", "x".repeat(256)));
        assert_eq!(name(&"x".repeat(256)), "x".repeat(256));
    }

    #[test]
    fn facts_are_cleaned_at_any_depth() {
        let Value::Object(given) = serde_json::json!({"a\n": [{"b": "c\u{7}"}], "n": 1}) else {
            unreachable!()
        };
        assert_eq!(Value::Object(facts(&given)).to_string(), r#"{"a\\u{a}":[{"b":"c\\u{7}"}],"n":1}"#);
    }
}

//! Words that people write, and the nearest that they may have meant.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

/// The longest word that is held against others, in bytes: no word that people mistype is longer.
const LONGEST_WORD: usize = 64;
/// How many names a message lists.
const MOST_LISTED: usize = 20;

/// The candidate most like a word, if any is so like it that it may have been meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST_WORD {
        return None;
    }
    let word = word.to_lowercase();
    let length = word.chars().count();
    let likeness = |candidate: &'a str| {
        // The work grows with the product of the lengths, and more letters than these differ anyway.
        if candidate.len() > LONGEST_WORD {
            return None;
        }
        let lower = candidate.to_lowercase();
        let far = lower.chars().count().max(3) / 3;
        if lower.chars().count().abs_diff(length) > far {
            return None;
        }
        Some((strsim::damerau_levenshtein(&word, &lower), far, candidate))
    };
    candidates
        .into_iter()
        .filter_map(likeness)
        .filter(|(distance, far, _)| distance <= far)
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., candidate)| candidate)
}

/// Names one behind the other, the first of them where they are many.
#[must_use]
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let first: Vec<_> = names.by_ref().take(MOST_LISTED).map(|name| elided(name, LONGEST_WORD)).collect();
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// A text of at most about so many bytes: of a longer one its beginning and its end.
#[must_use]
pub fn elided(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    let (head, tail) = (text.floor_char_boundary(most / 2), text.ceil_char_boundary(text.len() - most / 2));
    let part = |range: Option<&str>| range.unwrap_or_default().to_owned();
    let (start, end) = (part(text.get(..head)), part(text.get(tail..)));
    format!("{start}[… {} bytes …]{end}", tail - head).into()
}

/// A text that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonEmpty(String);

impl NonEmpty {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NonEmpty {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NonEmpty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Err(de::Error::custom("expected a text that is not empty"));
        }
        Ok(Self(text))
    }
}

impl JsonSchema for NonEmpty {
    fn schema_name() -> Cow<'static, str> {
        "NonEmpty".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_far_ones_are_not() {
        let words = ["paths", "inject", "multiline.pattern"];
        assert_eq!(nearest("path", words), Some("paths"));
        assert_eq!(nearest("Injetc", words), Some("inject"));
        assert_eq!(nearest("multiline.patern", words), Some("multiline.pattern"));
        assert_eq!(nearest("something", words), None);
    }
    #[test]
    fn what_is_too_long_to_be_a_word_is_near_to_nothing() {
        let long = "x".repeat(1_000_000);
        assert_eq!(nearest(&long, [long.as_str()]), None);
        assert_eq!(nearest("x", [long.as_str()]), None);
    }

    #[test]
    fn many_names_are_listed_in_part() {
        assert_eq!(listed(["a", "b"]), "a, b");
        assert!(listed(vec!["a"; 25]).ends_with("a, a and 5 more"));
    }

    #[test]
    fn a_long_text_keeps_its_ends() {
        assert_eq!(elided("abc", 3), "abc");
        assert_eq!(elided("abcdefgh", 4), "ab[… 4 bytes …]gh");
        assert_eq!(elided("äöüäöü", 6), "ä[… 8 bytes …]ü");
    }
}

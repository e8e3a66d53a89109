//! Texts of app teams, cut to a length before they are told.

use std::borrow::Cow;

/// What stands for the rest of a text.
const REST: &str = "…";

/// A text that takes at most `most` bytes between the quotes of a JSON string; one that is cut ends in `…`.
#[must_use]
pub fn clip(text: &str, most: usize) -> Cow<'_, str> {
    // No character takes more than six times its bytes.
    if text.len() <= most / 6 {
        return Cow::Borrowed(text);
    }
    let (mut width, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        if width + REST.len() <= most {
            end = at;
        }
        width += width_of(c);
        if width > most {
            return Cow::Owned(format!("{}{REST}", text.get(..end).unwrap_or_default()));
        }
    }
    Cow::Borrowed(text)
}

/// The bytes that a text takes between the quotes of a JSON string.
#[must_use]
pub fn width(text: &str) -> usize {
    // What takes more than its bytes is ASCII, which no byte of another character is.
    text.bytes().map(|byte| if byte.is_ascii() { width_of(byte.into()) } else { 1 }).sum()
}

const fn width_of(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_by_what_json_makes_of_it() {
        for (text, most, expected) in [
            ("", 0, ""),
            ("short", 5, "short"),
            ("longer", 5, "lo…"),
            ("üüü", 6, "üüü"),
            ("üüüü", 7, "üü…"),
            ("\u{1}\u{1}", 12, "\u{1}\u{1}"),
            ("\u{1}\u{1}", 11, "\u{1}…"),
            ("\n\n\n", 5, "\n…"),
            ("💥💥", 7, "💥…"),
        ] {
            assert_eq!(clip(text, most), expected, "{text:?} in {most}");
        }
    }

    #[test]
    fn no_text_is_wider_than_it_may_be() {
        let all: String = ('\0'..'\u{250}').chain("💥\u{2028}\"\\".chars()).collect();
        for most in 3..2 * all.len() {
            let clipped = clip(&all, most);
            let json = serde_json::to_string(&clipped).unwrap();
            assert_eq!(width(&clipped), json.len() - 2);
            assert!(json.len() - 2 <= most, "{most}: {json}");
        }
    }
}

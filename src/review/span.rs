//! Where a JSON value ends, found many bytes at a time and without reading what is in it.
//!
//! Of JSON that is sound the end is the one that a parser finds. Whether it is sound is for whoever reads it to tell.

use std::mem;

use wide::u8x16;

const BLOCK: usize = 64;
const LANE: usize = 16;

/// The length of the object or array that `text` begins with; `None` where it does not end.
pub(crate) fn container(text: &[u8]) -> Option<usize> {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut last = [b' '; BLOCK];
    last.get_mut(..rest.len())?.copy_from_slice(rest);
    let mut scanner = Scanner::default();
    let mut blocks = blocks.iter().chain([&last]).enumerate();
    blocks.find_map(|(number, block)| Some(number * BLOCK + scanner.step(block)?))
}

/// The length of the string that `text` begins with, its quotes and all.
pub(super) fn string(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += plain(text.get(at..)?);
        match text.get(at)? {
            b'"' => return Some(at + 1),
            // What is escaped may be a quote.
            _ => at += 2,
        }
    }
}

/// How many bytes come before the first quote or backslash, if there is any.
pub(super) fn plain(text: &[u8]) -> usize {
    let (lanes, rest) = text.as_chunks::<LANE>();
    for (number, lane) in lanes.iter().enumerate() {
        let bytes = u8x16::from(*lane);
        let found = bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\'));
        match found.to_bitmask() {
            0 => {}
            mask => return number * LANE + mask.trailing_zeros() as usize,
        }
    }
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    lanes.len() * LANE + found.unwrap_or(rest.len())
}

/// What is known at the start of a block. In a mask, the lowest bit is the first byte.
#[derive(Default)]
struct Scanner {
    /// How many objects and arrays are open.
    depth: u32,
    /// All ones within a string.
    in_string: u64,
    /// 1 where the block before ended in the backslash of an escape.
    escaped: u64,
}

impl Scanner {
    /// Goes on by a block; the end in it, if that is in it.
    #[inline(always)]
    fn step(&mut self, block: &[u8; BLOCK]) -> Option<usize> {
        let [mut quotes, mut opening, mut closing] = [0; 3];
        let mut backslashes = u8x16::splat(0);
        for (number, lane) in block.as_chunks::<LANE>().0.iter().enumerate() {
            let bytes = u8x16::from(*lane);
            // Brackets differ from braces by this bit alone, and nothing else becomes a brace by it.
            let braces = bytes | u8x16::splat(0x20);
            let mask = |bytes, byte| mask(bytes, byte) << (number * LANE);
            quotes |= mask(bytes, b'"');
            opening |= mask(braces, b'{');
            closing |= mask(braces, b'}');
            backslashes |= bytes.simd_eq(u8x16::splat(b'\\'));
        }
        if backslashes.any() || self.escaped != 0 {
            quotes &= !self.escaped(block);
        }
        let inside = parity(quotes) ^ self.in_string;
        self.in_string = if inside >> 63 == 1 { u64::MAX } else { 0 };
        self.close(opening & !inside, closing & !inside)
    }

    /// The characters that a backslash stands before. Few blocks have any.
    #[cold]
    fn escaped(&mut self, block: &[u8; BLOCK]) -> u64 {
        let lanes = block.as_chunks::<LANE>().0.iter().enumerate();
        let mut backslashes = lanes.fold(0, |backslashes, (number, lane)| {
            backslashes | mask(u8x16::from(*lane), b'\\') << (number * LANE)
        });
        let mut escaped = mem::take(&mut self.escaped);
        while backslashes != 0 {
            let at = backslashes.trailing_zeros();
            backslashes &= backslashes - 1;
            // One that is escaped itself escapes nothing.
            if escaped >> at & 1 == 0 {
                match at {
                    63 => self.escaped = 1,
                    at => escaped |= 1 << (at + 1),
                }
            }
        }
        escaped
    }

    #[inline(always)]
    fn close(&mut self, opening: u64, closing: u64) -> Option<usize> {
        if closing.count_ones() < self.depth {
            self.depth = self.depth + opening.count_ones() - closing.count_ones();
            return None;
        }
        // The end may be here.
        let mut left = opening | closing;
        while left != 0 {
            let at = left.trailing_zeros();
            left &= left - 1;
            self.depth = if opening >> at & 1 == 1 { self.depth + 1 } else { self.depth.saturating_sub(1) };
            if self.depth == 0 {
                return Some(at as usize + 1);
            }
        }
        None
    }
}

/// Where this byte is in a lane.
fn mask(lane: u8x16, byte: u8) -> u64 {
    u64::from(lane.simd_eq(u8x16::splat(byte)).to_bitmask())
}

/// Each bit becomes the parity of itself and those below it: of the quotes, what is within a string.
fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_end_is_found_wherever_it_falls() {
        for (text, expected) in [
            ("{}", Some(2)),
            ("[]{}", Some(2)),
            ("", None),
            ("{", None),
            (r#"{"a":"}"}x"#, Some(9)),
            (r#"{"a":"\"}"}x"#, Some(11)),
            (r#"{"a":"\\"}"}"#, Some(10)),
            (r#"{"a":"\\\"}"}"#, Some(13)),
        ] {
            for before in 0..130 {
                // Strings of every length, so that everything falls on every place of a block.
                let padded = format!("[\"{}\\\\\",{text}]", "x".repeat(before));
                let whole = padded.len();
                assert_eq!(container(text.as_bytes()), expected, "{text}");
                if expected == Some(text.len()) && text.len() > 1 {
                    assert_eq!(container(padded.as_bytes()), Some(whole), "{padded}");
                }
            }
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = r#"[a"\\{}\[\]/ \n\u{e9}]{0,40}"#;
        let leaf =
            prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), text.prop_map(Value::from)];
        leaf.prop_recursive(6, 80, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((text, inner), 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_the_end_that_a_parser_finds(value in value(), after in ".{0,80}") {
            let text = json!([value]).to_string();
            prop_assert_eq!(container(format!("{text}{after}").as_bytes()), Some(text.len()));
        }

        #[test]
        fn so_it_is_of_a_string(text in r#"[a"\\\n]{0,60}"#, after in ".{0,40}") {
            let json = Value::from(text).to_string();
            prop_assert_eq!(string(format!("{json}{after}").as_bytes()), Some(json.len()));
            prop_assert_eq!(string(json.strip_suffix('"').unwrap().as_bytes()), None);
        }
    }
}

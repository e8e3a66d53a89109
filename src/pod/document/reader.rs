//! Reading JSON, as the API server writes it: nothing in it is decoded that nobody asks for.
//!
//! What hardly anyone asks for is gone past. What is out of the ordinary (a name twice in one object, very deep nesting,
//! what is no JSON at all) is left to `serde_json`, which decides what becomes of it and says what is wrong. Escapes and
//! unusual numbers it reads too.

use std::collections::HashSet;

use serde_json::{Number, Value};
use wide::u8x16;

use super::parts::is_put_off;
use super::{Children, Document, Id, Kind, Span, Store};
use crate::review::span::container;

/// The deepest nesting that is read here.
const DEEPEST: usize = 100;
/// Objects of more fields are searched for names that are there twice with a table.
const MANY: usize = 16;
/// The longest text that is read here: each of its places fits a span.
const LONGEST: usize = i32::MAX as usize;
/// How many bytes are looked at together.
const LANE: usize = 16;

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// When the text is no JSON.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        Reader::new(json).putting_off().read().map_or_else(|| Self::parse_odd(json), Ok)
    }

    /// The same with nothing put off.
    pub(super) fn parse_whole(json: &str) -> Result<Self, serde_json::Error> {
        Reader::new(json).read().map_or_else(|| Self::parse_odd(json), Ok)
    }

    fn parse_odd(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Value>(json).map(|value| Self::from(&value))
    }
}

pub(super) struct Reader<'t> {
    json: &'t str,
    at: usize,
    puts_off: bool,
    store: Store,
}

impl<'t> Reader<'t> {
    pub(super) fn new(json: &'t str) -> Self {
        // An entry takes some twenty bytes of text.
        Self { json, at: 0, puts_off: false, store: Store::of_text(json, json.len() / 16) }
    }

    /// The same, going past what hardly anyone asks for.
    pub(super) fn putting_off(self) -> Self {
        Self { puts_off: true, ..self }
    }

    /// The document, unless it is out of the ordinary.
    pub(super) fn read(mut self) -> Option<Document> {
        (self.json.len() <= LONGEST).then_some(())?;
        self.value(Span::EMPTY, 0)?;
        self.next().is_none().then(|| Document::new(self.store))
    }

    // What takes no call is read where it stands.
    #[inline(always)]
    fn value(&mut self, name: Span, depth: usize) -> Option<Id> {
        let kind = match self.next()? {
            b'"' => Kind::Text(self.text()?),
            b'{' => return self.object(name, depth),
            b'[' => return self.list(name, depth),
            b't' => self.word("rue", Kind::Bool(true))?,
            b'f' => self.word("alse", Kind::Bool(false))?,
            b'n' => self.word("ull", Kind::Null)?,
            _ => Kind::Number(self.number()?),
        };
        Some(self.store.push(name, kind))
    }

    #[inline(never)]
    fn object(&mut self, name: Span, depth: usize) -> Option<Id> {
        if self.puts_off && is_put_off(self.store.bytes(name)) {
            return self.put_off(name, Kind::Object);
        }
        let id = self.open(name, depth)?;
        let mut children = Children::NONE;
        let mut count = 0;
        // A bit for each length that a name has: most objects have no two of one.
        let mut lengths = 0_u64;
        let mut is_closed = self.passes(b'}');
        while !is_closed {
            self.expect(b'"')?;
            let name = self.text()?;
            self.expect(b':')?;
            let length = 1 << (name.length() % u64::BITS);
            if lengths & length != 0 && count < MANY && self.has(children, name) {
                return None;
            }
            lengths |= length;
            let child = self.value(name, depth + 1)?;
            self.store.link(&mut children, child);
            count += 1;
            is_closed = self.closes(b'}')?;
        }
        if count > MANY && !self.are_unlike(children) {
            return None;
        }
        self.store.set_kind(id, Kind::Object(children));
        Some(id)
    }

    #[inline(never)]
    fn list(&mut self, name: Span, depth: usize) -> Option<Id> {
        if self.puts_off && is_put_off(self.store.bytes(name)) {
            return self.put_off(name, Kind::List);
        }
        let id = self.open(name, depth)?;
        let mut children = Children::NONE;
        let mut is_closed = self.passes(b']');
        while !is_closed {
            let child = self.value(Span::EMPTY, depth + 1)?;
            self.store.link(&mut children, child);
            is_closed = self.closes(b']')?;
        }
        self.store.set_kind(id, Kind::List(children));
        Some(id)
    }

    /// An object or a list that is read later.
    fn put_off(&mut self, name: Span, kind: fn(Children) -> Kind) -> Option<Id> {
        let start = self.at - 1;
        self.at = start + container(self.json.as_bytes().get(start..)?)?;
        let children = self.store.put_off(span(start, self.at));
        Some(self.store.push(name, kind(children)))
    }

    /// The entry of an object or a list, whose children are yet to be read.
    #[inline]
    fn open(&mut self, name: Span, depth: usize) -> Option<Id> {
        (depth < DEEPEST).then(|| self.store.push(name, Kind::Null))
    }

    /// Whether this ends what holds the children read so far; else another one follows.
    #[inline]
    fn closes(&mut self, bracket: u8) -> Option<bool> {
        match self.next()? {
            b',' => Some(false),
            byte => (byte == bracket).then_some(true),
        }
    }

    /// Whether this byte comes next; it is gone past then.
    #[inline]
    fn passes(&mut self, byte: u8) -> bool {
        self.expect(byte).is_some()
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        if self.json.as_bytes().get(self.at) != Some(&byte) && self.peek_behind_space()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Goes past the next byte that is no white space.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        // The API server writes no white space, and all of it is below.
        match self.json.as_bytes().get(self.at) {
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => self.peek_behind_space(),
        }
    }

    #[cold]
    fn peek_behind_space(&mut self) -> Option<u8> {
        let rest = self.json.as_bytes().get(self.at..)?;
        let spaces = rest.iter().position(|byte| !b" \n\t\r".contains(byte))?;
        self.at += spaces;
        rest.get(spaces).copied()
    }

    /// The rest of a word.
    #[inline]
    fn word(&mut self, rest: &str, kind: Kind) -> Option<Kind> {
        self.json.as_bytes().get(self.at..)?.starts_with(rest.as_bytes()).then_some(())?;
        self.at += rest.len();
        Some(kind)
    }

    /// A number, from behind its first byte on.
    fn number(&mut self) -> Option<Span> {
        let start = self.at - 1;
        let rest = self.json.as_bytes().get(start..)?;
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let written = rest.get(..length)?;
        let is_plain = match written {
            [b'0'] => true,
            [b'1'..=b'9', rest @ ..] => length < 16 && rest.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        (is_plain || serde_json::from_slice::<Number>(written).is_ok()).then_some(())?;
        self.at = start + length;
        Some(span(start, self.at))
    }

    /// A string, from behind its quote on.
    #[inline]
    fn text(&mut self) -> Option<Span> {
        let (start, bytes) = (self.at, self.json.as_bytes());
        let end = plain_until(bytes, start);
        match bytes.get(end)? {
            b'"' => {
                self.at = end + 1;
                Some(span(start, end))
            }
            b'\\' => self.escaped(start, end),
            _ => None,
        }
    }

    /// A string that has a backslash here.
    #[cold]
    fn escaped(&mut self, start: usize, backslash: usize) -> Option<Span> {
        let bytes = self.json.as_bytes();
        let mut at = backslash;
        loop {
            match bytes.get(at)? {
                b'"' => break,
                b'\\' => at = plain_until(bytes, at + 2),
                _ => return None,
            }
        }
        self.at = at + 1;
        let decoded: String = serde_json::from_slice(bytes.get(start - 1..self.at)?).ok()?;
        Some(self.store.keep(&decoded))
    }

    /// Whether one of these has this name.
    #[inline(never)]
    fn has(&self, children: Children, name: Span) -> bool {
        let store = &self.store;
        let mut id = children.first;
        while let Some(entry) = store.entry(id) {
            if entry.name.length() == name.length() && store.bytes(entry.name) == store.bytes(name) {
                return true;
            }
            id = entry.next;
        }
        false
    }

    /// Whether every one of these has a name of its own.
    fn are_unlike(&self, children: Children) -> bool {
        let mut seen = HashSet::new();
        let mut id = children.first;
        while let Some(entry) = self.store.entry(id) {
            if !seen.insert(self.store.text(entry.name)) {
                return false;
            }
            id = entry.next;
        }
        true
    }
}

/// The text between two places, of which none is beyond the longest.
#[inline]
fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

/// Where the first byte is, from here on, that does not stand for itself in a string: a quote, a backslash, a control
/// character.
#[inline]
pub(super) fn plain_until(bytes: &[u8], from: usize) -> usize {
    let Some(mut rest) = bytes.get(from..) else { return from };
    let mut at = from;
    while let Some((lane, behind)) = rest.split_first_chunk() {
        let found = odd(lane);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += lane.len();
        rest = behind;
    }
    // The end of the text counts as odd.
    let mut lane = [0; LANE];
    if let Some(lane) = lane.get_mut(..rest.len()) {
        lane.copy_from_slice(rest);
    }
    at + odd(&lane).trailing_zeros() as usize
}

/// A bit for each byte that does not stand for itself.
#[inline]
fn odd(lane: &[u8; LANE]) -> u32 {
    let lane = u8x16::from(*lane);
    let is = |byte| lane.simd_eq(u8x16::splat(byte));
    let is_control = lane.min(u8x16::splat(b' ' - 1)).simd_eq(lane);
    (is(b'"') | is(b'\\') | is_control).to_bitmask()
}

//! Reading JSON, as the API server writes it: nothing in it is decoded that nobody asks for.
//!
//! What is out of the ordinary (a name twice in one object, very deep nesting, what is no JSON at all) is left to
//! `serde_json`, which decides what becomes of it and says what is wrong. Escapes and unusual numbers it reads too.

use std::collections::HashSet;

use serde_json::{Number, Value};

use super::{Children, Document, Id, Kind, Span};

/// The deepest nesting that is read here.
const DEEPEST: usize = 100;
/// Objects of more fields are searched for names that are there twice with a table.
const MANY: usize = 16;

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// When the text is no JSON.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        match Reader::new(json).read() {
            Some(document) => Ok(document),
            None => Ok(Self::from(&serde_json::from_str::<Value>(json)?)),
        }
    }
}

pub(super) struct Reader<'t> {
    json: &'t str,
    at: usize,
    document: Document,
}

impl<'t> Reader<'t> {
    pub(super) fn new(json: &'t str) -> Self {
        // An entry takes some twenty bytes of text.
        let entries = Vec::with_capacity(json.len() / 16);
        Self { json, at: 0, document: Document { text: json.to_owned(), entries, root: Id(0) } }
    }

    /// The document, unless it is out of the ordinary.
    pub(super) fn read(mut self) -> Option<Document> {
        u32::try_from(self.json.len()).ok()?;
        self.value(Span::EMPTY, 0)?;
        self.peek().is_none().then_some(self.document)
    }

    fn value(&mut self, name: Span, depth: usize) -> Option<Id> {
        let kind = match self.peek()? {
            b'"' => Kind::Text(self.text()?),
            b'{' => return self.object(name, depth),
            b'[' => return self.list(name, depth),
            b't' => self.word("true", Kind::Bool(true))?,
            b'f' => self.word("false", Kind::Bool(false))?,
            b'n' => self.word("null", Kind::Null)?,
            _ => Kind::Number(self.number()?),
        };
        Some(self.document.push(name, kind))
    }

    fn object(&mut self, name: Span, depth: usize) -> Option<Id> {
        let id = self.open(name, Kind::Object(Children::NONE), depth)?;
        let mut children = Children::NONE;
        let mut count = 0;
        while !self.closes(b'}', children)? {
            (self.peek()? == b'"').then_some(())?;
            let name = self.text()?;
            self.expect(b':')?;
            if count < MANY && self.has(children, name) {
                return None;
            }
            let child = self.value(name, depth + 1)?;
            self.document.link(&mut children, child);
            count += 1;
        }
        if count > MANY && !self.are_unlike(children) {
            return None;
        }
        self.document.entries.get_mut(id.index())?.kind = Kind::Object(children);
        Some(id)
    }

    fn list(&mut self, name: Span, depth: usize) -> Option<Id> {
        let id = self.open(name, Kind::List(Children::NONE), depth)?;
        let mut children = Children::NONE;
        while !self.closes(b']', children)? {
            let child = self.value(Span::EMPTY, depth + 1)?;
            self.document.link(&mut children, child);
        }
        self.document.entries.get_mut(id.index())?.kind = Kind::List(children);
        Some(id)
    }

    fn open(&mut self, name: Span, kind: Kind, depth: usize) -> Option<Id> {
        self.at += 1;
        (depth < DEEPEST).then(|| self.document.push(name, kind))
    }

    /// Whether this ends what holds the children read so far; else what follows is another one.
    #[inline]
    fn closes(&mut self, bracket: u8, children: Children) -> Option<bool> {
        let byte = self.peek()?;
        if byte == bracket {
            self.at += 1;
            return Some(true);
        }
        if children.first != Id::NONE {
            self.expect(b',')?;
            // A comma in front of the bracket.
            (self.peek()? != bracket).then_some(())?;
        }
        Some(false)
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.json.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then_some(())?;
        self.at += 1;
        Some(())
    }

    fn word(&mut self, word: &str, kind: Kind) -> Option<Kind> {
        self.json.as_bytes().get(self.at..)?.starts_with(word.as_bytes()).then_some(())?;
        self.at += word.len();
        Some(kind)
    }

    #[inline]
    fn number(&mut self) -> Option<Span> {
        let start = self.at;
        let rest = self.json.as_bytes().get(start..)?;
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        self.at += rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let written = self.json.get(start..self.at)?;
        let is_plain =
            matches!(written.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
        (is_plain && written.len() < 16 || serde_json::from_str::<Number>(written).is_ok()).then_some(())?;
        Some(Span::new(start, self.at))
    }

    /// A string, from its quote on.
    #[inline]
    fn text(&mut self) -> Option<Span> {
        let start = self.at + 1;
        let bytes = self.json.as_bytes();
        let mut at = start;
        let mut has_escapes = false;
        loop {
            at = plain_until(bytes, at);
            match bytes.get(at)? {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    at += 2;
                }
                _ => return None,
            }
        }
        self.at = at + 1;
        if !has_escapes {
            return Some(Span::new(start, at));
        }
        let decoded: String = serde_json::from_str(self.json.get(start - 1..self.at)?).ok()?;
        Some(self.document.keep(&decoded))
    }

    /// Whether one of these has this name.
    fn has(&self, children: Children, name: Span) -> bool {
        let document = &self.document;
        let (length, text) = (name.length(), document.text(name));
        let mut id = children.first;
        while let Some(entry) = document.entry(id) {
            if entry.name.length() == length && document.text(entry.name) == text {
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
        while let Some(entry) = self.document.entry(id) {
            if !seen.insert(self.document.text(entry.name)) {
                return false;
            }
            id = entry.next;
        }
        true
    }
}

/// Where the first byte is, from here on, that does not stand for itself in a string: a quote, a backslash, a control
/// character. Eight at a time, by the rule for a zero byte in a word.
#[inline]
fn plain_until(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word;
    let mut at = from;
    while let Some(Ok(word)) = bytes.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let word = u64::from_le_bytes(word);
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let found = (is(b'"') | is(b'\\') | below(word, b' ')) & HIGHS;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..b' ')).unwrap_or(rest.len())
}

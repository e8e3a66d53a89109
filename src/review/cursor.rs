//! A way through JSON that reads keys and small values and goes past all others. Whatever is not as the API server
//! writes it ends the way: the caller then has it read by a parser, which can tell what is wrong.

use memchr::memchr2;

use super::{Text, span};

/// A place in a JSON text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Goes through an object: `member` is given each key, and goes past its value.
    pub(super) fn object(&mut self, mut member: impl FnMut(&'a str, &mut Self) -> Option<()>) -> Option<()> {
        self.pass(b'{')?;
        if self.next()? == b'}' {
            return self.pass(b'}');
        }
        loop {
            let key = self.string()?;
            self.pass(b':')?;
            member(key, self)?;
            match self.next()? {
                b',' => self.at += 1,
                b'}' => return self.pass(b'}'),
                _ => return None,
            }
        }
    }

    /// Goes past a string, which may be null.
    pub(super) fn text(&mut self) -> Option<Option<Text<'a>>> {
        if self.next()? == b'n' {
            return (self.value()? == "null").then_some(None);
        }
        self.string().map(|text| Some(text.into()))
    }

    /// Goes past a string without escapes.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.pass(b'"')?;
        let rest = self.text.get(self.at..)?;
        // Names are short: to search them by the vector would take longer.
        let length = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\'))?;
        self.at += length;
        self.pass(b'"')?;
        rest.get(..length)
    }

    /// Goes past any value.
    pub(super) fn value(&mut self) -> Option<&'a str> {
        let first = self.next()?;
        let rest = self.text.get(self.at..)?;
        let length = match first {
            b'{' | b'[' => span::container(rest.as_bytes())?,
            b'"' => quoted(rest.as_bytes())?,
            _ => rest.bytes().position(|byte| b",]} \n\r\t".contains(&byte))?,
        };
        self.at += length;
        rest.get(..length)
    }

    /// Whether nothing follows.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.next().is_none()
    }

    /// The next byte that is no space.
    fn next(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        // Every space is below, and the API server writes none.
        if let Some(first) = rest.first().filter(|first| **first > b' ') {
            return Some(*first);
        }
        let spaces = rest.iter().position(|byte| !b" \n\r\t".contains(byte))?;
        self.at += spaces;
        rest.get(spaces).copied()
    }

    fn pass(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.at += 1)
    }
}

/// The length of a string with its quotes.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        let found = at + memchr2(b'"', b'\\', text.get(at..)?)?;
        match text.get(found)? {
            b'"' => return Some(found + 1),
            _ => at = found + 2,
        }
    }
}

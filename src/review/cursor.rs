//! A way through JSON that reads keys and small values and goes past all others. Whatever is not as the API server
//! writes it ends the way: the caller then has it read by a parser, which can tell what is wrong.

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
        match self.next()? {
            b'"' => self.string().map(|text| Some(text.into())),
            _ => self.word("null").map(|()| None),
        }
    }

    /// Goes past a string without escapes.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.pass(b'"')?;
        let start = self.at;
        self.at += span::plain(self.rest()?);
        let text = self.text.get(start..self.at)?;
        (*self.rest()?.first()? == b'"').then(|| self.at += 1)?;
        Some(text)
    }

    /// Goes past a word that is neither string nor number.
    pub(super) fn word(&mut self, word: &str) -> Option<()> {
        self.next()?;
        self.rest()?.starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    /// Goes past any value.
    pub(super) fn value(&mut self) -> Option<&'a str> {
        let first = self.next()?;
        let (start, rest) = (self.at, self.rest()?);
        self.at += match first {
            b'{' | b'[' => span::container(rest)?,
            b'"' => span::string(rest)?,
            _ => rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}' | ..=b' '))?,
        };
        self.text.get(start..self.at)
    }

    /// Whether nothing follows.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.next().is_none()
    }

    /// The next byte that is no space.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u8> {
        let rest = self.rest()?;
        // Every space is below, and the API server writes none.
        if let Some(first) = rest.first().filter(|first| **first > b' ') {
            return Some(*first);
        }
        let spaces = rest.iter().position(|byte| !b" \n\r\t".contains(byte))?;
        self.at += spaces;
        rest.get(spaces).copied()
    }

    #[inline]
    fn pass(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.at += 1)
    }

    #[inline]
    fn rest(&self) -> Option<&'a [u8]> {
        self.text.as_bytes().get(self.at..)
    }
}

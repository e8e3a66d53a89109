//! A document's values as JSON text.

use super::reader::plain_until;
use super::{Kind, Node};

impl Node<'_> {
    /// Writes it as JSON: numbers as they were written, and no white space.
    pub fn write(self, out: &mut Vec<u8>) {
        match self.kind() {
            Kind::Null => out.extend_from_slice(b"null"),
            Kind::Bool(true) => out.extend_from_slice(b"true"),
            Kind::Bool(false) => out.extend_from_slice(b"false"),
            Kind::Number(_) => out.extend_from_slice(self.written().unwrap_or("0").as_bytes()),
            Kind::Text(_) => write_text(self.as_str().unwrap_or_default(), out),
            Kind::List(_) => self.write_entries(b'[', b']', out),
            Kind::Object(_) => self.write_entries(b'{', b'}', out),
        }
    }

    fn write_entries(self, open: u8, close: u8, out: &mut Vec<u8>) {
        out.push(open);
        for (place, (name, entry)) in self.entries().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            if open == b'{' {
                write_text(name, out);
                out.push(b':');
            }
            entry.write(out);
        }
        out.push(close);
    }
}

/// Writes a text as JSON: most stand for themselves.
pub(in crate::pod) fn write_text(text: &str, out: &mut Vec<u8>) {
    if plain_until(text.as_bytes(), 0) == text.len() {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // To write into memory does not fail.
        let _ = serde_json::to_writer(out, text);
    }
}

//! A document's values as JSON text.

use super::reader::plain_until;
use super::{Kind, Node, Span, Store};

impl Node<'_> {
    /// Writes it as JSON: numbers as they were written, and no white space.
    pub fn write(self, out: &mut Vec<u8>) {
        match self.kind() {
            Kind::Null => out.extend_from_slice(b"null"),
            Kind::Bool(true) => out.extend_from_slice(b"true"),
            Kind::Bool(false) => out.extend_from_slice(b"false"),
            Kind::Number(_) => out.extend_from_slice(self.written().unwrap_or("0").as_bytes()),
            Kind::Text(span) => self.store().write_text(span, out),
            Kind::List(_) => self.write_entries(b'[', b']', out),
            Kind::Object(_) => self.write_entries(b'{', b'}', out),
        }
    }

    fn write_entries(self, open: u8, close: u8, out: &mut Vec<u8>) {
        out.push(open);
        for (place, (name, entry)) in self.spans().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            if open == b'{' {
                entry.store().write_text(name, out);
                out.push(b':');
            }
            entry.write(out);
        }
        out.push(close);
    }
}

impl Store {
    /// Writes a text as JSON: most stand for themselves.
    fn write_text(&self, span: Span, out: &mut Vec<u8>) {
        let (start, end) = (span.start as usize, span.end as usize);
        // What is behind it may be looked at too, which spares the care for an end.
        if plain_until(self.text.as_bytes(), start, end) >= end {
            out.reserve(end.saturating_sub(start) + 2);
            out.push(b'"');
            out.extend_from_slice(self.bytes(span));
            out.push(b'"');
        } else {
            // To write into memory does not fail.
            let _ = serde_json::to_writer(out, self.text(span));
        }
    }
}

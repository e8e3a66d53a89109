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
            Kind::List(_) => {
                out.push(b'[');
                for (place, item) in self.as_array().into_iter().flatten().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Kind::Object(_) => {
                out.push(b'{');
                for (place, (name, field)) in self.as_object().into_iter().flatten().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    write_text(name, out);
                    out.push(b':');
                    field.write(out);
                }
                out.push(b'}');
            }
        }
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

//! Copies of values: within documents, from `serde_json`'s values, and to them.

use serde::Deserialize as _;
use serde_json::Value;

use super::unread::Behind;
use super::{Children, Document, Id, Kind, Node, Span};

impl Document {
    /// Takes up a text; tells where it is.
    pub(super) fn keep(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span::new(start, self.text.len())
    }

    /// Takes up all of another document; its outermost value, which nothing holds yet, gets this name.
    pub(super) fn graft(&mut self, name: Span, other: &Self) -> Id {
        if !other.unread.is_empty() {
            return self.copy(name, other.root());
        }
        let behind = Behind::end_of(self);
        self.text.push_str(&other.text);
        self.entries.extend(other.entries.iter().map(|entry| behind.entry(*entry)));
        let root = behind.id(other.root);
        if let Some(entry) = self.entries.get_mut(root.index()) {
            entry.name = name;
        }
        root
    }

    /// Takes up a copy of a value of another document, which nothing holds yet.
    fn copy(&mut self, name: Span, node: Node<'_>) -> Id {
        let kind = match node.kind() {
            Kind::Number(_) => Kind::Number(self.keep(node.written().unwrap_or_default())),
            Kind::Text(_) => Kind::Text(self.keep(node.as_str().unwrap_or_default())),
            Kind::List(_) => Kind::List(Children::NONE),
            Kind::Object(_) => Kind::Object(Children::NONE),
            plain => plain,
        };
        let id = self.push(name, kind);
        let mut children = Children::NONE;
        if let Some(items) = node.as_array() {
            for item in items {
                let child = self.copy(Span::EMPTY, item);
                self.link(&mut children, child);
            }
            self.set_kind(id, Kind::List(children));
        } else if let Some(fields) = node.as_object() {
            for (name, field) in fields {
                let name = self.keep(name);
                let child = self.copy(name, field);
                self.link(&mut children, child);
            }
            self.set_kind(id, Kind::Object(children));
        }
        id
    }
}

impl From<&Value> for Document {
    fn from(value: &Value) -> Self {
        Self::of(value)
    }
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        Self::of(&value)
    }
}

impl From<Node<'_>> for Document {
    fn from(node: Node<'_>) -> Self {
        let mut document = Self::with_room();
        document.copy(Span::EMPTY, node);
        document
    }
}

impl Node<'_> {
    /// A copy.
    #[must_use]
    pub fn to_value(self) -> Value {
        Value::deserialize(self).unwrap_or_default()
    }

    /// How many bytes its JSON takes, about.
    #[must_use]
    pub fn size(self) -> usize {
        let punctuation = "\"\":\"\",".len();
        let within = match self.kind() {
            Kind::List(_) => self.as_array().into_iter().flatten().map(Self::size).sum(),
            Kind::Object(_) => {
                self.as_object().into_iter().flatten().map(|(name, field)| name.len() + field.size()).sum()
            }
            _ => self.as_str().or_else(|| self.written()).map_or(0, str::len),
        };
        punctuation + within
    }
}

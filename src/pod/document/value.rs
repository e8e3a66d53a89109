//! Copies of values: within documents, from `serde_json`'s values, and to them.

use serde::Deserialize as _;
use serde_json::Value;

use super::{Children, Document, Id, Kind, Node, Span, Store};

impl Store {
    /// Takes up a copy of a value of another document, which nothing holds yet.
    fn copy(&mut self, name: Span, node: Node<'_>) -> Id {
        let kind = self.scalar(node);
        let id = self.push(name, kind);
        let mut children = Children::NONE;
        for (name, value) in node.entries() {
            let name = self.keep(name);
            let child = self.copy(name, value);
            self.link(&mut children, child);
        }
        match kind {
            Kind::List(_) => self.set_kind(id, Kind::List(children)),
            Kind::Object(_) => self.set_kind(id, Kind::Object(children)),
            _ => {}
        }
        id
    }

    /// What a value without entries is here.
    pub(super) fn scalar(&mut self, node: Node<'_>) -> Kind {
        match node.kind() {
            Kind::Number(_) => Kind::Number(self.keep(node.written().unwrap_or_default())),
            Kind::Text(_) => Kind::Text(self.keep(node.as_str().unwrap_or_default())),
            other => other,
        }
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
        let mut store = Store::with_room();
        store.copy(Span::EMPTY, node);
        Self::new(store)
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
            Kind::Text(span) | Kind::Number(span) => span.length() as usize,
            Kind::Null | Kind::Bool(_) => 0,
        };
        punctuation + within
    }
}

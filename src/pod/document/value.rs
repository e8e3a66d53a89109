//! From `serde_json`'s values, and to them.

use serde_json::Value;

use super::{Children, Document, Id, Kind, Node, Span};

impl Document {
    /// Takes up a text; tells where it is.
    pub(super) fn keep(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span::new(start, self.text.len())
    }

    /// Takes up a value, which nothing holds yet.
    pub(super) fn take(&mut self, name: Span, value: &Value) -> Id {
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Bool(is) => Kind::Bool(*is),
            Value::Number(number) => Kind::Number(self.keep(&number.to_string())),
            Value::String(text) => Kind::Text(self.keep(text)),
            Value::Array(_) => Kind::List(Children::NONE),
            Value::Object(_) => Kind::Object(Children::NONE),
        };
        let id = self.push(name, kind);
        let mut children = Children::NONE;
        let kind = match value {
            Value::Array(items) => {
                for item in items {
                    let child = self.take(Span::EMPTY, item);
                    self.link(&mut children, child);
                }
                Kind::List(children)
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    let name = self.keep(name);
                    let child = self.take(name, field);
                    self.link(&mut children, child);
                }
                Kind::Object(children)
            }
            _ => return id,
        };
        self.set_kind(id, kind);
        id
    }
}

impl From<&Value> for Document {
    fn from(value: &Value) -> Self {
        let mut document = Self { text: String::new(), entries: Vec::new(), unread: Vec::new(), root: Id(0) };
        document.take(Span::EMPTY, value);
        document
    }
}

impl Node<'_> {
    /// A copy.
    #[must_use]
    pub fn to_value(self) -> Value {
        self.into()
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

    /// Whether a copy is written as this is: a number of many digits may not be.
    #[must_use]
    pub fn is_kept_by_value(self) -> bool {
        match self.kind() {
            Kind::Number(_) => self.number().map(|number| number.to_string()).as_deref() == self.written(),
            Kind::List(_) => self.as_array().into_iter().flatten().all(Self::is_kept_by_value),
            Kind::Object(_) => {
                self.as_object().into_iter().flatten().all(|(_, field)| field.is_kept_by_value())
            }
            Kind::Null | Kind::Bool(_) | Kind::Text(_) => true,
        }
    }
}

impl From<Node<'_>> for Value {
    fn from(node: Node<'_>) -> Self {
        match node.kind() {
            Kind::Null => Self::Null,
            Kind::Bool(is) => Self::Bool(is),
            Kind::Number(_) => node.number().map_or(Self::Null, Self::Number),
            Kind::Text(_) => node.as_str().unwrap_or_default().into(),
            Kind::List(_) => node.as_array().into_iter().flatten().map(Self::from).collect(),
            Kind::Object(_) => {
                let fields = node.as_object().into_iter().flatten();
                fields.map(|(name, field)| (name.to_owned(), Self::from(field))).collect()
            }
        }
    }
}

//! Parts of a document that are gone past when it is read, and read once someone asks for them.
//!
//! They are the most of many Pods, and nobody looks at them in one that is judged and left alone. Where such a part ends
//! is known, and whether it is sound JSON only once it is read; one that is not has nothing in it. What is edited is
//! checked for such.

use std::sync::OnceLock;

use super::{Children, Document, Entry, Id, Kind, Span};

/// A part.
#[derive(Debug, Clone)]
pub(super) struct Part {
    json: Span,
    /// `None` in it where the part is no JSON.
    read: OnceLock<Option<Box<Document>>>,
}

/// Whether a field of this name is put off, where it is an object or a list.
#[inline]
pub(super) fn is_put_off(name: &[u8]) -> bool {
    matches!(name, b"affinity" | b"env" | b"managedFields" | b"projected" | b"tolerations")
}

impl Children {
    /// Those of a part, which has no first one before it is read.
    fn unread(part: usize) -> Self {
        Self { first: Id::NONE, last: Id::at(part) }
    }

    /// The part that they are in, if it is unread.
    #[inline]
    pub(super) fn part(self) -> Option<usize> {
        (self.first == Id::NONE && self.last != Id::NONE).then_some(self.last.index())
    }
}

impl Document {
    /// What is in an object or a list that is put off.
    pub(super) fn put_off(&mut self, json: Span) -> Children {
        self.unread.push(Part { json, read: OnceLock::new() });
        Children::unread(self.unread.len() - 1)
    }

    /// The JSON of a part.
    pub(super) fn json_of(&self, part: usize) -> Option<&str> {
        self.unread.get(part).map(|part| self.text(part.json))
    }

    /// A part as a document of its own, in which nothing is put off: it cannot be nested beyond what a reader takes.
    #[cold]
    pub(super) fn part(&self, part: usize) -> Option<&Self> {
        let part = self.unread.get(part)?;
        let read = || Self::parse_whole(self.text(part.json)).ok().map(Box::new);
        part.read.get_or_init(read).as_deref()
    }

    /// Checks that what was put off is JSON.
    ///
    /// # Errors
    /// When a part of it is not.
    pub fn check(&self) -> Result<(), serde_json::Error> {
        let flawed = (0..self.unread.len()).find(|part| self.part(*part).is_none());
        flawed.and_then(|part| self.json_of(part)).map_or(Ok(()), |json| Self::parse_whole(json).map(drop))
    }

    fn taken(&mut self, part: usize) -> Option<Self> {
        self.part(part)?;
        self.unread.get_mut(part)?.read.take()?.map(|read| *read)
    }

    /// Takes what is in an object or a list among its own entries, where that is put off, so that it can be edited.
    pub(super) fn take_in(&mut self, id: Id) {
        let Some(Kind::List(children) | Kind::Object(children)) = self.entry(id).map(|entry| entry.kind)
        else {
            return;
        };
        let Some(part) = children.part() else { return };
        let Some(read) = self.taken(part) else { return self.set_kind(id, Kind::Null) };
        let behind = Behind::end_of(self);
        let root = read.entry(read.root).map_or(Kind::Null, |root| root.kind);
        self.set_kind(id, behind.kind(root));
        self.text.push_str(&read.text);
        self.entries.extend(read.entries.into_iter().map(|entry| behind.entry(entry)));
    }
}

/// Where a document comes to stand that is taken into another: behind as much as this.
pub(super) struct Behind {
    entries: usize,
    text: usize,
}

impl Behind {
    pub(super) fn end_of(document: &Document) -> Self {
        Self { entries: document.entries.len(), text: document.text.len() }
    }

    pub(super) fn entry(&self, entry: Entry) -> Entry {
        Entry { name: self.span(entry.name), next: self.id(entry.next), kind: self.kind(entry.kind) }
    }

    fn kind(&self, kind: Kind) -> Kind {
        match kind {
            Kind::Null | Kind::Bool(_) => kind,
            Kind::Number(span) => Kind::Number(self.span(span)),
            Kind::Text(span) => Kind::Text(self.span(span)),
            Kind::List(children) => Kind::List(self.children(children)),
            Kind::Object(children) => Kind::Object(self.children(children)),
        }
    }

    fn children(&self, children: Children) -> Children {
        Children { first: self.id(children.first), last: self.id(children.last) }
    }

    pub(super) fn id(&self, id: Id) -> Id {
        if id == Id::NONE { id } else { Id::at(self.entries + id.index()) }
    }

    fn span(&self, span: Span) -> Span {
        Span::new(self.text + span.start as usize, self.text + span.end as usize)
    }
}

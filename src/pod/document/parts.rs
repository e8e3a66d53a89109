//! Parts of a document that are documents of their own.
//!
//! Some are gone past when a document is read, and read once someone asks for them: they are the most of many Pods, and
//! nobody looks at them in one that is judged and left alone. Where such a part ends is known, and whether it is sound
//! JSON only once it is read; one that is not has nothing in it. What is edited is checked for such.
//!
//! The others are what was added, which is shared and not copied.

use std::slice;
use std::sync::OnceLock;

use super::{Children, Document, Id, Kind, Node, Span, Store};

/// A part.
#[derive(Debug, Clone)]
pub(super) enum Part {
    PutOff {
        json: Span,
        /// `None` in it where the part is no JSON.
        read: OnceLock<Option<Document>>,
    },
    Added(Document),
}

/// Whether a field of this name is put off, where it is an object or a list.
#[inline]
pub(super) fn is_put_off(name: &[u8]) -> bool {
    matches!(name, b"affinity" | b"env" | b"managedFields" | b"projected" | b"tolerations")
}

impl Children {
    /// Those of a part, which have no first one here.
    fn of_part(part: usize) -> Self {
        Self { first: Id::NONE, last: Id::at(part) }
    }

    /// The part that they are in, if it is one.
    #[inline]
    pub(super) fn part(self) -> Option<usize> {
        (self.first == Id::NONE && self.last != Id::NONE).then_some(self.last.index())
    }
}

impl Document {
    /// A list of these entries.
    #[must_use]
    pub fn list_of(entries: &[Self]) -> Self {
        Self::around(Span::EMPTY, entries, Kind::List, Store::default())
    }

    /// An object with one field.
    #[must_use]
    pub fn object_of(name: &str, field: &Self) -> Self {
        let mut store = Store::default();
        let name = store.keep(name);
        Self::around(name, slice::from_ref(field), Kind::Object, store)
    }

    fn around(name: Span, values: &[Self], kind: fn(Children) -> Kind, mut store: Store) -> Self {
        let mut children = Children::NONE;
        let holder = store.push(Span::EMPTY, kind(children));
        for value in values {
            let child = store.attach(name, value);
            store.link(&mut children, child);
        }
        store.set_kind(holder, kind(children));
        Self::new(store)
    }

    /// Checks that what was put off is JSON.
    ///
    /// # Errors
    /// When a part of it is not.
    pub fn check(&self) -> Result<(), serde_json::Error> {
        let store = &*self.store;
        let flawed = store.parts.iter().enumerate().find_map(|(place, part)| match part {
            Part::PutOff { json, .. } if store.part(place).is_none() => Some(*json),
            _ => None,
        });
        flawed.map_or(Ok(()), |json| Self::parse_whole(store.text(json)).map(drop))
    }
}

impl Store {
    /// What is in an object or a list that is put off.
    pub(super) fn put_off(&mut self, json: Span) -> Children {
        self.parts.push(Part::PutOff { json, read: OnceLock::new() });
        Children::of_part(self.parts.len() - 1)
    }

    /// A part as a document of its own, in which nothing is put off: it cannot be nested beyond what a reader takes.
    pub(super) fn part(&self, part: usize) -> Option<&Document> {
        match self.parts.get(part)? {
            Part::PutOff { json, read } => {
                read.get_or_init(|| Document::parse_whole(self.text(*json)).ok()).as_ref()
            }
            Part::Added(document) => Some(document),
        }
    }

    /// Takes up a document; its outermost value, which nothing holds yet, gets this name.
    pub(super) fn attach(&mut self, name: Span, document: &Document) -> Id {
        let root = document.root();
        let part = |store: &mut Self| {
            store.parts.push(Part::Added(document.clone()));
            Children::of_part(store.parts.len() - 1)
        };
        let kind = match root.kind() {
            Kind::List(Children::NONE) | Kind::Object(Children::NONE) => root.kind(),
            Kind::List(_) => Kind::List(part(self)),
            Kind::Object(_) => Kind::Object(part(self)),
            _ => self.scalar(root),
        };
        self.push(name, kind)
    }

    /// Takes the entries of an object or a list among its own, where that is a part, so that they can be edited.
    pub(super) fn take_in(&mut self, id: Id) {
        let Some(kind) = self.entry(id).map(|entry| entry.kind) else { return };
        let (Kind::List(children) | Kind::Object(children)) = kind else { return };
        let Some(part) = children.part() else { return };
        let Some(part) = self.part(part).cloned() else { return self.set_kind(id, Kind::Null) };
        let mut taken = Children::NONE;
        for (name, value) in part.root().entries() {
            let name = self.keep(name);
            let child = self.attach(name, &part.part(value));
            self.link(&mut taken, child);
        }
        self.set_kind(
            id,
            if matches!(kind, Kind::List(_)) { Kind::List(taken) } else { Kind::Object(taken) },
        );
    }
}

impl<'a> Node<'a> {
    /// The value itself, where it is a part: as that has it.
    pub(super) fn resolved(self) -> Self {
        match self.kind() {
            Kind::List(children) | Kind::Object(children) => children
                .part()
                .and_then(|part| self.store().part(part))
                .map_or(self, |part| part.root().resolved()),
            _ => self,
        }
    }
}

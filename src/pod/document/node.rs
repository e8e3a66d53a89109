//! Reading a document's values.

use std::{fmt, ptr};

use serde_json::Number;

use super::{Children, Entry, Id, Kind, Span, Store};

/// One value of a document.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    store: &'a Store,
    id: Id,
}

/// The entries of a list.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    store: &'a Store,
    next: Id,
}

/// The fields of an object, in the document's order.
#[derive(Debug, Clone)]
pub struct Fields<'a>(Items<'a>);

impl<'a> Node<'a> {
    pub(super) fn new(store: &'a Store, id: Id) -> Self {
        Self { store, id }
    }

    pub(super) fn store(self) -> &'a Store {
        self.store
    }

    pub(super) fn id(self) -> Id {
        self.id
    }

    /// Whether it is one of this store's values.
    pub(super) fn is_of(self, store: &Store) -> bool {
        ptr::eq(self.store, store)
    }

    /// One field, if it is an object.
    #[must_use]
    #[inline]
    pub fn get(self, name: &str) -> Option<Self> {
        let store = self.store;
        let Kind::Object(children) = self.kind() else { return None };
        let mut id = children.first;
        while let Some(entry) = store.entry(id) {
            if entry.name.length() as usize == name.len() && store.bytes(entry.name) == name.as_bytes() {
                return Some(Self { store, id });
            }
            id = entry.next;
        }
        store.part(children.part()?)?.root().get(name)
    }

    /// Several fields in one turn through them, if it is an object.
    #[must_use]
    #[inline]
    pub fn get_each<const COUNT: usize>(self, names: [&str; COUNT]) -> [Option<Self>; COUNT] {
        let mut found = [None; COUNT];
        let mut items = self.as_object().map_or(Items::none(self.store), |Fields(items)| items);
        while let Some((entry, node)) = items.advance() {
            let held = node.store.bytes(entry.name);
            for (name, found) in names.iter().zip(&mut found) {
                if held == name.as_bytes() {
                    *found = Some(node);
                }
            }
        }
        found
    }

    /// What lies at the end of these names of fields and places in lists.
    #[must_use]
    pub fn at(self, path: impl IntoIterator<Item = impl AsRef<str>>) -> Option<Self> {
        path.into_iter().try_fold(self, |node, token| match node.as_array() {
            Some(mut items) => items.nth(token.as_ref().parse().ok()?),
            None => node.get(token.as_ref()),
        })
    }

    /// Its text, if it is a string.
    #[must_use]
    #[inline]
    pub fn as_str(self) -> Option<&'a str> {
        match self.kind() {
            Kind::Text(span) => Some(self.store.text(span)),
            _ => None,
        }
    }

    /// Whether it is true, if it is a boolean.
    #[must_use]
    #[inline]
    pub fn as_bool(self) -> Option<bool> {
        match self.kind() {
            Kind::Bool(is) => Some(is),
            _ => None,
        }
    }

    /// Its amount, if it is a whole number that is not negative.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        self.written()?.parse().ok().or_else(|| self.number()?.as_u64())
    }

    /// Its amount, if it is a whole number.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        self.written()?.parse().ok().or_else(|| self.number()?.as_i64())
    }

    /// Its entries, if it is a list.
    #[must_use]
    #[inline]
    pub fn as_array(self) -> Option<Items<'a>> {
        match self.kind() {
            Kind::List(children) => Some(self.children(children)),
            _ => None,
        }
    }

    /// Its fields, if it is an object.
    #[must_use]
    #[inline]
    pub fn as_object(self) -> Option<Fields<'a>> {
        match self.kind() {
            Kind::Object(children) => Some(Fields(self.children(children))),
            _ => None,
        }
    }

    /// Whether it is null.
    #[must_use]
    #[inline]
    pub fn is_null(self) -> bool {
        matches!(self.kind(), Kind::Null)
    }

    /// Whether it is a string.
    #[must_use]
    pub fn is_string(self) -> bool {
        matches!(self.kind(), Kind::Text(_))
    }

    /// Whether it is a list.
    #[must_use]
    pub fn is_array(self) -> bool {
        matches!(self.kind(), Kind::List(_))
    }

    /// Whether it is an object.
    #[must_use]
    #[inline]
    pub fn is_object(self) -> bool {
        matches!(self.kind(), Kind::Object(_))
    }

    /// It as a number, if it is one.
    #[must_use]
    pub fn number(self) -> Option<Number> {
        serde_json::from_str(self.written()?).ok()
    }

    /// A number as it is written.
    #[inline]
    pub(super) fn written(self) -> Option<&'a str> {
        match self.kind() {
            Kind::Number(span) => Some(self.store.text(span)),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn kind(self) -> Kind {
        self.store.entry(self.id).map_or(Kind::Null, |entry| entry.kind)
    }

    #[inline]
    fn children(self, children: Children) -> Items<'a> {
        let part = children.part().and_then(|part| self.store.part(part));
        part.map_or(Items { store: self.store, next: children.first }, |part| part.root().items())
    }

    /// The entries of an object or a list, with their names, which are empty in a list.
    pub(super) fn entries(self) -> Fields<'a> {
        Fields(self.items())
    }

    fn items(self) -> Items<'a> {
        match self.kind() {
            Kind::List(children) | Kind::Object(children) => self.children(children),
            _ => Items::none(self.store),
        }
    }
}

impl<'a> Items<'a> {
    fn none(store: &'a Store) -> Self {
        Self { store, next: Id::NONE }
    }

    #[inline]
    fn advance(&mut self) -> Option<(&'a Entry, Node<'a>)> {
        let id = self.next;
        let entry = self.store.entry(id)?;
        self.next = entry.next;
        Some((entry, Node { store: self.store, id }))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    #[inline]
    fn next(&mut self) -> Option<Node<'a>> {
        self.advance().map(|(_, node)| node)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, Node<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let store = self.0.store;
        self.0.advance().map(|(entry, node)| (store.text(entry.name), node))
    }
}

/// Objects are the same in whatever order their fields are, and numbers however they are written.
impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |one: Span, two: Span| self.store.bytes(one) == other.store.bytes(two);
        match (self.kind(), other.kind()) {
            (Kind::Null, Kind::Null) => true,
            (Kind::Bool(one), Kind::Bool(two)) => one == two,
            (Kind::Text(one), Kind::Text(two)) => is_same(one, two),
            (Kind::Number(one), Kind::Number(two)) => is_same(one, two) || self.number() == other.number(),
            (Kind::List(_), Kind::List(_)) | (Kind::Object(_), Kind::Object(_))
                if self.is_one_with(*other) =>
            {
                true
            }
            (Kind::List(one), Kind::List(two)) => self.children(one).eq(other.children(two)),
            (Kind::Object(one), Kind::Object(two)) => {
                let (mut fields, mut others) = (self.children(one), other.children(two));
                loop {
                    match (fields.advance(), others.advance()) {
                        (None, None) => break true,
                        // In one order, as nearly always.
                        (Some((one, field)), Some((two, other)))
                            if field.store.bytes(one.name) == other.store.bytes(two.name) =>
                        {
                            if field != other {
                                break false;
                            }
                        }
                        (Some(_), Some(_)) => break self.to_value() == other.to_value(),
                        _ => break false,
                    }
                }
            }
            _ => false,
        }
    }
}

impl Node<'_> {
    /// Whether it need not be looked at to tell that both are the same.
    fn is_one_with(self, other: Self) -> bool {
        let is_kept = self.id == other.id && self.store.has_kept(self.id, other.store);
        is_kept || {
            let (one, two) = (self.resolved(), other.resolved());
            one.id == two.id && one.is_of(two.store)
        }
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// As JSON.
impl fmt::Display for Node<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_value().fmt(out)
    }
}

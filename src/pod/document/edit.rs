//! Changing a document.

use std::borrow::Cow;

use super::{Children, Document, Id, Kind, Node, Span, Store};

/// Why an edit does not fit a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// What is at the end of the path but one is no object and no list, or not there.
    #[error("there is nothing that could hold it")]
    NoHolder,
    /// The list has no such place.
    #[error("the list has no such place")]
    NoPlace,
    /// The object has no such field.
    #[error("the object has no such field")]
    NoField,
}

impl Document {
    /// Adds a value as RFC 6902 says: a field of an object, in place of one of its name; an entry of a list, in front of
    /// the one at its place or behind all.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn add<T: AsRef<str>>(
        &mut self,
        path: impl IntoIterator<Item = T>,
        value: &Self,
    ) -> Result<(), Misfit> {
        let (holder, token) = self.holder(path)?;
        let (token, store) = (token.as_ref(), self.store_mut());
        match store.entry(holder).map(|entry| entry.kind) {
            Some(Kind::List(children)) => {
                let place =
                    if token == "-" { None } else { Some(token.parse().map_err(|_| Misfit::NoPlace)?) };
                let id = store.attach(Span::EMPTY, value);
                let children = store.with_item(children, place, id)?;
                store.set_kind(holder, Kind::List(children));
            }
            Some(Kind::Object(children)) => {
                let found = store.find(children, token);
                let name = found.and_then(|(_, id)| store.entry(id)).map(|entry| entry.name);
                let name = name.unwrap_or_else(|| store.keep(token));
                let id = store.attach(name, value);
                let children = match found {
                    Some((before, held)) => store.with_in_place(children, before, held, id),
                    None => {
                        let mut children = children;
                        store.link(&mut children, id);
                        children
                    }
                };
                store.set_kind(holder, Kind::Object(children));
            }
            _ => return Err(Misfit::NoHolder),
        }
        Ok(())
    }

    /// Adds entries to a list, behind all.
    ///
    /// # Errors
    /// When there is no such list.
    pub fn append<'p>(
        &mut self,
        list: impl IntoIterator<Item = Cow<'p, str>>,
        entries: &[Self],
    ) -> Result<(), Misfit> {
        let (list, _) = self.holder(list.into_iter().chain([Cow::Borrowed("-")]))?;
        let store = self.store_mut();
        let Some(Kind::List(mut children)) = store.entry(list).map(|entry| entry.kind) else {
            return Err(Misfit::NoHolder);
        };
        for entry in entries {
            let id = store.attach(Span::EMPTY, entry);
            store.link(&mut children, id);
        }
        store.set_kind(list, Kind::List(children));
        Ok(())
    }

    /// Takes a field out of an object.
    ///
    /// # Errors
    /// When there is no such field.
    pub fn remove<T: AsRef<str>>(&mut self, path: impl IntoIterator<Item = T>) -> Result<(), Misfit> {
        let (holder, token) = self.holder(path)?;
        let (token, store) = (token.as_ref(), self.store_mut());
        let Some(Kind::Object(children)) = store.entry(holder).map(|entry| entry.kind) else {
            return Err(Misfit::NoHolder);
        };
        let (before, held) = store.find(children, token).ok_or(Misfit::NoField)?;
        let next = store.entry(held).map_or(Id::NONE, |entry| entry.next);
        let first = if before == Id::NONE { next } else { children.first };
        let last = if children.last == held { before } else { children.last };
        store.set_next(before, next);
        store.set_kind(holder, Kind::Object(Children { first, last }));
        Ok(())
    }

    /// What holds the end of a path, and its name there.
    fn holder<T: AsRef<str>>(&mut self, path: impl IntoIterator<Item = T>) -> Result<(Id, T), Misfit> {
        let mut path = path.into_iter();
        let mut token = path.next().ok_or(Misfit::NoHolder)?;
        let mut holder = self.root;
        let store = self.store_mut();
        store.lead_through(holder);
        for next in path {
            holder = Node::new(store, holder).at([token]).ok_or(Misfit::NoHolder)?.id();
            store.lead_through(holder);
            token = next;
        }
        Ok((holder, token))
    }
}

impl Store {
    /// A change is to come in this entry or below it.
    fn lead_through(&mut self, id: Id) {
        self.mark(id);
        self.take_in(id);
    }

    /// The list with one more entry, at a place or behind all.
    fn with_item(&mut self, children: Children, place: Option<usize>, id: Id) -> Result<Children, Misfit> {
        let mut children = children;
        let (mut before, mut behind) = (Id::NONE, children.first);
        match place {
            None => before = children.last,
            Some(place) => {
                for _ in 0..place {
                    before = behind;
                    behind = self.entry(behind).ok_or(Misfit::NoPlace)?.next;
                }
            }
        }
        if before == children.last {
            self.link(&mut children, id);
            return Ok(children);
        }
        self.set_next(before, id);
        self.set_next(id, behind);
        let first = if before == Id::NONE { id } else { children.first };
        Ok(Children { first, ..children })
    }

    /// The object with one entry in place of another.
    fn with_in_place(&mut self, children: Children, before: Id, held: Id, id: Id) -> Children {
        let next = self.entry(held).map_or(Id::NONE, |entry| entry.next);
        self.set_next(before, id);
        self.set_next(id, next);
        let first = if before == Id::NONE { id } else { children.first };
        let last = if children.last == held { id } else { children.last };
        Children { first, last }
    }

    /// The entry of a name, and the one before it.
    fn find(&self, children: Children, name: &str) -> Option<(Id, Id)> {
        let (mut before, mut id) = (Id::NONE, children.first);
        loop {
            let entry = self.entry(id)?;
            if self.text(entry.name) == name {
                return Some((before, id));
            }
            (before, id) = (id, entry.next);
        }
    }
}

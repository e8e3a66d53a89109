//! A JSON document: read once, shared by reference, edited in place.
//!
//! Every value is an entry of one list, linked to the next of its siblings; names and texts are places in one text,
//! which begins with the JSON that was read. So to read is to look for quotes and brackets, to edit is to hang an entry
//! in, and to copy is to share both until one copy is edited. Numbers stay as they are written.

mod de;
mod edit;
mod node;
mod parts;
mod reader;
mod ser;
mod store;
#[cfg(test)]
mod tests;
mod value;
mod write;

use std::sync::Arc;

pub use edit::Misfit;
pub use node::{Fields, Items, Node};
use store::Store;
pub(super) use write::write_text;

/// A JSON document; null by default. A copy shares what it is made of until one of them is edited.
#[derive(Debug, Clone, Default)]
pub struct Document {
    store: Arc<Store>,
    root: Id,
}

/// The place of an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Id(u32);

/// The place of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Its name, in an object.
    name: Span,
    /// The one behind it in its object or list.
    next: Id,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Null,
    Bool(bool),
    /// As it is written.
    Number(Span),
    /// Without its quotes and escapes.
    Text(Span),
    List(Children),
    Object(Children),
}

/// None have neither; those of a part have only its number, as the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Children {
    first: Id,
    last: Id,
}

impl Id {
    /// No entry.
    const NONE: Self = Self(u32::MAX);
    /// That of the outermost value of what was read or made as one.
    const FIRST: Self = Self(0);

    /// More entries than fit are as if they were not there: what is read is far smaller.
    #[inline]
    fn at(index: usize) -> Self {
        u32::try_from(index).map_or(Self::NONE, Self)
    }

    #[inline]
    fn index(self) -> usize {
        self.0 as usize
    }
}

impl Span {
    const EMPTY: Self = Self { start: 0, end: 0 };

    #[inline]
    fn new(start: usize, end: usize) -> Self {
        let at = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        Self { start: at(start), end: at(end) }
    }

    #[inline]
    fn length(self) -> u32 {
        self.end.wrapping_sub(self.start)
    }
}

impl Children {
    const NONE: Self = Self { first: Id::NONE, last: Id::NONE };
}

impl Document {
    fn new(store: Store) -> Self {
        Self { store: Arc::new(store), root: Id::FIRST }
    }

    /// Its outermost value.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Node::new(&self.store, self.root)
    }

    /// A document of which one of its values is the outermost.
    #[must_use]
    pub fn part(&self, value: Node<'_>) -> Self {
        if value.is_of(&self.store) {
            return Self { store: Arc::clone(&self.store), root: value.id() };
        }
        // It is in a part, which is a document of its own.
        Self::from(value)
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.root() == other.root()
    }
}

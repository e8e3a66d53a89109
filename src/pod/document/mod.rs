//! A JSON document: read once, shared by reference, edited in place.
//!
//! Every value is an entry of one list, linked to the next of its siblings; names and texts are places in one text,
//! which begins with the JSON that was read. So to read is to look for quotes and brackets, to copy is to copy two
//! blocks of memory, and to edit is to hang an entry in. Numbers stay as they are written.

mod de;
mod edit;
mod node;
mod reader;
mod ser;
#[cfg(test)]
mod tests;
mod unread;
mod value;

pub use edit::Misfit;
pub use node::{Fields, Items, Node};
use unread::Part;

/// A JSON document; null by default.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// What was read, then the texts that were added.
    text: String,
    entries: Vec<Entry>,
    unread: Vec<Part>,
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

/// None have neither; those that are yet to be read have only a number of their part, as the last.
#[derive(Debug, Clone, Copy)]
struct Children {
    first: Id,
    last: Id,
}

impl Id {
    /// No entry.
    const NONE: Self = Self(u32::MAX);

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
    /// An empty one that most of what is added to a Pod fits into.
    fn with_room() -> Self {
        Self { text: String::with_capacity(512), entries: Vec::with_capacity(32), ..Self::default() }
    }

    /// Its outermost value.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Node::new(self, self.root)
    }

    #[inline]
    fn entry(&self, id: Id) -> Option<&Entry> {
        self.entries.get(id.index())
    }

    #[inline]
    fn text(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    #[inline]
    fn bytes(&self, span: Span) -> &[u8] {
        self.text.as_bytes().get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    #[inline]
    fn push(&mut self, name: Span, kind: Kind) -> Id {
        let id = Id::at(self.entries.len());
        self.entries.push(Entry { name, next: Id::NONE, kind });
        id
    }

    /// Hangs an entry behind the last of these.
    #[inline]
    fn link(&mut self, children: &mut Children, id: Id) {
        match self.entries.get_mut(children.last.index()) {
            Some(last) => last.next = id,
            None => children.first = id,
        }
        children.last = id;
    }

    #[inline]
    fn set_kind(&mut self, id: Id, kind: Kind) {
        if let Some(entry) = self.entries.get_mut(id.index()) {
            entry.kind = kind;
        }
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.root() == other.root()
    }
}

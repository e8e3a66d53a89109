//! What documents are made of.

use std::any::TypeId;
use std::sync::{Arc, OnceLock};

use super::parts::Part;
use super::{Children, Document, Entry, Id, Kind, Span};

/// The values of a document, and their texts.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    /// What was read, then the texts that were added.
    pub(super) text: String,
    pub(super) entries: Vec<Entry>,
    pub(super) parts: Vec<Part>,
    /// A type that has read itself from it.
    pub(super) decoded_as: OnceLock<TypeId>,
    original: Option<Original>,
}

/// What a store was copied from to be changed: it still begins with its texts and entries.
#[derive(Debug, Clone)]
struct Original {
    store: Arc<Store>,
    /// For each entry of the original, whether a change is in it or below.
    changed: Vec<bool>,
}

impl Document {
    /// The store, to be changed: one of its own.
    pub(super) fn store_mut(&mut self) -> &mut Store {
        if Arc::get_mut(&mut self.store).is_none() {
            self.store = Arc::new(Store::copy_of(&self.store));
        }
        let store = Arc::make_mut(&mut self.store);
        store.decoded_as.take();
        store
    }
}

impl Store {
    /// What a reader begins with: the JSON that is read, and room for so many entries.
    pub(super) fn of_text(json: &str, entries: usize) -> Self {
        Self { text: json.to_owned(), entries: Vec::with_capacity(entries), ..Self::default() }
    }

    /// An empty one that most of what is added to a Pod fits into.
    pub(super) fn with_room() -> Self {
        Self { text: String::with_capacity(512), entries: Vec::with_capacity(32), ..Self::default() }
    }

    /// A copy with room for what is added to most Pods.
    fn copy_of(original: &Arc<Self>) -> Self {
        let mut text = String::with_capacity(original.text.len() + 1024);
        text.push_str(&original.text);
        let mut entries = Vec::with_capacity(original.entries.len() + 64);
        entries.extend_from_slice(&original.entries);
        let changed = vec![false; entries.len()];
        let original = Original { store: Arc::clone(original), changed };
        let parts = original.store.parts.clone();
        Self { text, entries, parts, original: Some(original), ..Self::default() }
    }

    /// Tells that something changes in an entry or below it.
    pub(super) fn mark(&mut self, id: Id) {
        if let Some(original) = &mut self.original
            && let Some(changed) = original.changed.get_mut(id.index())
        {
            *changed = true;
        }
    }

    /// Whether the entry of this place is the same in both: of one original, and in neither changed.
    pub(super) fn has_kept(&self, id: Id, other: &Self) -> bool {
        let is_kept = |original: &Original| original.changed.get(id.index()) == Some(&false);
        match (&self.original, &other.original) {
            (Some(one), Some(two)) => Arc::ptr_eq(&one.store, &two.store) && is_kept(one) && is_kept(two),
            _ => false,
        }
    }

    #[inline]
    pub(super) fn entry(&self, id: Id) -> Option<&Entry> {
        self.entries.get(id.index())
    }

    #[inline]
    pub(super) fn text(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    #[inline]
    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        self.text.as_bytes().get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Takes up a text; tells where it is.
    #[inline]
    pub(super) fn keep(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span::new(start, self.text.len())
    }

    #[inline]
    pub(super) fn push(&mut self, name: Span, kind: Kind) -> Id {
        let id = Id::at(self.entries.len());
        self.entries.push(Entry { name, next: Id::NONE, kind });
        id
    }

    /// Hangs an entry behind the last of these.
    #[inline]
    pub(super) fn link(&mut self, children: &mut Children, id: Id) {
        match self.entries.get_mut(children.last.index()) {
            Some(last) => last.next = id,
            None => children.first = id,
        }
        children.last = id;
    }

    #[inline]
    pub(super) fn set_kind(&mut self, id: Id, kind: Kind) {
        if let Some(entry) = self.entries.get_mut(id.index()) {
            entry.kind = kind;
        }
    }

    pub(super) fn set_next(&mut self, id: Id, next: Id) {
        if let Some(entry) = self.entries.get_mut(id.index()) {
            entry.next = next;
        }
    }
}

//! Edits: what is to change in a Pod, each as one or several operations.

use jsonptr::{Pointer, PointerBuf, Token};

use super::document::Misfit;
use super::patch::tokens;
use super::{Document, Node, Operation};

/// One intended change.
#[derive(Debug)]
pub(super) enum Edit {
    /// One operation.
    One(Operation),
    /// Entries behind those that a list has.
    Append {
        /// The list.
        list: PointerBuf,
        /// How many it has already.
        place: usize,
        /// What is added.
        entries: Vec<Document>,
    },
}

impl Edit {
    /// What changes: the place of the operation, or the list.
    pub(super) fn path(&self) -> &Pointer {
        match self {
            Self::One(operation) => operation.path(),
            Self::Append { list, .. } => list,
        }
    }

    /// How many operations it is.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Append { entries, .. } => entries.len(),
        }
    }

    /// Applies it to a document.
    pub(super) fn apply(&self, document: &mut Document) -> Result<(), Misfit> {
        match self {
            Self::One(operation) => operation.apply(document),
            Self::Append { list, entries, .. } => document.append(tokens(list), entries),
        }
    }

    /// The operations that it is, in order.
    pub(super) fn into_operations(self) -> impl Iterator<Item = Operation> {
        let (one, list, place, entries) = match self {
            Self::One(operation) => (Some(operation), PointerBuf::new(), 0, Vec::new()),
            Self::Append { list, place, entries } => (None, list, place, entries),
        };
        let adding = entries.into_iter().zip(place..).map(move |(value, place)| {
            let mut path = list.clone();
            path.push_back(place);
            Operation::Add { path, value }
        });
        one.into_iter().chain(adding)
    }

    /// Whether it brings a named entry of a list, or a key of a map. An entry of `volumeMounts` goes by its path.
    pub(super) fn brings(&self, field: &str, name: &str) -> bool {
        match self {
            Self::One(Operation::Add { path, value }) => brings(path, value.root(), field, name),
            Self::One(Operation::Remove { .. }) => false,
            Self::Append { list, entries, .. } => {
                is_field(list.last(), field) && entries.iter().any(|entry| is_named(entry.root(), name))
            }
        }
    }
}

/// Whether an operation that adds a value at a path brings a named entry of a list, or a key of a map.
fn brings(path: &Pointer, value: Node<'_>, field: &str, name: &str) -> bool {
    let holds = |value: Node<'_>| match value.as_array() {
        Some(mut entries) => entries.any(|entry| is_named(entry, name)),
        None => value.get(name).is_some(),
    };
    // The field may be the target itself, above it, or within a value that brings its parents with it.
    if is_field(path.last(), field) {
        return holds(value);
    }
    if is_field(path.parent().and_then(Pointer::last), field) {
        return path.last().is_some_and(|token| token.decoded() == name) || is_named(value, name);
    }
    value.get(field).is_some_and(holds)
}

fn is_field(token: Option<Token<'_>>, field: &str) -> bool {
    token.is_some_and(|token| token.decoded() == field)
}

fn is_named(entry: Node<'_>, name: &str) -> bool {
    ["name", "mountPath"].iter().any(|key| entry.get(key).and_then(Node::as_str) == Some(name))
}

//! RFC 6902 operations, applied.

use std::borrow::Cow;

use json_patch::PatchOperation;
use json_patch::jsonptr::{Pointer, Token};

use super::document::{Document, Misfit};

/// Applies an operation, of those that a draft makes.
pub(super) fn apply(document: &mut Document, operation: &PatchOperation) -> Result<(), Misfit> {
    match operation {
        PatchOperation::Add(add) => document.add(tokens(&add.path), &add.value),
        PatchOperation::Remove(remove) => document.remove(tokens(&remove.path)),
        _ => Err(Misfit::Unknown),
    }
}

/// The names of fields and places in lists along a path.
pub(super) fn tokens(path: &Pointer) -> impl Iterator<Item = Cow<'_, str>> {
    path.as_str().split('/').skip(1).map(decoded)
}

fn decoded(token: &str) -> Cow<'_, str> {
    if !token.as_bytes().contains(&b'~') {
        return token.into();
    }
    Token::from_encoded(token).map_or(token.into(), |escaped| escaped.decoded().into_owned().into())
}

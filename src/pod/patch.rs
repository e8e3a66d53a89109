//! The operations of a patch (RFC 6902), as far as a draft makes them.

use std::borrow::Cow;
use std::iter;

use jsonptr::{Pointer, PointerBuf, Token};
use memchr::memchr;
use serde::Serialize;

use super::document::{self, Document, Misfit};

/// One operation of a patch; it serializes as RFC 6902 has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Adds a field to an object, in place of one of its name, or an entry to a list.
    Add {
        /// Where the value is then.
        path: PointerBuf,
        /// What is added.
        value: Document,
    },
    /// Takes a field out of an object.
    Remove {
        /// Where the field is.
        path: PointerBuf,
    },
}

impl Operation {
    /// The place that it is about.
    #[must_use]
    pub fn path(&self) -> &Pointer {
        match self {
            Self::Add { path, .. } | Self::Remove { path } => path,
        }
    }

    /// Its name in RFC 6902.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
        }
    }

    /// Applies it to a document.
    ///
    /// # Errors
    /// When it does not fit the document.
    pub fn apply(&self, document: &mut Document) -> Result<(), Misfit> {
        match self {
            Self::Add { path, value } => document.add(tokens(path), value),
            Self::Remove { path } => document.remove(tokens(path)),
        }
    }
}

/// A patch as it is answered.
#[must_use]
pub fn patch_json(operations: &[Operation]) -> Vec<u8> {
    let mut json = Vec::with_capacity(4096);
    json.push(b'[');
    for (place, operation) in operations.iter().enumerate() {
        json.extend_from_slice(if place > 0 { b",{\"op\":\"" } else { b"{\"op\":\"" });
        json.extend_from_slice(operation.name().as_bytes());
        json.extend_from_slice(b"\",\"path\":");
        document::write_text(operation.path().as_str(), &mut json);
        if let Operation::Add { value, .. } = operation {
            json.extend_from_slice(b",\"value\":");
            value.root().write(&mut json);
        }
        json.push(b'}');
    }
    json.push(b']');
    json
}

/// The path along these names of fields and places in lists.
pub(super) fn pointer(tokens: impl IntoIterator<Item = impl AsRef<str>>) -> PointerBuf {
    let mut path = String::with_capacity(64);
    for token in tokens {
        let token = token.as_ref();
        path.push('/');
        if token.bytes().any(|byte| matches!(byte, b'/' | b'~')) {
            path.push_str(Token::new(token).encoded());
        } else {
            path.push_str(token);
        }
    }
    // Whatever is behind slashes, encoded, is a path.
    PointerBuf::parse(path).unwrap_or_default()
}

/// The names of fields and places in lists along a path.
pub(super) fn tokens(path: &Pointer) -> impl Iterator<Item = Cow<'_, str>> {
    let is_escaped = memchr(b'~', path.as_str().as_bytes()).is_some();
    encoded_tokens(path).map(move |token| if is_escaped { decoded(token) } else { token.into() })
}

/// The same as they stand in the path.
pub(super) fn encoded_tokens(path: &Pointer) -> impl Iterator<Item = &str> {
    let mut rest = path.as_str().strip_prefix('/');
    // `split` searches for a character of any length, which tells over tokens as short as these.
    iter::from_fn(move || {
        let text = rest?;
        let (token, behind) = match memchr(b'/', text.as_bytes()) {
            Some(end) => (text.get(..end)?, text.get(end + 1..)),
            None => (text, None),
        };
        rest = behind;
        Some(token)
    })
}

fn decoded(token: &str) -> Cow<'_, str> {
    Token::from_encoded(token).map_or(token.into(), |token| token.decoded().into_owned().into())
}

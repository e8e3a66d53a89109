//! How large a nasty Pod is.

use serde_json::Value;

/// What an API server takes as one request. Source: `MaxRequestBodyBytes` of `k8s.io/apiserver/pkg/server/config.go`.
const LARGEST_BYTES: usize = 3 * 1024 * 1024;

/// How much of each thing a Pod holds.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Bytes of one annotation.
    pub(crate) text: usize,
    /// Bytes of one text elsewhere.
    pub(crate) book: usize,
    annotations: usize,
    containers: usize,
    volumes: usize,
    mounts: usize,
    values: usize,
}

impl Size {
    /// As large as an API server takes it.
    pub(crate) const LARGEST: Self = Self {
        text: LARGEST_BYTES / 2,
        book: LARGEST_BYTES / 2,
        annotations: LARGEST_BYTES / 2,
        containers: usize::MAX,
        volumes: usize::MAX,
        mounts: usize::MAX,
        values: usize::MAX,
    };

    /// As large as Podwright decides on.
    pub(crate) const WITHIN: Self = Self {
        text: 250 * 1024,
        book: 60,
        annotations: 250 * 1024,
        containers: 250,
        volumes: 500,
        mounts: 2_500,
        values: 49_000,
    };

    /// A text as long as an annotation may be.
    pub(crate) fn repeated(self, piece: &str) -> String {
        piece.repeat(self.text / piece.len())
    }

    pub(crate) fn annotations(self, annotation: impl Fn(usize) -> (String, String)) -> Value {
        let pairs = (1..).map(annotation).scan(0, |taken, (key, value)| {
            *taken += key.len() + value.len();
            (*taken <= self.annotations).then(|| (key, Value::from(value)))
        });
        Value::Object(pairs.collect())
    }

    pub(crate) fn containers(self, container: impl Fn(usize) -> Value) -> Value {
        many(self.containers, container)
    }

    pub(crate) fn volumes(self, volume: impl Fn(usize) -> Value) -> Value {
        many(self.volumes, volume)
    }

    pub(crate) fn mounts(self, mount: impl Fn(usize) -> Value) -> Value {
        many(self.mounts, mount)
    }

    /// Entries that are as many values together as there may be.
    pub(crate) fn heap(self, entry: impl Fn(usize) -> Value) -> Value {
        let text = entry(0).to_string();
        many(self.values / (text.matches(['{', '[', ',']).count() + 1), entry)
    }
}

/// So many entries, and no more than fit into half of a request.
fn many(most: usize, entry: impl Fn(usize) -> Value) -> Value {
    let typical = entry(10_000).to_string().len() + 1;
    (0..most.min(LARGEST_BYTES / 2 / typical)).map(entry).collect()
}

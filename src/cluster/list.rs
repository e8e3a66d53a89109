//! Whole lists of objects, a page at a time, so that a large cluster takes no more memory than a small one.

use std::fmt;

use kube::Client;
use kube::api::{ListParams, Request};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Chain;

/// How many objects come in one page, unless another number is asked for.
const PER_PAGE: u32 = 500;

/// Why a list could not be read.
#[derive(Debug, thiserror::Error)]
#[error("listing {path}: {reason}")]
pub struct Error {
    path: &'static str,
    reason: String,
}

/// The pages of a list.
pub struct Pages {
    client: Client,
    path: &'static str,
    wanted: ListParams,
    next: Option<String>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pages").field("path", &self.path).finish_non_exhaustive()
    }
}

/// One page. Its objects are text until they are asked for: each may be large.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    items: Vec<Box<RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    #[serde(rename = "continue")]
    next: Option<String>,
    remaining_item_count: Option<u64>,
}

impl Page {
    /// How many objects are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many objects come after it, as far as the API server tells.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.metadata.remaining_item_count.unwrap_or(0)
    }

    /// Its objects, each with the kind that the API server tells only of the list.
    pub fn objects(&self) -> impl Iterator<Item = Value> {
        let kind = self.kind.strip_suffix("List").unwrap_or_default();
        self.items.iter().filter_map(move |item| {
            let mut object: Value = serde_json::from_str(item.get()).ok()?;
            let fields = object.as_object_mut()?;
            fields.entry("apiVersion").or_insert_with(|| self.api_version.as_str().into());
            fields.entry("kind").or_insert_with(|| kind.into());
            Some(object)
        })
    }
}

impl Pages {
    /// All objects at a path such as `/api/v1/pods`.
    #[must_use]
    pub fn of(client: Client, path: &'static str) -> Self {
        let wanted = ListParams::default().limit(PER_PAGE);
        Self { client, path, wanted, next: Some(String::new()) }
    }

    /// The same, of those that a field selector leaves.
    #[must_use]
    pub fn with_fields(self, selector: &str) -> Self {
        Self { wanted: self.wanted.fields(selector), ..self }
    }

    /// The same, of those that a label selector leaves.
    #[must_use]
    pub fn with_labels(self, selector: &str) -> Self {
        Self { wanted: self.wanted.labels(selector), ..self }
    }

    /// The same, so many at a time.
    #[must_use]
    pub fn per_page(self, limit: u32) -> Self {
        Self { wanted: self.wanted.limit(limit), ..self }
    }

    /// The next page; `None` after the last, and where the cluster has no such kind.
    ///
    /// # Errors
    /// When the API server does not answer, or refuses.
    pub async fn next(&mut self) -> Result<Option<Page>, Error> {
        let Some(after) = self.next.take() else { return Ok(None) };
        let mut wanted = self.wanted.clone();
        if !after.is_empty() {
            wanted = wanted.continue_token(&after);
        }
        let failed = |reason: String| Error { path: self.path, reason };
        let request = Request::new(self.path).list(&wanted).map_err(|error| failed(error.to_string()))?;
        let text = match self.client.request_text(request).await {
            Ok(text) => text,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(error) => return Err(failed(Chain(&error).to_string())),
        };
        let page: Page = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        self.next = page.metadata.next.clone().filter(|next| !next.is_empty());
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_the_kind_of_its_list() {
        let page: Page = serde_json::from_str(
            r#"{"apiVersion": "apps/v1", "kind": "DeploymentList", "metadata": {"continue": "x"},
                "items": [{"metadata": {"name": "a"}}, 7, {"apiVersion": "v1", "kind": "Pod"}]}"#,
        )
        .unwrap();
        let kinds: Vec<_> =
            page.objects().map(|object| format!("{} {}", object["apiVersion"], object["kind"])).collect();
        assert_eq!(kinds, [r#""apps/v1" "Deployment""#, r#""v1" "Pod""#]);
        assert_eq!((page.len(), page.remaining()), (3, 0));
    }
}

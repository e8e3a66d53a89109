//! Whole lists of objects, a page at a time, so that a large cluster takes no more memory than a small one.

use std::fmt;

use kube::Client;
use kube::api::{ListParams, Request};
use serde_json::Value;

use super::Chain;

/// How many objects come in one page.
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
    selector: &'static str,
    next: Option<String>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pages").field("path", &self.path).finish_non_exhaustive()
    }
}

/// One page.
#[derive(Debug)]
pub struct Page {
    /// The list, as the API server writes it; its items need not say their kind.
    pub list: Value,
    /// How many objects come after it, as far as the API server tells.
    pub remaining: u64,
}

impl Pages {
    /// The objects at a path such as `/api/v1/pods`, of those that a field selector leaves.
    #[must_use]
    pub fn of(client: Client, path: &'static str, selector: &'static str) -> Self {
        Self { client, path, selector, next: Some(String::new()) }
    }

    /// The next page; `None` after the last, and where the cluster has no such kind.
    ///
    /// # Errors
    /// When the API server does not answer, or refuses.
    pub async fn next(&mut self) -> Result<Option<Page>, Error> {
        let Some(after) = self.next.take() else { return Ok(None) };
        let wanted = ListParams::default().limit(PER_PAGE).fields(self.selector);
        let wanted = if after.is_empty() { wanted } else { wanted.continue_token(&after) };
        let failed = |reason: String| Error { path: self.path, reason };
        let request = Request::new(self.path).list(&wanted).map_err(|error| failed(error.to_string()))?;
        let list: Value = match self.client.request(request).await {
            Ok(list) => list,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(error) => return Err(failed(Chain(&error).to_string())),
        };
        let text = list.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default();
        self.next = (!text.is_empty()).then(|| text.to_owned());
        let remaining = list.pointer("/metadata/remainingItemCount").and_then(Value::as_u64).unwrap_or(0);
        Ok(Some(Page { list, remaining }))
    }
}

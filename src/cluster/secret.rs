//! The Secret of certificates that Podwright makes for itself.

use std::collections::BTreeMap;
use std::fmt;

use futures::{Stream, StreamExt as _};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::Metrics;
use super::own::{Error, Written, follow, written};

/// What watchers of certificates know, and what keeps a certificate and its key together.
const TYPE: &str = "kubernetes.io/tls";
/// Who has written a field.
pub(super) const MANAGER: &str = "podwright";

/// Where the Secret is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A Secret as it was seen.
#[derive(Clone)]
pub struct Secret(core::Secret);

impl Place {
    /// The Secret as it is from now on, `None` while there is none.
    pub fn follow(
        &self,
        client: Client,
        metrics: Metrics,
    ) -> impl Stream<Item = Option<Secret>> + Send + use<> {
        follow(self.api(client), &self.name, "secrets", metrics).map(|found| found.map(Secret))
    }

    /// Makes the Secret, unless there is one.
    ///
    /// # Errors
    /// When the API server does not answer, or refuses.
    pub async fn create(&self, client: Client, data: BTreeMap<String, Vec<u8>>) -> Result<Written, Error> {
        let secret = core::Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some([("app.kubernetes.io/name".to_owned(), "podwright".to_owned())].into()),
                ..ObjectMeta::default()
            },
            type_: Some(TYPE.to_owned()),
            data: Some(encoded(data)),
            ..core::Secret::default()
        };
        let api = self.api(client);
        written(self.to_string(), api.create(&parameters(), &secret)).await
    }

    /// Puts this data into the Secret and takes out an annotation, unless it has changed since it was seen.
    ///
    /// # Errors
    /// When the API server does not answer, or refuses.
    pub async fn replace(
        &self,
        client: Client,
        seen: &Secret,
        data: BTreeMap<String, Vec<u8>>,
        annotation: Option<&str>,
    ) -> Result<Written, Error> {
        let Secret(mut secret) = seen.clone();
        secret.data.get_or_insert_default().extend(encoded(data));
        if let (Some(annotations), Some(annotation)) = (&mut secret.metadata.annotations, annotation) {
            annotations.remove(annotation);
        }
        let api = self.api(client);
        written(self.to_string(), api.replace(&self.name, &parameters(), &secret)).await
    }

    fn api(&self, client: Client) -> Api<core::Secret> {
        Api::namespaced(client, &self.namespace)
    }
}

impl Secret {
    /// What it holds.
    #[must_use]
    pub fn data(&self) -> BTreeMap<String, Vec<u8>> {
        let data = self.0.data.iter().flatten();
        data.map(|(name, ByteString(bytes))| (name.clone(), bytes.clone())).collect()
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.0.metadata.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// What tells this version of it from every other.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.0.metadata.resource_version.as_deref()
    }
}

fn encoded(data: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, ByteString> {
    data.into_iter().map(|(name, bytes)| (name, ByteString(bytes))).collect()
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the Secret {:?} in namespace {:?}", self.name, self.namespace)
    }
}

impl fmt::Debug for Secret {
    // What it holds stays untold.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Secret").field("version", &self.version()).finish_non_exhaustive()
    }
}

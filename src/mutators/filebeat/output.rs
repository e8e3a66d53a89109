//! Where the lines go: one output of Filebeat, with credentials as references to a Secret.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{DATA_PATH, TLS_PATH};
use crate::pod::Document;
use crate::policy::NonEmpty;

/// Exactly one output.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Output {
    /// Elasticsearch, or what speaks its bulk protocol.
    Elasticsearch(Elasticsearch),
    /// Logstash, or what speaks the Beats protocol.
    Logstash(Logstash),
    /// Kafka.
    Kafka(Kafka),
    /// Files in the sidecar's own volume.
    File(File),
    /// The sidecar's standard output, a JSON object a line, for a collector on the node.
    Console(Console),
}

/// Elasticsearch.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Elasticsearch {
    /// Addresses: `https://elasticsearch:9200`.
    hosts: Vec<NonEmpty>,
    /// The index or data stream of events without a target; Filebeat's own where it is left out.
    index: Option<NonEmpty>,
    /// The ingest pipeline.
    pipeline: Option<NonEmpty>,
    /// The user's name.
    username: Option<SecretKey>,
    /// The user's password.
    password: Option<SecretKey>,
    /// An API key, `id:key`.
    api_key: Option<SecretKey>,
    /// Certificates.
    tls: Option<Tls>,
    /// Any other setting of this output, as Filebeat names it.
    #[serde(default)]
    settings: Map<String, Value>,
}

/// Logstash.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Logstash {
    /// Addresses: `logstash:5044`.
    hosts: Vec<NonEmpty>,
    /// Certificates; without them the lines travel in the clear.
    tls: Option<Tls>,
    /// Any other setting of this output, as Filebeat names it.
    #[serde(default)]
    settings: Map<String, Value>,
}

/// Kafka.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Kafka {
    /// Brokers: `kafka:9092`.
    hosts: Vec<NonEmpty>,
    /// The topic of events without a target.
    topic: NonEmpty,
    /// The user's name.
    username: Option<SecretKey>,
    /// The user's password.
    password: Option<SecretKey>,
    /// Certificates.
    tls: Option<Tls>,
    /// Any other setting of this output, as Filebeat names it.
    #[serde(default)]
    settings: Map<String, Value>,
}

/// Files in the sidecar's own volume.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct File {
    /// The files' name.
    filename: Option<NonEmpty>,
    /// Any other setting of this output, as Filebeat names it.
    #[serde(default)]
    settings: Map<String, Value>,
}

/// The sidecar's standard output.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Console {
    /// Any other setting of this output, as Filebeat names it.
    #[serde(default)]
    settings: Map<String, Value>,
}

/// One key of a Secret in the Pod's namespace.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretKey {
    /// The Secret's name.
    secret: NonEmpty,
    /// The key within it.
    key: NonEmpty,
}

/// Certificates, from Secrets in the Pod's namespace.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    /// The authority that signed the server's certificate; the system's where it is left out.
    ca: Option<SecretKey>,
    /// The client's certificate.
    certificate: Option<SecretKey>,
    /// The key of the client's certificate.
    key: Option<SecretKey>,
}

impl Output {
    /// The `output.<name>` section of `filebeat.yml`.
    pub(super) fn section(&self) -> (&'static str, Value) {
        let mut out = Map::new();
        let (name, settings) = match self {
            Self::Elasticsearch(to) => {
                hosts(&mut out, &to.hosts);
                text(&mut out, "index", to.index.as_ref());
                text(&mut out, "pipeline", to.pipeline.as_ref());
                // A sidecar has no business to set up the cluster that it ships to, nor the right.
                out.insert("allow_older_versions".to_owned(), true.into());
                ("elasticsearch", &to.settings)
            }
            Self::Logstash(to) => {
                hosts(&mut out, &to.hosts);
                ("logstash", &to.settings)
            }
            Self::Kafka(to) => {
                hosts(&mut out, &to.hosts);
                out.insert("topic".to_owned(), to.topic.as_str().into());
                // An input's target travels as metadata to any output but Elasticsearch.
                let target = json!([{ "topic": "%{[@metadata.raw_index]}", "when": { "has_fields": ["@metadata.raw_index"] } }]);
                out.insert("topics".to_owned(), target);
                ("kafka", &to.settings)
            }
            Self::File(to) => {
                out.insert("path".to_owned(), format!("{DATA_PATH}/output").into());
                text(&mut out, "filename", to.filename.as_ref());
                ("file", &to.settings)
            }
            Self::Console(to) => ("console", &to.settings),
        };
        for (variable, setting, _) in self.credentials() {
            out.insert(setting.to_owned(), format!("${{{variable}}}").into());
        }
        self.tls_settings(&mut out);
        out.extend(settings.clone());
        (name, Value::Object(out))
    }

    /// Whether events may name an index or a topic.
    pub(super) fn takes_target(&self) -> bool {
        !matches!(self, Self::File(_) | Self::Console(_))
    }

    /// Whether it is Elasticsearch.
    pub(super) fn is_elasticsearch(&self) -> bool {
        matches!(self, Self::Elasticsearch(_))
    }

    /// Variables that carry credentials to the sidecar.
    pub(super) fn env(&self) -> Vec<Document> {
        let reference = |at: &SecretKey| json!({ "secretKeyRef": { "name": at.secret.as_str(), "key": at.key.as_str() } });
        self.credentials()
            .into_iter()
            .map(|(variable, _, at)| Document::of(&json!({ "name": variable, "valueFrom": reference(at) })))
            .collect()
    }

    /// The source of a volume that holds the certificates, if there are any.
    pub(super) fn tls_volume(&self) -> Option<Value> {
        let tls = self.tls()?;
        let sources: Vec<_> = tls
            .files()
            .map(|(file, at)| {
                json!({ "secret": { "name": at.secret.as_str(), "items": [{ "key": at.key.as_str(), "path": file }] } })
            })
            .collect();
        (!sources.is_empty()).then(|| json!({ "defaultMode": 0o444, "sources": sources }))
    }

    fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Elasticsearch(to) => to.tls.as_ref(),
            Self::Logstash(to) => to.tls.as_ref(),
            Self::Kafka(to) => to.tls.as_ref(),
            Self::File(_) | Self::Console(_) => None,
        }
    }

    fn tls_settings(&self, out: &mut Map<String, Value>) {
        let Some(tls) = self.tls() else { return };
        out.insert("ssl.enabled".to_owned(), true.into());
        for (file, _) in tls.files() {
            let path = format!("{TLS_PATH}/{file}");
            match file {
                "ca.crt" => out.insert("ssl.certificate_authorities".to_owned(), json!([path])),
                "tls.crt" => out.insert("ssl.certificate".to_owned(), path.into()),
                _ => out.insert("ssl.key".to_owned(), path.into()),
            };
        }
    }

    /// The variable, the setting and the Secret of each credential.
    fn credentials(&self) -> Vec<(&'static str, &'static str, &SecretKey)> {
        let given = |name, setting, at: &Option<SecretKey>| at.is_some().then_some((name, setting));
        let (username, password, api_key) = match self {
            Self::Elasticsearch(to) => (&to.username, &to.password, &to.api_key),
            Self::Kafka(to) => (&to.username, &to.password, &None),
            Self::Logstash(_) | Self::File(_) | Self::Console(_) => return Vec::new(),
        };
        [
            ("PODWRIGHT_OUTPUT_USERNAME", "username", username),
            ("PODWRIGHT_OUTPUT_PASSWORD", "password", password),
            ("PODWRIGHT_OUTPUT_API_KEY", "api_key", api_key),
        ]
        .into_iter()
        .filter_map(|(name, setting, at)| given(name, setting, at).zip(at.as_ref()))
        .map(|((name, setting), at)| (name, setting, at))
        .collect()
    }
}

impl Tls {
    fn files(&self) -> impl Iterator<Item = (&'static str, &SecretKey)> {
        [("ca.crt", &self.ca), ("tls.crt", &self.certificate), ("tls.key", &self.key)]
            .into_iter()
            .filter_map(|(file, at)| Some((file, at.as_ref()?)))
    }
}

fn hosts(out: &mut Map<String, Value>, hosts: &[NonEmpty]) {
    out.insert("hosts".to_owned(), hosts.iter().map(NonEmpty::as_str).collect());
}

fn text(out: &mut Map<String, Value>, key: &str, text: Option<&NonEmpty>) {
    if let Some(text) = text {
        out.insert(key.to_owned(), text.as_str().into());
    }
}

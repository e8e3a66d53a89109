//! The rendered `filebeat.yml`. Every value goes through a YAML writer; no text of a user is ever a template.

use serde_json::{Map, Value, json};

use super::hints::Input;
use super::volumes::Plan;
use super::{DATA_PATH, Filebeat, Version};
use crate::pod::Workload;
use crate::yaml;

/// Renders the configuration.
///
/// # Errors
/// Never in practice: objects with texts as keys always serialize.
pub(super) fn render(
    policy: &Filebeat,
    workload: &Workload,
    inputs: &[Input],
    plan: &Plan,
) -> Result<String, String> {
    let read = inputs.iter().zip(&plan.paths).filter(|(_, paths)| !paths.is_empty());
    let inputs: Vec<_> = read.map(|(input, paths)| section(policy.version(), input, paths)).collect();
    let (output, settings) = policy.output.section();
    let mut config = Map::new();
    config.insert("filebeat.inputs".to_owned(), inputs.into());
    config.insert("filebeat.registry.path".to_owned(), format!("{DATA_PATH}/registry").into());
    config.insert("filebeat.registry.flush".to_owned(), "1s".into());
    config.insert(
        "filebeat.shutdown_timeout".to_owned(),
        format!("{}s", policy.shutdown_timeout.seconds()).into(),
    );
    config.insert(
        "processors".to_owned(),
        json!([{ "add_fields": { "target": "kubernetes", "fields": origin(workload) } }]),
    );
    config.insert(format!("output.{output}"), settings);
    if policy.output.is_elasticsearch() {
        // Templates and life cycles are the cluster team's; hundreds of sidecars setting them up would race.
        config.insert("setup.template.enabled".to_owned(), false.into());
        config.insert("setup.ilm.enabled".to_owned(), false.into());
    }
    config.insert("logging.level".to_owned(), "warning".into());
    config.insert("logging.to_files".to_owned(), false.into());
    config.insert("logging.metrics.enabled".to_owned(), false.into());
    yaml::write(&config).map_err(|error| error.to_string())
}

/// One input. Its id must be unique and stay the same: Filebeat keeps what it has read under it.
fn section(version: Version, input: &Input, paths: &[String]) -> Value {
    let settings = &input.settings;
    let mut out = Map::new();
    out.insert("type".to_owned(), "filestream".into());
    out.insert("id".to_owned(), format!("{}-{}", input.container, input.number).into());
    out.insert("paths".to_owned(), paths.into());
    // By its fingerprint a file would go unread until it has 1,024 bytes.
    out.insert("file_identity.native".to_owned(), Value::Null);
    if version == Version::Nine {
        out.insert("prospector.scanner.fingerprint.enabled".to_owned(), false.into());
    }
    let mut given = |key: &str, value: Value| out.insert(key.to_owned(), value);
    if let Some(encoding) = &settings.encoding {
        given("encoding", encoding.as_str().into());
    }
    if !settings.parsers.is_empty() {
        given("parsers", settings.parsers.clone().into());
    }
    if !settings.include_lines.is_empty() {
        given("include_lines", settings.include_lines.clone().into());
    }
    if !settings.exclude_lines.is_empty() {
        given("exclude_lines", settings.exclude_lines.clone().into());
    }
    if !settings.fields.is_empty() {
        given(
            "fields",
            settings
                .fields
                .iter()
                .map(|(name, value)| (name.clone(), value.clone().into()))
                .collect::<Map<_, _>>()
                .into(),
        );
    }
    if let Some(target) = &settings.target {
        given("index", target.as_str().into());
    }
    let container = json!({ "container": { "name": input.container } });
    given("processors", json!([{ "add_fields": { "target": "kubernetes", "fields": container } }]));
    Value::Object(out)
}

/// Where events come from, by the names that Elastic's dashboards know. The values are the sidecar's environment,
/// filled by the downward API: at admission a Pod may not have a name yet.
fn origin(workload: &Workload) -> Value {
    let mut fields = Map::new();
    fields.insert("namespace".to_owned(), "${POD_NAMESPACE}".into());
    fields.insert("pod".to_owned(), json!({ "name": "${POD_NAME}", "ip": "${POD_IP}", "uid": "${POD_UID}" }));
    fields.insert("node".to_owned(), json!({ "name": "${NODE_NAME}" }));
    if workload.kind != "Pod" {
        fields.insert(workload.kind.to_lowercase(), json!({ "name": workload.name }));
    }
    fields.into()
}

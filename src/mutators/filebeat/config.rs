//! The rendered `filebeat.yml`. Every value goes through a YAML writer; no text of a user is ever a template.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::hints::Input;
use super::volumes::Plan;
use super::{DATA_PATH, Filebeat, Version};
use crate::pod::Workload;
use crate::yaml;

type Result<T> = std::result::Result<T, String>;

/// What stands behind the inputs, written out: it is the same in every Pod of a policy.
#[derive(Debug)]
pub(super) struct Fixed(Result<String>);

impl Fixed {
    pub(super) fn of(policy: &Filebeat) -> Self {
        let (output, to) = policy.output.section();
        let output = Map::from_iter([(format!("output.{output}"), to)]);
        // Templates and life cycles are the cluster team's; hundreds of sidecars setting them up would race.
        let is_set_up = policy.output.is_elasticsearch().then_some(false);
        Self(write(&Settings {
            registry_path: format!("{DATA_PATH}/registry"),
            registry_flush: "1s",
            shutdown_timeout: format!("{}s", policy.shutdown_timeout.seconds()),
            processors: [processor(ORIGIN)],
            output,
            sets_up_template: is_set_up,
            sets_up_ilm: is_set_up,
            level: "warning",
            to_files: false,
            has_metrics: false,
        }))
    }
}

#[derive(Serialize)]
struct Settings {
    #[serde(rename = "filebeat.registry.path")]
    registry_path: String,
    #[serde(rename = "filebeat.registry.flush")]
    registry_flush: &'static str,
    #[serde(rename = "filebeat.shutdown_timeout")]
    shutdown_timeout: String,
    processors: [Processor<Origin>; 1],
    #[serde(flatten)]
    output: Map<String, Value>,
    #[serde(rename = "setup.template.enabled", skip_serializing_if = "Option::is_none")]
    sets_up_template: Option<bool>,
    #[serde(rename = "setup.ilm.enabled", skip_serializing_if = "Option::is_none")]
    sets_up_ilm: Option<bool>,
    #[serde(rename = "logging.level")]
    level: &'static str,
    #[serde(rename = "logging.to_files")]
    to_files: bool,
    #[serde(rename = "logging.metrics.enabled")]
    has_metrics: bool,
}

#[derive(Serialize)]
struct Inputs<'a> {
    #[serde(rename = "filebeat.inputs")]
    inputs: Vec<Section<'a>>,
}

/// One input. Its id must be unique and stay the same: Filebeat keeps what it has read under it.
#[derive(Serialize)]
struct Section<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    paths: &'a [String],
    /// By its fingerprint a file would go unread until it has 1,024 bytes.
    #[serde(rename = "file_identity.native")]
    by_inode: (),
    #[serde(rename = "prospector.scanner.fingerprint.enabled", skip_serializing_if = "Option::is_none")]
    has_fingerprint: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    parsers: &'a [Value],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    include_lines: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    exclude_lines: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'a str>,
    processors: [Processor<Writers<'a>>; 1],
}

/// Adds fields to every event.
#[derive(Serialize)]
struct Processor<T> {
    add_fields: Fields<T>,
}

#[derive(Serialize)]
struct Fields<T> {
    target: &'static str,
    fields: T,
}

/// Who wrote the file: the container, and the workload by its kind.
type Writers<'a> = BTreeMap<&'a str, Named<'a>>;

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

/// Where events come from, by the names that Elastic's dashboards know. The values are the sidecar's environment,
/// filled by the downward API: at admission a Pod may not have a name yet.
#[derive(Serialize)]
struct Origin {
    namespace: &'static str,
    pod: Identity,
    node: Named<'static>,
}

#[derive(Serialize)]
struct Identity {
    name: &'static str,
    ip: &'static str,
    uid: &'static str,
}

const ORIGIN: Origin = Origin {
    namespace: "${POD_NAMESPACE}",
    pod: Identity { name: "${POD_NAME}", ip: "${POD_IP}", uid: "${POD_UID}" },
    node: Named { name: "${NODE_NAME}" },
};

/// Renders the configuration: mappings written one behind the other are one mapping.
///
/// # Errors
/// Never in practice: objects with texts as keys always serialize.
pub(super) fn render(
    policy: &Filebeat,
    workload: &Workload,
    inputs: &[Input],
    plan: &Plan,
) -> Result<String> {
    let (version, kind) = (policy.version(), workload.kind.to_lowercase());
    let read = inputs.iter().zip(&plan.paths).filter(|(_, paths)| !paths.is_empty());
    let sections = read.map(|(input, paths)| section(version, (&kind, &workload.name), input, paths));
    let fixed = policy.fixed().config.0.as_ref().map_err(String::clone)?;
    Ok(write(&Inputs { inputs: sections.collect() })? + fixed)
}

fn section<'a>(
    version: Version,
    workload: (&'a str, &'a str),
    input: &'a Input,
    paths: &'a [String],
) -> Section<'a> {
    let settings = &input.settings;
    Section {
        kind: "filestream",
        id: format!("{}-{}", input.container, input.number),
        paths,
        by_inode: (),
        has_fingerprint: (version == Version::Nine).then_some(false),
        encoding: settings.encoding.as_deref(),
        parsers: &settings.parsers,
        include_lines: &settings.include_lines,
        exclude_lines: &settings.exclude_lines,
        fields: &settings.fields,
        index: settings.target.as_deref(),
        processors: [processor(writers(workload, &input.container))],
    }
}

fn writers<'a>((kind, workload): (&'a str, &'a str), container: &'a str) -> Writers<'a> {
    // A Pod that nobody owns is its own workload, and the owner of a static one is its node: both are told already.
    let is_told = matches!(kind, "container" | "namespace" | "pod" | "node");
    let workload = (!is_told).then_some((kind, Named { name: workload }));
    [("container", Named { name: container })].into_iter().chain(workload).collect()
}

fn processor<T>(fields: T) -> Processor<T> {
    Processor { add_fields: Fields { target: "kubernetes", fields } }
}

fn write(part: &impl Serialize) -> Result<String> {
    yaml::write(part).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_stands_twice() {
        for (kind, is_told) in [
            ("deployment", true),
            ("pod", false),
            ("node", false),
            ("namespace", false),
            ("container", false),
        ] {
            let writers = writers((kind, "shop"), "app");
            assert_eq!(writers.get("container").map(|container| container.name), Some("app"), "{kind}");
            assert_eq!(writers.values().any(|writer| writer.name == "shop"), is_told, "{kind}");
        }
    }
}

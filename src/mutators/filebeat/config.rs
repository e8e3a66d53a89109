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

/// What is the same in every Pod of a policy: settings that stand between and behind those of the Pod, written out.
#[derive(Debug)]
pub(super) struct Fixed {
    settings: Result<String>,
    output: Result<String>,
}

impl Fixed {
    pub(super) fn of(policy: &Filebeat) -> Self {
        let settings = Settings {
            registry_path: format!("{DATA_PATH}/registry"),
            registry_flush: "1s",
            shutdown_timeout: format!("{}s", policy.shutdown_timeout.seconds()),
        };
        let (output, to) = policy.output.section();
        let mut section = Map::new();
        section.insert(format!("output.{output}"), to);
        if policy.output.is_elasticsearch() {
            // Templates and life cycles are the cluster team's; hundreds of sidecars setting them up would race.
            section.insert("setup.template.enabled".to_owned(), false.into());
            section.insert("setup.ilm.enabled".to_owned(), false.into());
        }
        section.insert("logging.level".to_owned(), "warning".into());
        section.insert("logging.to_files".to_owned(), false.into());
        section.insert("logging.metrics.enabled".to_owned(), false.into());
        Self { settings: write(&settings), output: write(&section) }
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
    processors: [Processor<Writer<'a>>; 1],
}

#[derive(Serialize)]
struct Processors<T> {
    processors: [Processor<T>; 1],
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

/// Who wrote the file.
#[derive(Serialize)]
struct Writer<'a> {
    container: Named<'a>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

/// Where events come from, by the names that Elastic's dashboards know. The values are the sidecar's environment,
/// filled by the downward API: at admission a Pod may not have a name yet.
#[derive(Serialize)]
struct Origin<'a> {
    namespace: &'static str,
    pod: Identity,
    node: Named<'static>,
    /// The workload, by its kind.
    #[serde(flatten)]
    owner: BTreeMap<String, Named<'a>>,
}

#[derive(Serialize)]
struct Identity {
    name: &'static str,
    ip: &'static str,
    uid: &'static str,
}

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
    let read = inputs.iter().zip(&plan.paths).filter(|(_, paths)| !paths.is_empty());
    let inputs = read.map(|(input, paths)| section(policy.version(), input, paths)).collect();
    let fixed = &policy.fixed().config;
    Ok([
        write(&Inputs { inputs })?.as_str(),
        fixed.settings.as_ref().map_err(String::clone)?,
        write(&Processors { processors: [processor(origin(workload))] })?.as_str(),
        fixed.output.as_ref().map_err(String::clone)?,
    ]
    .concat())
}

fn section<'a>(version: Version, input: &'a Input, paths: &'a [String]) -> Section<'a> {
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
        processors: [processor(Writer { container: Named { name: &input.container } })],
    }
}

fn origin(workload: &Workload) -> Origin<'_> {
    let kind = workload.kind.to_lowercase();
    // A Pod that nobody owns is its own workload, and the owner of a static one is its node: both are told already.
    let is_told = matches!(kind.as_str(), "namespace" | "pod" | "node");
    let owner = (!is_told).then_some((kind, Named { name: &workload.name }));
    Origin {
        namespace: "${POD_NAMESPACE}",
        pod: Identity { name: "${POD_NAME}", ip: "${POD_IP}", uid: "${POD_UID}" },
        node: Named { name: "${NODE_NAME}" },
        owner: owner.into_iter().collect(),
    }
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
        for (kind, is_told) in [("Deployment", true), ("Pod", false), ("Node", false), ("NAMESPACE", false)] {
            let workload = Workload::new(kind, "", "shop");
            let written = write(&origin(&workload)).unwrap();
            assert_eq!(written.contains("shop"), is_told, "{written}");
            assert!(yaml::documents(&written).into_iter().all(|one| yaml::read::<Value>(one).is_ok()));
        }
    }
}

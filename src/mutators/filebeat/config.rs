//! The rendered `filebeat.yml`. Every value goes through a YAML writer; no text of a user is ever a template.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::hints::Input;
use super::volumes::Plan;
use super::{DATA_PATH, Filebeat, Version, settings};
use crate::pod::Workload;
use crate::yaml;

type Result<T> = std::result::Result<T, String>;

/// What is the same in every Pod of a policy: settings that stand between and behind those of the Pod, written out.
#[derive(Debug)]
pub(super) struct Fixed {
    inputs: Result<Form>,
    /// Those of Filebeat itself, and where events come from, which the workload is to follow.
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
        let origin = Processors { processors: [processor(ORIGIN)] };
        Self {
            inputs: Form::of(policy.version()),
            settings: write(&settings).and_then(|settings| Ok(settings + &write(&origin)?)),
            output: write(&section),
        }
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

/// The sections of inputs that have nothing but files, in pieces: between them stand ids, paths and names of containers,
/// and they are the same in every Pod.
#[derive(Debug)]
struct Form {
    /// Above all sections.
    head: String,
    id: String,
    paths: String,
    /// Between two paths.
    path: String,
    writer: String,
    end: String,
}

impl Form {
    fn of(version: Version) -> Result<Self> {
        const BLANK: &str = "BLANK";
        let input = Input {
            container: BLANK.to_owned(),
            number: 0,
            settings: settings::Settings::default(),
            key: String::new(),
        };
        let paths = [BLANK.to_owned()];
        let section = Section { id: BLANK.to_owned(), ..section(version, &input, &paths) };
        let text = write(&Inputs { inputs: vec![section] })?;
        let pieces: Vec<_> = text.split(BLANK).collect();
        let [start, paths, writer, end] = pieces.as_slice() else {
            return Err(format!("a section falls into {} pieces", pieces.len()));
        };
        let (head, id) = start.split_at(start.find('\n').map_or(0, |end| end + 1));
        let path = paths.rfind('\n').and_then(|last| paths.get(last..)).unwrap_or_default();
        let [head, id, paths, path, writer, end] = [head, id, paths, path, writer, end].map(str::to_owned);
        Ok(Self { head, id, paths, path, writer, end })
    }

    fn fill<'a>(&self, inputs: impl Iterator<Item = (&'a Input, &'a Vec<String>)>) -> Result<String> {
        let mut out = self.head.clone();
        for (input, paths) in inputs {
            out.push_str(&self.id);
            scalar(&id(input), &mut out)?;
            for (index, path) in paths.iter().enumerate() {
                out.push_str(if index == 0 { &self.paths } else { &self.path });
                scalar(path, &mut out)?;
            }
            out.push_str(&self.writer);
            scalar(&input.container, &mut out)?;
            out.push_str(&self.end);
        }
        Ok(out)
    }
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
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'static str>,
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
const ORIGIN: Origin = Origin {
    namespace: "${POD_NAMESPACE}",
    pod: Identity { name: "${POD_NAME}", ip: "${POD_IP}", uid: "${POD_UID}" },
    node: Named { name: "${NODE_NAME}" },
};

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
    let fixed = &policy.fixed().config;
    let read = || inputs.iter().zip(&plan.paths).filter(|(_, paths)| !paths.is_empty());
    let inputs = if inputs.iter().all(|input| input.settings.has_only_paths()) {
        fixed.inputs.as_ref().map_err(String::clone)?.fill(read())?
    } else {
        let inputs = read().map(|(input, paths)| section(policy.version(), input, paths)).collect();
        write(&Inputs { inputs })?
    };
    Ok([
        inputs.as_str(),
        fixed.settings.as_ref().map_err(String::clone)?,
        owner(workload)?.as_str(),
        fixed.output.as_ref().map_err(String::clone)?,
    ]
    .concat())
}

fn id(input: &Input) -> String {
    format!("{}-{}", input.container, input.number)
}

fn section<'a>(version: Version, input: &'a Input, paths: &'a [String]) -> Section<'a> {
    let settings = &input.settings;
    Section {
        kind: "filestream",
        id: id(input),
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

/// The fields of the workload, to follow those of [`ORIGIN`]: the lines that lead there are there already.
fn owner(workload: &Workload) -> Result<String> {
    const LEADING_LINES: usize = 3;
    let kind = workload.kind.to_lowercase();
    // A Pod that nobody owns is its own workload, and the owner of a static one is its node: both are told already.
    if matches!(kind.as_str(), "namespace" | "pod" | "node") {
        return Ok(String::new());
    }
    let fields = BTreeMap::from([(kind, Named { name: &workload.name })]);
    let mut text =
        write(&Processors { processors: [Processor { add_fields: Fields { target: None, fields } }] })?;
    let leading: usize = text.split_inclusive('\n').take(LEADING_LINES).map(str::len).sum();
    text.drain(..leading);
    Ok(text)
}

fn processor<T>(fields: T) -> Processor<T> {
    Processor { add_fields: Fields { target: Some("kubernetes"), fields } }
}

fn scalar(text: &str, out: &mut String) -> Result<()> {
    yaml::push_scalar(out, text).map_err(|error| error.to_string())
}

fn write(part: &impl Serialize) -> Result<String> {
    yaml::write(part).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_is_filled_is_what_would_be_written() {
        let input = |container: &str, number| Input {
            container: container.to_owned(),
            number,
            settings: settings::Settings::default(),
            key: String::new(),
        };
        let inputs = [input("app", 0), input("on", 2), input("a: b", 7)];
        let paths = [vec!["/logs/*.log", "/a b"], vec!["/c"], vec!["- d", "#", ""]];
        let paths = paths.map(|paths| paths.into_iter().map(str::to_owned).collect::<Vec<_>>());
        for version in [Version::Eight, Version::Nine] {
            let read = || inputs.iter().zip(&paths);
            let sections = read().map(|(input, paths)| section(version, input, paths)).collect();
            let filled = Form::of(version).and_then(|form| form.fill(read()));
            assert_eq!(filled, write(&Inputs { inputs: sections }));
        }
    }

    #[test]
    fn the_workload_follows_the_origin() {
        for (kind, name) in [("Deployment", "shop"), ("On", "a\nb"), ("a: b", "- c")] {
            let whole = serde_json::json!({ "processors": [{ "add_fields": { "target": "kubernetes", "fields": {
                "namespace": ORIGIN.namespace,
                "pod": { "name": ORIGIN.pod.name, "ip": ORIGIN.pod.ip, "uid": ORIGIN.pod.uid },
                "node": { "name": ORIGIN.node.name },
                kind.to_lowercase(): { "name": name },
            } } }] });
            let origin = write(&Processors { processors: [processor(ORIGIN)] });
            let owner = owner(&Workload::new(kind, "", name));
            assert_eq!(origin.and_then(|origin| Ok(origin + &owner?)), write(&whole));
        }
        // Two fields of one name would be no YAML.
        for kind in ["Pod", "Node", "namespace"] {
            assert_eq!(owner(&Workload::new(kind, "", "shop")), Ok(String::new()));
        }
    }
}

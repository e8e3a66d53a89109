//! `Filebeat`: ships the log files of a Pod with a Filebeat sidecar.
//!
//! The sidecar shares the volumes that hold the files, or an `emptyDir` made for them. Its configuration is rendered
//! from the Pod's annotations, travels in an annotation, and reaches it as a file through a `downwardAPI` volume:
//! no ConfigMap, no shell, no init container.

mod config;
mod hints;
mod output;
mod path;
mod pattern;
mod settings;
mod sidecar;
mod volumes;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};

use self::hints::Input;
use self::output::Output;
use self::sidecar::Fixed;
use self::volumes::Plan;
use super::container::{ImagePullPolicy, Resources};
use super::{Ask, FailurePolicy, Mutator, Rejection, Rules, Spec};
use crate::pod::{ANNOTATIONS_LIMIT_BYTES, Document, Draft, Group, Node, Pod, Quantity};
use crate::policy::{Glob, Match, NonEmpty, OwnContainer, Subject};

/// The annotation that carries the rendered `filebeat.yml` to the sidecar.
pub(super) const CONFIG_ANNOTATION: &str = "podwright.dev/filebeat.yml";
/// The domain of the annotations that steer it.
const DOMAIN: &str = "logs.podwright.dev";
/// The sidecar's name.
const CONTAINER: &str = "podwright-filebeat";
/// The names of the volumes that are made for logs begin with this.
const VOLUME_PREFIX: &str = "podwright-logs-";
/// Where Filebeat keeps its registry; the volume outlives the container.
const DATA_PATH: &str = "/var/lib/podwright/filebeat";
/// Where the sidecar finds the certificates of its output.
const TLS_PATH: &str = "/etc/podwright/tls";
/// How long a Pod has to end, in seconds, where it does not say.
const DEFAULT_GRACE_SECONDS: i64 = 30;

/// The spec of a `Filebeat` policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Filebeat {
    /// The Pods that may use it; all where it is left out.
    #[serde(default, rename = "match")]
    matching: Match,
    /// What becomes of a Pod for which Podwright's own result does not verify.
    #[serde(default)]
    failure_policy: FailurePolicy,
    /// The sidecar's image.
    image: NonEmpty,
    /// Filebeat's major version, 8 or 9; read from the image's tag where it is left out, else 9.
    version: Option<Version>,
    /// When the image is pulled.
    #[serde(default)]
    image_pull_policy: ImagePullPolicy,
    /// Secrets to pull the image with, in the Pod's namespace.
    #[serde(default)]
    image_pull_secrets: Vec<NonEmpty>,
    /// How the sidecar runs.
    #[serde(default)]
    mode: Mode,
    /// What becomes of a Pod that should end, where a plain container would keep it from that.
    #[serde(default)]
    jobs: Jobs,
    /// The user of the sidecar where neither container nor Pod names one; null for the image's.
    #[serde(default = "elastic_id")]
    run_as_user: Option<i64>,
    /// The group of the sidecar where neither container nor Pod names one; null for the image's.
    #[serde(default = "elastic_id")]
    run_as_group: Option<i64>,
    /// The sidecar's resources.
    #[serde(default)]
    resources: Resources,
    /// The size of each `emptyDir` made for logs.
    #[serde(default = "gibibyte")]
    logs_size_limit: Quantity,
    /// The size of the `emptyDir` for Filebeat's registry.
    #[serde(default = "quarter_gibibyte")]
    data_size_limit: Quantity,
    /// How long Filebeat waits at its end for what it has read to be taken: `10s`.
    #[serde(default)]
    shutdown_timeout: Seconds,
    /// Where the lines go.
    output: Output,
    /// Indexes or topics that `target` may name.
    #[serde(default)]
    allowed_targets: Vec<Glob>,
    #[serde(skip)]
    fixed: OnceLock<Fixed>,
}

/// Filebeat's major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Eight,
    Nine,
}

/// How the sidecar runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Native where every part of the cluster is 1.29 or newer, else a plain container.
    #[default]
    Auto,
    /// An init container with `restartPolicy: Always`.
    Native,
    /// A plain container.
    Container,
}

/// What becomes of a Pod that should end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Jobs {
    /// It is refused.
    #[default]
    Refuse,
    /// It is admitted, and its author told.
    Warn,
}

/// A span of whole seconds, written `10s` or `1m`.
#[derive(Debug, Clone, Copy)]
struct Seconds(u32);

impl Spec for Filebeat {
    const KIND: &'static str = "Filebeat";
    const DOMAIN: &'static str = DOMAIN;

    fn ask(subject: &Subject<'_>) -> Result<Ask, Rejection> {
        hints::ask(subject.pod)
    }

    fn rules(&mut self) -> Rules {
        Rules {
            matching: std::mem::take(&mut self.matching),
            failure_policy: self.failure_policy,
            // Nobody can tell which files a Pod without annotations writes.
            by_default: false,
        }
    }
}

impl Mutator for Filebeat {
    fn mutate(
        &self,
        subject: &Subject<'_>,
        draft: &mut Draft<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Map<String, Value>, Vec<Rejection>> {
        let inputs = hints::inputs(draft.pod())?;
        let mut rejections: Vec<_> =
            inputs.iter().filter_map(|input| self.judge_target(input, warnings)).collect();
        let (native, found) = self.place(subject, draft.pod(), &inputs, warnings);
        rejections.extend(found);
        let plan = match volumes::plan(&inputs, draft, &self.logs_size_limit, warnings) {
            Ok(plan) if rejections.is_empty() => plan,
            Ok(_) => return Err(rejections),
            Err(found) => {
                rejections.extend(found);
                return Err(rejections);
            }
        };
        if !self.resources.is_complete() && draft.pod().is_guaranteed() {
            warnings.push(
                "this Guaranteed Pod becomes Burstable: the policy gives Filebeat no CPU or no memory"
                    .to_owned(),
            );
        }
        self.add_volumes(draft)?;
        self.add_sidecar(draft, &inputs, &plan, native)?;
        for secret in &self.image_pull_secrets {
            draft.add_image_pull_secret(secret.as_str());
        }
        let config =
            config::render(self, &subject.workload, &inputs, &plan).map_err(|why| vec![too_much(&why)])?;
        draft.set_annotation(CONFIG_ANNOTATION, &config);
        within_limit(draft.pod())?;
        self.advise(draft.pod(), &inputs, warnings);
        let names: BTreeSet<_> = inputs.iter().map(|input| input.container.as_str()).collect();
        Ok(Map::from_iter([
            ("container".to_owned(), CONTAINER.into()),
            ("mode".to_owned(), if native { "native" } else { "container" }.into()),
            ("reads".to_owned(), json!(names)),
            ("inputs".to_owned(), plan.paths.iter().filter(|paths| !paths.is_empty()).count().into()),
        ]))
    }

    fn added_containers(&self) -> Vec<OwnContainer> {
        vec![sidecar::own(self)]
    }

    fn own_containers<'p>(&self, pod: &'p Pod) -> Vec<&'p str> {
        let own = ours(pod).and_then(|(group, index)| pod.containers_in(group).nth(index));
        own.map(|container| container.name()).into_iter().collect()
    }
}

impl Filebeat {
    /// What is the same in every Pod; made for the first.
    fn fixed(&self) -> &Fixed {
        self.fixed.get_or_init(|| Fixed::of(self))
    }

    /// Filebeat's major version: as given, else by the image's tag, else the newest.
    fn version(&self) -> Version {
        let tag = || self.image.as_str().rsplit_once(':').map(|(_, tag)| tag);
        let eight = |tag: &str| tag.trim_start_matches('v').starts_with("8.");
        self.version.unwrap_or(if tag().is_some_and(eight) { Version::Eight } else { Version::Nine })
    }

    /// Whether the sidecar is native, and why it cannot be added, if so.
    fn place(
        &self,
        subject: &Subject<'_>,
        pod: &Pod,
        inputs: &[Input],
        warnings: &mut Vec<String>,
    ) -> (bool, Option<Rejection>) {
        let native = match (ours(pod), self.mode) {
            (Some((group, _)), _) => group == Group::Init,
            (None, Mode::Native) => true,
            (None, Mode::Container) => false,
            (None, Mode::Auto) => subject.view.has_native_sidecars(),
        };
        if native || !subject.workload.runs_to_completion(pod) {
            return (native, None);
        }
        let message = "a plain sidecar keeps the Pod of a Job from ever ending, and native ones need Kubernetes 1.29 \
                       on the API server and every node; log to standard output, or ask the cluster team";
        match self.jobs {
            Jobs::Warn => {
                warnings.push("the Filebeat sidecar keeps the Pod of this Job from ever ending".to_owned());
                (native, None)
            }
            Jobs::Refuse => {
                let key = inputs.first().map_or_else(|| format!("{DOMAIN}/paths"), |input| input.key.clone());
                (native, Some(Rejection::new(format!("annotation {key}"), message)))
            }
        }
    }

    fn judge_target(&self, input: &Input, warnings: &mut Vec<String>) -> Option<Rejection> {
        let target = input.settings.target.as_deref()?;
        let place = format!("annotation {}", input.key.replace("paths", "target"));
        if !self.output.takes_target() {
            warnings.push(format!(
                "{place}: {target:?} has no effect, for the cluster's output has no index or topic"
            ));
            return None;
        }
        if self.allowed_targets.iter().any(|glob| glob.matches(target)) {
            return None;
        }
        let allowed: Vec<_> = self.allowed_targets.iter().map(ToString::to_string).collect();
        let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
        Some(Rejection::new(
            place,
            format!("{target:?} is not among the targets that the policy allows: {allowed}"),
        ))
    }

    fn add_volumes(&self, draft: &mut Draft<'_>) -> Result<(), Vec<Rejection>> {
        let mut missing = Vec::new();
        for (name, kind, entry) in &self.fixed().volumes {
            match draft.pod().volume(name) {
                None => missing.push(entry.clone()),
                Some(volume) if volume.source(kind).is_some() => {}
                Some(volume) => {
                    return Err(vec![taken(&format!("spec.volumes[{}].name", volume.index), name)]);
                }
            }
        }
        draft.push_volumes(missing);
        Ok(())
    }

    /// Adds the sidecar; to one that is there already, what it lacks.
    fn add_sidecar(
        &self,
        draft: &mut Draft<'_>,
        inputs: &[Input],
        plan: &Plan,
        native: bool,
    ) -> Result<(), Vec<Rejection>> {
        if let Some((group, index)) = ours(draft.pod()) {
            let held =
                || draft.pod().containers_in(group).nth(index).into_iter().flat_map(|one| one.mounts());
            let is_there = |mount: &Document| {
                let path = mount.root().get("mountPath").and_then(Node::as_str);
                held().any(|held| Some(held.path()) == path)
            };
            let missing: Vec<_> =
                sidecar::mounts(self, plan).filter(|mount| !is_there(mount)).cloned().collect();
            draft.push_to_container(group, index, "volumeMounts", missing);
            return Ok(());
        }
        if let Some(other) = draft.pod().containers().find(|container| container.name() == CONTAINER) {
            return Err(vec![taken(&format!("{other}.name"), CONTAINER)]);
        }
        sidecar::add(self, draft, inputs, plan, native);
        Ok(())
    }

    /// What does not keep the Pod from starting, but may lose lines.
    fn advise(&self, pod: &Pod, inputs: &[Input], warnings: &mut Vec<String>) {
        let grace =
            pod.spec("terminationGracePeriodSeconds").and_then(Node::as_i64).unwrap_or(DEFAULT_GRACE_SECONDS);
        if grace <= i64::from(self.shutdown_timeout.0) {
            warnings.push(format!(
                "terminationGracePeriodSeconds {grace} leaves Filebeat less than its {} s to send the last lines",
                self.shutdown_timeout.0
            ));
        }
        let has_users = || sidecar::writers(pod, inputs, "runAsUser").len() > 1;
        if inputs.len() > 1 && pod.security("fsGroup").is_none() && has_users() {
            warnings.push(
                "containers write logs as different users; Filebeat may not be able to read all of them"
                    .to_owned(),
            );
        }
    }
}

/// The sidecar that an earlier pass has added: it has our name and our configuration.
fn ours(pod: &Pod) -> Option<(Group, usize)> {
    let is_ours = |container: &crate::pod::Container<'_>| {
        container.name() == CONTAINER
            && container.mounts().any(|mount| mount.volume() == sidecar::CONFIG_VOLUME)
    };
    pod.containers().find(is_ours).map(|container| (container.group, container.index))
}

fn taken(place: &str, name: &str) -> Rejection {
    Rejection::new(place, format!("{name:?} is the name that Podwright gives its own; rename yours"))
}

fn too_much(why: &str) -> Rejection {
    Rejection::new(format!("annotation {CONFIG_ANNOTATION}"), why)
}

fn within_limit(pod: &Pod) -> Result<(), Vec<Rejection>> {
    let size: usize = pod.annotations().map(|(key, value)| key.len() + value.len()).sum();
    if size <= ANNOTATIONS_LIMIT_BYTES {
        return Ok(());
    }
    Err(vec![too_much(&format!(
        "with the rendered configuration the Pod's annotations are {size} bytes, and Kubernetes takes at most \
         {ANNOTATIONS_LIMIT_BYTES}; shorten them"
    ))])
}

// Elastic's image has a user and a group of this number.
#[expect(clippy::unnecessary_wraps, reason = "a default of a field that may be null")]
fn elastic_id() -> Option<i64> {
    Some(1000)
}

fn gibibyte() -> Quantity {
    Quantity::mebibytes(1024)
}

fn quarter_gibibyte() -> Quantity {
    Quantity::mebibytes(256)
}

impl Seconds {
    fn seconds(self) -> u32 {
        self.0
    }
}

impl Default for Seconds {
    fn default() -> Self {
        Self(10)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (number, factor) = match (text.strip_suffix('s'), text.strip_suffix('m')) {
            (Some(number), _) => (number, 1),
            (_, Some(number)) => (number, 60),
            _ => ("", 1),
        };
        number.parse().ok().and_then(|number: u32| number.checked_mul(factor)).map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is no span of time; expected whole seconds or minutes, such as 10s"
            ))
        })
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+[sm]$" })
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            8 => Ok(Self::Eight),
            9 => Ok(Self::Nine),
            other => Err(de::Error::custom(format!("Filebeat {other} is not known here; expected 8 or 9"))),
        }
    }
}

impl JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "enum": [8, 9] })
    }
}

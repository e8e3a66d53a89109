//! The sidecar itself: its container, its volumes, and who it runs as.

use serde_json::{Value, json};

use super::hints::Input;
use super::volumes::{LOGS_ROOT, Plan, VARIABLE_PREFIX};
use super::{CONFIG_ANNOTATION, CONTAINER, DATA_PATH, Filebeat, TLS_PATH, config};
use crate::mutators::container::{Added, EmptyVolume, Mounted, Restricted};
use crate::pod::{Document, Draft, Group, Node, Pod};
use crate::policy::OwnContainer;

/// The volume that the rendered configuration arrives in; it marks a container as ours.
pub(super) const CONFIG_VOLUME: &str = "podwright-filebeat-config";
const CONFIG_PATH: &str = "/etc/podwright/filebeat";
/// The image's entry point runs filebeat with them. The configuration is a link of root's, as the kubelet makes it.
const ARGS: [&str; 6] =
    ["-e", "--strict.perms=false", "-c", "/etc/podwright/filebeat/filebeat.yml", "--path.data", DATA_PATH];
const DATA_VOLUME: &str = "podwright-filebeat-data";
const TLS_VOLUME: &str = "podwright-filebeat-tls";

/// What is the same in every Pod of a policy.
#[derive(Debug)]
pub(super) struct Fixed {
    /// The sidecar's volumes: name, source, and as they go into a Pod.
    pub(super) volumes: Vec<(&'static str, &'static str, Document)>,
    /// Its mounts of them.
    pub(super) mounts: Vec<Document>,
    /// Its container, plain and native.
    plain: Document,
    native: Document,
    /// Its configuration.
    pub(super) config: config::Fixed,
}

impl Fixed {
    pub(super) fn of(policy: &Filebeat) -> Self {
        let (mounts, env) = (fixed_mounts(policy), fixed_env(policy));
        let container = |restart_policy| {
            Document::of(&Added {
                name: CONTAINER,
                image: policy.image.as_str(),
                image_pull_policy: policy.image_pull_policy,
                command: Vec::new(),
                args: ARGS.to_vec(),
                restart_policy,
                env: env.iter().collect(),
                resources: policy.resources.as_written(),
                security_context: Restricted::of(policy.run_as_user, policy.run_as_group),
                volume_mounts: mounts.iter().collect(),
            })
        };
        let (plain, native) = (container(None), container(Some("Always")));
        Self { volumes: volumes(policy), mounts, plain, native, config: config::Fixed::of(policy) }
    }
}

fn volumes(policy: &Filebeat) -> Vec<(&'static str, &'static str, Document)> {
    // Everyone may read it: the owner is root, the reader not, and it holds no secret.
    let config = json!({
        "defaultMode": 0o444,
        "items": [{
            "path": "filebeat.yml",
            "fieldRef": { "apiVersion": "v1", "fieldPath": format!("metadata.annotations['{CONFIG_ANNOTATION}']") },
        }],
    });
    let config = json!({ "name": CONFIG_VOLUME, "downwardAPI": config });
    let data = EmptyVolume::new(DATA_VOLUME, &policy.data_size_limit);
    let tls = policy.output.tls_volume().map(|source| json!({ "name": TLS_VOLUME, "projected": source }));
    let mut volumes = vec![
        (CONFIG_VOLUME, "downwardAPI", Document::of(&config)),
        (DATA_VOLUME, "emptyDir", Document::of(&data)),
    ];
    volumes.extend(tls.map(|volume| (TLS_VOLUME, "projected", Document::of(&volume))));
    volumes
}

/// The mounts of the sidecar.
pub(super) fn mounts<'a>(policy: &'a Filebeat, plan: &'a Plan) -> impl Iterator<Item = &'a Document> {
    policy.fixed().mounts.iter().chain(&plan.mounts)
}

/// Those that it has in every Pod.
fn fixed_mounts(policy: &Filebeat) -> Vec<Document> {
    let mount = |name, mount_path, read_only| {
        Document::of(&Mounted { name, mount_path, read_only, ..Mounted::default() })
    };
    let mut mounts = vec![mount(CONFIG_VOLUME, CONFIG_PATH, true), mount(DATA_VOLUME, DATA_PATH, false)];
    if policy.output.tls_volume().is_some() {
        mounts.push(mount(TLS_VOLUME, TLS_PATH, true));
    }
    mounts
}

/// Adds the container: what it is in every Pod, and what it has in this one.
pub(super) fn add(policy: &Filebeat, draft: &mut Draft<'_>, inputs: &[Input], plan: &Plan, native: bool) {
    let pod = draft.pod();
    let user = writer(pod, inputs, "runAsUser").or(policy.run_as_user);
    let group = writer(pod, inputs, "runAsGroup").or(policy.run_as_group);
    let resources = policy.resources.within(pod);
    let fixed = policy.fixed();
    let (list, container) = if native { (Group::Init, &fixed.native) } else { (Group::App, &fixed.plain) };
    let place = draft.push_container(list, container.clone());
    if (user, group) != (policy.run_as_user, policy.run_as_group) {
        // Root writes files that only root reads; then Filebeat must be root too, without any capability.
        draft.set_container(list, place, "securityContext", &Restricted::of(user, group));
    }
    if !resources.are_as_written() {
        draft.set_container(list, place, "resources", &resources);
    }
    draft.push_to_container(list, place, "env", plan.env.values().cloned());
    draft.push_to_container(list, place, "volumeMounts", plan.mounts.iter().cloned());
}

/// What the container is in every Pod.
pub(super) fn own(policy: &Filebeat) -> OwnContainer {
    let fields = [
        ("name", CONTAINER.into()),
        ("image", policy.image.as_str().into()),
        ("args", json!(ARGS)),
        ("restartPolicy", "Always".into()),
        ("env", json!(fixed_env(policy))),
        ("volumeMounts", json!(fixed_mounts(policy))),
    ];
    OwnContainer {
        fields: Document::from(&Value::from_iter(fields)),
        variables: Some(VARIABLE_PREFIX),
        mounts_below: Some(LOGS_ROOT),
    }
}

/// The variables that it has in every Pod.
fn fixed_env(policy: &Filebeat) -> Vec<Document> {
    let field = |(name, path): (&str, &str)| {
        Document::of(
            &json!({ "name": name, "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": path } } }),
        )
    };
    let origin = [
        ("POD_NAMESPACE", "metadata.namespace"),
        ("POD_NAME", "metadata.name"),
        ("POD_UID", "metadata.uid"),
        ("POD_IP", "status.podIP"),
        ("NODE_NAME", "spec.nodeName"),
    ];
    let mut env: Vec<_> = origin.into_iter().map(field).collect();
    env.extend(policy.output.env());
    env
}

/// The id that the first container which writes logs runs with, or else the Pod.
fn writer(pod: &Pod, inputs: &[Input], field: &str) -> Option<i64> {
    writers(pod, inputs, field).into_iter().next().flatten()
}

/// The ids that the containers which write logs run with, each once.
pub(super) fn writers(pod: &Pod, inputs: &[Input], field: &str) -> Vec<Option<i64>> {
    let of_pod = pod.security(field).and_then(Node::as_i64);
    let mut ids = Vec::new();
    for container in pod.containers().filter(|one| inputs.iter().any(|input| input.container == one.name())) {
        let id = container.security(field).and_then(Node::as_i64).or(of_pod);
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

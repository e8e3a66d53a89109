//! The check of a policy's parts against each other. What is wrong with one part alone is told where it stands.

use std::collections::HashSet;

use super::objects::{Addition, Container, Object};
use super::{Fields, Position};

/// What Kubernetes takes only of containers that keep running.
const RUNNING: &[&str] = &["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"];

type Checked = Result<(), String>;

/// Checks a policy as a whole.
pub(super) fn check(policy: &Fields) -> Checked {
    something(policy)?;
    containers(policy)?;
    volumes(policy)?;
    once("env", &policy.env, "name")?;
    once("volumeMounts", &policy.volume_mounts, "mountPath")?;
    hosts(policy)
}

fn something(policy: &Fields) -> Checked {
    let is_nothing = policy.containers.is_empty()
        && policy.init_containers.is_empty()
        && policy.volumes.is_empty()
        && policy.volume_mounts.is_empty()
        && policy.env.is_empty()
        && policy.image_pull_secrets.is_empty()
        && policy.host_aliases.is_empty()
        && !policy.share_process_namespace
        && policy.annotations.is_empty()
        && policy.labels.is_empty();
    if is_nothing {
        return Err(
            "the policy adds nothing; give it containers, initContainers, volumes, volumeMounts, env, \
                    imagePullSecrets, hostAliases, shareProcessNamespace, annotations or labels"
                .to_owned(),
        );
    }
    if policy.position == Position::First && policy.init_containers.is_empty() {
        return Err("position: first is for initContainers, and there are none; leave it out".to_owned());
    }
    Ok(())
}

fn containers(policy: &Fields) -> Checked {
    let mut names = HashSet::new();
    let lists = [("containers", &policy.containers), ("initContainers", &policy.init_containers)];
    for (list, container) in
        lists.into_iter().flat_map(|(list, containers)| containers.iter().map(move |one| (list, one)))
    {
        let name = container.name();
        if !names.insert(name) {
            return Err(format!("{list}: two containers are named {name:?}; give each its own name"));
        }
        restart_policy(list, container)?;
    }
    Ok(())
}

fn restart_policy(list: &str, container: &Object<Container>) -> Checked {
    let name = container.name();
    let is_init = list == "initContainers";
    match container.text("restartPolicy") {
        "" => {}
        "Always" if is_init => return Ok(()),
        _ if !is_init => {
            return Err(format!(
                "{list}: {name:?} has a restartPolicy; leave it out, or move the container to initContainers, where \
                 restartPolicy: Always makes a native sidecar"
            ));
        }
        other => {
            return Err(format!(
                "{list}: {name:?} has restartPolicy {other:?}; expected Always, for a native sidecar, or none"
            ));
        }
    }
    match RUNNING.iter().find(|field| container.fields().contains_key(**field)) {
        Some(field) if is_init => Err(format!(
            "{list}: {name:?} has a {field}, which no init container can have that ends; leave it out, or make it a \
             native sidecar by restartPolicy: Always"
        )),
        _ => Ok(()),
    }
}

fn volumes(policy: &Fields) -> Checked {
    let mut names = HashSet::new();
    let own = policy.volumes.iter().map(|volume| ("volumes", volume.name()));
    for (list, name) in own.chain(policy.app_volumes.iter().map(|name| ("appVolumes", name.as_str()))) {
        if !names.insert(name) {
            return Err(format!("{list}: {name:?} names a volume for the second time; leave one out"));
        }
    }
    let of_containers = policy.containers.iter().chain(&policy.init_containers).flat_map(|container| {
        let name = |mount: &serde_json::Value| mount.get("name")?.as_str().map(str::to_owned);
        container.list("volumeMounts").filter_map(name).map(|name| (container.name(), name))
    });
    let of_app = policy.volume_mounts.iter().map(|mount| ("volumeMounts", mount.object.name().to_owned()));
    for (place, volume) in of_containers.chain(of_app) {
        if !names.contains(volume.as_str()) {
            return Err(format!(
                "{place}: {volume:?} is mounted, and is no volume of the policy; add it to volumes, or to appVolumes \
                 if the Pod brings it"
            ));
        }
    }
    Ok(())
}

/// Checks that no container gets two entries that exclude each other.
fn once<S>(list: &str, additions: &[Addition<S>], field: &str) -> Checked {
    for (at, one) in additions.iter().enumerate() {
        let text = one.object.text(field).trim_end_matches('/');
        let meets = |other: &&Addition<S>| {
            let both = one.containers.iter().any(|name| other.containers.contains(name));
            other.object.text(field).trim_end_matches('/') == text
                && (both || one.containers.is_empty() || other.containers.is_empty())
        };
        if additions.iter().take(at).find(meets).is_some() {
            return Err(format!("{list}: {text:?} is given twice to one container; leave one out"));
        }
    }
    Ok(())
}

fn hosts(policy: &Fields) -> Checked {
    let mut names = HashSet::new();
    for alias in &policy.host_aliases {
        if alias.hostnames.is_empty() {
            return Err(format!("hostAliases: {} has no hostnames; give it one", alias.ip));
        }
        if let Some(twice) = alias.hostnames.iter().find(|name| !names.insert(*name)) {
            return Err(format!("hostAliases: {:?} is given twice; leave one out", twice.as_str()));
        }
    }
    Ok(())
}

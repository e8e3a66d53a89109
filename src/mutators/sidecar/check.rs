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

#[cfg(test)]
mod tests {
    use crate::mutators::sidecar::Sidecar;
    use crate::policy::Envelope;
    use crate::yaml;

    const HEAD: &str = "apiVersion: podwright.dev/v1alpha1\nkind: Sidecar\nmetadata: {name: a}\nspec:\n";

    fn load(spec: &str) -> Result<Envelope<Sidecar>, String> {
        let text = format!("{HEAD}{spec}");
        yaml::read(yaml::Document { text: &text, lines_before: 0 }).map_err(|error| error.to_string())
    }

    /// What is wrong, and parts of what is told; the first line of a spec is the fifth of its file.
    const WRONG: &[(&str, &[&str])] = &[
        ("  {}", &["5:", "the policy adds nothing"]),
        ("  contaners: []", &["5:", "contaners"]),
        ("  default: always", &["5:", "always"]),
        ("  position: first\n  env: [{name: A}]", &["position: first is for initContainers"]),
        ("  containers:\n    - {image: a}", &["6:", "this container lacks \"name\""]),
        ("  containers:\n    - {name: a}", &["6:", "this container lacks \"image\""]),
        ("  containers:\n    - {name: A_b, image: a}", &["6:", "bad name \"A_b\""]),
        (
            "  containers:\n    - {name: a, image: a, comand: [x]}",
            &["\"comand\"", "did you mean \"command\"?"],
        ),
        (
            "  containers:\n    - {name: a, image: a, args: x}",
            &["6:", "container \"a\" is none that Kubernetes takes"],
        ),
        (
            "  containers:\n    - {name: a, image: a, env: [{name: NAME, vale: x}]}",
            &["did you mean \"value\"?"],
        ),
        (
            "  containers:\n    - {name: a, image: a, ports: [{containerPort: 1, hostPort: 80}]}",
            &["hostPort 80"],
        ),
        (
            "  containers:\n    - {name: a, image: a, restartPolicy: Always}",
            &["move the container to initContainers"],
        ),
        (
            "  containers: [{name: a, image: a}]\n  initContainers: [{name: a, image: a}]",
            &["two containers are named \"a\""],
        ),
        ("  initContainers: [{name: a, image: a, restartPolicy: Never}]", &["expected Always"]),
        ("  initContainers: [{name: a, image: a, livenessProbe: {}}]", &["has a livenessProbe"]),
        (
            "  containers: [{name: a, image: a, volumeMounts: [{name: v, mountPath: /v}]}]",
            &["a: \"v\" is mounted", "appVolumes"],
        ),
        (
            "  appVolumes: [v]\n  containers: [{name: a, image: a, volumeMounts: [{name: v, mountPath: v}]}]",
            &["\"v\" is relative"],
        ),
        (
            "  appVolumes: [v]\n  containers: [{name: a, image: a, volumeMounts: [{name: v, mountPath: /v}, {name: v, mountPath: /v/}]}]",
            &["two volumes are mounted at \"/v/\""],
        ),
        ("  volumeMounts: [{name: v, mountPath: /v}]", &["volumeMounts: \"v\" is mounted"]),
        ("  volumes:\n    - {name: v, hostPath: {path: /}}", &["6:", "no path of the node"]),
        ("  volumes:\n    - {name: v}", &["6:", "it has no source"]),
        ("  volumes:\n    - {name: v, emptydir: {}}", &["did you mean \"emptyDir\"?"]),
        ("  volumes:\n    - {name: v, emptyDir: {}, secret: {secretName: s}}", &["several sources"]),
        (
            "  volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]",
            &["\"v\" names a volume for the second time"],
        ),
        ("  volumes: [{name: v, emptyDir: {}}]\n  appVolumes: [v]", &["appVolumes: \"v\""]),
        ("  env: [{name: A, value: 1}]", &["variable \"A\" is none that Kubernetes takes"]),
        ("  env: [{name: A, value: a}, {name: A, value: b, containers: [app]}]", &["\"A\" is given twice"]),
        ("  env: [{name: A, value: a, valueFrom: {}}]", &["both value and valueFrom"]),
        ("  env: [{name: A, containers: app}]", &["containers is no list of names"]),
        ("  hostAliases:\n    - {ip: 1.2.3, hostnames: [a]}", &["6:"]),
        ("  hostAliases: [{ip: 1.2.3.4, hostnames: []}]", &["1.2.3.4 has no hostnames"]),
        ("  hostAliases: [{ip: 1.2.3.4, hostnames: [A]}]", &["bad name of a host \"A\""]),
        (
            "  hostAliases: [{ip: 1.2.3.4, hostnames: [a]}, {ip: 1.2.3.5, hostnames: [a]}]",
            &["\"a\" is given twice"],
        ),
        ("  annotations: {podwright.dev/status: x}", &["is under podwright.dev"]),
        ("  annotations: {app.logs.podwright.dev/paths: x}", &["is under podwright.dev"]),
        ("  labels: {\"a b\": x}", &["bad key \"a b\""]),
        ("  labels: {a: \"b c\"}", &["bad value of a label \"b c\""]),
    ];

    #[test]
    fn whatever_is_wrong_is_told_with_its_place() {
        let mut wrong = Vec::new();
        for (spec, parts) in WRONG {
            let error = load(spec).err().unwrap_or_else(|| "nothing".to_owned());
            wrong.extend(
                parts
                    .iter()
                    .filter(|part| !error.contains(**part))
                    .map(|part| format!("{spec}\n  told {error}\n  lacks {part}")),
            );
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_is_newer_than_the_library_is_kept() {
        let spec = "  containers:\n    - {name: a, image: a, restartPolicyRules: [{action: Restart}], somethingNew: {a: 1}}\n  \
                    volumes:\n    - {name: v, sourceOfTomorrow: {a: 1}}";
        let policy = load(spec).unwrap_or_else(|error| panic!("{error}")).spec.0;
        assert_eq!(policy.containers[0].fields()["somethingNew"]["a"], 1);
        assert_eq!(policy.volumes[0].fields()["sourceOfTomorrow"]["a"], 1);
    }
}

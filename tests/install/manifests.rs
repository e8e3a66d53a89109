//! What stands in `manifests/`: whole, as strict as it says, and startable.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use clap::{CommandFactory as _, Parser as _};
use podwright::cli::Cli;
use podwright::policy_set::EMBEDDED;
use podwright::yaml;
use serde_json::{Value, json};

use crate::Row;
use crate::rendering::{Manifests, find, overlay};
use crate::tools::{root, run, tool};

pub(crate) const TRIALS: &[Row] = &[
    (&[], "manifests::policies_are_those_that_ship", policies),
    (&["kubectl"], "manifests::kustomize_of_today_gives_the_same", of_today),
    (&["kubectl"], "manifests::arguments_are_flags_that_exist", arguments),
    (&["kubectl"], "manifests::the_drain_fits_into_the_grace_period", grace_period),
    (&["kubectl"], "manifests::pods_are_restricted", restricted),
    (&["kubectl"], "manifests::policies_find_nothing_in_our_own_pods", judged_by_our_own_policies),
    (&["kubectl"], "manifests::a_configmap_of_yours_takes_the_place_of_ours", own_policies),
];

/// Those that install something, each complete.
pub(crate) const OVERLAYS: &[&str] = &["self-managed", "cert-manager", "files"];
const COMPONENTS: &[&str] = &["match-conditions", "fail-closed", "scan", "watch-policies"];

fn policies() {
    let file = root().join("manifests/base/policies.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let (head, _) = text.split_once("\ndata:\n").unwrap();
    let mut expected = format!("{head}\ndata:\n");
    let mut shipped = EMBEDDED.to_vec();
    shipped.sort();
    for (path, policy) in shipped {
        let name = path.rsplit('/').next().unwrap();
        expected.push_str(&format!("  {name}: |\n"));
        for line in policy.lines() {
            let indent = if line.is_empty() { "" } else { "    " };
            expected.push_str(&format!("{indent}{line}\n"));
        }
    }
    if std::env::var_os("UPDATE_MANIFESTS").is_some() {
        fs::write(&file, expected).unwrap();
        return;
    }
    assert!(text == expected, "run UPDATE_MANIFESTS=1 cargo test --test install");
    // What the indentation does to a text is the parser's to say.
    let object: Value = yaml::read(yaml::documents(&text)[0]).unwrap();
    for (path, policy) in EMBEDDED {
        assert_eq!(object["data"][path.rsplit('/').next().unwrap()], *policy, "{path}");
    }
}

/// The kubectl that is installed may be newer than Debian's; on a bare machine there is none.
fn of_today() {
    let version = Command::new("kubectl").args(["version", "--client", "-o", "json"]).output();
    let version = version.ok().and_then(|output| serde_json::from_slice::<Value>(&output.stdout).ok());
    let minor = version.and_then(|version| {
        version["clientVersion"]["minor"].as_str()?.trim_end_matches('+').parse::<u32>().ok()
    });
    if minor.is_none_or(|minor| minor < 21) {
        eprintln!("not compared: no kubectl of 1.21 or later is installed");
        return;
    }
    for name in OVERLAYS.iter().chain(&["dev"]) {
        let components = if *name == "dev" { &[] } else { COMPONENTS };
        let today = Manifests::with(name, components).render("kubectl".as_ref());
        assert_eq!(today, overlay(name, components), "{name}");
        let alone = Command::new("kubectl")
            .arg("kustomize")
            .arg(root().join("manifests/overlays").join(name))
            .output();
        let alone = alone.unwrap();
        assert!(
            alone.status.success() && alone.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&alone.stderr)
        );
    }
}

fn arguments() {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    for name in OVERLAYS {
        let container = container(&overlay(name, COMPONENTS));
        let mut words = vec!["podwright".to_owned()];
        words.extend(
            container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()),
        );
        for variable in container["env"].as_array().into_iter().flatten() {
            let named = variable["name"].as_str().unwrap();
            let flag = serve.get_arguments().find(|flag| flag.get_env().is_some_and(|env| env == named));
            let flag = flag.and_then(clap::Arg::get_long).unwrap_or_else(|| panic!("{named} is no variable"));
            words.push(format!("--{flag}"));
            if variable["value"] != "true" {
                words.push(variable["value"].as_str().unwrap().to_owned());
            }
        }
        let parsed = Cli::try_parse_from(&words);
        assert!(parsed.is_ok(), "{name}: {}", parsed.err().unwrap());
    }
}

fn grace_period() {
    for name in OVERLAYS {
        let objects = overlay(name, &[]);
        let container = container(&objects);
        let seconds = |flag: &str| -> u64 {
            let words = container["args"].as_array().unwrap().iter().filter_map(Value::as_str);
            let value = words.filter_map(|word| word.strip_prefix(flag)).next().unwrap();
            value.strip_suffix('s').unwrap().parse().unwrap()
        };
        let drain = seconds("--drain-delay=") + seconds("--drain-timeout=");
        let grace = pod_spec(&objects)["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace >= drain + 3, "{name}: {grace} s for a drain of {drain} s");
    }
}

/// By the Pod Security Standard, and what it leaves open.
fn restricted() {
    for name in OVERLAYS {
        let objects = overlay(name, &[]);
        let namespace = find(&objects, "Namespace podwright-system");
        assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
        let spec = pod_spec(&objects);
        let of_pod = &spec["securityContext"];
        assert_eq!(of_pod["runAsNonRoot"], true);
        assert!(of_pod["runAsUser"].as_u64().unwrap() >= 10_000, "a user that no node has");
        assert_eq!(of_pod["seccompProfile"], json!({"type": "RuntimeDefault"}));
        for field in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
            assert!(spec.get(field).is_none(), "{field}");
        }
        let container = container(&objects);
        let expected = json!({
            "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        });
        assert_eq!(container["securityContext"], expected);
        assert_eq!(spec["containers"].as_array().unwrap().len(), 1);
        for volume in spec["volumes"].as_array().unwrap() {
            assert!(volume.get("configMap").is_some() || volume.get("secret").is_some(), "{volume}");
        }
        for mount in container["volumeMounts"].as_array().unwrap() {
            assert_eq!(mount["readOnly"], true, "{mount}");
            assert!(mount.get("subPath").is_none(), "{mount} would never change");
        }
    }
}

fn judged_by_our_own_policies() {
    for name in OVERLAYS {
        let folder = tempfile::tempdir().unwrap();
        for (index, object) in overlay(name, &[]).iter().enumerate() {
            fs::write(folder.path().join(format!("{index}.json")), object.to_string()).unwrap();
        }
        let mut scan = Command::new(cargo_bin!("podwright"));
        scan.arg("scan").arg("-f").arg(folder.path()).args(["--format", "json"]);
        let output = run(&mut scan);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["findings"], json!([]), "{name}");
        assert_eq!(report["summary"]["objects"], 1, "{name}");
    }
}

/// As docs/operation.md tells to.
fn own_policies() {
    let manifests = Manifests::with("files", &[]);
    let own = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "podwright-policies", "namespace": "podwright-system"},
        "data": {"host-path.yaml": "kind: HostPath\n", "sidecar.yaml": null},
    });
    fs::write(manifests.path().join("policies.yaml"), own.to_string()).unwrap();
    let file = manifests.path().join("kustomization.yaml");
    let mut kustomization: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    kustomization["patches"] = json!([{"path": "policies.yaml"}]);
    fs::write(file, kustomization.to_string()).unwrap();
    let objects = manifests.into_2019().render(&tool("kubectl").unwrap());
    let policies: BTreeMap<String, String> =
        serde_json::from_value(find(&objects, "ConfigMap podwright-policies")["data"].clone()).unwrap();
    assert_eq!(policies["host-path.yaml"], "kind: HostPath\n");
    assert!(!policies.contains_key("sidecar.yaml"));
    assert_eq!(policies.len(), EMBEDDED.len() - 1);
}

fn pod_spec(objects: &[Value]) -> Value {
    find(objects, "Deployment podwright")["spec"]["template"]["spec"].clone()
}

fn container(objects: &[Value]) -> Value {
    pod_spec(objects)["containers"][0].clone()
}

//! Fixed addresses: a real StatefulSet controller makes the Pods, and only the kubelet is played.

use serde_json::{Value, json};

use crate::api::{Namespace, SOON};
use crate::process::within;
use crate::webhook::Registration;
use crate::world::{Registered, World};

const POLICIES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/cluster/fixed_ip.yaml,",
    env!("CARGO_MANIFEST_DIR"),
    "/policies/filebeat.yaml"
);
const ADDRESSES: &str = "ipam.podwright.dev/addresses";
const IP_ADDRS: &str = "cni.projectcalico.org/ipAddrs";

/// A namespace with grants, served by a Podwright of its own for as long as it lives.
struct Served {
    namespace: Namespace,
    _validation: Registration,
    _mutation: Registered,
}

impl Served {
    fn start(world: &World, name: &str) -> Self {
        let (namespace, mutation) = world.served_by(name, &["--policies", POLICIES]);
        let probe = workload("probe", &json!({}), &listed("10.20.255.1"));
        let validation = mutation.validate(world.api(), "deployments", &probe).unwrap();
        Self { namespace, _validation: validation, _mutation: mutation }
    }

    fn create(&self, resource: &str, object: &Value) -> Result<Value, String> {
        self.namespace.create("apps/v1", resource, object)
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace.path("/apis/apps/v1", "statefulsets"))
    }

    fn patch(&self, world: &World, name: &str, patch: &Value) -> Result<Value, String> {
        world.api().patch(&self.path(name), patch)
    }

    /// Waits until the Pods of a StatefulSet have these addresses, by ordinal, and there are no others. Every Pod that
    /// has come is said to run, as its kubelet would say.
    fn until(&self, world: &World, what: &str, name: &str, expected: &[&str]) {
        let mut last = Vec::new();
        let seen = within(SOON, what, || {
            last = self.pods(world, name);
            (last == expected.iter().map(|addresses| Some((*addresses).to_owned())).collect::<Vec<_>>())
                .then_some(())
        });
        seen.unwrap_or_else(|err| panic!("{err}; there was {last:?}, and {:?}", self.refusals()));
    }

    /// The addresses of the Pods of a StatefulSet by ordinal; `None` for those that are not there.
    fn pods(&self, world: &World, name: &str) -> Vec<Option<String>> {
        let mut found = Vec::new();
        for pod in self.namespace.list("pods") {
            let pod_name = pod["metadata"]["name"].as_str().unwrap();
            let Some(ordinal) = pod_name.strip_prefix(&format!("{name}-")) else { continue };
            let ordinal: usize = ordinal.parse().unwrap();
            let addresses = pod["metadata"]["annotations"][IP_ADDRS].as_str().unwrap_or("none");
            found.resize(found.len().max(ordinal + 1), None);
            found[ordinal] = Some(addresses.replace(['[', ']', '"'], ""));
            if pod["status"]["phase"] != "Running" {
                self.run(world, &pod, addresses);
            }
        }
        found
    }

    fn run(&self, world: &World, pod: &Value, addresses: &str) {
        let held: Vec<String> = serde_json::from_str(addresses).unwrap_or_default();
        let held: Vec<_> = held.iter().map(|address| json!({"ip": address})).collect();
        let mut status = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        if !held.is_empty() {
            status["podIP"] = held[0]["ip"].clone();
            status["podIPs"] = held.into();
        }
        let path = self.namespace.path("/api/v1", "pods");
        let name = pod["metadata"]["name"].as_str().unwrap();
        // It may have gone meanwhile.
        let _ = world.api().patch(&format!("{path}/{name}/status"), &json!({"status": status}));
    }

    fn delete_pod(&self, world: &World, name: &str) {
        let path = self.namespace.path("/api/v1", "pods");
        let before = world.api().get(&format!("{path}/{name}")).unwrap()["metadata"]["uid"].clone();
        world.api().delete(&format!("{path}/{name}")).unwrap();
        let is_new = || {
            let pod = world.api().get(&format!("{path}/{name}")).ok()?;
            (pod["metadata"]["uid"] != before).then_some(())
        };
        within(SOON, "the Pod after it", is_new).unwrap();
    }

    /// What the controller was told when it could not create a Pod.
    fn refusals(&self) -> Vec<String> {
        let events = self.namespace.list("events").into_iter();
        events
            .filter(|event| event["reason"] == "FailedCreate")
            .map(|event| event["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

fn listed(addresses: &str) -> Value {
    json!({"annotations": {ADDRESSES: addresses}})
}

/// A workload of three Pods, with this in its `metadata` and in that of its template.
fn workload(name: &str, metadata: &Value, template: &Value) -> Value {
    let mut object = json!({"metadata": metadata, "spec": {
        "replicas": 3, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": template, "spec": {"containers": [{"name": "app", "image": "registry.example/redis:7"}]}},
    }});
    object["metadata"]["name"] = json!(name);
    object["spec"]["template"]["metadata"]["labels"] = json!({"app": name});
    object
}

fn stateful_set(name: &str, management: &str, metadata: &Value, template: &Value) -> Value {
    let mut object = workload(name, metadata, template);
    object["spec"]["serviceName"] = json!(name);
    object["spec"]["podManagementPolicy"] = json!(management);
    object
}

pub(crate) fn parallel(world: &World) {
    let served = Served::start(world, "fixed-parallel");
    let list = "10.20.1.10-10.20.1.12,fd00:20::10-fd00:20::1f";
    served.create("statefulsets", &stateful_set("redis", "Parallel", &listed(list), &json!({}))).unwrap();
    let each = ["10.20.1.10,fd00:20::10", "10.20.1.11,fd00:20::11", "10.20.1.12,fd00:20::12"];
    served.until(world, "three addresses", "redis", &each);

    served.delete_pod(world, "redis-1");
    served.until(world, "the same after a deletion", "redis", &each);

    served.patch(world, "redis", &json!({"spec": {"replicas": 1}})).unwrap();
    served.until(world, "one after scaling down", "redis", &each[..1]);
    let scale = format!("{}/scale", served.path("redis"));
    world.api().patch(&scale, &json!({"spec": {"replicas": 3}})).unwrap();
    served.until(world, "the same after scaling up", "redis", &each);

    let refusal = world.api().patch(&scale, &json!({"spec": {"replicas": 4}})).unwrap_err();
    assert!(refusal.contains("it lists 3 IPv4 addresses, and the Pods take up 4"), "{refusal}");
}

pub(crate) fn ordered(world: &World) {
    let served = Served::start(world, "fixed-ordered");
    let template = listed("10.20.2.10-10.20.2.12");
    served.create("statefulsets", &stateful_set("redis", "OrderedReady", &json!({}), &template)).unwrap();
    let each = ["10.20.2.10", "10.20.2.11", "10.20.2.12"];
    served.until(world, "three addresses", "redis", &each);

    // A rolling update to another list, each Pod to an address that nobody has had.
    let annotations = json!({"spec": {"template": {"metadata": listed("10.20.2.20-10.20.2.22")}}});
    served.patch(world, "redis", &annotations).unwrap();
    served.until(world, "three others after a roll", "redis", &["10.20.2.20", "10.20.2.21", "10.20.2.22"]);
}

pub(crate) fn made_anew(world: &World) {
    let served = Served::start(world, "fixed-anew");
    let create = |list: &str| {
        served.create("statefulsets", &stateful_set("redis", "Parallel", &listed(list), &json!({})))
    };
    create("10.20.3.10-10.20.3.12").unwrap();
    served.until(world, "three addresses", "redis", &["10.20.3.10", "10.20.3.11", "10.20.3.12"]);
    // As `kubectl replace --force`: its Pods stay for a moment, its name is used again at once.
    world.api().delete(&served.path("redis")).unwrap();
    let anew = || create("10.20.3.20-10.20.3.22").ok();
    within(SOON, "the name to be free", anew).unwrap();
    for ordinal in 0..3 {
        let path = format!("{}/redis-{ordinal}", served.namespace.path("/api/v1", "pods"));
        let _ = world.api().delete(&path);
    }
    served.until(world, "the new list's", "redis", &["10.20.3.20", "10.20.3.21", "10.20.3.22"]);
}

pub(crate) fn refused(world: &World) {
    let served = Served::start(world, "fixed-refused");
    let first = stateful_set("first", "Parallel", &listed("10.20.4.10-10.20.4.12"), &json!({}));
    served.create("statefulsets", &first).unwrap();
    served.until(world, "three addresses", "first", &["10.20.4.10", "10.20.4.11", "10.20.4.12"]);

    let namespace = served.namespace.name();
    for (resource, object, parts) in [
        (
            "statefulsets",
            stateful_set("second", "Parallel", &json!({}), &listed("10.20.4.12-10.20.4.14")),
            ["10.20.4.12 is in the list of", &format!("StatefulSet {namespace}/first")],
        ),
        (
            "statefulsets",
            stateful_set("outside", "Parallel", &listed("10.30.0.0/24"), &json!({})),
            ["10.30.0.1 is in no network", "10.20.0.0/16"],
        ),
        (
            "statefulsets",
            stateful_set("short", "Parallel", &listed("10.20.5.1,10.20.5.2"), &json!({})),
            ["it lists 2 IPv4 addresses", "take up 3"],
        ),
        (
            "deployments",
            workload("web", &json!({}), &listed("10.20.5.1-10.20.5.3")),
            ["the Pods of a Deployment have no ordinal", "use a StatefulSet"],
        ),
        (
            "deployments",
            workload("web", &listed("10.20.5.1-10.20.5.3"), &json!({})),
            ["the Pods of a Deployment have no ordinal", ADDRESSES],
        ),
    ] {
        let refusal = served.create(resource, &object).unwrap_err();
        assert!(refusal.contains("denied the request"), "{refusal}");
        assert!(parts.iter().all(|part| refusal.contains(part)), "{parts:?} should be in: {refusal}");
    }

    // What nobody lists any more is still held by the Pods that live.
    world
        .api()
        .patch(&served.path("first"), &json!({"metadata": {"annotations": {ADDRESSES: null}}}))
        .unwrap();
    let taking = stateful_set("taking", "Parallel", &listed("10.20.4.10-10.20.4.12"), &json!({}));
    let refusal = within(SOON, "the refusal by a Pod's address", || {
        served.create("statefulsets", &taking).err().filter(|refusal| !refusal.contains("in the list of"))
    });
    let refusal = refusal.unwrap();
    assert!(refusal.contains(&format!("10.20.4.10 is held by Pod {namespace}/first-0")), "{refusal}");
}

pub(crate) fn after_a_restart(world: &World) {
    let served = Served::start(world, "fixed-restart");
    world.control_plane().restart_api_server().unwrap();
    // The watches of Podwright are broken, and it waits before it tries again.
    let list = listed("10.20.6.10-10.20.6.12");
    served.create("statefulsets", &stateful_set("redis", "Parallel", &list, &json!({}))).unwrap();
    served.until(world, "three addresses", "redis", &["10.20.6.10", "10.20.6.11", "10.20.6.12"]);
}

pub(crate) fn pools(world: &World) {
    let api = world.api();
    let definition = json!({
        "metadata": {"name": "ippools.crd.projectcalico.org"},
        "spec": {
            "group": "crd.projectcalico.org", "scope": "Cluster",
            "names": {"kind": "IPPool", "listKind": "IPPoolList", "plural": "ippools", "singular": "ippool"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    api.create(definitions, &definition).unwrap();
    let pools = "/apis/crd.projectcalico.org/v1/ippools";
    let pool = json!({"apiVersion": "crd.projectcalico.org/v1", "kind": "IPPool", "metadata": {"name": "fixed"},
        "spec": {"cidr": "10.20.7.0/24", "nodeSelector": "!all()"}});
    within(SOON, "the new kind", || api.create(pools, &pool).ok()).unwrap();

    let served = Served::start(world, "fixed-pools");
    let outside = stateful_set("outside", "Parallel", &listed("10.20.8.1-10.20.8.3"), &json!({}));
    let refusal = served.create("statefulsets", &outside).unwrap_err();
    assert!(
        refusal.contains("10.20.8.1 is in no Calico IPPool") && refusal.contains("10.20.7.0/24"),
        "{refusal}"
    );
    let within_it = stateful_set("redis", "Parallel", &listed("10.20.7.1-10.20.7.3"), &json!({}));
    served.create("statefulsets", &within_it).unwrap();
    served.until(world, "addresses of the pool", "redis", &["10.20.7.1", "10.20.7.2", "10.20.7.3"]);

    api.patch(&format!("{pools}/fixed"), &json!({"spec": {"disabled": true}})).unwrap();
    let another = stateful_set("another", "Parallel", &listed("10.20.7.4-10.20.7.6"), &json!({}));
    let collection = format!("{}?dryRun=All", served.namespace.path("/apis/apps/v1", "statefulsets"));
    let refused = || api.create(&collection, &another).err();
    let refusal = within(SOON, "the pool to be seen as disabled", refused).unwrap();
    assert!(refusal.contains("there is none"), "{refusal}");
    api.delete(&format!("{definitions}/ippools.crd.projectcalico.org")).unwrap();
}

//! What Podwright leaves as it is.

use serde_json::{Value, json};

use crate::pods;
use crate::world::{World, has_sidecar};

pub(crate) fn without_podwright(world: &World) {
    let pod = world.unserved().create_pod(&pods::logging()).unwrap();
    assert!(!has_sidecar(&pod), "{pod:#}");
}

pub(crate) fn a_pod_without_annotations(world: &World) {
    let [served, unserved] = [world.served(), world.unserved()].map(|namespace| {
        let mut pod = namespace.create_pod(&pods::plain()).unwrap();
        // What the API server makes anew for each.
        for field in
            ["name", "namespace", "uid", "creationTimestamp", "resourceVersion", "managedFields", "selfLink"]
        {
            pod["metadata"][field].take();
        }
        pod
    });
    assert_eq!(served, unserved);
}

pub(crate) fn volumes_of_every_kind(world: &World) {
    let pod = with_every_volume(pods::logging(), world.control_plane().version());
    let before = world.unserved().dry_run_pod(&pod).unwrap();
    // One policy, as the others have an opinion on some of these volumes.
    let (served, _registered) = world.served_by("filebeat-alone", &["--policies", FILEBEAT]);
    let after = served.create_pod(&pod).unwrap();

    assert!(has_sidecar(&after), "{after:#}");
    let kinds = pod["spec"]["volumes"].as_array().unwrap().len();
    assert_eq!(first(&after["spec"]["volumes"], kinds), first(&before["spec"]["volumes"], kinds));
    let mounts = |pod: &Value| first(&pods::named(&pod["spec"]["containers"], "app")["volumeMounts"], kinds);
    assert_eq!(mounts(&after), mounts(&before));
}

const FILEBEAT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/filebeat.yaml");

/// Ours come after the user's own.
fn first(list: &Value, count: usize) -> Vec<Value> {
    pods::items(list).iter().take(count).cloned().collect()
}

/// The Pod with one volume of each kind that this Kubernetes knows, all of them mounted.
fn with_every_volume(mut pod: Value, version: (u32, u32)) -> Value {
    let item = json!({"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}});
    let secret = json!({"name": "secret"});
    let mut kinds = json!({
        "awsElasticBlockStore": {"volumeID": "vol-1"},
        "azureDisk": {"diskName": "disk", "diskURI": "https://disk.example/vhds/disk"},
        "azureFile": {"secretName": "secret", "shareName": "share"},
        "cephfs": {"monitors": ["10.0.0.1:6789"]},
        "cinder": {"volumeID": "volume", "secretRef": secret},
        "configMap": {"name": "settings", "items": [{"key": "a", "path": "b/a"}], "optional": true},
        "csi": {"driver": "csi.example", "volumeAttributes": {"a": "b"}, "nodePublishSecretRef": secret},
        "downwardAPI": {"items": [item, {"path": "cpu", "resourceFieldRef": {"containerName": "app", "resource": "limits.cpu"}}]},
        "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"},
        "fc": {"targetWWNs": ["50060e801049cfd1"], "lun": 0},
        "flexVolume": {"driver": "example/flex", "options": {"a": "b"}},
        "flocker": {"datasetName": "dataset"},
        "gcePersistentDisk": {"pdName": "disk", "partition": 1},
        "gitRepo": {"repository": "https://git.example/repository.git"},
        "glusterfs": {"endpoints": "gluster", "path": "volume"},
        "hostPath": {"path": "/var/lib/shop", "type": "DirectoryOrCreate"},
        "iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:storage", "lun": 0},
        "nfs": {"server": "nfs.example", "path": "/export"},
        "persistentVolumeClaim": {"claimName": "claim", "readOnly": true},
        "photonPersistentDisk": {"pdID": "disk"},
        "portworxVolume": {"volumeID": "volume"},
        "projected": {"sources": [
            {"configMap": {"name": "settings"}}, {"downwardAPI": {"items": [item]}}, {"secret": secret},
            {"serviceAccountToken": {"audience": "shop", "expirationSeconds": 3600, "path": "token"}},
        ]},
        "quobyte": {"registry": "10.0.0.1:7861", "volume": "volume"},
        "rbd": {"monitors": ["10.0.0.1:6789"], "image": "image"},
        "scaleIO": {"gateway": "https://scaleio.example", "system": "system", "secretRef": secret, "volumeName": "volume"},
        "secret": {"secretName": "secret", "defaultMode": 256},
        "storageos": {"volumeName": "volume"},
        "vsphereVolume": {"volumePath": "[datastore] volume"},
    });
    if version >= (1, 23) {
        kinds["ephemeral"] = json!({"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}},
        }}});
    }
    let kinds = kinds.as_object().unwrap();
    pod["spec"]["serviceAccountName"] = json!("default"); // the projected token's
    let name = |kind: &str| kind.to_lowercase();
    pod["spec"]["volumes"] =
        kinds.iter().map(|(kind, source)| json!({"name": name(kind), kind: source})).collect();
    pod["spec"]["containers"][0]["volumeMounts"] = kinds
        .keys()
        .map(|kind| json!({"name": name(kind), "mountPath": format!("/volumes/{kind}"), "readOnly": kind == "csi"}))
        .collect();
    pod
}

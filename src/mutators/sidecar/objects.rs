//! The objects of Kubernetes that a policy holds: kept as they were written, so that fields newer than our library
//! survive, and checked when the policy loads.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use k8s_openapi::api::core::v1;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::pod::{AbsolutePath, Document, Node};
use crate::policy::{Name, nearest};

/// A kind of object.
pub(super) trait Shape {
    /// What messages call it.
    const WHAT: &'static str;
    /// What schemas call it.
    const SCHEMA: &'static str;
    /// The fields that it must have.
    const REQUIRED: &'static [&'static str];
    /// The fields that are known; others pass, unless they look like one of these misspelt.
    const FIELDS: &'static [&'static str];
    /// Kubernetes' own type.
    type Kubernetes: DeserializeOwned;

    /// What else must hold.
    fn check(object: &Map<String, Value>) -> Result<(), String>;
}

/// One object, as its author wrote it.
pub(super) struct Object<S> {
    fields: Map<String, Value>,
    document: Document,
    shape: PhantomData<fn() -> S>,
}

/// One object for containers of the app: all of them, or those that it names.
#[derive(Debug)]
pub(super) struct Addition<S> {
    /// The names; empty for every container.
    pub(super) containers: Vec<String>,
    /// What they get.
    pub(super) object: Object<S>,
}

/// An entry of `containers` or `initContainers`.
#[derive(Debug)]
pub(super) struct Container;
/// An entry of `volumes`.
#[derive(Debug)]
pub(super) struct Volume;
/// An entry of `volumeMounts`.
#[derive(Debug)]
pub(super) struct VolumeMount;
/// An entry of `env`.
#[derive(Debug)]
pub(super) struct EnvVar;

impl<S> Object<S> {
    /// Its name; that of a mount is its volume's.
    pub(super) fn name(&self) -> &str {
        self.text("name")
    }

    /// One field that is a text; empty where there is none.
    pub(super) fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its fields.
    pub(super) fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// It as a document.
    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    /// It, to be held against what is in a Pod.
    pub(super) fn node(&self) -> Node<'_> {
        self.document.root()
    }

    /// The entries of one list.
    pub(super) fn list(&self, field: &str) -> impl Iterator<Item = &Value> {
        self.fields.get(field).and_then(Value::as_array).into_iter().flatten()
    }
}

impl<S: Shape> Object<S> {
    fn read(fields: Map<String, Value>) -> Result<Self, String> {
        let what = S::WHAT;
        let is_missing = |field: &&&str| {
            fields.get(**field).is_none_or(|value| value.is_null() || value.as_str() == Some(""))
        };
        if let Some(missing) = S::REQUIRED.iter().find(is_missing) {
            return Err(format!("this {what} lacks {missing:?}; give it one"));
        }
        let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
        if let Some((key, near)) = fields.keys().find_map(|key| Some((key, misspelt::<S>(key)?))) {
            return Err(format!("{what} {name:?} has a field {key:?}; did you mean {near:?}?"));
        }
        S::Kubernetes::deserialize(Value::Object(fields.clone()))
            .map_err(|error| format!("{what} {name:?} is none that Kubernetes takes: {error}"))?;
        S::check(&fields).map_err(|why| format!("{what} {name:?}: {why}"))?;
        let document = Document::from(&Value::Object(fields.clone()));
        Ok(Self { fields, document, shape: PhantomData })
    }
}

/// The known field that an unknown one was meant to be. Only what is within two letters counts: a field may be newer
/// than our list.
fn misspelt<S: Shape>(key: &str) -> Option<&'static str> {
    let known = || S::FIELDS.iter().copied();
    let near = nearest(key, known())?;
    (!known().any(|field| field == key) && strsim::damerau_levenshtein(key, near) <= 2).then_some(near)
}

impl Shape for Container {
    const WHAT: &'static str = "container";
    const SCHEMA: &'static str = "Container";
    const REQUIRED: &'static [&'static str] = &["name", "image"];
    const FIELDS: &'static [&'static str] = &[
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resizePolicy",
        "resources",
        "restartPolicy",
        "securityContext",
        "startupProbe",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeDevices",
        "volumeMounts",
        "workingDir",
    ];
    type Kubernetes = v1::Container;

    fn check(object: &Map<String, Value>) -> Result<(), String> {
        label(object)?;
        let entries = |field: &str| object.get(field).and_then(Value::as_array).into_iter().flatten();
        let mut paths = HashSet::new();
        for mount in entries("volumeMounts").filter_map(Value::as_object) {
            let mount = Object::<VolumeMount>::read(mount.clone())?;
            if !paths.insert(mount.text("mountPath").trim_end_matches('/').to_owned()) {
                let path = mount.text("mountPath");
                return Err(format!("two volumes are mounted at {path:?}; give each a path of its own"));
            }
        }
        for variable in entries("env").filter_map(Value::as_object) {
            Object::<EnvVar>::read(variable.clone())?;
        }
        let on_host =
            |port: &&Value| port.get("hostPort").and_then(Value::as_i64).is_some_and(|port| port != 0);
        if let Some(port) = entries("ports").find(on_host) {
            let port = port.get("hostPort").unwrap_or(port);
            // Validators judge the whole Pod, and could refuse what the policy itself has added.
            return Err(format!(
                "hostPort {port} takes a port of the node; leave it out, or use a DaemonSet"
            ));
        }
        Ok(())
    }
}

impl Shape for Volume {
    const WHAT: &'static str = "volume";
    const SCHEMA: &'static str = "Volume";
    const REQUIRED: &'static [&'static str] = &["name"];
    const FIELDS: &'static [&'static str] = &[
        "awsElasticBlockStore",
        "azureDisk",
        "azureFile",
        "cephfs",
        "cinder",
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "fc",
        "flexVolume",
        "flocker",
        "gcePersistentDisk",
        "gitRepo",
        "glusterfs",
        "hostPath",
        "image",
        "iscsi",
        "name",
        "nfs",
        "persistentVolumeClaim",
        "photonPersistentDisk",
        "portworxVolume",
        "projected",
        "quobyte",
        "rbd",
        "scaleIO",
        "secret",
        "storageos",
        "vsphereVolume",
    ];
    type Kubernetes = v1::Volume;

    fn check(object: &Map<String, Value>) -> Result<(), String> {
        label(object)?;
        if object.contains_key("hostPath") {
            // The HostPath validator judges the whole Pod, and could refuse what the policy itself has added.
            return Err(
                "a Sidecar policy mounts no path of the node; use an emptyDir, a configMap, a csi volume or \
                        a persistentVolumeClaim, and for files of LXCFS an LXCFS policy"
                    .to_owned(),
            );
        }
        let sources: Vec<_> = object
            .iter()
            .filter(|(key, value)| *key != "name" && !value.is_null())
            .map(|(key, _)| key.as_str())
            .collect();
        match sources.as_slice() {
            [_] => Ok(()),
            [] => Err("it has no source; give it one, such as emptyDir: {}".to_owned()),
            several => Err(format!("it has several sources, {}; leave one", several.join(", "))),
        }
    }
}

impl Shape for VolumeMount {
    const WHAT: &'static str = "mount of volume";
    const SCHEMA: &'static str = "VolumeMount";
    const REQUIRED: &'static [&'static str] = &["name", "mountPath"];
    const FIELDS: &'static [&'static str] = &[
        "mountPath",
        "mountPropagation",
        "name",
        "readOnly",
        "recursiveReadOnly",
        "subPath",
        "subPathExpr",
        "containers",
    ];
    type Kubernetes = v1::VolumeMount;

    fn check(object: &Map<String, Value>) -> Result<(), String> {
        let path = object.get("mountPath").and_then(Value::as_str).unwrap_or_default();
        match path.parse::<AbsolutePath>() {
            Err(error) => Err(format!("mountPath {error}")),
            Ok(_) if path.contains(':') => Err(format!("mountPath {path:?} has a ':'; leave it out")),
            Ok(_) => Ok(()),
        }
    }
}

impl Shape for EnvVar {
    const WHAT: &'static str = "variable";
    const SCHEMA: &'static str = "EnvVar";
    const REQUIRED: &'static [&'static str] = &["name"];
    const FIELDS: &'static [&'static str] = &["name", "value", "valueFrom", "containers"];
    type Kubernetes = v1::EnvVar;

    fn check(object: &Map<String, Value>) -> Result<(), String> {
        let name = object.get("name").and_then(Value::as_str).unwrap_or_default();
        if name.contains(['=', '\0']) {
            return Err("its name has a character that no variable's name can have".to_owned());
        }
        if object.contains_key("value") && object.contains_key("valueFrom") {
            return Err("it has both value and valueFrom; leave one".to_owned());
        }
        Ok(())
    }
}

/// Checks that an object's name is one that Kubernetes takes for containers and volumes.
fn label(object: &Map<String, Value>) -> Result<(), String> {
    let name = object.get("name").cloned().unwrap_or_default();
    serde_json::from_value::<Name>(name).map(drop).map_err(|error| error.to_string())
}

impl<S> fmt::Debug for Object<S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.fmt(out)
    }
}

impl<'de, S: Shape> Deserialize<'de> for Object<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<'de, S: Shape> Deserialize<'de> for Addition<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let containers = fields.shift_remove("containers").unwrap_or(Value::Array(Vec::new()));
        let containers: Vec<String> = serde_json::from_value(containers)
            .map_err(|error| D::Error::custom(format!("containers is no list of names: {error}")))?;
        let object = Object::read(fields).map_err(D::Error::custom)?;
        Ok(Self { containers, object })
    }
}

impl<S: Shape> JsonSchema for Object<S> {
    fn schema_name() -> Cow<'static, str> {
        S::SCHEMA.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": format!("A {} as Kubernetes has it; nothing in it is a template.", S::WHAT),
            "type": "object",
            "required": S::REQUIRED,
        })
    }
}

impl<S: Shape> JsonSchema for Addition<S> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Addition", S::SCHEMA).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": format!("A {} as Kubernetes has it, and the containers of the app that get it.", S::WHAT),
            "type": "object",
            "required": S::REQUIRED,
            "properties": {
                "containers": {
                    "description": "Names of the containers that get it; every one of the app's where it is left out.",
                    "type": "array",
                    "items": { "type": "string" },
                },
            },
        })
    }
}

//! What a Pod may hold at most, so that deciding on it costs a bounded amount of time and memory.
//!
//! Every number is far above that of any Pod that a cluster runs. One beyond it is refused, not let pass: it could be
//! made to get past the rules.

use super::{Node, Pod};

/// How many values a document may have. In memory each takes up to some 500 bytes, and there are several copies.
const MOST_VALUES: usize = 50_000;
/// What all annotations of an object may hold. Source: `k8s.io/apimachinery/pkg/api/validation/objectmeta.go`.
pub const ANNOTATIONS_LIMIT_BYTES: usize = 256 * 1024;
const MOST_CONTAINERS: usize = 250;
const MOST_VOLUMES: usize = 500;
const MOST_MOUNTS: usize = 2_500;
const MOST_PORTS: usize = 2_500;
/// What the name of a container or volume may have. Source: `IsDNS1123Label` of `k8s.io/apimachinery/pkg/util/validation`.
const NAME_LIMIT_BYTES: usize = 63;

/// More than there may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are {found} {what}, and a Pod may have at most {most}")]
pub struct Excess {
    /// The field that holds too much.
    pub place: &'static str,
    what: &'static str,
    found: usize,
    most: usize,
}

/// Checks that a text cannot become a document of too many values.
pub(super) fn of_text(json: &str) -> Result<(), Excess> {
    // A value takes two bytes at least with what sets it apart, and few texts have so many commas and brackets.
    let marks = || json.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if json.len() < 2 * MOST_VALUES || marks() < MOST_VALUES {
        return Ok(());
    }
    limit("object", "values in it", values(json), MOST_VALUES)
}

impl Pod {
    /// Checks that there is not more in it than a decision can go through.
    ///
    /// # Errors
    /// When there is.
    pub fn bounded(&self) -> Result<(), Excess> {
        let length = |list: Option<Node<'_>>| list.and_then(Node::as_array).map_or(0, Iterator::count);
        let (mut containers, mut mounts, mut ports, mut volumes, mut name) = (0, 0, 0, 0, 0);
        for container in self.containers() {
            let [named, mounted, declared] = container.node().get_each(["name", "volumeMounts", "ports"]);
            containers += 1;
            mounts += length(mounted);
            ports += length(declared);
            name = name.max(named.and_then(Node::as_str).map_or(0, str::len));
        }
        for volume in self.volumes() {
            volumes += 1;
            name = name.max(volume.name().len());
        }
        let annotations = self.annotations().map(|(key, value)| key.len() + value.len()).sum();
        limit("spec.containers", "containers of all sorts", containers, MOST_CONTAINERS)?;
        limit("spec.volumes", "volumes", volumes, MOST_VOLUMES)?;
        limit("spec.containers", "volumeMounts in all containers", mounts, MOST_MOUNTS)?;
        limit("spec.containers", "ports in all containers", ports, MOST_PORTS)?;
        limit("spec", "bytes in the name of a container or volume", name, NAME_LIMIT_BYTES)?;
        limit("metadata.annotations", "bytes in all annotations", annotations, ANNOTATIONS_LIMIT_BYTES)
    }
}

fn limit(place: &'static str, what: &'static str, found: usize, most: usize) -> Result<(), Excess> {
    if found > most { Err(Excess { place, what, found, most }) } else { Ok(()) }
}

/// How many values a text has at most: outside of strings, brackets open them and commas set them apart.
fn values(json: &str) -> usize {
    let mut count = 1;
    let mut is_string = false;
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_string = !is_string,
            b'\\' if is_string => drop(bytes.next()),
            b',' | b'[' | b'{' if !is_string => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (text, count) in [
            ("0", 1),
            ("[0,1]", 3),
            (r#"{"a":0,"b":[]}"#, 4),
            (r#"{"a,[":"\"{,","b\\":0}"#, 3),
            ("[[],[],[]]", 7),
        ] {
            assert_eq!(values(text), count, "{text}");
        }
    }

    #[test]
    fn one_more_than_the_most_is_too_much() {
        let list = |length: usize| format!("[{}]", vec!["\"a\""; length].join(","));
        assert_eq!(of_text(&list(MOST_VALUES - 1)), Ok(()));
        let error = of_text(&list(MOST_VALUES)).unwrap_err();
        assert_eq!(error.to_string(), "there are 50001 values in it, and a Pod may have at most 50000");
        let dense = |length: usize| format!("[{}]", vec!["0"; length].join(","));
        assert_eq!(of_text(&dense(MOST_VALUES - 1)), Ok(()));
        assert!(of_text(&dense(MOST_VALUES)).is_err());
        let text = |length: usize| format!("[\"{}\"]", ",".repeat(length));
        assert_eq!(of_text(&text(3 * MOST_VALUES)), Ok(()));
        let pod = |containers: usize| {
            Pod::from_value(json!({"spec": {"containers": vec![json!({}); containers]}})).unwrap()
        };
        assert_eq!(pod(MOST_CONTAINERS).bounded(), Ok(()));
        assert_eq!(pod(MOST_CONTAINERS + 1).bounded().unwrap_err().place, "spec.containers");
        let ports = |number: usize| {
            let container = json!({"ports": vec![json!({"containerPort": 1}); number]});
            Pod::from_value(json!({"spec": {"containers": [container, {"ports": [{}]}]}})).unwrap()
        };
        assert_eq!(ports(MOST_PORTS - 1).bounded(), Ok(()));
        let error = ports(MOST_PORTS).bounded().unwrap_err().to_string();
        assert_eq!(error, "there are 2501 ports in all containers, and a Pod may have at most 2500");
    }
}

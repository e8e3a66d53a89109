//! The annotations that steer mutators: `[<container>.]<domain>/<name>`.

use super::{MOST_REJECTIONS, MUTATORS, OWN_ANNOTATIONS, Rejection};
use crate::pod::Pod;
use crate::policy::nearest;

/// The domain that every annotation of ours ends with.
pub const ROOT: &str = "podwright.dev";
/// What Podwright did to the Pod, as JSON. Written, never trusted.
pub const STATUS: &str = "podwright.dev/status";

/// One annotation under a mutator's domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Annotation<'a> {
    /// The whole key.
    pub key: &'a str,
    /// The container that it is narrowed to.
    pub container: Option<&'a str>,
    /// What follows the `/`.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

impl<'a> Annotation<'a> {
    /// The items of its value, where that is a list that commas separate.
    pub fn items(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.value.split(',').map(str::trim).filter(|item| !item.is_empty())
    }

    /// A rejection of this annotation's value.
    #[must_use]
    pub fn reject(&self, message: impl Into<String>) -> Rejection {
        Rejection::new(format!("annotation {}", self.key), message)
    }

    /// Its value, where that is a boolean.
    ///
    /// # Errors
    /// When it is none, with the one that may have been meant.
    pub fn boolean(&self) -> Result<bool, Rejection> {
        match self.value {
            "true" => Ok(true),
            "false" => Ok(false),
            other => {
                let hint = match other.to_lowercase().as_str() {
                    "yes" | "on" | "1" | "y" | "t" => "did you mean \"true\"?",
                    "no" | "off" | "0" | "n" | "f" => "did you mean \"false\"?",
                    other if nearest(other, ["true"]).is_some() => "did you mean \"true\"?",
                    other if nearest(other, ["false"]).is_some() => "did you mean \"false\"?",
                    _ => "write it in quotes, as annotations are texts",
                };
                Err(self.reject(format!("{other:?} is no boolean; expected \"true\" or \"false\"; {hint}")))
            }
        }
    }
}

/// The annotations of one domain, in the document's order.
pub fn under<'a>(pod: &'a Pod, domain: &'a str) -> impl Iterator<Item = Annotation<'a>> {
    pod.annotations().filter_map(move |(key, value)| {
        let (prefix, name) = key.split_once('/')?;
        let container = match prefix.strip_suffix(domain)? {
            "" => None,
            rest => Some(rest.strip_suffix('.')?),
        };
        Some(Annotation { key, container, name, value })
    })
}

/// The annotations under our root that belong to nothing: a typing error that would otherwise pass in silence.
#[must_use]
pub fn strays(pod: &Pod) -> Vec<Rejection> {
    pod.annotations().filter_map(|(key, _)| stray(key)).take(MOST_REJECTIONS).collect()
}

fn stray(key: &str) -> Option<Rejection> {
    let (prefix, name) = key.split_once('/')?;
    let is_ours = prefix.strip_suffix(ROOT).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let has_owner = MUTATORS
        .iter()
        .filter_map(|kind| prefix.strip_suffix(kind.domain))
        .any(|rest| rest.is_empty() || rest.ends_with('.'));
    if !is_ours || has_owner || OWN_ANNOTATIONS.contains(&key) {
        return None;
    }
    // What stands before our root: a subdomain, and perhaps a container before that.
    let before = prefix.strip_suffix(ROOT)?.trim_end_matches('.');
    let (container, subdomain) =
        before.rsplit_once('.').map_or(("", before), |(container, rest)| (container, rest));
    let subdomains = || MUTATORS.iter().filter_map(|kind| kind.domain.split('.').next());
    let hint = match nearest(subdomain, subdomains()) {
        Some(near) if container.is_empty() => format!("did you mean {near}.{ROOT}/{name}?"),
        Some(near) => format!("did you mean {container}.{near}.{ROOT}/{name}?"),
        None => format!(
            "expected one under {}",
            MUTATORS.iter().map(|kind| kind.domain).collect::<Vec<_>>().join(", ")
        ),
    };
    Some(Rejection::new(format!("annotation {key}"), format!("no mutator knows this key; {hint}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn annotated(key: &str) -> Pod {
        Pod::from_value(json!({"metadata": {"annotations": {key: "x"}}})).unwrap()
    }

    #[test]
    fn a_container_narrows_a_key() {
        for (key, container) in
            [("logs.podwright.dev/paths", None), ("app.logs.podwright.dev/paths", Some("app"))]
        {
            let pod = annotated(key);
            let found: Vec<_> = under(&pod, "logs.podwright.dev").collect();
            assert_eq!(found[0].container, container);
            assert_eq!(found[0].name, "paths");
            assert!(strays(&pod).is_empty());
        }
    }

    #[test]
    fn keys_that_belong_to_nothing_are_told() {
        for (key, hint) in [
            ("log.podwright.dev/paths", "did you mean logs.podwright.dev/paths?"),
            ("app.log.podwright.dev/paths", "did you mean app.logs.podwright.dev/paths?"),
            ("podwright.dev/inject", "expected one under logs.podwright.dev"),
            ("lxcsf.podwright.dev/mount", "did you mean lxcfs.podwright.dev/mount?"),
            ("unrelated-things.podwright.dev/x", "expected one under logs.podwright.dev"),
        ] {
            let strays = strays(&annotated(key));
            assert!(strays[0].message.contains(hint), "{strays:?}");
        }
        for key in ["example.com/paths", "notpodwright.dev/x", "podwright.dev/status", "plain"] {
            assert!(strays(&annotated(key)).is_empty(), "{key}");
        }
    }
}

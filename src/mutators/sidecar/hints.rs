//! From a Pod's annotation to the names of policies.

use std::collections::HashSet;

use super::DOMAIN;
use crate::mutators::annotations::{self, Annotation};
use crate::mutators::{Ask, Rejection};
use crate::pod::Pod;

/// The only name under the domain.
const INJECT: &str = "inject";

/// Which policies a Pod asks for.
pub(super) fn ask(pod: &Pod) -> Result<Ask, Rejection> {
    let mut ask = Ask::Nothing;
    for annotation in annotations::under(pod, DOMAIN) {
        if annotation.name != INJECT {
            let message = format!("this key is not known; did you mean {DOMAIN}/{INJECT}?");
            return Err(annotation.reject(message));
        }
        if annotation.container.is_some() {
            let message = format!("a policy is for the whole Pod; write it as {DOMAIN}/{INJECT}");
            return Err(annotation.reject(message));
        }
        ask = Ask::Named(names(&annotation)?);
    }
    Ok(ask)
}

fn names(annotation: &Annotation<'_>) -> Result<Vec<String>, Rejection> {
    let mut names = Vec::new();
    let mut known = HashSet::new();
    for name in annotation.value.split(',').map(str::trim) {
        if name.is_empty() {
            let message = format!(
                "{:?} has an empty name; expected names of Sidecar policies between commas, such as a,b, or no \
                 annotation at all",
                annotation.value
            );
            return Err(annotation.reject(message));
        }
        if name == "false" {
            // A policy that serves by its match may be there to hold for everyone: no team takes itself out.
            let message = "an annotation turns no policy off; leave it out, and ask the cluster team to leave the Pod \
                           out of the policy's match";
            return Err(annotation.reject(message));
        }
        if !known.insert(name) {
            return Err(annotation.reject(format!("it names {name:?} twice; leave one out")));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

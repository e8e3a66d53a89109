//! A workload that is to have more Pods.

use serde_json::Value;

use super::Decision;
use crate::mutators;
use crate::pod::Workload;
use crate::policy_set::PolicySet;
use crate::review::Request;
use crate::view::{Maker, SetName, View};

/// Decides whether a workload can have more Pods. Its `Scale` tells no more than their number.
pub(super) fn decide(policies: &PolicySet, view: &View, request: &Request<'_>, namespace: &str) -> Decision {
    let scale = request.object.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let replicas = scale.as_ref().and_then(|scale| scale.pointer("/spec/replicas")?.as_u64());
    let name = request.name.as_deref().unwrap_or_default().to_owned();
    let resource = &request.resource;
    let maker = Maker::of(&resource.group, "StatefulSet").filter(|_| &*resource.resource == "statefulsets");
    let replicas = replicas.and_then(|replicas| u32::try_from(replicas).ok());
    let (Some(maker), Some(replicas)) = (maker, replicas) else { return Decision::default() };
    let set = SetName { maker, namespace: namespace.to_owned(), name };
    let rejection = mutators::judge_scale(policies.mutators(), view, &set, replicas);
    let workload = Some(Workload::new("StatefulSet", &resource.group, &set.name));
    let decision = Decision { rejections: rejection.into_iter().collect(), workload, ..Decision::default() };
    decision.conclude(&policies.generation)
}

//! Whom a refused Pod belongs to, so that an event can tell its owner.

use crate::cluster::events::{Owner, Refused};
use crate::engine::Decision;
use crate::pod::{Node, Pod};
use crate::review::{Operation, Request};

/// A Pod that is not created, and its controller. `None` where there is nobody to tell, or nothing happens in earnest.
pub(super) fn of(request: &Request<'_>, decision: &Decision) -> Option<Refused> {
    let refusal = decision.refusal.as_ref()?;
    let is_pod = (&*request.kind.group, &*request.kind.kind) == ("", "Pod");
    if !is_pod || request.operation != Operation::Create || request.dry_run == Some(true) {
        return None;
    }
    let pod = Pod::parse(request.object?.get()).ok()?;
    let controller = pod.controller()?;
    let text = |field: &str| Some(controller.get(field).and_then(Node::as_str)?.to_owned());
    let owner = Owner {
        api_version: text("apiVersion")?,
        kind: text("kind")?,
        namespace: request.namespace.as_deref()?.to_owned(),
        name: text("name")?,
        uid: text("uid")?,
    };
    Some(Refused { owner, pod: pod.display_name(), message: refusal.message.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;
    use crate::engine::Refusal;

    #[test]
    fn only_a_controlled_pod_that_would_have_been_created_is_told_of() {
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": true});
        for (kind, operation, dry_run, owners, expected) in [
            ("Pod", "CREATE", false, json!([owner]), Some("web")),
            ("Pod", "CREATE", true, json!([owner]), None),
            ("Pod", "UPDATE", false, json!([owner]), None),
            ("Deployment", "CREATE", false, json!([owner]), None),
            ("Pod", "CREATE", false, json!([]), None),
            ("Pod", "CREATE", false, json!([{"kind": "ReplicaSet", "controller": true}]), None),
        ] {
            let object = json!({"metadata": {"generateName": "web-", "ownerReferences": owners}});
            let object = RawValue::from_string(object.to_string()).unwrap();
            let request = json!({"uid": "u", "kind": {"group": "", "version": "v1", "kind": kind},
                "operation": operation, "dryRun": dry_run, "namespace": "shop"});
            let request = request.to_string();
            let mut request: Request<'_> = serde_json::from_str(&request).unwrap();
            request.object = Some((&*object).into());
            let refusal = Some(Refusal { code: 403, message: "no".to_owned() });
            let refused = of(&request, &Decision { refusal, ..Decision::default() });
            assert_eq!(refused.as_ref().map(|refused| refused.owner.name.as_str()), expected, "{request:?}");
            assert_eq!(of(&request, &Decision::default()), None);
        }
    }
}

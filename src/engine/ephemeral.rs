//! Ephemeral containers as an API server older than 1.22 shows them: an object of their own, without the Pod that they go
//! into.
//!
//! Which volumes they mount, and which policies select the Pod, cannot be told from that. Nothing may slip through by it:
//! each policy that could find something in them finds that it cannot be held against them.
//!
//! Source: `EphemeralContainers` in `staging/src/k8s.io/api/core/v1/types.go` of Kubernetes 1.16 to 1.21.

use super::judge::violations;
use super::{Decision, Endpoint, Question};
use crate::pod::{Node, Pod, Workload};
use crate::policy::Subject;
use crate::policy_set::PolicySet;
use crate::validators::{Finding, Policy};
use crate::view::View;

/// The kind, of the core group.
pub(super) const KIND: &str = "EphemeralContainers";
const FIELD: &str = "ephemeralContainers";

/// Judges ephemeral containers without their Pod. Those that were there before are no news.
pub(super) fn decide(
    policies: &PolicySet,
    view: &View,
    question: &Question<'_>,
    namespace: &str,
) -> Decision {
    let request = question.request;
    if question.endpoint != Endpoint::Validate {
        return Decision::default();
    }
    let Some(raw) = request.object else {
        return Decision::nonsense("the review has no object to decide on");
    };
    let object = match Pod::parse(raw.get()) {
        Ok(object) => object,
        Err(error) => return Decision::nonsense(&error.to_string()),
    };
    let before = request.old_object.and_then(|raw| Pod::parse(raw.get()).ok());
    if before.is_some_and(|before| containers(&before) == containers(&object)) {
        return Decision::default();
    }
    let subject = Subject::new(namespace, Workload::of(&object), &object, view);
    let may_find = |policy: &&Policy| {
        policy.judges_ephemeral_containers() && policy.rules.matching.may_select_in_namespace(&subject)
    };
    let found = policies.validators().iter().filter(may_find);
    let found = found.flat_map(|policy| violations(policy, &subject, vec![finding()], question.now));
    let decision = Decision { violations: found.collect(), ..Decision::default() };
    Decision { workload: Some(subject.workload), ..decision.conclude(&policies.generation) }
}

fn containers(object: &Pod) -> Option<Node<'_>> {
    object.node().get(FIELD)
}

fn finding() -> Finding {
    let message = "they cannot be judged: an API server older than 1.22 shows them without their Pod; debug a copy of it \
                   instead (kubectl debug --copy-to), which is judged as every Pod is";
    let brief = Some("not to be judged without the Pod; use kubectl debug --copy-to".to_owned());
    Finding { path: FIELD.to_owned(), message: message.to_owned(), brief }
}

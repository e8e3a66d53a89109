//! `decide`: one review in, one decision out. Pure: no I/O, no clock but the one passed in.

mod audit;
mod template;
mod told;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;

use jiff::Timestamp;
use json_patch::PatchOperation;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use self::told::WARNINGS;
use crate::mutators::annotations::{self, STATUS};
use crate::mutators::{self, Ask, FailurePolicy, MUTATORS, Mutation, OWN_ANNOTATIONS, Rejection};
use crate::pod::{Draft, Excess, Pod, Workload, template_pointer};
use crate::policy::{Action, Given, Standing, Subject, nearest};
use crate::policy_set::PolicySet;
use crate::review::{Operation, Request};
use crate::validators::{self, Finding, Violation};
use crate::view::{Asked, Maker, SetName, View, VolumeSpec};

/// Which of the two webhooks asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/mutate`: the Pod as its author wrote it; it may be changed.
    Mutate,
    /// `/validate`: the Pod as it will be kept; it is only judged.
    Validate,
}

impl Endpoint {
    /// The word that logs, metrics and audit records use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

/// One review and when it was asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Which webhook asks.
    pub endpoint: Endpoint,
    /// The review's request.
    pub request: &'a Request<'a>,
    /// The time that exemptions are held against.
    pub now: Timestamp,
    /// What was asked of the API server for it, after a first decision that lacked it.
    pub asked: Option<&'a Asked>,
}

/// The outcome for one review.
#[derive(Debug, Default)]
pub struct Decision {
    /// The refusal, if it is one.
    pub refusal: Option<Refusal>,
    /// The patch; empty where nothing changes. Not to be used with a refusal.
    pub operations: Vec<PatchOperation>,
    /// Sentences that `kubectl` prints.
    pub warnings: Vec<String>,
    /// What goes into the cluster's own audit log.
    pub audit_annotations: BTreeMap<String, String>,
    /// What the validators found, whatever their action.
    pub violations: Vec<Violation>,
    /// What the Pod asks for and cannot be given.
    pub rejections: Vec<Rejection>,
    /// What the mutators worked out; what of it is done says [`Decision::made`].
    pub mutations: Vec<Mutation>,
    /// Our own bug, if the result did not verify: the edits were dropped.
    pub fault: Option<String>,
    /// The workload that the Pod belongs to, or that is itself under review; `None` where that was not looked at.
    pub workload: Option<Workload>,
    /// The policies that it was decided by; empty where nothing was done or found.
    pub generation: String,
}

/// Why the object is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status that goes with it: 403 for a rule, 400 for a review that makes no sense, 422 for an
    /// annotation that does not read, 503 for what is to be tried again, 500 for our own bug.
    pub code: u16,
    /// What is wrong, and what to change.
    pub message: String,
}

/// Decides one review.
#[must_use]
pub fn decide(policies: &PolicySet, view: &View, question: &Question<'_>) -> Decision {
    let mut decision = decide_object(policies, view, question);
    if decision.is_notable() {
        decision.generation.clone_from(&policies.generation);
    }
    decision
}

fn decide_object(policies: &PolicySet, view: &View, question: &Question<'_>) -> Decision {
    let request = question.request;
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let is_write = matches!(request.operation, Operation::Create | Operation::Update);
    if request.sub_resource.as_ref().is_some_and(|sub| *sub.0 == *"scale") {
        return decide_scale(policies, view, request, namespace);
    }
    if (&*request.kind.group, &*request.kind.kind) == ("", "PersistentVolume") && is_write {
        return decide_volume(policies, view, question);
    }
    let Some(template) = template_pointer(&request.kind.group, &request.kind.kind).filter(|_| is_write)
    else {
        return Decision::default();
    };
    let Some(raw) = request.object else {
        return Decision::nonsense("the review has no object to decide on");
    };
    if request.sub_resource.as_ref().is_some_and(|sub| !matches!(&*sub.0, "" | "ephemeralcontainers"))
        || !policies.may_concern(namespace, raw.get())
    {
        return Decision::default();
    }
    let object = match Pod::parse(raw.get()) {
        Ok(object) => object,
        Err(error) => return Decision::nonsense(&error.to_string()),
    };
    let view = question.asked.map_or(Cow::Borrowed(view), |asked| Cow::Owned(view.with(asked.clone())));
    let mut decision = match template {
        "" => decide_pod(policies, &view, question, namespace, &object),
        pointer => template::decide(policies, &view, question, namespace, &object, pointer),
    };
    decision.warnings = told::within(decision.warnings.iter(), WARNINGS);
    decision
}

fn decide_pod(
    policies: &PolicySet,
    view: &View,
    question: &Question<'_>,
    namespace: &str,
    pod: &Pod,
) -> Decision {
    let subject = Subject::new(namespace, Workload::of(pod), pod, view).with_own(policies.own());
    let decision = match (question.endpoint, question.request.operation) {
        (Endpoint::Mutate, Operation::Create) => admit(policies, &subject, question.now),
        // What a Pod is made of cannot change after its creation.
        (Endpoint::Mutate, _) => Decision::default(),
        (Endpoint::Validate, operation) => {
            let before = question.request.old_object.filter(|_| operation == Operation::Update);
            let before = before.and_then(|raw| Pod::parse(raw.get()).ok());
            judge_final(policies, &subject, before.as_ref(), question.now)
        }
    };
    Decision { workload: Some(subject.workload), ..decision }
}

/// Decides a Pod as its author wrote it: validators judge it, mutators edit it.
#[must_use]
pub fn admit(policies: &PolicySet, subject: &Subject<'_>, now: Timestamp) -> Decision {
    if let Err(excess) = subject.pod.bounded() {
        return Decision::beyond(&excess).conclude(&policies.generation);
    }
    let mut decision = Decision { violations: judge(policies, subject, now), ..Decision::default() };
    if !subject.pod.is_mirror() {
        mutate(policies, subject, &mut decision);
    }
    decision.conclude(&policies.generation)
}

/// Judges a Pod as it will be kept. Of an update only what is new counts: a Pod that was admitted can go on.
fn judge_final(
    policies: &PolicySet,
    subject: &Subject<'_>,
    before: Option<&Pod>,
    now: Timestamp,
) -> Decision {
    if let Err(excess) = subject.pod.bounded() {
        let spec = |pod: &Pod| pod.as_value().get("spec").cloned();
        return if before.is_some_and(|before| spec(before) == spec(subject.pod)) {
            Decision::default()
        } else {
            Decision::beyond(&excess).conclude(&policies.generation)
        };
    }
    let mut decision = Decision { violations: judge(policies, subject, now), ..Decision::default() };
    if before.is_none() {
        decision.rejections.extend(given(policies, subject).1);
    }
    if let Some(before) = before {
        let known: HashSet<_> = judge(policies, &subject.with_pod(before), now).into_iter().collect();
        decision.violations.retain(|violation| !known.contains(violation));
        let changed = |key: &&&str| subject.pod.annotation(key) != before.annotation(key);
        decision.rejections.extend(OWN_ANNOTATIONS.iter().filter(changed).map(|key| {
            let message = "it is written by Podwright when the Pod is created and steers what runs in it; leave it as it is";
            Rejection::new(format!("annotation {key}"), message)
        }));
    }
    decision.conclude(&policies.generation)
}

/// Judges a PersistentVolume, which has no namespace: for the one that its claim is in, or as long as it has no claim
/// for all of them. Of an update only what is new counts.
fn decide_volume(policies: &PolicySet, view: &View, question: &Question<'_>) -> Decision {
    let object = |raw: Option<&RawValue>| raw.and_then(|raw| Pod::parse(raw.get()).ok());
    let (now, before) = (object(question.request.object), object(question.request.old_object));
    let Some(volume) = now.filter(|_| question.endpoint == Endpoint::Validate) else {
        return Decision::default();
    };
    let judge = |volume: &Pod| judge_volume(policies, view, volume, question.now);
    let known = before.as_ref().map(judge).unwrap_or_default();
    let mut violations = judge(&volume);
    violations.retain(|violation| !known.contains(violation));
    Decision { violations, ..Decision::default() }.conclude(&policies.generation)
}

fn judge_volume(policies: &PolicySet, view: &View, volume: &Pod, now: Timestamp) -> Vec<Violation> {
    let claim = VolumeSpec::read(volume.as_value()).claim();
    let namespace = claim.as_ref().map_or("", |claim| claim.namespace.as_str());
    let workload = Workload::new("PersistentVolume", "", &volume.display_name());
    let subject = Subject::new(namespace, workload, volume, view);
    let is_about = |policy: &&validators::Policy| claim.is_none() || policy.rules.matching.selects(&subject);
    let policies = policies.validators().iter().filter(is_about);
    let of = |policy: &validators::Policy| {
        violations(policy, &subject, policy.findings_in_volume(volume.as_value()), now)
    };
    policies.flat_map(of).collect()
}

/// Decides whether a workload can have more Pods. Its `Scale` tells no more than their number.
fn decide_scale(policies: &PolicySet, view: &View, request: &Request<'_>, namespace: &str) -> Decision {
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

/// Annotations that stand on the workload itself, where no Pod gets them.
#[must_use]
pub fn misplaced(object: &Pod, kind: &str) -> Vec<String> {
    let job =
        object.as_value().pointer("/spec/jobTemplate").cloned().and_then(|job| Pod::from_value(job).ok());
    let above = job.iter().chain([object]);
    let annotations = above.flat_map(|object| {
        let domains = MUTATORS.iter().filter(|kind| !kind.is_on_workloads).map(|kind| kind.domain);
        domains.flat_map(|domain| annotations::under(object, domain))
    });
    annotations
        .map(|annotation| {
            format!(
                "annotation {} stands on the {kind}; move it to the metadata of its Pod template",
                annotation.key
            )
        })
        .collect()
}

/// The annotations that mutators give a Pod, of those that it has; or what has to be known before that can be told.
fn given(policies: &PolicySet, subject: &Subject<'_>) -> (Vec<Given>, Option<Rejection>) {
    let mut given = Vec::new();
    let has = |key: &&str| subject.pod.annotation(key).is_some();
    for kind in MUTATORS.iter().filter(|kind| kind.gives.iter().any(has)) {
        for policy in choose(policies, kind, subject).unwrap_or_default() {
            match policy.given(subject) {
                Ok(by_policy) => given.extend(by_policy),
                Err(rejections) => {
                    let lacking = rejections.into_iter().find(|rejection| rejection.lack.is_some());
                    if lacking.is_some() {
                        return (given, lacking);
                    }
                }
            }
        }
    }
    (given, None)
}

fn judge(policies: &PolicySet, subject: &Subject<'_>, now: Timestamp) -> Vec<Violation> {
    let (given, _) = given(policies, subject);
    let subject = &Subject { workload: subject.workload.clone(), given: &given, ..*subject };
    let selecting = policies.validators().iter().filter(|policy| policy.rules.matching.selects(subject));
    selecting.flat_map(|policy| violations(policy, subject, policy.findings(subject), now)).collect()
}

fn violations(
    policy: &validators::Policy,
    subject: &Subject<'_>,
    findings: Vec<Finding>,
    now: Timestamp,
) -> Vec<Violation> {
    if findings.is_empty() {
        return Vec::new();
    }
    let standing = |standing| {
        policy.rules.exemptions.iter().filter(move |exemption| exemption.standing(subject, now) == standing)
    };
    let exemption = standing(Standing::InForce).next().map(|exemption| exemption.name.to_string());
    let expired: Vec<_> = standing(Standing::Expired)
        .map(|exemption| {
            let (name, expires, owner) = (&exemption.name, exemption.expires, &exemption.owner);
            format!("its exemption {name} ended on {expires}, ask {owner}")
        })
        .collect();
    let violation = |finding| Violation {
        kind: policy.kind,
        policy: policy.name.clone(),
        action: policy.rules.action,
        finding,
        exemption: exemption.clone(),
        expired: expired.clone(),
    };
    findings.into_iter().map(violation).collect()
}

fn mutate(policies: &PolicySet, subject: &Subject<'_>, decision: &mut Decision) {
    let mut draft = Draft::new(subject.pod);
    decision.rejections = annotations::strays(subject.pod);
    let mut failure_policy = FailurePolicy::Ignore;
    let mut warnings = Vec::new();
    let mut chosen = Vec::new();
    for kind in MUTATORS {
        match choose(policies, kind, subject) {
            Ok(of_kind) => chosen.extend(of_kind),
            Err(rejection) => decision.rejections.push(rejection),
        }
    }
    for policy in &chosen {
        draft.claim(policy.own_containers(subject.pod));
    }
    for policy in chosen {
        match policy.mutate(subject, &mut draft, &mut warnings) {
            Ok(mutation) if mutation.facts.is_empty() => {}
            Ok(mutation) => decision.mutations.push(mutation),
            Err(rejections) => decision.rejections.extend(rejections),
        }
        if policy.rules.failure_policy == FailurePolicy::Fail {
            failure_policy = FailurePolicy::Fail;
        }
    }
    if decision.rejections.is_empty() {
        decision.warnings.append(&mut warnings);
        let was_edited = subject.pod.annotation(STATUS).is_some();
        // A template for whose Pods something will be done is not edited itself.
        if draft.is_edited() || was_edited || decision.mutations.is_empty() {
            state(&mut draft, &policies.generation, &decision.mutations);
        }
        decision.take(draft, failure_policy);
    }
}

/// The policies of one mutator that serve a Pod: those that it asks for, and those that serve by default.
///
/// # Errors
/// When it asks for one that is not there for it.
pub fn choose<'a>(
    policies: &'a PolicySet,
    kind: &mutators::Kind,
    subject: &Subject<'_>,
) -> Result<Vec<&'a mutators::Policy>, Rejection> {
    let of_kind = policies.mutators().iter().filter(|policy| policy.kind == kind.name);
    let candidates: Vec<_> = of_kind.filter(|policy| policy.rules.matching.selects(subject)).collect();
    let by_default = candidates.iter().copied().filter(|policy| policy.rules.by_default);
    let at_most = if kind.is_additive { usize::MAX } else { 1 };
    match (kind.ask)(subject)? {
        Ask::Off => Ok(Vec::new()),
        Ask::Nothing => Ok(by_default.take(at_most).collect()),
        Ask::First => match candidates.first() {
            Some(first) => Ok(vec![*first]),
            None => {
                let (name, namespace) = (kind.name, subject.namespace);
                let message = format!(
                    "no {name} policy is for this Pod in namespace {namespace:?}; ask the cluster team for one"
                );
                Err(Rejection::new(format!("annotations under {}", kind.domain), message))
            }
        },
        Ask::Named(names) => {
            let mut chosen =
                names.iter().map(|name| named(kind, &candidates, name)).collect::<Result<Vec<_>, _>>()?;
            if kind.is_additive {
                chosen.extend(by_default.filter(|policy| !names.contains(&policy.name)));
            }
            // Whatever order they are asked for in, one set of policies gives one Pod.
            chosen.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(chosen)
        }
    }
}

fn named<'a>(
    kind: &mutators::Kind,
    candidates: &[&'a mutators::Policy],
    name: &str,
) -> Result<&'a mutators::Policy, Rejection> {
    let names = || candidates.iter().map(|policy| policy.name.as_str());
    candidates.iter().copied().find(|policy| policy.name == name).ok_or_else(|| {
        let hint = match (nearest(name, names()), candidates) {
            (Some(near), _) => format!("did you mean {near:?}?"),
            (None, []) => "there is none for this Pod".to_owned(),
            (None, _) => format!("for this Pod there are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("no {} policy {name:?} is for this Pod; {hint}", kind.name);
        Rejection::new(format!("annotations under {}", kind.domain), message)
    })
}

/// Writes the status, or removes one that nobody but its author wrote.
fn state(draft: &mut Draft<'_>, generation: &str, mutations: &[Mutation]) {
    if mutations.is_empty() {
        for key in OWN_ANNOTATIONS {
            draft.remove_annotation(key);
        }
        return;
    }
    let mut status = Map::from_iter([("generation".to_owned(), Value::from(generation))]);
    for mutation in mutations {
        let mut entry = Map::from_iter([("policy".to_owned(), Value::from(mutation.policy.as_str()))]);
        entry.extend(mutation.facts.clone());
        if let Value::Array(entries) = status.entry(mutation.kind).or_insert_with(|| json!([])) {
            entries.push(Value::Object(entry));
        }
    }
    draft.set_annotation(STATUS, &Value::Object(status).to_string());
}

impl Decision {
    /// Whether it did or found something.
    #[must_use]
    pub fn is_notable(&self) -> bool {
        self.refusal.is_some()
            || self.fault.is_some()
            || !self.operations.is_empty()
            || !self.violations.is_empty()
            || !self.warnings.is_empty()
    }

    /// The mutations that are made: none of a Pod that is refused, of one that has them already, or of the template of
    /// a workload.
    #[must_use]
    pub fn made(&self) -> &[Mutation] {
        if self.refusal.is_none() && !self.operations.is_empty() { &self.mutations } else { &[] }
    }

    /// The StatefulSet that has to be known to decide otherwise.
    #[must_use]
    pub fn lack(&self) -> Option<&SetName> {
        self.rejections.iter().find_map(|rejection| rejection.lack.as_ref())
    }

    fn nonsense(message: &str) -> Self {
        let refusal = Refusal { code: 400, message: format!("podwright: {message}") };
        Self { refusal: Some(refusal), ..Self::default() }
    }

    /// Refuses a Pod that holds too much to be decided on.
    fn beyond(excess: &Excess) -> Self {
        let message = format!("{excess}; Podwright decides on no larger one");
        Self { rejections: vec![Rejection::new(excess.place, message)], ..Self::default() }
    }

    /// Takes over a draft's operations, if they verify.
    fn take(&mut self, draft: Draft<'_>, failure_policy: FailurePolicy) {
        match draft.finish() {
            Ok(edited) => self.operations = edited.operations,
            Err(fault) => {
                self.mutations.clear();
                self.fault = Some(fault.to_string());
                let sorry = "this is a bug of Podwright, please report it";
                match failure_policy {
                    FailurePolicy::Ignore => {
                        self.warnings.push(format!("podwright left this Pod as it is; {sorry}: {fault}"));
                    }
                    FailurePolicy::Fail => {
                        self.refusal =
                            Some(Refusal { code: 500, message: format!("podwright: {sorry}: {fault}") });
                    }
                }
            }
        }
    }

    /// Turns what was found into the answer.
    fn conclude(mut self, generation: &str) -> Self {
        let warned = self.violations.iter().filter(|violation| violation.warns());
        self.warnings.splice(0..0, warned.map(ToString::to_string));
        let denied = || self.violations.iter().filter(|violation| violation.denies()).map(as_display);
        let code = match (denied().next(), self.lack()) {
            // It may be decided otherwise in a moment.
            (_, Some(_)) => 503,
            (Some(_), None) => 403,
            (None, None) => 422,
        };
        let told = told::joined(self.rejections.iter().map(as_display).chain(denied()));
        if !told.is_empty() {
            self.refusal = Some(Refusal { code, message: format!("podwright: {told}") });
        }
        self.audit_annotations = audit::annotations(&self, generation);
        self
    }
}

fn as_display<T: Display>(sentence: &T) -> &dyn Display {
    sentence
}

impl Violation {
    /// Whether the Pod is refused for it.
    #[must_use]
    pub fn denies(&self) -> bool {
        self.action == Action::Deny && self.exemption.is_none()
    }

    /// Whether the Pod's author is told of it.
    #[must_use]
    pub fn warns(&self) -> bool {
        self.action == Action::Warn && self.exemption.is_none()
    }
}

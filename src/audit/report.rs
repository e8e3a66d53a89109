//! The report: what was found in many Pods, as plain data. Its JSON form is a contract: fields are added, never taken.

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use super::severity::Severity;
use crate::policy::Action;

/// The kind of the JSON form; its `apiVersion` is that of policies.
pub const KIND: &str = "Report";
/// The kind that stands for annotations which ask for what the Pod cannot be given.
pub const ANNOTATIONS: &str = "Annotations";

/// What was found in many Pods.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Always `podwright.dev/v1alpha1`.
    pub api_version: String,
    /// Always `Report`.
    pub kind: String,
    /// When, by what and with which policies it was made.
    pub metadata: Metadata,
    /// The totals.
    pub summary: Summary,
    /// How it compares with an earlier report, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
    /// The totals by team, by name: workloads and rules below each.
    pub teams: Vec<Team>,
    /// The totals by rule, by kind and name.
    pub rules: Vec<Rule>,
    /// The totals by namespace, by name.
    pub namespaces: Vec<Namespace>,
    /// Everything that was found, by team, workload and rule.
    pub findings: Vec<Finding>,
    /// What Podwright does to Pods.
    pub mutations: Vec<Mutation>,
    /// Every exemption of the policies, whether it was needed or not.
    pub exemptions: Vec<Exemption>,
}

/// When, by what and with which policies a report was made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The time that exemptions were held against.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub generated_at: Timestamp,
    /// The generation of the policies.
    pub generation: String,
    /// The version of Podwright.
    pub podwright: String,
    /// What makes a team: `namespace`, or `label=<key>`.
    pub group_by: String,
    /// Within how many days an exemption is about to expire.
    pub expiring_within_days: i32,
}

/// The totals.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The Pods and Pod templates that were looked at.
    pub objects: u64,
    /// Those of them with a finding that no exemption excuses.
    pub affected: u64,
    /// Those of them that the cluster would refuse.
    pub refused: u64,
    /// The findings by what is done about them.
    pub findings: Counts,
    /// The findings that no exemption excuses, by how bad they are.
    pub severities: Severities,
    /// The entries of `mutations`.
    pub mutations: u64,
    /// The exemptions by how they stand.
    pub exemptions: ExemptionCounts,
}

/// Findings by what is done about them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// The Pod is refused for it.
    pub deny: u64,
    /// The Pod's author is told of it.
    pub warn: u64,
    /// It is recorded.
    pub audit: u64,
    /// An exemption excuses it, whatever the action.
    pub exempt: u64,
}

/// Findings by how bad they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Severities {
    /// As good as root on the node.
    pub critical: u64,
    /// Reaches what belongs to the node or to others.
    pub high: u64,
    /// Takes something of the node that others need.
    pub medium: u64,
    /// Harms nothing but itself.
    pub low: u64,
}

/// Exemptions by how they stand; one that is about to expire is in force too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExemptionCounts {
    /// Count today.
    pub in_force: u64,
    /// Count today, and not for long.
    pub expiring: u64,
    /// Count no more.
    pub expired: u64,
    /// Concerned nothing that was looked at.
    pub unmatched: u64,
}

/// How a report compares with an earlier one. Only findings that no exemption excuses are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trend {
    /// When the earlier report was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// The generation of its policies.
    pub generation: String,
    /// Its totals.
    pub before: Counts,
    /// Found now, not then.
    pub new: u64,
    /// Found then, not now.
    pub fixed: u64,
    /// Found then, and excused by an exemption now.
    pub exempted: u64,
    /// Found then and now.
    pub unchanged: u64,
}

/// The totals of one team.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Team {
    /// The namespace, or the label's value; empty where the label is missing.
    pub name: String,
    /// Its Pods and Pod templates.
    pub objects: u64,
    /// Those of them with a finding that no exemption excuses.
    pub affected: u64,
    /// Its findings.
    pub findings: Counts,
    /// Its workloads with findings.
    pub workloads: Vec<WorkloadTotal>,
}

/// The totals of one workload.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadTotal {
    /// Its namespace.
    pub namespace: String,
    /// Its kind: `Deployment`, or `Pod` for one that stands alone.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its findings.
    pub findings: Counts,
    /// The same by rule.
    pub rules: Vec<RuleTotal>,
}

/// The findings of one rule.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleTotal {
    /// The rule.
    pub rule: RuleName,
    /// Its findings.
    pub findings: Counts,
}

/// What names a rule: the kind of a validator, and the policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleName {
    /// The validator's kind; `Annotations` for what a Pod asks for by annotation and cannot be given.
    pub kind: String,
    /// The policy's name; empty for `Annotations`.
    pub policy: String,
}

/// One rule and what came of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its name.
    #[serde(flatten)]
    pub name: RuleName,
    /// What its policy does about a violation.
    pub action: Action,
    /// How bad a violation is.
    pub severity: Severity,
    /// The Pods and Pod templates that it is about.
    pub checked: u64,
    /// Those of them without any finding.
    pub passed: u64,
    /// Its findings.
    pub findings: Counts,
}

/// The totals of one namespace, or of what has none.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// Its name; empty for PersistentVolumes, which have no namespace.
    pub name: String,
    /// Its Pods and Pod templates.
    pub objects: u64,
    /// How often a rule was held against one of them and nothing was found.
    pub passed: u64,
    /// How many of its findings are not among `findings`, for want of room.
    #[serde(skip)]
    pub left_out: u64,
    #[serde(skip)]
    pub(super) kept: usize,
}

/// One thing that is wrong with a Pod.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The same in every report for as long as it is the same field of the same workload, whatever the line.
    pub id: String,
    /// The rule that found it.
    pub rule: RuleName,
    /// What the policy does about it.
    pub action: Action,
    /// How bad it is.
    pub severity: Severity,
    /// The exemption that excuses it, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exemption: Option<String>,
    /// The exemptions that excuse it no more, each as a sentence.
    pub expired: Vec<String>,
    /// How it compares with the earlier report, if one was given and no exemption excuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Where it is.
    #[serde(flatten)]
    pub at: Location,
    /// The field, as the object has it: `spec.template.spec.volumes[0].hostPath.path`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// How a finding compares with an earlier report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was not there.
    New,
    /// It was there.
    Unchanged,
}

/// Which Pod or Pod template something is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// The team that it belongs to.
    pub team: String,
    /// Its namespace; empty for a PersistentVolume.
    pub namespace: String,
    /// The workload that it belongs to: a Deployment rather than its `ReplicaSet`.
    pub workload: Named,
    /// The object that was read.
    pub object: Object,
    /// The place that it was read from; missing for what comes from a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Place>,
}

/// A kind and a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// The kind.
    pub kind: String,
    /// The name; `<start>*` where the API server will make one.
    pub name: String,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// Its API version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name; `<start>*` where the API server will make one.
    pub name: String,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The file as it was given, or `<stdin>`.
    pub file: String,
    /// The line on which the object begins, from 1.
    pub line: usize,
}

/// What Podwright does to a Pod.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mutation {
    /// The mutator's kind.
    pub kind: String,
    /// The policy's name.
    pub policy: String,
    /// Which Pod.
    #[serde(flatten)]
    pub at: Location,
    /// Whether a rule refuses the Pod, which then gets nothing.
    pub refused: bool,
    /// What the Pod has of it, as in the annotation `podwright.dev/status`.
    pub facts: Map<String, Value>,
}

/// One exemption, and whether it was needed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exemption {
    /// Its name.
    pub name: String,
    /// The rule that it is an exception to.
    pub rule: RuleName,
    /// Why it was granted.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day, in UTC, on which it counts.
    #[schemars(with = "String", extend("format" = "date"))]
    pub expires: Date,
    /// The days until then; below zero once it is past.
    pub days_left: i32,
    /// How it stands.
    pub state: ExemptionState,
    /// The Pods and Pod templates that it is about.
    pub objects: u64,
    /// The findings that it excuses.
    pub findings: u64,
}

/// How an exemption stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExemptionState {
    /// It no longer counts.
    Expired,
    /// It counts, and not for long.
    Expiring,
    /// It counts.
    InForce,
}

impl Counts {
    /// Those that no exemption excuses.
    #[must_use]
    pub const fn open(self) -> u64 {
        self.deny + self.warn + self.audit
    }

    /// Adds a finding.
    pub fn add(&mut self, finding: &Finding) {
        *match (&finding.exemption, finding.action) {
            (Some(_), _) => &mut self.exempt,
            (None, Action::Deny) => &mut self.deny,
            (None, Action::Warn) => &mut self.warn,
            (None, Action::Audit) => &mut self.audit,
        } += 1;
    }
}

impl Severities {
    /// Adds a finding that no exemption excuses.
    pub fn add(&mut self, severity: Severity) {
        *match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
        } += 1;
    }
}

impl RuleName {
    /// `HostPath/host-path`, or `Annotations`.
    #[must_use]
    pub fn id(&self) -> String {
        match self.policy.as_str() {
            "" => self.kind.clone(),
            policy => format!("{}/{policy}", self.kind),
        }
    }
}

impl Finding {
    /// The word for what is done about it: the action, or `exempt`.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self.exemption {
            Some(_) => "exempt",
            None => self.action.as_str(),
        }
    }

    /// Whether an action as strict as this one, or stricter, is taken about it.
    #[must_use]
    pub fn is_at_least(&self, action: Action) -> bool {
        let rank = |action: Action| match action {
            Action::Audit => 0,
            Action::Warn => 1,
            Action::Deny => 2,
        };
        self.exemption.is_none() && rank(self.action) >= rank(action)
    }
}

impl Status {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unchanged => "unchanged",
        }
    }
}

impl Location {
    /// `shop/Deployment/web`; `PersistentVolume/data` of what has no namespace.
    #[must_use]
    pub fn path(&self) -> String {
        let path = format!("{}/{}/{}", self.namespace, self.workload.kind, self.workload.name);
        path.trim_start_matches('/').to_owned()
    }
}

impl Exemption {
    /// Whether it was about anything that was looked at.
    #[must_use]
    pub const fn is_matched(&self) -> bool {
        self.objects > 0
    }
}

impl Report {
    /// The findings of one team; they stand together.
    #[must_use]
    pub fn findings_of(&self, team: &Team) -> &[Finding] {
        let start = self.findings.partition_point(|finding| finding.at.team < team.name);
        let end = self.findings.partition_point(|finding| finding.at.team <= team.name);
        self.findings.get(start..end).unwrap_or_default()
    }

    /// Whether something was found about which an action as strict as this one, or stricter, is taken.
    #[must_use]
    pub fn has_at_least(&self, action: Action) -> bool {
        self.findings.iter().any(|finding| finding.is_at_least(action))
    }
}

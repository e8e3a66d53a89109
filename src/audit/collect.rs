//! Pods in, one at a time; a report out.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use serde_json::Value;

use super::identity::Identities;
use super::report::{
    ANNOTATIONS, Counts, Exemption, ExemptionState, Finding, KIND, Location, Metadata, Mutation, Named,
    Namespace, Object, Place, Report, Rule, RuleName, RuleTotal, Severity, Summary, Team, WorkloadTotal,
};
use super::{Baseline, GroupBy, text};
use crate::engine::Decision;
use crate::mutators::Rejection;
use crate::policy::{self, API_VERSION, Action, Subject};
use crate::policy_set::PolicySet;
use crate::validators::{Policy, Violation};

/// How a report is made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The time that exemptions are held against.
    pub now: Timestamp,
    /// What makes a team.
    pub group_by: GroupBy,
    /// Within how many days an exemption is about to expire.
    pub expiring_within_days: i32,
    /// How much is kept; everything where there is none.
    pub bounds: Option<Bounds>,
}

/// How much of what was found is kept, for a report that nobody waits for. What is left out is counted all the same, and
/// of mutations nothing is kept.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most findings of one namespace.
    pub in_namespace: usize,
    /// The most findings of all.
    pub in_all: usize,
}

/// What an object belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A namespace.
    Namespace,
    /// The cluster, as a PersistentVolume.
    Cluster,
}

/// A Pod, Pod template or PersistentVolume that was decided on, and where.
#[derive(Debug, Clone, Copy)]
pub struct Sighting<'a> {
    /// The Pod with its surroundings.
    pub subject: &'a Subject<'a>,
    /// What the object belongs to. The subject of a PersistentVolume is in the namespace of its claim, for the policies.
    pub scope: Scope,
    /// The object that it stands in: a Deployment, or the Pod itself.
    pub object: &'a Value,
    /// Its API version.
    pub api_version: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Where in the object the Pod stands, as a JSON pointer.
    pub template: &'a str,
    /// What was decided.
    pub decision: &'a Decision,
}

impl Sighting<'_> {
    /// Its namespace; empty where it has none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self.scope {
            Scope::Namespace => self.subject.namespace,
            Scope::Cluster => "",
        }
    }

    fn is_under(&self, policy: &Policy) -> bool {
        match self.scope {
            Scope::Namespace => policy.rules.matching.selects(self.subject),
            Scope::Cluster => policy.judges_volume(self.subject),
        }
    }
}

/// Folds Pods into a report. It keeps what was found, and of a clean Pod a count.
#[derive(Debug)]
pub struct Collector<'p> {
    settings: Settings,
    generation: &'p str,
    rules: Vec<RuleTally<'p>>,
    teams: BTreeMap<String, Team>,
    namespaces: BTreeMap<String, Namespace>,
    summary: Summary,
    /// How many are Pods and Pod templates, whose annotations count.
    pods: u64,
    /// How many of them ask for what they cannot be given.
    rejected: u64,
    /// How many findings there are of each rule.
    counted: BTreeMap<RuleName, Counted>,
    findings: Vec<Finding>,
    mutations: Vec<Mutation>,
    identities: Identities,
}

/// One validator's policy so far.
#[derive(Debug)]
struct RuleTally<'p> {
    policy: &'p Policy,
    checked: u64,
    failed: u64,
    exemptions: Vec<ExemptionTally<'p>>,
}

/// The findings of one rule, whether they are kept or not.
#[derive(Debug)]
struct Counted {
    action: Action,
    severity: Severity,
    counts: Counts,
}

#[derive(Debug)]
struct ExemptionTally<'p> {
    exemption: &'p policy::Exemption,
    objects: u64,
    findings: u64,
}

impl<'p> Collector<'p> {
    /// An empty one, for Pods that these policies decide on.
    #[must_use]
    pub fn new(policies: &'p PolicySet, mut settings: Settings) -> Self {
        // Finer than a second nobody reads it.
        settings.now = Timestamp::from_second(settings.now.as_second()).unwrap_or(settings.now);
        let exemption = |exemption| ExemptionTally { exemption, objects: 0, findings: 0 };
        let rule = |policy: &'p Policy| RuleTally {
            policy,
            checked: 0,
            failed: 0,
            exemptions: policy.rules.exemptions.iter().map(exemption).collect(),
        };
        Self {
            settings,
            generation: &policies.generation,
            rules: policies.validators().iter().map(rule).collect(),
            teams: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            summary: Summary::default(),
            pods: 0,
            rejected: 0,
            counted: BTreeMap::new(),
            findings: Vec::new(),
            mutations: Vec::new(),
            identities: Identities::default(),
        }
    }

    /// Adds a Pod. Its place is asked for only where there is something to tell of it.
    pub fn add(&mut self, sighting: &Sighting<'_>, place: impl FnOnce() -> Option<Place>) {
        let decision = sighting.decision;
        let passed = self.count_rules(sighting);
        let is_refused = decision.violations.iter().any(Violation::denies) || !decision.rejections.is_empty();
        let is_affected = is_refused || decision.violations.iter().any(|found| found.exemption.is_none());
        self.summary.objects += 1;
        self.pods += u64::from(sighting.scope == Scope::Namespace);
        self.rejected += u64::from(!decision.rejections.is_empty());
        self.summary.refused += u64::from(is_refused);
        self.summary.affected += u64::from(is_affected);
        let team = self.settings.group_by.team(sighting);
        let total = self.teams.entry(team.clone()).or_insert_with(|| Team::new(&team));
        total.objects += 1;
        total.affected += u64::from(is_affected);
        let namespace = text::name(sighting.namespace());
        let total = self.namespaces.entry(namespace).or_insert_with_key(|name| Namespace::new(name));
        total.objects += 1;
        total.passed += passed;
        if !decision.violations.is_empty()
            || !decision.rejections.is_empty()
            || !decision.mutations.is_empty()
        {
            let at = location(sighting, team, place());
            self.record(sighting, &at, is_refused);
        }
    }

    /// Closes the report.
    #[must_use]
    pub fn report(mut self, baseline: Option<&Baseline>) -> Report {
        self.findings.sort_by(|a, b| order(a).cmp(&order(b)));
        let trend = baseline.map(|baseline| baseline.compare(&mut self.findings));
        let rules = self.rules();
        let exemptions = self.exemptions();
        let mut teams = self.teams;
        for finding in &self.findings {
            if let Some(team) = teams.get_mut(&finding.at.team) {
                team.add(finding);
            }
        }
        self.summary.mutations = self.mutations.len() as u64;
        for exemption in &exemptions {
            let counts = &mut self.summary.exemptions;
            counts.in_force += u64::from(exemption.state != ExemptionState::Expired);
            counts.expiring += u64::from(exemption.state == ExemptionState::Expiring);
            counts.expired += u64::from(exemption.state == ExemptionState::Expired);
            counts.unmatched += u64::from(!exemption.is_matched());
        }
        Report {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            metadata: Metadata {
                generated_at: self.settings.now,
                generation: self.generation.to_owned(),
                podwright: env!("CARGO_PKG_VERSION").to_owned(),
                group_by: text::name(&self.settings.group_by.to_string()),
                expiring_within_days: self.settings.expiring_within_days,
            },
            summary: self.summary,
            trend,
            teams: teams.into_values().collect(),
            rules,
            namespaces: self.namespaces.into_values().collect(),
            findings: self.findings,
            mutations: self.mutations,
            exemptions,
        }
    }

    /// Counts which rules and exemptions are about a Pod; returns how many of the rules it passed.
    fn count_rules(&mut self, sighting: &Sighting<'_>) -> u64 {
        let mut passed = 0;
        for rule in self.rules.iter_mut().filter(|rule| sighting.is_under(rule.policy)) {
            let own = |found: &&Violation| found.kind == rule.policy.kind && found.policy == rule.policy.name;
            let found = sighting.decision.violations.iter().filter(own).count();
            rule.checked += 1;
            rule.failed += u64::from(found > 0);
            passed += u64::from(found == 0);
            for tally in &mut rule.exemptions {
                tally.objects += u64::from(tally.exemption.matching.selects(sighting.subject));
            }
        }
        passed
    }

    fn record(&mut self, sighting: &Sighting<'_>, at: &Location, is_refused: bool) {
        let decision = sighting.decision;
        for violation in &decision.violations {
            self.count_excused(violation);
            let field = on_object(sighting.template, &violation.finding.path);
            self.keep(of_violation(violation, &field, at), &field);
        }
        for rejection in &decision.rejections {
            self.keep(of_rejection(rejection, at), &rejection.place);
        }
        if self.settings.bounds.is_some() {
            return;
        }
        // Where an annotation does not read nothing of the Pod is touched.
        for mutation in decision.mutations.iter().filter(|_| decision.rejections.is_empty()) {
            self.mutations.push(Mutation {
                kind: mutation.kind.to_owned(),
                policy: text::name(&mutation.policy),
                at: at.clone(),
                refused: is_refused,
                facts: text::facts(&mutation.facts),
            });
        }
    }

    /// Counts a finding, and keeps it under a name of its own if there is room.
    fn keep(&mut self, mut finding: Finding, field: &str) {
        let counted = self.counted.entry(finding.rule.clone()).or_insert_with(|| Counted {
            action: finding.action,
            severity: finding.severity,
            counts: Counts::default(),
        });
        counted.counts.add(&finding);
        self.summary.findings.add(&finding);
        if finding.exemption.is_none() {
            self.summary.severities.add(finding.severity);
        }
        let Some(namespace) = self.namespaces.get_mut(&finding.at.namespace) else { return };
        if let Some(bounds) = self.settings.bounds
            && (namespace.kept >= bounds.in_namespace || self.findings.len() >= bounds.in_all)
        {
            namespace.left_out += 1;
            return;
        }
        namespace.kept += 1;
        finding.id = self.identities.next(&finding.rule, &finding.at, field);
        self.findings.push(finding);
    }

    fn count_excused(&mut self, violation: &Violation) {
        let Some(name) = &violation.exemption else { return };
        let is_rule = |rule: &&mut RuleTally<'_>| {
            rule.policy.kind == violation.kind && rule.policy.name == violation.policy
        };
        let exemptions = self.rules.iter_mut().filter(is_rule).flat_map(|rule| &mut rule.exemptions);
        for tally in exemptions.filter(|tally| tally.exemption.name.as_str() == name) {
            tally.findings += 1;
        }
    }

    fn rules(&self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = self
            .rules
            .iter()
            .map(|tally| Rule {
                name: rule_name(tally.policy),
                action: tally.policy.rules.action,
                severity: Severity::of(tally.policy.kind),
                checked: tally.checked,
                passed: tally.checked - tally.failed,
                findings: Counts::default(),
            })
            .collect();
        for (name, counted) in &self.counted {
            match rules.iter_mut().find(|rule| rule.name == *name) {
                Some(rule) => rule.findings = counted.counts,
                None => rules.push(Rule {
                    name: name.clone(),
                    action: counted.action,
                    severity: counted.severity,
                    checked: self.pods,
                    passed: self.pods - self.rejected,
                    findings: counted.counts,
                }),
            }
        }
        rules
    }

    fn exemptions(&self) -> Vec<Exemption> {
        let today = self.settings.now.to_zoned(TimeZone::UTC).date();
        let tallies =
            self.rules.iter().flat_map(|rule| rule.exemptions.iter().map(move |tally| (rule.policy, tally)));
        let mut exemptions: Vec<_> = tallies
            .map(|(policy, tally)| {
                let days_left = days(today, tally.exemption.expires);
                Exemption {
                    name: text::name(tally.exemption.name.as_str()),
                    rule: rule_name(policy),
                    reason: text::sentence(tally.exemption.reason.as_str()),
                    owner: text::name(tally.exemption.owner.as_str()),
                    expires: tally.exemption.expires,
                    days_left,
                    state: match days_left {
                        ..0 => ExemptionState::Expired,
                        days if days <= self.settings.expiring_within_days => ExemptionState::Expiring,
                        _ => ExemptionState::InForce,
                    },
                    objects: tally.objects,
                    findings: tally.findings,
                }
            })
            .collect();
        exemptions.sort_by(|a, b| (a.expires, &a.rule, &a.name).cmp(&(b.expires, &b.rule, &b.name)));
        exemptions
    }
}

impl Team {
    fn new(name: &str) -> Self {
        let name = name.to_owned();
        Self { name, objects: 0, affected: 0, findings: Counts::default(), workloads: Vec::new() }
    }

    /// Adds a finding; those of one workload come one behind the other, and within it those of one rule.
    fn add(&mut self, finding: &Finding) {
        self.findings.add(finding);
        let at = &finding.at;
        let is_last = self.workloads.last().is_some_and(|last| {
            (&last.namespace, &last.kind, &last.name) == (&at.namespace, &at.workload.kind, &at.workload.name)
        });
        if !is_last {
            self.workloads.push(WorkloadTotal {
                namespace: at.namespace.clone(),
                kind: at.workload.kind.clone(),
                name: at.workload.name.clone(),
                findings: Counts::default(),
                rules: Vec::new(),
            });
        }
        let Some(workload) = self.workloads.last_mut() else { return };
        workload.findings.add(finding);
        if workload.rules.last().is_none_or(|last| last.rule != finding.rule) {
            workload.rules.push(RuleTotal { rule: finding.rule.clone(), findings: Counts::default() });
        }
        if let Some(rule) = workload.rules.last_mut() {
            rule.findings.add(finding);
        }
    }
}

impl Namespace {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), objects: 0, passed: 0, left_out: 0, kept: 0 }
    }
}

/// By team, workload and rule; within these as they were read.
fn order(finding: &Finding) -> (&str, &str, &Named, &RuleName) {
    (&finding.at.team, &finding.at.namespace, &finding.at.workload, &finding.rule)
}

fn location(sighting: &Sighting<'_>, team: String, place: Option<Place>) -> Location {
    let workload = &sighting.subject.workload;
    Location {
        team,
        namespace: text::name(sighting.namespace()),
        workload: Named { kind: text::name(&workload.kind), name: text::name(&workload.name) },
        object: Object {
            api_version: text::name(sighting.api_version),
            kind: text::name(sighting.kind),
            name: text::name(sighting.name),
        },
        source: place.map(|place| Place { file: text::name(&place.file), line: place.line }),
    }
}

fn of_violation(violation: &Violation, field: &str, at: &Location) -> Finding {
    Finding {
        id: String::new(),
        rule: RuleName { kind: violation.kind.to_owned(), policy: text::name(&violation.policy) },
        action: violation.action,
        severity: Severity::of(violation.kind),
        exemption: violation.exemption.as_deref().map(text::name),
        expired: violation.expired.iter().map(|expired| text::sentence(expired)).collect(),
        status: None,
        at: at.clone(),
        field: text::name(field),
        message: text::sentence(&violation.finding.message),
    }
}

fn of_rejection(rejection: &Rejection, at: &Location) -> Finding {
    Finding {
        id: String::new(),
        rule: RuleName { kind: ANNOTATIONS.to_owned(), policy: String::new() },
        action: Action::Deny,
        severity: Severity::of(ANNOTATIONS),
        exemption: None,
        expired: Vec::new(),
        status: None,
        at: at.clone(),
        field: text::name(&rejection.place),
        message: text::sentence(&rejection.message),
    }
}

fn rule_name(policy: &Policy) -> RuleName {
    RuleName { kind: policy.kind.to_owned(), policy: text::name(&policy.name) }
}

/// A field of a Pod, as the object has it that the Pod stands in.
fn on_object(template: &str, field: &str) -> String {
    match template.trim_start_matches('/').replace('/', ".") {
        template if template.is_empty() => field.to_owned(),
        template => format!("{template}.{field}"),
    }
}

fn days(from: Date, to: Date) -> i32 {
    // Within the years that a Date can hold this does not fail.
    from.until((Unit::Day, to)).map_or(i32::MAX, |span| span.get_days())
}

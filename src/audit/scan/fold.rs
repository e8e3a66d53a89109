//! Objects in, wherever they come from, and a report out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::audit::report::Place;
use crate::audit::{Baseline, Collector, Report, Scope, Settings, Sighting};
use crate::engine::{Case, Offline, PersistentVolume};
use crate::pod::Object;

/// The most of our own bugs that are kept.
const MOST_FAULTS: usize = 1_000;

/// A scan under way.
#[derive(Debug)]
pub struct Fold<'a> {
    offline: &'a Offline,
    collector: Collector<'a>,
    /// Our own bugs, each with its place.
    pub faults: Vec<String>,
}

impl<'a> Fold<'a> {
    /// A scan of what this cluster would decide.
    #[must_use]
    pub fn new(offline: &'a Offline, settings: Settings) -> Self {
        Self { offline, collector: Collector::new(&offline.policies, settings), faults: Vec::new() }
    }

    /// Adds one object; one that nothing is decided about is passed over. Its place is asked for only where something
    /// was found; it has none where it comes from a cluster.
    pub fn object(&mut self, object: &Object<'_>, place: impl Fn() -> Option<Place>) {
        // What one object makes panic must not hide the others.
        let added = catch_unwind(AssertUnwindSafe(|| {
            if let Some(case) = self.offline.case(object) {
                self.case(&case, &place);
            } else if let Some(volume) = PersistentVolume::of(object) {
                self.volume(object, &volume, &place);
            }
        }));
        if added.is_err() {
            let title = format!("{} {}", object.kind, object.name());
            self.fault(&title, "the decision panicked", &place);
        }
    }

    /// Ends the scan.
    #[must_use]
    pub fn report(self, baseline: Option<&Baseline>) -> Report {
        self.collector.report(baseline)
    }

    fn case(&mut self, case: &Case<'_>, place: &impl Fn() -> Option<Place>) {
        let decision = self.offline.decide(case);
        if let Some(fault) = &decision.fault {
            self.fault(&case.title(), fault, place);
        }
        let sighting = Sighting {
            subject: &self.offline.subject(case),
            scope: Scope::Namespace,
            object: case.object.value,
            api_version: &case.object.api_version(),
            kind: case.object.kind,
            name: &case.object.name(),
            template: case.template,
            decision: &decision,
        };
        self.collector.add(&sighting, place);
    }

    fn volume(&mut self, object: &Object<'_>, volume: &PersistentVolume, place: &impl Fn() -> Option<Place>) {
        let sighting = Sighting {
            subject: &volume.subject(&self.offline.view),
            scope: Scope::Cluster,
            object: object.value,
            api_version: &object.api_version(),
            kind: object.kind,
            name: &object.name(),
            template: "",
            decision: &self.offline.decide_volume(volume),
        };
        self.collector.add(&sighting, place);
    }

    fn fault(&mut self, title: &str, fault: &str, place: &impl Fn() -> Option<Place>) {
        if self.faults.len() < MOST_FAULTS {
            let place = place().map(|Place { file, line }| format!("{file}:{line}: ")).unwrap_or_default();
            self.faults.push(format!("{place}{title}: {fault}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::audit::policy_report::{Dialect, objects};
    use crate::audit::{Bounds, GroupBy};
    use crate::policy_set::PolicySet;
    use crate::view::View;

    /// Of Pods in namespaces, one each, with so many paths of the node.
    fn report(pods: &[(&str, usize)], bounds: Option<Bounds>) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.yaml");
        let policy =
            "apiVersion: podwright.dev/v1alpha1\nkind: HostPath\nmetadata: {name: paths}\nspec: {}\n";
        std::fs::write(&file, policy).unwrap();
        let policies = Arc::new(PolicySet::load(&[file]).unwrap());
        let now = jiff::Timestamp::UNIX_EPOCH;
        let offline = Offline { policies, view: View::default(), now, namespace: String::new() };
        let settings = Settings { now, group_by: GroupBy::Namespace, expiring_within_days: 30, bounds };
        let mut fold = Fold::new(&offline, settings);
        for (namespace, volumes) in pods {
            let volume = |n| json!({"name": format!("v{n}"), "hostPath": {"path": "/etc"}});
            let volumes: Vec<_> = (0..*volumes).map(volume).collect();
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": namespace},
                "spec": {"volumes": volumes}});
            Object::all(&pod).iter().for_each(|object| fold.object(object, || None));
        }
        fold.report(None)
    }

    fn results(object: &Value) -> usize {
        object["results"].as_array().unwrap().len()
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_and_told() {
        let bounds = Bounds { in_namespace: 250, in_all: 400 };
        let report = report(&[("a", 300), ("b", 200), ("c", 1), ("d", 0)], Some(bounds));
        assert_eq!(report.findings.len(), 400);
        assert_eq!((report.rules[0].findings.deny, report.summary.findings.deny), (501, 501));
        let left_out: Vec<_> = report.namespaces.iter().map(|namespace| namespace.left_out).collect();
        assert_eq!(left_out, [50, 50, 1, 0]);

        let objects: Vec<_> = objects(&report, Dialect::OpenReports).collect();
        let shape: Vec<_> = objects
            .iter()
            .map(|object| {
                format!(
                    "{}/{} {}",
                    object["metadata"]["namespace"],
                    object["metadata"]["name"],
                    results(object)
                )
            })
            .map(|text| text.replace('"', ""))
            .collect();
        let expected = [
            "a/podwright 100",
            "a/podwright-2 100",
            "a/podwright-3 51",
            "b/podwright 100",
            "b/podwright-2 51",
            "c/podwright 1",
            "d/podwright 0",
        ];
        assert_eq!(shape, expected);
        let last = &objects[2]["results"][50];
        assert_eq!((&last["rule"], &last["result"]), (&json!("Left out"), &json!("warn")));
        assert!(last["message"].as_str().unwrap().contains("for 50 more findings"), "{last}");
    }

    #[test]
    fn without_bounds_everything_is_kept() {
        let report = report(&[("a", 300)], None);
        assert_eq!((report.findings.len(), report.namespaces[0].left_out), (300, 0));
    }
}

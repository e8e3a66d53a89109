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

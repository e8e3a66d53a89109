//! Objects in, wherever they come from, and a report out.

use crate::audit::report::Place;
use crate::audit::{Baseline, Collector, Report, Settings, Sighting};
use crate::cli::documents::Stream;
use crate::cli::objects::Object;
use crate::cli::offline::Offline;

/// A scan under way.
#[derive(Debug)]
pub(super) struct Fold<'a> {
    offline: &'a Offline,
    collector: Collector<'a>,
    /// Our own bugs, each with its place.
    pub(super) faults: Vec<String>,
}

impl<'a> Fold<'a> {
    /// A scan of what this cluster would decide.
    pub(super) fn new(offline: &'a Offline, settings: Settings) -> Self {
        Self { offline, collector: Collector::new(&offline.policies, settings), faults: Vec::new() }
    }

    /// Adds every object of a stream.
    pub(super) fn stream(&mut self, stream: &Stream) {
        for document in &stream.documents {
            let lines = stream.lines(document);
            for object in Object::all(&document.value) {
                let place = || Some(Place { file: stream.name.clone(), line: lines.of(&object.pointer) });
                self.object(&object, place);
            }
        }
    }

    /// Adds one object; one without a Pod or Pod template is passed over. Its place is asked for only where something
    /// was found; it has none where it comes from a cluster.
    pub(super) fn object(&mut self, object: &Object<'_>, place: impl Fn() -> Option<Place>) {
        let Some(case) = self.offline.case(object) else { return };
        let decision = self.offline.decide(&case);
        if let Some(fault) = &decision.fault {
            let place = place().map(|Place { file, line }| format!("{file}:{line}: ")).unwrap_or_default();
            self.faults.push(format!("{place}{}: {fault}", case.title()));
        }
        let sighting = Sighting {
            subject: &self.offline.subject(&case),
            object: object.value,
            api_version: &object.api_version(),
            kind: object.kind,
            name: &object.name(),
            template: case.template,
            decision: &decision,
        };
        self.collector.add(&sighting, place);
    }

    /// Ends the scan.
    pub(super) fn report(self, baseline: Option<&Baseline>) -> Report {
        self.collector.report(baseline)
    }
}

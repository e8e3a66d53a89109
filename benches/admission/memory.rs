//! What a large cluster takes in memory.

use crate::client::Certificates;
use crate::mock::{Mock, Sizes};
use crate::report::Report;
use crate::reviews::scenarios;
use crate::server::Server;
use crate::{LOADS, Plan, flags};

const LARGE: Sizes = Sizes { stateful_sets: 10_000, namespaces: 2_000, volumes: 20_000 };

/// Serves over 64 connections with a large cluster in the view.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) {
    let part = |count: usize| (count / plan.divisor).max(1);
    let sizes = Sizes {
        stateful_sets: part(LARGE.stateful_sets),
        namespaces: part(LARGE.namespaces),
        volumes: part(LARGE.volumes),
    };
    let scenario = scenarios().into_iter().find(|scenario| scenario.in_cluster).unwrap();
    let certificates = Certificates::make();
    let mock = Mock::start(sizes);
    let mut podwright = Server::podwright(&certificates, &flags(&scenario, Some(&mock)), &[]);
    podwright.synced().await;
    podwright.answered(&scenario.request, |answer| scenario.is_expected(answer)).await;
    let known = podwright.resident_mib();
    let [.., (_, load)] = LOADS;
    load.open(&podwright.target).await.run(&scenario.request, plan.round).await;
    report.large(sizes, known, podwright.resident_mib(), podwright.peak_mib());
}

//! How long a start takes, from nothing to the first good answer.

use std::time::Duration;

use crate::Plan;
use crate::client::Certificates;
use crate::report::Report;
use crate::reviews::scenarios;
use crate::server::Server;

/// Starts both servers a few times, in turn, without a cluster and with the policies that ship.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) {
    let scenario = scenarios().into_iter().find(|scenario| scenario.name == "filebeat").unwrap();
    let certificates = Certificates::make();
    let (mut ours, mut nulls) = (Vec::new(), Vec::new());
    let (mut our_memory, mut null_memory) = (0.0, 0.0);
    for _ in 0..plan.starts {
        let mut podwright = Server::podwright(&certificates, &["--no-cluster".into()], &[]);
        let (answer, took) =
            podwright.answered(&scenario.request, |answer| scenario.is_expected(answer)).await;
        ours.push(took);
        our_memory = podwright.resident_mib();
        let mut null = Server::null(&certificates, answer.len(), &[]);
        nulls.push(null.answered(&scenario.request, |_| true).await.1);
        null_memory = null.resident_mib();
    }
    report.start(median(ours), median(nulls));
    report.memory("after its first answer", our_memory, null_memory);
    println!();
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

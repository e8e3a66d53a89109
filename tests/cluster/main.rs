//! Podwright against a real API server: what a user of a cluster sees.
//!
//! One control plane serves all trials, each in namespaces of its own. Without its binaries every trial counts as
//! ignored; `build-control-plane` next to this file builds them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

mod api;
mod balancer;
mod client_ca;
mod control_plane;
mod corpus;
mod fixed_ip;
#[path = "../generators/mod.rs"]
mod generators;
mod host_path;
mod installation;
mod instance;
mod judge;
mod log_sidecar;
mod outage;
mod pki;
mod pods;
mod policies;
mod ports;
mod process;
mod reinvocation;
mod reports;
mod rules;
mod scan;
mod second_webhook;
mod stream;
mod together;
mod untouched;
mod view;
mod webhook;
mod world;

#[path = "../install/rendering.rs"]
mod rendering;
#[path = "../install/tools.rs"]
mod tools;

use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::control_plane::{ControlPlane, HOW_TO_GET_IT};
use crate::world::World;

/// A name that reads as a sentence, and what it does.
type Row = (&'static str, fn(&World));

/// They run at the same time.
const TRIALS: &[Row] = &[
    ("the API server alone creates a Pod", untouched::without_podwright),
    (
        "a Pod with a container of the sidecar's name is refused by that name",
        log_sidecar::a_container_of_that_name,
    ),
    ("a dry run shows the sidecar and keeps nothing", log_sidecar::dry_run),
    ("a Pod without annotations is only defaulted", untouched::a_pod_without_annotations),
    ("volumes of every kind stay as they are", untouched::volumes_of_every_kind),
    (
        "a forbidden hostPath is refused with its field, the policy and what to change",
        host_path::a_forbidden_path,
    ),
    ("a path of the node behind a claim is refused", host_path::behind_a_claim),
    (
        "an ephemeral container that could reach the node is refused, where a rule holds",
        host_path::ephemeral_containers,
    ),
    ("every port of a Pod in the node's network is judged once", rules::ports_in_the_host_network),
    (
        "a workload whose Pods will be refused is warned of, and refused where a policy says so",
        rules::workloads_by_their_templates,
    ),
    ("the shipped policies refuse no node agent", rules::shipped_policies_refuse_no_agent),
    ("a second webhook's changes and one sidecar end up in the Pod", reinvocation::a_second_webhook),
    (
        "what is accepted without Podwright is accepted with it, all over the corpus",
        corpus::asking_for_everything,
    ),
    ("all mutators on one Pod give one that is accepted", together::everything),
    ("of Pods at random, whatever is admitted is accepted", judge::takes_whatever_is_admitted),
    (
        "policies that are custom resources decide, and their status says what became of them",
        policies::decide,
    ),
    (
        "with --client-ca the API server is answered, and nobody without a certificate",
        client_ca::only_the_api_server,
    ),
    ("without the webhook, Fail refuses a Pod and Ignore lets it through", outage::failure_policies),
];

/// They too, but need a controller manager.
const CONTROLLED: &[Row] = &[
    ("an annotated Deployment's Pod has the log sidecar", log_sidecar::deployment),
    ("Pods that are made in parallel have their addresses, and keep them", fixed_ip::parallel),
    ("Pods that are made in order have their addresses, and roll to others", fixed_ip::ordered),
    ("a StatefulSet made anew under its name has the addresses of its new list", fixed_ip::made_anew),
    ("lists that overlap, lead outside or are too short are refused, as are Deployments", fixed_ip::refused),
    ("all mutators on a StatefulSet's Pods, addresses too", together::everything_in_a_stateful_set),
    ("a refused Pod leaves an event on its owner", host_path::event_on_the_owner),
    ("a scan of a running cluster reports once on each workload", reports::of_a_running_cluster),
    ("an annotated Job ends, or its events say why it gets no Pod", log_sidecar::job),
];

/// They too, but need the official definitions of policy reports.
const DEFINED: &[Row] = &[("policy reports of a scan are taken as they are", reports::are_taken)];

/// What they need beside a control plane, a name, what it does, and whether nothing else runs meanwhile: to take
/// Podwright away takes all of its webhooks away, and its namespace.
type Installing = (&'static [&'static str], &'static str, fn(&World), bool);

const INSTALLING: &[Installing] = &[
    (
        &["kubectl", "helm"],
        "manifests and chart are taken, as far as their kinds are known",
        installation::dry_run,
        false,
    ),
    (&["kubectl"], "Podwright has the rights that it needs, and no others", installation::rights, false),
    (
        &["kubectl"],
        "an upgrade of the manifests refuses no Pod and lets none by",
        installation::upgrade,
        false,
    ),
    (
        &["kubectl"],
        "the commands for emergencies and for uninstalling leave no webhook",
        installation::uninstall,
        true,
    ),
    (&["helm"], "Helm installs, upgrades and takes away", installation::by_helm, true),
];

/// Each of them runs while nothing else does.
const ALONE: &[Row] = &[
    ("after a restart of the API server Pods get the sidecar", outage::api_server_restart),
    (
        "a StatefulSet made right after a restart of the API server has its addresses",
        fixed_ip::after_a_restart,
    ),
    // Counts on the API server's answering in good time.
    (
        "not a Pod is lost while certificates rotate, policies are reloaded and instances come and go",
        stream::nothing_is_lost,
    ),
    (
        "policies that are custom resources are followed through a restart of the API server",
        policies::after_a_restart,
    ),
    // Takes a kind away for a while.
    (
        "policies that are custom resources are in force once all of their definitions are there",
        policies::while_a_definition_is_missing,
    ),
    // Adds a kind for a while, which others would go by.
    ("addresses outside of Calico's pools are refused, once it has any", fixed_ip::pools),
    // Adds the kinds of policy reports, and needs them to be missing before.
    ("a scan in the background writes policy reports, by one replica at a time", scan::in_the_background),
    // Adds a Node for a while, of an age that others would notice.
    ("the cluster view follows Nodes and Namespaces, also through a restart", view::follows_the_cluster),
];

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    let all = || {
        let rows = TRIALS.iter().chain(CONTROLLED).chain(DEFINED).chain(ALONE).map(|&(name, _)| name);
        rows.chain(INSTALLING.iter().map(|&(_, name, ..)| name))
    };
    // Trials wait most of their time.
    args.test_threads = args.test_threads.or(Some(all().count()));
    let listed = |name: &str| Trial::test(name, || Ok(()));
    if args.list || all().map(listed).all(|trial| args.is_filtered_out(&trial) || args.is_ignored(&trial)) {
        return libtest_mimic::run(&args, all().map(listed).collect()).exit_code();
    }

    let Some(binaries) = control_plane::binaries() else {
        eprintln!("the cluster tests did not run, for want of a control plane: {HOW_TO_GET_IT}");
        let ignored = || Ok(Completion::ignored_with("no control plane"));
        let trials = all().map(|name| Trial::ignorable_test(name, ignored)).collect();
        return libtest_mimic::run(&args, trials).exit_code();
    };

    // Before the first client or server with TLS. It fails only if it was done before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let control_plane = match ControlPlane::start(&binaries) {
        Ok(control_plane) => control_plane,
        Err(err) => {
            eprintln!("starting the control plane of {}: {err}", binaries.display());
            let failed = || Err("the control plane did not start".into());
            let trials = all().map(|name| Trial::test(name, failed)).collect();
            return libtest_mimic::run(&args, trials).exit_code();
        }
    };
    let has_controllers = control_plane.has_controllers();
    // Held for writing by a trial that runs alone. A trial that fails leaves the world as it was: poison means nothing.
    let world = Arc::new(RwLock::new(World::new(control_plane)));
    let together = |&(name, trial): &Row| {
        let world = Arc::clone(&world);
        Trial::test(name, move || {
            trial(&world.read().unwrap_or_else(PoisonError::into_inner));
            Ok(())
        })
    };
    let controlled = |row: &Row| match has_controllers {
        true => together(row),
        false => Trial::ignorable_test(row.0, || Ok(Completion::ignored_with("no kube-controller-manager"))),
    };
    let defined = |row: &Row| match reports::definitions() {
        Some(_) => together(row),
        None => {
            eprintln!("skipped: {}: PODWRIGHT_REPORT_SCHEMAS names no folder, see CONTRIBUTING.md", row.0);
            Trial::ignorable_test(row.0, || Ok(Completion::ignored_with("no official definitions")))
        }
    };
    let alone = |&(name, trial): &Row| {
        let world = Arc::clone(&world);
        Trial::test(name, move || {
            trial(&world.write().unwrap_or_else(PoisonError::into_inner));
            Ok(())
        })
    };
    let installing = |&(needed, name, trial, is_alone): &Installing| {
        let world = Arc::clone(&world);
        Trial::ignorable_test(name, move || -> Result<Completion, Failed> {
            installation::with(needed, || {
                if is_alone {
                    trial(&world.write().unwrap_or_else(PoisonError::into_inner));
                } else {
                    trial(&world.read().unwrap_or_else(PoisonError::into_inner));
                }
            })
        })
    };
    let trials = TRIALS
        .iter()
        .map(together)
        .chain(CONTROLLED.iter().map(controlled))
        .chain(DEFINED.iter().map(defined))
        .chain(ALONE.iter().map(alone))
        .chain(INSTALLING.iter().map(installing));
    let conclusion = libtest_mimic::run(&args, trials.collect());
    drop(world); // stops everything; leaving by `exit` would not
    conclusion.exit_code()
}

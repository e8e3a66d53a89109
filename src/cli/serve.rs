//! `podwright serve`: the webhook itself.

mod certificates;
mod files;
mod policies;
mod scanning;
mod self_managed;

use std::env;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use prometheus_client::registry::Registry;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::values::{duration, patience, size};
use crate::audit::{self, Rotation, Sink, Target};
use crate::cluster::{self, events::Events};
use crate::server::{App, Health, Server, Settings, ViewStore};
use crate::telemetry::Metrics;
use crate::telemetry::logs::{self, Logs};
use crate::tls;
use certificates::{Certificates, Kept, Unstarted};
use policies::Policies;
use scanning::{Scanner, Scanning};

/// What the kubelet sets in every container.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";
/// Why the server is not ready while the cluster view is incomplete.
const NOT_SYNCED: &str = "the cluster is not known yet";

/// The flags of `serve`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
It stops on SIGTERM or SIGINT: readiness goes off, every answer asks its client to leave, new connections are \
taken for --drain-delay more, and what is open then has --drain-timeout to end. Give the Pod a \
terminationGracePeriodSeconds 3 seconds above the sum of the two, for the last audit records and log lines. A second signal ends it at once.")]
pub(super) struct Args {
    #[command(flatten)]
    addresses: Addresses,
    #[command(flatten)]
    certificates: Certificates,
    #[command(flatten)]
    deciding: Deciding,
    #[command(flatten)]
    reloading: Reloading,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    stopping: Stopping,
    #[command(flatten)]
    auditing: Auditing,
    #[command(flatten)]
    scanning: Scanning,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Addresses")]
struct Addresses {
    /// Where the API server sends reviews [default: 0.0.0.0:8443, with --local 127.0.0.1:8443]
    #[arg(long, value_name = "ADDRESS", env = "PODWRIGHT_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where /healthz, /readyz and /metrics are read, without TLS [default: 0.0.0.0:8080, with --local
    /// 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", env = "PODWRIGHT_ADMIN_LISTEN")]
    admin_listen: Option<SocketAddr>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Deciding")]
struct Deciding {
    /// Policy files, or folders of them [default: the policies that ship with Podwright]
    #[arg(long, value_name = "PATH", env = "PODWRIGHT_POLICIES", num_args = 1.., value_delimiter = ',')]
    policies: Vec<PathBuf>,
    /// Decide by the policies that are custom resources of the cluster, and write to their status what became of them
    #[arg(long, env = "PODWRIGHT_WATCH_POLICIES", conflicts_with_all = ["policies", "no_cluster"])]
    watch_policies: bool,
    /// Watch the cluster that this file names [default: the cluster that Podwright runs in, if it does]
    #[arg(long, value_name = "FILE", env = "PODWRIGHT_KUBECONFIG", conflicts_with = "no_cluster")]
    kubeconfig: Option<PathBuf>,
    /// Watch no cluster: decide by the policies alone
    #[arg(long, env = "PODWRIGHT_NO_CLUSTER")]
    no_cluster: bool,
    /// The namespace of Podwright's own objects [default: the one that it runs in, or the kubeconfig's]
    #[arg(long, value_name = "NAME", env = "PODWRIGHT_NAMESPACE")]
    namespace: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Reloading")]
struct Reloading {
    /// How often the files of the certificate and of the policies are looked at; a change is taken when two looks in
    /// a row find the same
    #[arg(long, value_name = "DURATION", env = "PODWRIGHT_RELOAD_INTERVAL", value_parser = patience,
          default_value = "10s")]
    reload_interval: Duration,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
struct Limits {
    /// How many connections may be open at once
    #[arg(long, value_name = "N", env = "PODWRIGHT_MAX_CONNECTIONS", default_value = "1024")]
    max_connections: NonZeroUsize,
    /// How long a TLS handshake may take
    #[arg(long, value_name = "DURATION", env = "PODWRIGHT_HANDSHAKE_TIMEOUT", value_parser = patience,
          default_value = "10s")]
    handshake_timeout: Duration,
    /// How long a connection is kept without a request; the API server keeps its own for 90s and should be the
    /// first to close
    #[arg(long, value_name = "DURATION", env = "PODWRIGHT_IDLE_TIMEOUT", value_parser = patience,
          default_value = "120s")]
    idle_timeout: Duration,
    /// How long a request's head may take once begun, then its body, and then its answer without being read
    #[arg(long, value_name = "DURATION", env = "PODWRIGHT_BODY_TIMEOUT", value_parser = patience,
          default_value = "5s")]
    body_timeout: Duration,
    /// The largest body that is read
    #[arg(long, value_name = "SIZE", env = "PODWRIGHT_MAX_BODY", value_parser = size, default_value = "7MiB")]
    max_body: usize,
    /// How many threads answer [default: one for each CPU that may be used]
    #[arg(long, value_name = "N", env = "PODWRIGHT_WORKERS")]
    workers: Option<NonZeroUsize>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Stopping")]
struct Stopping {
    /// How long new connections are still taken after the signal to stop: until every API server knows
    /// [default: 5s, with --local 0s]
    #[arg(long, value_name = "DURATION", env = "PODWRIGHT_DRAIN_DELAY", value_parser = duration)]
    drain_delay: Option<Duration>,
    /// How long open connections may take to end after that
    #[arg(long, value_name = "DURATION", env = "PODWRIGHT_DRAIN_TIMEOUT", value_parser = duration,
          default_value = "20s")]
    drain_timeout: Duration,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Audit")]
struct Auditing {
    /// Where a record of each decision that did or found something is written, one JSON object per line: a file, or
    /// - for standard output [default: nowhere]
    #[arg(long, value_name = "PATH", env = "PODWRIGHT_AUDIT_LOG")]
    audit_log: Option<PathBuf>,
    /// How large the file may become before a new one is begun
    #[arg(long, value_name = "SIZE", env = "PODWRIGHT_AUDIT_MAX_SIZE", value_parser = size,
          default_value = "100MiB")]
    audit_max_size: usize,
    /// How many files are kept, the one that is written among them
    #[arg(long, value_name = "N", env = "PODWRIGHT_AUDIT_MAX_FILES", default_value = "5")]
    audit_max_files: NonZeroUsize,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logs")]
struct Logging {
    /// error, warn, info, debug, trace, or a list such as info,podwright=debug
    #[arg(long, value_name = "LEVEL", env = "PODWRIGHT_LOG", default_value = "info")]
    log_level: String,
    /// One JSON object per line, or text for people; both go to stderr
    #[arg(long, value_name = "FORMAT", env = "PODWRIGHT_LOG_FORMAT", value_enum, default_value = "json")]
    log_format: logs::Format,
}

/// Serves until a signal stops it.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let logs = logs::init(args.logging.log_format, &args.logging.log_level)?;
    Ok(match serve(args, &logs) {
        Ok(()) => Exit::Fine,
        // From here on stderr holds log lines only.
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::Usage
        }
    })
}

fn serve(args: &Args, logs: &Logs) -> anyhow::Result<()> {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    registry.register("podwright_log_lines_lost", "Log lines that stderr did not take", logs.lost());
    let every = args.reloading.reload_interval;
    let serving = args.certificates.load(every, &mut registry)?;
    let (clients, _watch) = args.certificates.clients(every, &mut registry)?;
    let tls = tls::server_config_for(serving.certificate, clients).context("setting up TLS")?;
    let policies = match args.deciding.watch_policies {
        true => Policies::none(&mut registry),
        false => policies::load(&args.deciding.policies, every, &mut registry)?,
    };
    let views = ViewStore::default();

    let cluster_metrics = cluster::Metrics::register(&mut registry);
    let audit = args.auditing.start(audit::Metrics::register(&mut registry))?;
    let scanner = args.scanning.prepare(&mut registry)?;
    let stores = (Arc::clone(&policies.store), Arc::clone(&views));
    let app = App::new(Arc::clone(&policies.store), Arc::clone(&views), metrics);
    let app = match &audit {
        Some(audit) => app.recording(audit.recorder()),
        None => app,
    };
    let runtime = runtime(args.limits.workers)?;
    runtime.block_on(async {
        let (stop, hurry) = signals()?;
        let health = Arc::new(Health::of(Arc::clone(&stores.0)));
        let client = args.client().await?;
        let watched = client.clone().filter(|_| args.deciding.watch_policies);
        let watched = watched.map(|client| policies.watch(client, &health, cluster_metrics.clone()));
        let watch = client.clone().map(|client| watch(client, views, &health, cluster_metrics.clone()));
        let scanning = scanner.as_ref().zip(watch.as_ref()).map(|(scanner, watch)| {
            let known = policies::loaded(watched.as_ref());
            let known = watch.synced().then(|()| known);
            scanner.start(args.deciding.access(), known, stores, stop.clone())
        });
        let keep = |unstarted| args.keep(unstarted, client.as_ref(), &health, cluster_metrics.clone());
        let kept = serving.self_managed.map(keep).transpose()?;
        let app = match client {
            Some(client) => {
                let events = Events::start(client.clone(), cluster_metrics);
                app.looking(move |set| cluster::read::stateful_set(client.clone(), set).boxed())
                    .telling(move |refused| events.tell(refused))
            }
            None => app,
        };
        let server = Server::bind(args.settings(), tls, app, health, registry).await?;
        if let Some(local) = serving.local {
            local.introduce(server.listen()).context("printing how to ask")?;
        }
        if let Some(kept) = &kept {
            stop.run_until_cancelled(kept.first()).await;
        }
        // Who asks before the policies are known waits at the door.
        if stop.run_until_cancelled(policies::known(watched.as_ref())).await.is_some() {
            server.run(stop.cancelled(), hurry.cancelled()).await;
        }
        scanning::ended(scanning).await;
        anyhow::Ok(())
    })?;
    // Whatever still decides has nobody to answer to.
    runtime.shutdown_background();
    scanner.into_iter().for_each(Scanner::end);
    drop(audit);
    Ok(())
}

impl Deciding {
    /// The cluster's kubeconfig, and the namespace of what is ours in it.
    fn access(&self) -> (Option<PathBuf>, Option<String>) {
        (self.kubeconfig.clone(), self.namespace.clone())
    }
}

impl Args {
    /// A client for the cluster, if one is given or is around us.
    async fn client(&self) -> anyhow::Result<Option<kube::Client>> {
        let Deciding { kubeconfig, no_cluster, .. } = &self.deciding;
        let is_around_us = !self.certificates.local && env::var_os(IN_CLUSTER).is_some();
        if self.deciding.watch_policies && kubeconfig.is_none() && !is_around_us {
            anyhow::bail!("watching policies: no cluster is given; name one by --kubeconfig");
        }
        if *no_cluster || kubeconfig.is_none() && !is_around_us {
            tracing::info!("no cluster is watched; what needs to know it takes the cautious way");
            return Ok(None);
        }
        Ok(Some(cluster::connect(kubeconfig.as_deref(), self.deciding.namespace.as_deref()).await?))
    }

    /// Keeps a certificate in the cluster.
    fn keep(
        &self,
        unstarted: Unstarted,
        client: Option<&kube::Client>,
        health: &Arc<Health>,
        metrics: cluster::Metrics,
    ) -> anyhow::Result<Kept> {
        let client =
            client.context("keeping the certificate: there is no cluster; name one by --kubeconfig")?;
        Ok(self.certificates.keep(unstarted, client, health, metrics))
    }

    fn settings(&self) -> Settings {
        let local = self.certificates.local;
        let ip = if local { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        let at = |port| SocketAddr::new(IpAddr::V4(ip), port);
        let drain_delay = if local { Duration::ZERO } else { Duration::from_secs(5) };
        Settings {
            listen: self.addresses.listen.unwrap_or_else(|| at(8443)),
            admin_listen: self.addresses.admin_listen.unwrap_or_else(|| at(8080)),
            drain_delay: self.stopping.drain_delay.unwrap_or(drain_delay),
            drain_timeout: self.stopping.drain_timeout,
            max_connections: files::connections(self.limits.max_connections.get()),
            handshake_timeout: self.limits.handshake_timeout,
            idle_timeout: self.limits.idle_timeout,
            body_timeout: self.limits.body_timeout,
            max_body: self.limits.max_body,
            ..Settings::default()
        }
    }
}

/// Watches the cluster. Until its view is known the server is not ready.
fn watch(
    client: kube::Client,
    views: ViewStore,
    health: &Arc<Health>,
    metrics: cluster::Metrics,
) -> cluster::Watch {
    health.block(NOT_SYNCED);
    let watch = cluster::watch(client, views, metrics);
    let (synced, health) = (watch.synced(), Arc::clone(health));
    tokio::spawn(async move {
        synced.await;
        health.clear(NOT_SYNCED);
    });
    watch
}

impl Auditing {
    fn start(&self, metrics: audit::Metrics) -> anyhow::Result<Option<Sink>> {
        let Some(path) = self.audit_log.clone() else { return Ok(None) };
        let target = if path.as_os_str() == "-" {
            Target::Stdout
        } else {
            let max_size = self.audit_max_size as u64;
            Target::File(Rotation { path, max_size, max_files: self.audit_max_files })
        };
        Sink::start(target, metrics).map(Some).context("starting the audit log")
    }
}

fn runtime(workers: Option<NonZeroUsize>) -> anyhow::Result<Runtime> {
    // Within a container's CPU quota.
    let workers = workers.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let mut builder = match workers {
        // One thread needs no other to wake it.
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder
        .worker_threads(workers)
        // Only large reviews run there, and they use the CPU alone.
        .max_blocking_threads(workers.max(2))
        .thread_name("podwright")
        .enable_all()
        .build()
        .context("starting the runtime")
}

/// What the first signal to stop ends, and what the second does.
fn signals() -> anyhow::Result<(CancellationToken, CancellationToken)> {
    let listen = |kind| signal(kind).context("listening for signals");
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
    let tokens = [stop.clone(), hurry.clone()];
    tokio::spawn(async move {
        for token in tokens {
            either(&mut terminate, &mut interrupt).await;
            token.cancel();
        }
    });
    Ok((stop, hurry))
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

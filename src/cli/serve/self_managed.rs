//! Certificates that Podwright makes for itself: what the Secret holds is served and published, and written anew when
//! it is to change.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::cluster;
use crate::cluster::own::Written;
use crate::cluster::secret::{Place, Secret};
use crate::cluster::webhooks::{Configuration, Kind, Ours};
use crate::server::Health;
use crate::tls::self_managed::{
    Asked, Data, Plan, Published, Reason, Serving, Situation, authorities, pem, plan,
};
use crate::tls::{AuthorityMetrics, Metrics, RotatingCertificate, Validity};

/// What an operator writes on the Secret to ask for something.
const ROTATE: &str = "podwright.dev/rotate";
/// Why the server is not ready before its first certificate.
pub(super) const NO_CERTIFICATE: &str = "there is no certificate yet";
/// How often the dates are looked at while all is well.
const ALL_IS_WELL: Duration = Duration::from_secs(30);
/// How soon it is looked again while something is under way.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// How soon the same is written again. Replicas that disagree, by their clocks or flags, take turns no faster.
const NEXT_WRITE: Duration = Duration::from_secs(5);
/// How long the first certificate waits for the webhook configurations, which may tell whom API servers trust.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is kept, where, and for whom.
pub(super) struct SelfManaged {
    pub(super) client: kube::Client,
    pub(super) secret: Place,
    /// The name of the webhook configurations.
    pub(super) webhooks: String,
    pub(super) ours: Ours,
    /// What the certificate is for.
    pub(super) names: Vec<String>,
    pub(super) served: Arc<RotatingCertificate>,
    /// Cancelled once there is a certificate.
    pub(super) had: CancellationToken,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Metrics,
    pub(super) authority_metrics: AuthorityMetrics,
    pub(super) cluster_metrics: cluster::Metrics,
}

/// What is known so far. The outer `None` of what is seen means that nothing has been heard.
struct State {
    secret: Option<Option<Secret>>,
    configurations: [Option<Option<Configuration>>; 2],
    published: Published,
    serving: Option<Serving>,
    /// The version of the Secret that was called broken last.
    broken: Option<String>,
    since: Instant,
    next_write: Instant,
    next_publish: [Instant; 2],
}

impl SelfManaged {
    /// Keeps the certificate for as long as it is polled.
    pub(super) async fn run(self) {
        let follow = |kind: Kind| {
            let seen = kind.follow(self.client.clone(), &self.webhooks, self.cluster_metrics.clone());
            seen.map(move |found| (kind, found))
        };
        let mut secrets = pin!(self.secret.follow(self.client.clone(), self.cluster_metrics.clone()));
        let mut mutating = pin!(follow(Kind::Mutating));
        let mut validating = pin!(follow(Kind::Validating));
        let mut state = State::new(Instant::now());
        loop {
            let pause = self.step(&mut state).await;
            tokio::select! {
                Some(found) = secrets.next() => state.secret = Some(found),
                Some((kind, found)) = mutating.next() => self.configured(&mut state, kind, found),
                Some((kind, found)) = validating.next() => self.configured(&mut state, kind, found),
                () = sleep(pause) => {}
            }
        }
    }

    fn configured(&self, state: &mut State, kind: Kind, found: Option<Configuration>) {
        let [mutating, validating] = &mut state.configurations;
        let known = match kind {
            Kind::Mutating => mutating,
            Kind::Validating => validating,
        };
        let (name, kind) = (&self.webhooks, kind.name());
        match &found {
            None if matches!(known, Some(None)) => {}
            None => {
                tracing::warn!("there is no {kind} {name:?}; its caBundle is set as soon as there is one");
            }
            Some(found) if found.bundles(&self.ours).is_empty() => tracing::warn!(
                "no webhook of the {kind} {name:?} calls this Podwright, by --service or a --tls-name; no caBundle is set"
            ),
            Some(_) => {}
        }
        *known = Some(found);
    }

    /// Does what is to be done now, and tells how soon to look again.
    async fn step(&self, state: &mut State) -> Duration {
        let now = Instant::now();
        let knows_all = state.configurations.iter().all(Option::is_some);
        let Some(secret) = state.secret.clone().filter(|_| knows_all || now >= state.since + PATIENCE) else {
            return UNDER_WAY;
        };
        if knows_all {
            let bundles = state.bundles(&self.ours);
            state.published.look(&bundles, now);
        }
        let plan = match self.plan(state, secret.as_ref(), now) {
            Ok(plan) => plan,
            Err(error) => {
                tracing::error!(%error, "making a certificate failed");
                return ALL_IS_WELL;
            }
        };
        self.serve(state, &plan, now);
        if !plan.reasons.is_empty() {
            self.write(state, secret.as_ref(), &plan, now).await;
        }
        let is_published = self.publish(state, &plan.bundle, now).await;
        let is_settled = plan.bundle.iter().all(|authority| state.published.is_settled(authority, now));
        if plan.reasons.is_empty() && is_published && is_settled { ALL_IS_WELL } else { UNDER_WAY }
    }

    fn plan(&self, state: &State, secret: Option<&Secret>, now: Instant) -> Result<Plan, rcgen::Error> {
        let data: Option<Data> = secret.map(Secret::data);
        let trusted: Vec<_> = state.bundles(&self.ours).into_iter().flatten().collect();
        plan(&Situation {
            found: data.as_ref(),
            asked: secret.and_then(|secret| secret.annotation(ROTATE)).and_then(Asked::read),
            served: state.serving.as_ref(),
            trusted: &trusted,
            is_published: &|authority: &CertificateDer<'_>| state.published.is_settled(authority, now),
            names: &self.names,
            now: Timestamp::now(),
        })
    }

    /// Serves what the Secret holds, once it can be trusted.
    fn serve(&self, state: &mut State, plan: &Plan, now: Instant) {
        let Some(found) = &plan.serving else { return };
        let is_served = |served: &Serving| served.certified.cert == found.certified.cert;
        let is_published = state.published.is_settled(&found.signer, now);
        if state.serving.as_ref().is_some_and(is_served)
            || !found.may_follow(state.serving.as_ref(), is_published, Timestamp::now())
        {
            return;
        }
        self.served.replace(Arc::clone(&found.certified));
        self.metrics.serves(&found.certified);
        if state.serving.replace(found.clone()).is_some() {
            self.metrics.reloads.succeeded();
        }
        self.had.cancel();
        self.health.clear(NO_CERTIFICATE);
        tracing::info!(secret = %self.secret, valid = %found.validity(), "the certificate of the Secret is served");
    }

    /// Writes the Secret. What comes of it is seen like any other change of it.
    async fn write(&self, state: &mut State, secret: Option<&Secret>, plan: &Plan, now: Instant) {
        self.tell_broken(state, secret, plan);
        if now < state.next_write {
            return;
        }
        state.next_write = now + NEXT_WRITE;
        let why = plan.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let is_asked = plan.reasons.iter().any(|reason| matches!(reason, Reason::Asked(_)));
        let (client, data) = (self.client.clone(), plan.material.data());
        let written = match secret {
            Some(seen) => self.secret.replace(client, seen, data, is_asked.then_some(ROTATE)).await,
            None => self.secret.create(client, data).await,
        };
        match written {
            Ok(Written::Done) => tracing::info!(why, "certificates made and kept in {}", self.secret),
            Ok(Written::Overtaken) => {
                tracing::info!(why, "another replica was first to write {}", self.secret);
            }
            Err(error) => {
                self.authority_metrics.write_failed("secret");
                tracing::error!(%error, why, "certificates made in vain; trying again");
            }
        }
    }

    /// Counts a broken Secret, once for each of its versions.
    fn tell_broken(&self, state: &mut State, secret: Option<&Secret>, plan: &Plan) {
        let version = secret.and_then(Secret::version).map(str::to_owned);
        let is_fault = |reason: &&Reason| matches!(reason, Reason::Fault(_));
        let Some(fault) = plan.reasons.iter().find(is_fault).filter(|_| version != state.broken) else {
            return;
        };
        state.broken = version;
        self.metrics.reloads.failed();
        tracing::error!(
            error = %fault,
            "{} is broken; the last good certificate is still served, and the Secret mended", self.secret
        );
    }

    /// Writes each `caBundle` that differs; whether none is left.
    async fn publish(&self, state: &mut State, bundle: &[CertificateDer<'static>], now: Instant) -> bool {
        let Some(first) = bundle.first() else { return true };
        if let Some(validity) = Validity::of_certificate(first) {
            self.authority_metrics.ends(validity.ends);
        }
        let mut bundle = bundle.to_vec();
        // What is served stays trusted, whatever becomes of the Secret.
        let served =
            state.serving.iter().map(|served| &served.signer).find(|signer| !bundle.contains(signer));
        bundle.extend(served.cloned());
        let bundle = pem(&bundle);
        let mut is_published = true;
        for (configuration, next) in state.configurations.iter().zip(&mut state.next_publish) {
            let Some(Some(configuration)) = configuration else { continue };
            if !configuration.differs(&self.ours, &bundle) {
                continue;
            }
            is_published = false;
            if now < *next {
                continue;
            }
            match configuration.publish(self.client.clone(), &self.ours, &bundle).await {
                Ok(Written::Done) => {
                    *next = now + UNDER_WAY;
                    tracing::info!("caBundle set in the {} {:?}", configuration.kind().name(), self.webhooks);
                }
                Ok(Written::Overtaken) => *next = now,
                Err(error) => {
                    *next = now + NEXT_WRITE;
                    self.authority_metrics.write_failed("ca_bundle");
                    tracing::error!(%error, "a caBundle is not set; trying again");
                }
            }
        }
        is_published
    }
}

impl State {
    fn new(now: Instant) -> Self {
        Self {
            secret: None,
            configurations: [None, None],
            published: Published::default(),
            serving: None,
            broken: None,
            since: now,
            next_write: now,
            next_publish: [now, now],
        }
    }

    /// The authorities in the `caBundle` of each webhook of ours.
    fn bundles(&self, ours: &Ours) -> Vec<Vec<CertificateDer<'static>>> {
        let now = Timestamp::now();
        let known = self.configurations.iter().flatten().flatten();
        known.flat_map(|found| found.bundles(ours)).map(|pem| authorities(&pem, now)).collect()
    }
}

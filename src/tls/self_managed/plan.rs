//! What should be in the Secret, by what is in it.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;

use super::held::{self, Authority, Data, Fault, Material, Serving};
use super::{MOST_AUTHORITIES, OVERLAP};
use crate::tls::{Phase, Validity, issue};

/// Everything that the plan is made by.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// What the Secret holds; `None` where there is none.
    pub found: Option<&'a Data>,
    /// What an operator asks for.
    pub asked: Option<Asked>,
    /// What this replica serves.
    pub served: Option<&'a Serving>,
    /// The authorities that API servers trust already, whoever made them.
    pub trusted: &'a [CertificateDer<'static>],
    /// Which authorities stand in every `caBundle` for long enough.
    pub is_published: &'a (dyn Fn(&CertificateDer<'_>) -> bool + Send + Sync),
    /// The DNS names and addresses that API servers ask for.
    pub names: &'a [String],
    /// The time.
    pub now: Timestamp,
}

/// What an operator may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Another serving certificate.
    Certificate,
    /// Another authority, and then another serving certificate.
    Authority,
    /// That older authorities are trusted no longer.
    Forget,
}

impl Asked {
    /// Reads `certificate`, `authority` or `forget`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "certificate" => Some(Self::Certificate),
            "authority" => Some(Self::Authority),
            "forget" => Some(Self::Forget),
            _ => None,
        }
    }
}

/// What should be in the Secret, and what is.
#[derive(Debug)]
pub struct Plan {
    /// The authorities in it.
    pub bundle: Vec<CertificateDer<'static>>,
    /// The certificate in it, if that can be served.
    pub serving: Option<Serving>,
    /// What should be in it.
    pub material: Material,
    /// Why that is not what is in it; empty if it is.
    pub reasons: Vec<Reason>,
}

/// Why a Secret is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There is none, or nothing in it.
    NoSecret,
    /// A part of it cannot be used.
    Fault(Fault),
    /// An operator asks for it.
    Asked(Asked),
    /// The authority ends before long.
    AuthorityEnds(Timestamp),
    /// The serving certificate ends before long.
    CertificateEnds(Timestamp),
    /// The serving certificate is not for a name.
    Name(String),
    /// API servers have come to trust the new authority.
    Trusted,
    /// Authorities are to be trusted no longer, or one more is.
    Bundle,
}

/// Tells what should be in the Secret.
///
/// # Errors
/// When a certificate cannot be made: a name that no certificate can have.
pub fn plan(at: &Situation<'_>) -> Result<Plan, rcgen::Error> {
    let data = at.found.filter(|data| !held::is_empty(data));
    let bundle = data.map(|data| held::bundle(data, at.now)).unwrap_or_default();
    let mut reasons = Vec::new();

    let kept = kept_authority(at, data, &bundle, &mut reasons);
    // Who finds nothing to go on takes over whom API servers trust already: others may serve by it.
    let has_none = reasons.iter().any(|reason| matches!(reason, Reason::NoSecret | Reason::Fault(_)));
    let adopted = if has_none { at.trusted } else { &[] };
    let is_kept = kept.is_some();
    let authority = kept.map_or_else(|| Authority::make(at.now), Ok)?;
    let served = at.served.filter(|served| served.is_valid(at.now));
    let older = bundle.iter().chain(served.map(|served| &served.signer)).chain(adopted).cloned();
    let older = distinct(older, &authority.certificate);

    let trusted: Vec<_> = std::iter::once(&authority.certificate).chain(&older).cloned().collect();
    let found = data.and_then(|data| {
        Serving::read(data, &trusted, at.now).map_err(|fault| reasons.push(Reason::Fault(fault))).ok()
    });
    let serving = match found.as_ref().or(served).cloned() {
        Some(candidate) => successor(at, &authority, is_kept, candidate, &mut reasons)?,
        None => authority.sign(at.names.to_vec(), at.now)?,
    };

    let trusted = still_trusted(at, &authority, trusted, &serving, &mut reasons);
    if reasons.is_empty() && trusted != bundle {
        reasons.push(Reason::Bundle);
    }
    let material = Material { bundle: trusted, serving, authority_key_pem: authority.key_pem };
    Ok(Plan { bundle, serving: found, material, reasons })
}

/// The authority that goes on signing.
fn kept_authority(
    at: &Situation<'_>,
    data: Option<&Data>,
    bundle: &[CertificateDer<'static>],
    reasons: &mut Vec<Reason>,
) -> Option<Authority> {
    let Some(data) = data else {
        reasons.push(Reason::NoSecret);
        return None;
    };
    match Authority::read(data, bundle, at.now) {
        // One after the other: the authority of what is served must not be crowded out.
        Ok(found) if at.asked == Some(Asked::Authority) && has_signed(&found, data, at.now) => {
            reasons.push(Reason::Asked(Asked::Authority));
        }
        Ok(found) if is_due(found.validity, at.now) => {
            reasons.push(Reason::AuthorityEnds(found.validity.ends));
        }
        Ok(found) => return Some(found),
        Err(fault) => reasons.push(Reason::Fault(fault)),
    }
    None
}

fn has_signed(authority: &Authority, data: &Data, now: Timestamp) -> bool {
    Serving::read(data, std::slice::from_ref(&authority.certificate), now).is_ok()
}

/// What is served after `candidate`, which is itself for as long as nothing else would be trusted.
fn successor(
    at: &Situation<'_>,
    authority: &Authority,
    is_kept: bool,
    candidate: Serving,
    reasons: &mut Vec<Reason>,
) -> Result<Serving, rcgen::Error> {
    let is_ours = candidate.signer == authority.certificate;
    let is_trusted = is_kept && (is_ours || (at.is_published)(&authority.certificate));
    if !is_trusted {
        return Ok(candidate);
    }
    let mut names = at.names.to_vec();
    let reason = if at.asked == Some(Asked::Certificate) {
        Reason::Asked(Asked::Certificate)
    } else if let Some(name) = candidate.lacks(at.names) {
        // Or replicas of before and after a change of names would take turns.
        names.extend(candidate.names().into_iter().filter(|name| !at.names.contains(name)));
        Reason::Name(name)
    } else if is_due(candidate.validity(), at.now) {
        Reason::CertificateEnds(candidate.validity().ends)
    } else if !is_ours {
        Reason::Trusted
    } else {
        return Ok(candidate);
    };
    reasons.push(reason);
    authority.sign(names, at.now)
}

/// The authorities that are trusted from here on, the one that signs first.
fn still_trusted(
    at: &Situation<'_>,
    authority: &Authority,
    trusted: Vec<CertificateDer<'static>>,
    serving: &Serving,
    reasons: &mut Vec<Reason>,
) -> Vec<CertificateDer<'static>> {
    if serving.signer != authority.certificate {
        return trusted;
    }
    let is_asked = at.asked == Some(Asked::Forget);
    if is_asked {
        reasons.push(Reason::Asked(Asked::Forget));
    }
    let is_over = later(authority.validity.begins, issue::SKEW + OVERLAP) <= at.now;
    if is_asked || is_over { vec![authority.certificate.clone()] } else { trusted }
}

/// Each once and without `authority`; of too many, the first.
fn distinct(
    all: impl Iterator<Item = CertificateDer<'static>>,
    authority: &CertificateDer<'static>,
) -> Vec<CertificateDer<'static>> {
    let mut distinct: Vec<CertificateDer<'static>> = Vec::new();
    for certificate in all {
        let is_new = certificate != *authority && !distinct.contains(&certificate);
        if is_new && distinct.len() + 1 < MOST_AUTHORITIES {
            distinct.push(certificate);
        }
    }
    distinct
}

/// Whether less than a third of its time is left.
fn is_due(validity: Validity, now: Timestamp) -> bool {
    let life = validity.begins.duration_until(validity.ends);
    validity.at(now) == Phase::Ended || now.duration_until(validity.ends) * 3 <= life
}

fn later(moment: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSecret => out.write_str("there is none yet"),
            Self::Fault(fault) => fault.fmt(out),
            Self::Asked(Asked::Certificate) => out.write_str("a new serving certificate is asked for"),
            Self::Asked(Asked::Authority) => out.write_str("a new authority is asked for"),
            Self::Asked(Asked::Forget) => out.write_str("older authorities are to be forgotten"),
            Self::AuthorityEnds(ends) => write!(out, "the authority ends on {ends}"),
            Self::CertificateEnds(ends) => write!(out, "the serving certificate ends on {ends}"),
            Self::Name(name) => write!(out, "the serving certificate is not for {name:?}"),
            Self::Trusted => out.write_str("the new authority is trusted everywhere by now"),
            Self::Bundle => out.write_str("other authorities are to be trusted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::held::authorities;
    use super::*;

    type Days = i64;

    /// What one replica sees and does.
    struct Rig {
        start: Timestamp,
        secret: Option<Data>,
        served: Option<Serving>,
        trusted: Vec<CertificateDer<'static>>,
        is_published: bool,
        names: Vec<String>,
    }

    impl Rig {
        fn new() -> Self {
            let names = ["podwright.podwright-system.svc", "127.0.0.1"].map(str::to_owned).to_vec();
            let start = Timestamp::now();
            Self { start, secret: None, served: None, trusted: Vec::new(), is_published: true, names }
        }

        /// One that holds what was made on day 0.
        fn made() -> Self {
            let mut rig = Self::new();
            assert_eq!(rig.step(0, None), [Reason::NoSecret]);
            assert_eq!(rig.step(0, None), []);
            rig
        }

        fn at(&self, day: Days) -> Timestamp {
            self.start + SignedDuration::from_hours(24 * day)
        }

        fn plan(&self, day: Days, asked: Option<Asked>) -> Plan {
            let situation = Situation {
                found: self.secret.as_ref(),
                asked,
                served: self.served.as_ref(),
                trusted: &self.trusted,
                is_published: &|_| self.is_published,
                names: &self.names,
                now: self.at(day),
            };
            plan(&situation).unwrap()
        }

        /// Writes what is planned and serves what is written.
        fn step(&mut self, day: Days, asked: Option<Asked>) -> Vec<Reason> {
            let plan = self.plan(day, asked);
            if !plan.reasons.is_empty() {
                self.secret = Some(plan.material.data());
            } else {
                assert_eq!(self.secret, Some(plan.material.data()), "nothing changes without a reason");
            }
            self.served = Some(plan.material.serving);
            plan.reasons
        }

        /// How many authorities are trusted, and which of them has signed what is served.
        fn chain(&self) -> (usize, usize) {
            let bundle = authorities(&self.part("ca.crt"), self.start);
            let signer = &self.served.as_ref().unwrap().signer;
            (bundle.len(), bundle.iter().position(|authority| authority == signer).unwrap())
        }

        fn part(&self, name: &str) -> Vec<u8> {
            self.secret.as_ref().unwrap()[name].clone()
        }

        fn put(&mut self, name: &str, bytes: &[u8]) {
            self.secret.as_mut().unwrap().insert(name.to_owned(), bytes.to_vec());
        }
    }

    fn ends(rig: &Rig, day: Days) -> Timestamp {
        // X.509 knows whole seconds.
        Timestamp::from_second(rig.at(day).as_second()).unwrap()
    }

    #[test]
    fn each_is_made_anew_when_a_third_of_its_time_is_left() {
        let rig = Rig::made();
        // Both begin a day before they are made.
        for (day, expected) in [
            (0, vec![]),
            (59, vec![]),
            (60, vec![Reason::CertificateEnds(ends(&rig, 90))]),
            (200, vec![Reason::Fault(Fault::NotValid("tls.crt", rig.served.as_ref().unwrap().validity()))]),
            (
                244,
                vec![
                    Reason::AuthorityEnds(ends(&rig, 365)),
                    Reason::Fault(Fault::NotValid("tls.crt", rig.served.as_ref().unwrap().validity())),
                ],
            ),
        ] {
            assert_eq!(rig.plan(day, None).reasons, expected, "on day {day}");
        }
    }

    #[test]
    fn a_new_authority_signs_once_it_is_trusted_and_the_old_one_goes_a_week_later() {
        let mut rig = Rig::made();
        rig.is_published = false;
        assert_eq!(rig.step(58, Some(Asked::Certificate)), [Reason::Asked(Asked::Certificate)]);
        let (authority, certificate) = (rig.part("ca.crt"), rig.part("tls.crt"));
        assert_eq!(rig.step(58, Some(Asked::Authority)), [Reason::Asked(Asked::Authority)]);
        assert_eq!(rig.chain(), (2, 1), "it is trusted, and signs nothing yet");
        assert_eq!(rig.part("tls.crt"), certificate);
        assert!(rig.part("ca.crt").ends_with(&authority));
        assert_eq!(rig.step(60, None), [], "a certificate that is due waits for it too");
        rig.is_published = true;
        assert_eq!(rig.step(58, None), [Reason::Trusted]);
        assert_eq!(rig.chain(), (2, 0));
        assert_eq!(rig.step(64, None), []);
        assert_eq!(rig.step(65, None), [Reason::Bundle]);
        assert_eq!(rig.chain(), (1, 0));
        assert_eq!(rig.step(66, None), []);
    }

    #[test]
    fn what_api_servers_refuse_anyway_waits_for_nobody() {
        let mut rig = Rig::made();
        rig.is_published = false;
        rig.step(80, Some(Asked::Authority));
        let fault = Fault::NotValid("tls.crt", rig.served.as_ref().unwrap().validity());
        assert_eq!(rig.step(91, None), [Reason::Fault(fault)]);
        assert_eq!(rig.step(91, None), []);
    }

    #[test]
    fn older_authorities_are_forgotten_when_that_is_asked_for_and_nothing_needs_them() {
        let mut rig = Rig::made();
        rig.step(1, Some(Asked::Authority));
        rig.is_published = false;
        assert_eq!(rig.step(1, Some(Asked::Forget)), []);
        rig.is_published = true;
        let reasons = [Reason::Trusted, Reason::Asked(Asked::Forget)];
        assert_eq!(rig.step(1, Some(Asked::Forget)), reasons);
        assert_eq!(rig.chain(), (1, 0));
        for _ in 0..20 {
            assert_eq!(rig.step(2, Some(Asked::Authority)), [Reason::Asked(Asked::Authority)]);
            rig.is_published = false;
            assert_eq!(rig.step(2, Some(Asked::Authority)), [], "one after the other");
            rig.is_published = true;
            assert_eq!(rig.step(2, Some(Asked::Authority)), [Reason::Trusted]);
        }
        assert_eq!(rig.chain(), (MOST_AUTHORITIES, 0));
    }

    #[test]
    fn without_a_secret_what_is_served_and_whom_api_servers_trust_stay_trusted() {
        let mut rig = Rig::made();
        let (authority, certificate) = (rig.part("ca.crt"), rig.part("tls.crt"));
        for deleted in [None, Some(Data::new())] {
            rig.secret = deleted;
            assert_eq!(rig.step(0, None), [Reason::NoSecret]);
            assert_eq!(rig.part("tls.crt"), certificate, "served on until the new authority is trusted");
            assert!(rig.part("ca.crt").ends_with(&authority));
        }
        // A replica that has just started knows only what stands in the webhook configurations.
        rig.secret = None;
        rig.served = None;
        rig.trusted = authorities(&authority, rig.start);
        assert_eq!(rig.step(0, None), [Reason::NoSecret]);
        assert_eq!(rig.chain(), (2, 0));
        assert!(rig.part("ca.crt").ends_with(&authority));
    }

    #[test]
    fn what_another_has_made_meanwhile_is_joined() {
        let (mut rig, other) = (Rig::made(), Rig::made());
        let served = rig.served.clone().unwrap();
        rig.secret = other.secret.clone();
        let plan = rig.plan(0, None);
        assert_eq!(plan.reasons, [Reason::Bundle]);
        assert_eq!(plan.material.bundle, [plan.material.bundle[0].clone(), served.signer.clone()]);
        let found = plan.serving.unwrap();
        let now = rig.start;
        for (is_published, served, expected) in [
            (false, Some(&served), false),
            (true, Some(&served), true),
            (false, None, true),
            (false, Some(&found), true),
        ] {
            assert_eq!(found.may_follow(served, is_published, now), expected);
        }
        let later = rig.at(100);
        assert!(found.may_follow(Some(&served), false, later), "what is served has ended");
    }

    #[test]
    fn each_broken_part_is_named_and_mended_without_a_gap() {
        let other = Rig::made();
        let foreign = |name: &str| other.part(name);
        let key = Fault::Key;
        for (name, bytes, fault) in [
            ("ca.crt", b"rubbish".to_vec(), Fault::AuthorityKey),
            ("ca.crt", foreign("ca.crt"), Fault::AuthorityKey),
            ("ca.crt", Rig::made().part("tls.crt"), Fault::AuthorityKey),
            ("ca.key", Vec::new(), Fault::Missing("ca.key")),
            ("ca.key", b"rubbish".to_vec(), Fault::Pem("ca.key")),
            ("ca.key", vec![0xff], Fault::Pem("ca.key")),
            ("ca.key", foreign("ca.key"), Fault::AuthorityKey),
            ("tls.crt", Vec::new(), Fault::Missing("tls.crt")),
            ("tls.crt", b"rubbish".to_vec(), Fault::Pem("tls.crt")),
            ("tls.crt", foreign("tls.crt"), Fault::Signer),
            ("tls.key", b"rubbish".to_vec(), Fault::Pem("tls.key")),
            ("tls.key", foreign("tls.key"), key.clone()),
        ] {
            for is_serving in [true, false] {
                let mut rig = Rig::made();
                let served = rig.served.take_if(|_| !is_serving).or(rig.served.clone()).unwrap();
                rig.is_published = false;
                rig.put(name, &bytes);
                let reasons = rig.step(0, None);
                assert_eq!(reasons[0], Reason::Fault(fault.clone()), "{name}");
                let bundle = authorities(&rig.part("ca.crt"), rig.start);
                if is_serving {
                    assert!(bundle.contains(&served.signer), "{name}: what is served stays trusted");
                    assert!(rig.served.as_ref().unwrap().signer == served.signer, "{name}");
                }
                assert_eq!(rig.step(0, None), [], "{name}: mended at once");
            }
        }
    }

    #[test]
    fn names_are_added_and_go_with_the_next_renewal() {
        let mut before = Rig::made();
        before.names.push("old.example.com".to_owned());
        assert_eq!(before.step(0, None), [Reason::Name("old.example.com".to_owned())]);
        let mut after = Rig { names: Rig::new().names, ..before };
        after.names.push("new.example.com".to_owned());
        assert_eq!(after.step(0, None), [Reason::Name("new.example.com".to_owned())]);
        let names = after.served.as_ref().unwrap().names();
        assert!(
            ["127.0.0.1", "old.example.com", "new.example.com"]
                .iter()
                .all(|name| names.contains(&(*name).to_owned()))
        );
        after.step(61, None);
        assert!(!after.served.unwrap().names().contains(&"old.example.com".to_owned()));
    }

    #[test]
    fn clocks_may_be_a_day_apart() {
        let rig = Rig::made();
        assert_eq!(rig.plan(-1, None).reasons, []);
        assert_ne!(rig.plan(-2, None).reasons, []);
    }

    #[test]
    fn no_key_is_told() {
        let rig = Rig::made();
        let plan = rig.plan(0, None);
        let key = String::from_utf8(rig.part("tls.key")).unwrap();
        let told = format!("{plan:?} {:?}", plan.material.serving);
        assert!(!told.contains("PRIVATE") && !told.contains(key.lines().nth(1).unwrap()), "{told}");
    }
}

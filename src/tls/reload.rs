//! The certificate that is served, exchanged when the files that it comes from change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;

use super::files::{Error, Pair};
use super::{Metrics, Phase, RotatingCertificate, Validity};
use crate::input::watch::{Fingerprint, Source};

/// The files of a certificate and its key, what serves it, and what counts their changes.
#[derive(Debug)]
pub struct CertificateFiles {
    /// The chain, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
    /// What is served. While the files are broken or gone, this is the last good one.
    pub served: Arc<RotatingCertificate>,
    /// What counts the changes.
    pub metrics: Metrics,
}

/// What the files held at one moment.
#[derive(Debug)]
pub struct Found {
    certified: Result<CertifiedKey, Error>,
    fingerprint: Fingerprint,
    now: Timestamp,
}

impl Source for CertificateFiles {
    type Contents = Found;

    fn read(&self) -> Found {
        Found::read(&self.certificate, &self.key, Timestamp::now())
    }

    fn fingerprint(contents: &Found) -> Fingerprint {
        contents.fingerprint
    }

    fn take(&self, contents: Found) {
        match self.serve(contents) {
            Ok(validity) => {
                self.metrics.reloads.succeeded();
                tracing::info!(valid = validity.map(tracing::field::display), "certificate reloaded");
            }
            Err(error) => {
                self.metrics.reloads.failed();
                tracing::error!(%error, "the certificate does not load; the last good one is still served");
            }
        }
    }
}

impl CertificateFiles {
    /// One that is not valid now is served only in place of another that is not.
    fn serve(&self, found: Found) -> Result<Option<Validity>, Error> {
        let now = found.now;
        let certified = found.certified?;
        if let Some(validity) = invalid(&certified, now)
            && self.served.current().is_some_and(|served| invalid(&served, now).is_none())
        {
            return Err(Error::NotValid { path: self.certificate.clone(), validity });
        }
        warn_unless_valid(&certified, now);
        self.metrics.serves(&certified);
        let validity = Validity::of(&certified);
        self.served.replace(certified);
        Ok(validity)
    }
}

impl Found {
    /// Reads the two files.
    #[must_use]
    pub fn read(certificate: &Path, key: &Path, now: Timestamp) -> Self {
        let pair = Pair::read(certificate, key);
        let contents = match &pair {
            Ok(pair) => pair.fingerprint(),
            Err(error) => Fingerprint::of([error.to_string()]),
        };
        let certified = pair.and_then(|pair| pair.certified());
        let validity = certified.as_ref().ok().and_then(Validity::of);
        // What is not valid yet is another find once it is, and then taken.
        let begins_later = validity.is_some_and(|validity| validity.at(now) == Phase::NotYet);
        let fingerprint = Fingerprint::of([contents.as_ref(), &[u8::from(begins_later)]]);
        Self { certified, fingerprint, now }
    }

    /// What tells it from what else may be found.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The certificate to start with. One that is not valid now is better than none: the clock may be wrong.
    ///
    /// # Errors
    /// When the files hold none.
    pub fn first(self) -> Result<CertifiedKey, Error> {
        let certified = self.certified?;
        warn_unless_valid(&certified, self.now);
        Ok(certified)
    }
}

/// When the certificate is valid, if that is not now.
fn invalid(certified: &CertifiedKey, now: Timestamp) -> Option<Validity> {
    Validity::of(certified).filter(|validity| validity.at(now) != Phase::Valid)
}

fn warn_unless_valid(certified: &CertifiedKey, now: Timestamp) {
    if let Some(validity) = invalid(certified, now) {
        tracing::warn!(
            %validity,
            "the certificate that is served is not valid now; API servers will refuse it unless their clocks differ",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;
    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;

    /// Days from now.
    type Days = i64;

    /// Two files that are served.
    struct Rig {
        folder: TempDir,
        files: CertificateFiles,
        registry: Registry,
    }

    impl Rig {
        /// Serves a certificate that is valid from one day to another.
        fn serving(from: Days, to: Days) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let [certificate, key] = ["tls.crt", "tls.key"].map(|name| folder.path().join(name));
            write(&folder, from, to);
            let first = Found::read(&certificate, &key, Timestamp::now()).first().unwrap();
            let mut registry = Registry::default();
            let metrics = Metrics::register(&mut registry, Some(&first));
            let served = Arc::new(RotatingCertificate::new(first));
            Self { folder, files: CertificateFiles { certificate, key, served, metrics }, registry }
        }

        fn leaf(&self) -> Vec<u8> {
            self.files.served.current().unwrap().end_entity_cert().unwrap().to_vec()
        }

        /// Takes what the files hold; whether another certificate is served then.
        fn takes(&self) -> bool {
            let before = self.leaf();
            self.files.take(self.files.read());
            self.leaf() != before
        }

        fn told(&self, line: &str) {
            let mut page = String::new();
            text::encode(&mut page, &self.registry).unwrap();
            assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
        }
    }

    fn write(folder: &TempDir, from: Days, to: Days) {
        let now = std::time::SystemTime::now();
        let at = |days: Days| {
            let distance = Duration::from_secs(days.unsigned_abs() * 24 * 60 * 60);
            if days < 0 { now - distance } else { now + distance }
        };
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = at(from).into();
        params.not_after = at(to).into();
        let key = KeyPair::generate().unwrap();
        fs::write(folder.path().join("tls.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(folder.path().join("tls.key"), key.serialize_pem()).unwrap();
    }

    #[test]
    fn what_is_not_valid_takes_the_place_of_such_only() {
        let (valid, ended, later) = ((-1, 1), (-2, -1), (1, 2));
        for (served, found, is_taken) in [
            (valid, valid, true),
            (valid, ended, false),
            (valid, later, false),
            (ended, valid, true),
            (ended, ended, true),
            (ended, later, true),
            (later, valid, true),
            (later, ended, true),
        ] {
            let rig = Rig::serving(served.0, served.1);
            write(&rig.folder, found.0, found.1);
            assert_eq!(rig.takes(), is_taken, "{found:?} in place of {served:?}");
            let outcome = if is_taken { "success" } else { "failure" };
            rig.told(&format!("podwright_certificate_reloads_total{{outcome=\"{outcome}\"}} 1"));
            rig.told(&format!("podwright_certificate_last_reload_successful {}", u8::from(is_taken)));
        }
    }

    #[test]
    fn what_is_broken_is_not_taken_and_what_is_sound_then_is() {
        let rig = Rig::serving(-1, 1);
        let [certificate, key] = ["tls.crt", "tls.key"].map(|name| rig.folder.path().join(name));
        let old_key = fs::read(&key).unwrap();
        write(&rig.folder, -1, 3);
        let new_key = fs::read(&key).unwrap();
        // The certificate is new already, the key is not yet.
        fs::write(&key, old_key).unwrap();
        assert!(!rig.takes());
        fs::write(&key, new_key).unwrap();
        assert!(rig.takes());
        let ends = Validity::of(&rig.files.served.current().unwrap()).unwrap().ends.as_second();
        rig.told(&format!("podwright_certificate_expiry_timestamp_seconds {ends}"));
        fs::write(&certificate, "no PEM").unwrap();
        assert!(!rig.takes());
        fs::remove_file(&certificate).unwrap();
        assert!(!rig.takes());
        rig.told("podwright_certificate_reloads_total{outcome=\"failure\"} 3");
        rig.told(&format!("podwright_certificate_expiry_timestamp_seconds {ends}"));
    }

    #[test]
    fn what_begins_later_is_another_find_once_it_has_begun() {
        let rig = Rig::serving(-1, 1);
        write(&rig.folder, 1, 3);
        let at = |days: Days| {
            let now = Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
            Found::read(&rig.files.certificate, &rig.files.key, now).fingerprint()
        };
        assert_eq!(at(0), at(0));
        assert_ne!(at(0), at(2));
        assert_eq!(at(2), at(4), "nor does it become another one by its end");
    }
}

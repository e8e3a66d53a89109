//! A certificate authority and a serving certificate for this machine, made on the spot.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{ServerName, UnixTime};

use super::files;
use crate::input;

/// The names that the certificate is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Within what clients accept of a certificate that is not publicly trusted.
const VALID: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// One that ends sooner is made anew.
const SPARE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A certificate for this machine.
#[derive(Debug)]
pub struct Local {
    /// The certificate with its key.
    pub certified: CertifiedKey,
    /// The certificate authority's certificate, PEM: what a webhook configuration's `caBundle` encodes.
    pub ca_pem: String,
    /// Where the authority's certificate is kept.
    pub ca_path: PathBuf,
}

/// Why there is no certificate for this machine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be written or read back.
    #[error("keeping the local certificate in {path:?}: {source}")]
    Keep {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificate cannot be made.
    #[error("making the local certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// What was made does not load.
    #[error(transparent)]
    Load(#[from] files::Error),
}

/// The certificate in `folder`, made anew unless it is there and good for another week.
///
/// The files are `ca.crt`, `tls.crt` and `tls.key`, the latter for its owner only. The authority's key is
/// thrown away: who trusts the authority trusts this one certificate.
///
/// # Errors
/// When `folder` cannot be written.
pub fn certificate(folder: &Path) -> Result<Local, Error> {
    let paths = Paths::of(folder);
    if let Some(local) = paths.load().ok().filter(|local| is_good(local, SystemTime::now() + SPARE)) {
        return Ok(local);
    }
    paths.make()?;
    paths.load()
}

struct Paths {
    folder: PathBuf,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Paths {
    fn of(folder: &Path) -> Self {
        let file = |name| folder.join(name);
        Self {
            folder: folder.to_owned(),
            ca: file("ca.crt"),
            certificate: file("tls.crt"),
            key: file("tls.key"),
        }
    }

    fn load(&self) -> Result<Local, Error> {
        let certified = files::load(&self.certificate, &self.key)?;
        let ca_pem = input::read_text(&self.ca, files::MOST_BYTES).map_err(keeping(&self.ca))?;
        Ok(Local { certified, ca_pem, ca_path: self.ca.clone() })
    }

    fn make(&self) -> Result<(), Error> {
        let (authority, authority_key) = (authority_params(), KeyPair::generate()?);
        let ca = authority.self_signed(&authority_key)?;
        let key = KeyPair::generate()?;
        let leaf = leaf_params()?.signed_by(&key, &Issuer::from_params(&authority, authority_key))?;

        fs::create_dir_all(&self.folder).map_err(keeping(&self.folder))?;
        // Wherever this folder is, its key stays out of version control.
        write(&self.folder.join(".gitignore"), "*\n", 0o644)?;
        write(&self.key, &key.serialize_pem(), 0o600)?;
        write(&self.certificate, &leaf.pem(), 0o644)?;
        write(&self.ca, &ca.pem(), 0o644)
    }
}

fn authority_params() -> CertificateParams {
    let mut params = params("Podwright local CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params() -> Result<CertificateParams, rcgen::Error> {
    let names = CertificateParams::new(NAMES.map(str::to_owned))?.subject_alt_names;
    let mut params = params("localhost");
    params.subject_alt_names = names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = SystemTime::now();
    // A cluster in a virtual machine may run a little behind.
    params.not_before = (now - DAY).into();
    params.not_after = (now + VALID).into();
    params
}

/// Whether a client that trusts the authority accepts the certificate, now and at `until`.
fn is_good(local: &Local, until: SystemTime) -> bool {
    let check = || {
        let mut roots = RootCertStore::empty();
        for ca in files::chain(&local.ca_path).ok()? {
            roots.add(ca).ok()?;
        }
        let provider = Arc::new(super::provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()?;
        let leaf = local.certified.end_entity_cert().ok()?;
        for moment in [SystemTime::now(), until] {
            let moment = UnixTime::since_unix_epoch(moment.duration_since(SystemTime::UNIX_EPOCH).ok()?);
            for name in NAMES {
                verifier
                    .verify_server_cert(leaf, &[], &ServerName::try_from(name).ok()?, &[], moment)
                    .ok()?;
            }
        }
        Some(())
    };
    check().is_some()
}

/// Replaces the file as a whole; no other user ever sees a key.
fn write(path: &Path, content: &str, mode: u32) -> Result<(), Error> {
    let fresh = path.with_extension("new");
    let keep = || {
        let _ = fs::remove_file(&fresh);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&fresh)?
            .write_all(content.as_bytes())?;
        fs::rename(&fresh, path)
    };
    keep().map_err(keeping(path))
}

fn keeping(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Keep { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn made_once_and_kept_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("certs/local");
        let first = certificate(&folder).unwrap();
        assert!(is_good(&first, SystemTime::now() + SPARE));
        let mode = fs::metadata(folder.join("tls.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = certificate(&folder).unwrap();
        assert_eq!(first.certified.cert, second.certified.cert);
        assert_eq!(first.ca_pem, second.ca_pem);
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".gitignore", "ca.crt", "tls.crt", "tls.key"]);
    }

    #[test]
    fn one_that_ends_soon_is_not_good() {
        let folder = tempfile::tempdir().unwrap();
        let local = certificate(folder.path()).unwrap();
        assert!(!is_good(&local, SystemTime::now() + VALID + DAY));
    }

    #[test]
    fn what_does_not_fit_together_is_made_anew() {
        for file in ["ca.crt", "tls.crt", "tls.key"] {
            let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let before = certificate(folder.path()).unwrap();
            certificate(other.path()).unwrap();
            fs::copy(other.path().join(file), folder.path().join(file)).unwrap();
            let after = certificate(folder.path()).unwrap();
            assert!(is_good(&after, SystemTime::now() + SPARE), "{file}");
            assert_ne!(before.certified.cert, after.certified.cert, "{file}");
        }
    }
}

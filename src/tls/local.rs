//! A certificate authority and a serving certificate for this machine, made on the spot.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::KeyPair;
use rustls::sign::CertifiedKey;

use super::{files, issue, trust};
use crate::input;

/// The names that the certificate is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
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
        let now = SystemTime::now();
        let ends = now + VALID;
        let (issuer, ca) = issue::issuer("Podwright local CA", KeyPair::generate()?, now, ends)?;
        let key = KeyPair::generate()?;
        let leaf = issue::serving(NAMES.map(str::to_owned).to_vec(), &key, &issuer, now, ends)?;

        fs::create_dir_all(&self.folder).map_err(keeping(&self.folder))?;
        // Wherever this folder is, its key stays out of version control.
        write(&self.folder.join(".gitignore"), "*\n", 0o644)?;
        write(&self.key, &key.serialize_pem(), 0o600)?;
        write(&self.certificate, &leaf.pem(), 0o644)?;
        write(&self.ca, &ca.pem(), 0o644)
    }
}

/// Whether a client that trusts the authority accepts the certificate, now and at `until`.
fn is_good(local: &Local, until: SystemTime) -> bool {
    let check = || {
        let leaf = local.certified.end_entity_cert().ok()?;
        let roots = files::chain(&local.ca_path).ok()?;
        let is_for_all = NAMES.iter().all(|name| trust::is_for(leaf, name));
        let is_accepted = |at| trust::is_signed_by(leaf, &roots, at);
        (is_for_all && is_accepted(SystemTime::now()) && is_accepted(until)).then_some(())
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
        assert!(!is_good(&local, SystemTime::now() + VALID + issue::SKEW));
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

//! A certificate chain and its key from PEM files, as cert-manager and `kubectl create secret tls` write them.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Validity;
use crate::input;
use crate::input::watch::Fingerprint;

/// The most that a file of certificates or of a key may have.
pub(super) const MOST_BYTES: u64 = 1024 * 1024;

/// Why files give no certificate to serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("reading {path:?}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no PEM.
    #[error("reading {path:?}: {source}; expected PEM")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Where it stops being PEM.
        source: pem::Error,
    },
    /// The certificate file holds none.
    #[error(
        "reading {path:?}: no certificate in it; expected PEM with BEGIN CERTIFICATE, the server's first"
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key file holds none that can be used.
    #[error(
        "reading {path:?}: no private key in it; expected PEM with BEGIN PRIVATE KEY, BEGIN EC PRIVATE KEY or \
         BEGIN RSA PRIVATE KEY, not encrypted"
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The two do not serve together.
    #[error("pairing the certificate {certificate:?} with the key {key:?}: {source}")]
    Pair {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// What should be an authority cannot be one.
    #[error("reading {path:?}: {reason}; expected certificates of authorities")]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The certificate is not valid now, and the one that is served is.
    #[error("reading {path:?}: the certificate is valid {validity}, which is not now")]
    NotValid {
        /// The certificate file.
        path: PathBuf,
        /// When it is.
        validity: Validity,
    },
}

/// Reads the chain in `certificate`, the server's own certificate first, and its private key in `key`.
///
/// # Errors
/// When a file cannot be read, is no PEM or lacks what it is named for, and when the key is not the
/// certificate's.
pub fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    Pair::read(certificate, key)?.certified()
}

/// What the two files held when they were read.
pub struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    chain_pem: Vec<u8>,
    key_pem: Vec<u8>,
}

impl Pair {
    /// Reads the chain in `certificate` and its private key in `key`, whatever they hold.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            chain_pem: read(certificate)?,
            key_pem: read(key)?,
        })
    }

    /// What tells it from other pairs.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([&self.chain_pem, &self.key_pem])
    }

    /// The chain with its key.
    ///
    /// # Errors
    /// When one is no PEM or lacks what it is named for, and when the key is not the certificate's.
    pub fn certified(&self) -> Result<CertifiedKey, Error> {
        let chain = parse_chain(&self.certificate, &self.chain_pem)?;
        let private = parse_key(&self.key, &self.key_pem)?;
        super::certified_key(chain, private).map_err(|source| Error::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }
}

impl fmt::Debug for Pair {
    // The key stays untold.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Reads every certificate of a PEM file, in its order.
///
/// # Errors
/// When the file cannot be read, is no PEM, or holds no certificate.
pub fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    parse_chain(path, &read(path)?)
}

fn parse_chain(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|source| Error::Pem { path: path.to_owned(), source })?;
    if chain.is_empty() { Err(Error::NoCertificate { path: path.to_owned() }) } else { Ok(chain) }
}

fn parse_key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(text).map_err(|source| match source {
        pem::Error::NoItemsFound => Error::NoKey { path: path.to_owned() },
        source => Error::Pem { path: path.to_owned(), source },
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    input::read(path, MOST_BYTES).map_err(|source| Error::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A file's content as the table writes it.
    enum Content<'a> {
        Missing,
        Is(&'a str),
    }

    #[test]
    fn what_is_wrong_is_named() {
        let one = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        let broken = certificate.replace("END CERTIFICATE", "END");
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let foreign = other.signing_key.serialize_pem();
        for (certificate, key, expected) in [
            (Content::Is(&certificate), Content::Is(&key), None),
            (Content::Missing, Content::Is(&key), Some("tls.crt\": No such file")),
            (Content::Is(&certificate), Content::Missing, Some("tls.key\": No such file")),
            (Content::Is(&key), Content::Is(&key), Some("tls.crt\": no certificate in it")),
            (Content::Is(&broken), Content::Is(&key), Some("tls.crt\": missing section end")),
            (Content::Is(""), Content::Is(&key), Some("no certificate in it")),
            (Content::Is(&certificate), Content::Is(&certificate), Some("tls.key\": no private key in it")),
            (Content::Is(&certificate), Content::Is(&encrypted), Some("not encrypted")),
            (Content::Is(&certificate), Content::Is(&foreign), Some("pairing the certificate")),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let paths = [folder.path().join("tls.crt"), folder.path().join("tls.key")];
            for (path, content) in paths.iter().zip([certificate, key]) {
                if let Content::Is(text) = content {
                    fs::write(path, text).unwrap();
                }
            }
            let error = load(&paths[0], &paths[1]).err().map(|error| error.to_string());
            match expected {
                None => assert_eq!(error, None),
                Some(part) => assert!(error.as_deref().unwrap_or("").contains(part), "{part}: {error:?}"),
            }
        }
    }
}

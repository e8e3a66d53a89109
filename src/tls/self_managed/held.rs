//! What a Secret holds: read, judged, and written.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{Issuer, KeyPair, PublicKeyData as _};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::{AUTHORITY_LIFE, SERVING_LIFE};
use crate::tls::{Phase, Validity, certified_key, issue, trust};

/// The data of a Secret.
pub type Data = BTreeMap<String, Vec<u8>>;

/// Every authority that is to be trusted, PEM.
const BUNDLE: &str = "ca.crt";
/// The key of the one that signs, PEM.
const AUTHORITY_KEY: &str = "ca.key";
/// The serving certificate, PEM.
const CERTIFICATE: &str = "tls.crt";
/// Its key, PEM.
const KEY: &str = "tls.key";

/// Why a part of a Secret cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A part is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A part is no PEM of what it is named for.
    #[error("{0} does not hold what it is named for in PEM")]
    Pem(&'static str),
    /// The authority's key fits none of the certificates.
    #[error("ca.key is the key of no authority in ca.crt")]
    AuthorityKey,
    /// The key is another certificate's.
    #[error("tls.key is not the key of tls.crt")]
    Key,
    /// A certificate is not valid now.
    #[error("the certificate that signs or serves in {0} is valid {1}, which is not now")]
    NotValid(&'static str, Validity),
    /// No authority that is trusted has signed the certificate.
    #[error("no authority in ca.crt has signed tls.crt for serving")]
    Signer,
}

/// An authority that signs.
pub(super) struct Authority {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key_pem: String,
    pub(super) validity: Validity,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate to serve.
#[derive(Clone)]
pub struct Serving {
    /// The certificate with its key.
    pub certified: Arc<CertifiedKey>,
    /// The certificate of the authority that signed it.
    pub signer: CertificateDer<'static>,
    validity: Validity,
    leaf: CertificateDer<'static>,
    certificate_pem: String,
    key_pem: String,
}

/// What a Secret should hold.
pub struct Material {
    /// Every authority that is to be trusted, the one that signs first.
    pub bundle: Vec<CertificateDer<'static>>,
    /// What is to be served.
    pub serving: Serving,
    pub(super) authority_key_pem: String,
}

impl Authority {
    /// A new one.
    pub(super) fn make(now: Timestamp) -> Result<Self, rcgen::Error> {
        let begins = SystemTime::from(now);
        // The name tells one from another; chains are found by keys.
        let name = format!("Podwright CA {now:.0}");
        let key = KeyPair::generate()?;
        let key_pem = key.serialize_pem();
        let (issuer, certificate) = issue::issuer(&name, key, begins, begins + AUTHORITY_LIFE)?;
        let certificate = certificate.der().clone();
        let validity =
            Validity::of_certificate(&certificate).ok_or(rcgen::Error::CouldNotParseCertificate)?;
        Ok(Self { certificate, key_pem, validity, issuer })
    }

    /// The one among `bundle` whose key `data` holds.
    pub(super) fn read(
        data: &Data,
        bundle: &[CertificateDer<'static>],
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let key_pem = text(data, AUTHORITY_KEY)?;
        let key = KeyPair::from_pem(&key_pem).map_err(|_| Fault::Pem(AUTHORITY_KEY))?;
        let public = key.subject_public_key_info();
        let certificate = bundle.iter().find(|der| public_key(der).is_some_and(|found| found == public));
        let certificate = certificate.ok_or(Fault::AuthorityKey)?.clone();
        let validity = Validity::of_certificate(&certificate).ok_or(Fault::Pem(BUNDLE))?;
        if validity.at(now) != Phase::Valid {
            return Err(Fault::NotValid(BUNDLE, validity));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|_| Fault::Pem(BUNDLE))?;
        Ok(Self { certificate, key_pem, validity, issuer })
    }

    /// A new certificate for serving under these names.
    pub(super) fn sign(&self, names: Vec<String>, now: Timestamp) -> Result<Serving, rcgen::Error> {
        let begins = SystemTime::from(now);
        let ends = (begins + SERVING_LIFE).min(self.validity.ends.into());
        let key = KeyPair::generate()?;
        let certificate = issue::serving(names, &key, &self.issuer, begins, ends)?;
        let (certificate_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        Serving::pair(certificate_pem, key_pem, self.certificate.clone())
            .map_err(|_| rcgen::Error::CouldNotParseCertificate)
    }
}

impl Serving {
    /// The one in `data`, signed by one of `bundle`.
    pub(super) fn read(
        data: &Data,
        bundle: &[CertificateDer<'static>],
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let (certificate_pem, key_pem) = (text(data, CERTIFICATE)?, text(data, KEY)?);
        let leaf = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| Fault::Pem(CERTIFICATE))?;
        let validity = Validity::of_certificate(&leaf).ok_or(Fault::Pem(CERTIFICATE))?;
        if validity.at(now) != Phase::Valid {
            return Err(Fault::NotValid(CERTIFICATE, validity));
        }
        let has_signed = |authority: &&CertificateDer<'static>| {
            trust::is_signed_by(&leaf, std::slice::from_ref(*authority), now.into())
        };
        let signer = bundle.iter().find(has_signed).ok_or(Fault::Signer)?.clone();
        Self::pair(certificate_pem, key_pem, signer)
    }

    fn pair(
        certificate_pem: String,
        key_pem: String,
        signer: CertificateDer<'static>,
    ) -> Result<Self, Fault> {
        let chain = CertificateDer::pem_slice_iter(certificate_pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| Fault::Pem(CERTIFICATE))?;
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|_| Fault::Pem(KEY))?;
        let leaf = chain.first().ok_or(Fault::Pem(CERTIFICATE))?.clone();
        let certified = certified_key(chain, key).map_err(|_| Fault::Key)?;
        let validity = Validity::of_certificate(&leaf).ok_or(Fault::Pem(CERTIFICATE))?;
        Ok(Self { certified: Arc::new(certified), signer, validity, leaf, certificate_pem, key_pem })
    }

    /// From when until when it is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Whether API servers take it for valid now.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.validity.at(now) == Phase::Valid
    }

    /// Whether it may be served from here on. API servers must have come to know its authority before, unless they refuse
    /// what is served now anyway.
    #[must_use]
    pub fn may_follow(&self, served: Option<&Self>, is_published: bool, now: Timestamp) -> bool {
        let is_no_worse = |served: &Self| served.signer == self.signer || !served.is_valid(now);
        is_published || served.is_none_or(is_no_worse)
    }

    /// The first of these names that it is not for.
    pub(super) fn lacks(&self, names: &[String]) -> Option<String> {
        names.iter().find(|name| !trust::is_for(&self.leaf, name)).cloned()
    }

    /// The names that it is for.
    pub(super) fn names(&self) -> Vec<String> {
        let read = || {
            let (_, leaf) = X509Certificate::from_der(&self.leaf).ok()?;
            let names = leaf.subject_alternative_name().ok()??;
            Some(names.value.general_names.iter().filter_map(name).collect())
        };
        read().unwrap_or_default()
    }
}

impl Material {
    /// As a Secret holds it.
    #[must_use]
    pub fn data(&self) -> Data {
        let entry = |name: &str, text: String| (name.to_owned(), text.into_bytes());
        Data::from([
            entry(BUNDLE, pem(&self.bundle)),
            entry(AUTHORITY_KEY, self.authority_key_pem.clone()),
            entry(CERTIFICATE, self.serving.certificate_pem.clone()),
            entry(KEY, self.serving.key_pem.clone()),
        ])
    }
}

/// PEM, as a `caBundle` holds it before that is encoded.
#[must_use]
pub fn pem(certificates: &[CertificateDer<'_>]) -> String {
    let blocks: Vec<_> = certificates.iter().map(|der| Pem::new("CERTIFICATE", der.to_vec())).collect();
    pem::encode_many_config(&blocks, EncodeConfig::new().set_line_ending(LineEnding::LF))
}

/// The authorities of PEM that have not ended, each once. What else is in it is left out.
#[must_use]
pub fn authorities(pem: &[u8], now: Timestamp) -> Vec<CertificateDer<'static>> {
    let mut found: Vec<CertificateDer<'static>> = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem).map_while(Result::ok) {
        if is_authority(&der, now) && !found.contains(&der) {
            found.push(der);
        }
    }
    found
}

/// The authorities that a Secret holds and that have not ended.
pub(super) fn bundle(data: &Data, now: Timestamp) -> Vec<CertificateDer<'static>> {
    data.get(BUNDLE).map(|pem| authorities(pem, now)).unwrap_or_default()
}

/// Whether a Secret holds anything of ours at all.
pub(super) fn is_empty(data: &Data) -> bool {
    [BUNDLE, AUTHORITY_KEY, CERTIFICATE, KEY].iter().all(|name| data.get(*name).is_none_or(Vec::is_empty))
}

fn is_authority(der: &[u8], now: Timestamp) -> bool {
    let is_ca = X509Certificate::from_der(der).is_ok_and(|(_, certificate)| certificate.is_ca());
    is_ca && Validity::of_certificate(der).is_some_and(|validity| validity.at(now) != Phase::Ended)
}

fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate.public_key().raw.to_vec())
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = || <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4().or_else(|_| v6()).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn text(data: &Data, name: &'static str) -> Result<String, Fault> {
    let bytes = data.get(name).filter(|bytes| !bytes.is_empty()).ok_or(Fault::Missing(name))?;
    String::from_utf8(bytes.clone()).map_err(|_| Fault::Pem(name))
}

impl fmt::Debug for Serving {
    // The key stays untold.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Serving").field("validity", &self.validity).finish_non_exhaustive()
    }
}

impl fmt::Debug for Material {
    // The keys stay untold.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Material")
            .field("authorities", &self.bundle.len())
            .field("serving", &self.serving)
            .finish_non_exhaustive()
    }
}

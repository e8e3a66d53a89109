//! Making authorities, and the serving certificates that they sign.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, Error,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// How far back a certificate begins: the clock that checks it may be this much behind.
pub(super) const SKEW: Duration = Duration::from_secs(24 * 60 * 60);

/// A new authority that signs with `key`, and its certificate.
pub(super) fn issuer(
    name: &str,
    key: KeyPair,
    now: SystemTime,
    ends: SystemTime,
) -> Result<(Issuer<'static, KeyPair>, Certificate), Error> {
    let params = authority_params(name, now, ends);
    let certificate = params.self_signed(&key)?;
    Ok((Issuer::new(params, key), certificate))
}

/// A certificate of `key` for serving under these names, each a DNS name or an address.
pub(super) fn serving(
    names: Vec<String>,
    key: &KeyPair,
    issuer: &Issuer<'_, KeyPair>,
    now: SystemTime,
    ends: SystemTime,
) -> Result<Certificate, Error> {
    let mut params = CertificateParams::new(names)?;
    describe(&mut params, "podwright", now, ends);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.signed_by(key, issuer)
}

fn authority_params(name: &str, now: SystemTime, ends: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    describe(&mut params, name, now, ends);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn describe(params: &mut CertificateParams, common_name: &str, now: SystemTime, ends: SystemTime) {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = (now - SKEW).into();
    params.not_after = ends.into();
}

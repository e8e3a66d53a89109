//! Certificates for servers on loopback.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

/// A certificate authority of its own, so that a certificate of one server is not taken for another's.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// What a client trusts, as PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A serving certificate for 127.0.0.1 and its key, as PEM.
    pub(crate) fn issue(&self) -> (String, String) {
        self.issue_for(ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client and its key, as PEM.
    pub(crate) fn issue_for_client(&self) -> (String, String) {
        self.issue_for(ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue_for(&self, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

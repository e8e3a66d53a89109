//! What `serve` reads its certificate and its policies from.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use podwright::tls::local;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// A folder as the kubelet mounts a ConfigMap or a Secret: each file is a link through `..data`.
pub(crate) struct Volume {
    folder: PathBuf,
    versions: AtomicUsize,
}

impl Volume {
    pub(crate) fn new(folder: PathBuf, files: &[(&str, &str)]) -> Self {
        fs::create_dir(&folder).unwrap();
        let volume = Self { folder, versions: AtomicUsize::new(0) };
        volume.update(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), volume.folder.join(name)).unwrap();
        }
        volume
    }

    /// Changes all files at once, as the kubelet does: the new ones in a folder of their own, the link to it renamed.
    pub(crate) fn update(&self, files: &[(&str, &str)]) {
        let version = format!("..2026_{}", self.versions.fetch_add(1, Ordering::Relaxed));
        fs::create_dir(self.folder.join(&version)).unwrap();
        for (name, content) in files {
            fs::write(self.folder.join(&version).join(name), content).unwrap();
        }
        let fresh = self.folder.join("..data_tmp");
        symlink(&version, &fresh).unwrap();
        fs::rename(fresh, self.folder.join("..data")).unwrap();
    }
}

/// A certificate with an authority of its own.
pub(crate) struct Issued {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) expiry: i64,
}

impl Issued {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = local::certificate(folder.path()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(local.ca_pem.as_bytes()).unwrap()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let validity = podwright::tls::Validity::of(&local.certified).unwrap();
        Self {
            roots: Arc::new(roots),
            certificate: read("tls.crt"),
            key: read("tls.key"),
            expiry: validity.ends.as_second(),
        }
    }

    pub(crate) fn files(&self) -> [(&str, &str); 2] {
        [("tls.crt", &self.certificate), ("tls.key", &self.key)]
    }
}

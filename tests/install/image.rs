//! The container image: its last stage as the Containerfile has it, over a binary that is built here.
//!
//! The first stage needs an image of Rust from a registry. What it does is `image/build`, which runs here too.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Row;
use crate::ports::free_ports;
use crate::tools::{root, stdout, tool};

pub(crate) const TRIALS: &[Row] = &[(&["buildah"], "image::it_holds_one_static_program_that_serves", whole)];

/// In all, uncompressed. A release, which is linked as a whole and takes minutes for it, is a third smaller.
const LARGEST: u64 = 28 << 20;

fn whole() {
    let image = Image::build();
    image.is_described();
    image.holds_nothing_else();
    let version = stdout(image.chroot().arg("--version"));
    assert_eq!(version.trim(), format!("podwright {}", env!("CARGO_PKG_VERSION")));
    image.serves();
}

struct Image {
    folder: TempDir,
    mount: PathBuf,
}

impl Image {
    /// By buildah, without a daemon, a registry or a kernel's overlay.
    fn build() -> Self {
        let binary = stdout(&mut Command::new(root().join("tests/build-optimized")));
        let binary = Path::new(binary.trim().lines().last().unwrap()).to_owned();
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let out = folder.path().join("build/out");
        fs::create_dir_all(&out).unwrap();
        for file in ["podwright", "licences.txt.gz"] {
            fs::copy(binary.with_file_name(file), out.join(file)).unwrap();
        }
        let text = fs::read_to_string(root().join("Containerfile")).unwrap();
        let (_, last) = text.rsplit_once("\nFROM ").unwrap();
        fs::write(folder.path().join("Containerfile"), format!("FROM {last}")).unwrap();
        let mut image = Self { folder, mount: PathBuf::new() };
        // Whatever is copied from the first stage is copied from its folder.
        let context = format!("build={}", image.folder.path().join("build").display());
        let file = image.folder.path().join("Containerfile");
        stdout(
            image
                .buildah()
                .args(["build", "--build-context", &context, "-t", "podwright", "-f"])
                .arg(&file)
                .arg("."),
        );
        let container = stdout(image.buildah().args(["from", "--pull-never", "podwright"]));
        image.mount = stdout(image.buildah().args(["mount", container.trim()])).trim().into();
        image
    }

    fn buildah(&self) -> Command {
        let mut command = Command::new(tool("buildah").unwrap());
        command.current_dir(self.folder.path()).args(["--storage-driver", "vfs"]);
        command.arg("--root").arg(self.folder.path().join("store"));
        command.arg("--runroot").arg(self.folder.path().join("run"));
        command.env("BUILDAH_ISOLATION", "chroot");
        command
    }

    /// The program in the image, as its user, with nothing but the image around it.
    fn chroot(&self) -> Command {
        // By its path, as nothing of our environment is to reach what runs.
        let mut command = Command::new("/usr/sbin/chroot");
        command.arg("--userspec=65532:65532").arg(&self.mount).arg("/podwright").env_clear();
        command
    }

    fn is_described(&self) {
        let text = stdout(self.buildah().args(["inspect", "--type", "image", "podwright"]));
        let image: Value = serde_json::from_str(&text).unwrap();
        let config = &image["OCIv1"]["config"];
        assert_eq!(config["User"], "65532:65532");
        assert_eq!(config["Entrypoint"], json!(["/podwright"]));
        assert_eq!(config["Labels"]["org.opencontainers.image.licenses"], "Apache-2.0");
        let ports: Vec<_> = config["ExposedPorts"].as_object().unwrap().keys().collect();
        assert_eq!(ports, ["8080/tcp", "8443/tcp"]);
    }

    fn holds_nothing_else(&self) {
        let entries = fs::read_dir(&self.mount).unwrap().map(|entry| entry.unwrap().path());
        // What buildah mounts for a container, empty in the image.
        let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
        files.sort();
        let names: Vec<_> = files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["licences.txt.gz", "podwright"]);
        let size: u64 = files.iter().map(|path| path.metadata().unwrap().len()).sum();
        eprintln!("the image: {:.1} MiB of {} MiB", size as f64 / f64::from(1 << 20), LARGEST >> 20);
        assert!(size < LARGEST, "{size} bytes");
        assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(files[1].metadata().unwrap().permissions().mode() & 0o777, 0o755);
        let licences = stdout(Command::new("gzip").arg("-dc").arg(&files[0]));
        for word in ["podwright: Apache-2.0 [", "\naws-lc-sys ", "\nserde ", "\nthe standard library of Rust"]
        {
            assert!(licences.contains(word), "{word:?} is missing");
        }
    }

    /// As in a cluster but for the cluster: certificate and policies from folders, and a file system that it cannot write.
    fn serves(&self) {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = [("tls.crt", certified.cert.pem()), ("tls.key", certified.signing_key.serialize_pem())];
        for (name, text) in files {
            fs::write(self.mount.join(name), text).unwrap();
        }
        fs::copy(root().join("policies/host-path.yaml"), self.mount.join("host-path.yaml")).unwrap();
        let [listen, admin] = free_ports().map(|port| format!("127.0.0.1:{port}"));
        let mut serve = self.chroot();
        serve.args(["serve", "--listen", &listen, "--admin-listen", &admin, "--no-cluster", "--audit-log=-"]);
        serve.args([
            "--tls-cert=/tls.crt",
            "--tls-key=/tls.key",
            "--policies=/host-path.yaml",
            "--drain-delay=0s",
        ]);
        let _server = Server(serve.spawn().unwrap());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = |path: &str| {
            let request = client.get(format!("http://{admin}{path}")).send();
            runtime.block_on(async { request.await?.error_for_status()?.text().await })
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = answer("/readyz") {
            assert!(Instant::now() < deadline, "it does not serve: {error}");
            std::thread::yield_now();
        }
        answer("/healthz").unwrap();
        assert!(answer("/metrics").unwrap().contains("podwright_build_info"));
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = self.buildah().args(["rm", "--all"]).output();
    }
}

/// Ended with the test, also by a panic.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! The policies in force, exchanged when the files that they are loaded from change.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{LoadErrors, PolicySet, Texts};
use crate::input::watch::{Fingerprint, Source};
use crate::telemetry::Reloads;

/// Policy files, what decides by them, and what counts their changes.
#[derive(Debug)]
pub struct PolicyFiles {
    /// Files, and folders of them.
    pub paths: Vec<PathBuf>,
    /// The policies in force. While the files are broken or gone, these are the last good ones.
    pub store: Arc<ArcSwap<PolicySet>>,
    /// What counts the changes.
    pub reloads: Reloads,
}

impl Source for PolicyFiles {
    type Contents = Texts;

    fn read(&self) -> Texts {
        Texts::read(&self.paths)
    }

    fn fingerprint(contents: &Texts) -> Fingerprint {
        contents.fingerprint()
    }

    fn take(&self, contents: Texts) {
        match contents.compile() {
            Ok(policies) => {
                let policies = Arc::new(policies);
                self.store.store(Arc::clone(&policies));
                self.reloads.succeeded();
                tracing::info!(generation = policies.generation, "policies reloaded");
            }
            Err(LoadErrors(errors)) => {
                self.reloads.failed();
                for error in errors {
                    tracing::error!(%error, "a policy does not load; the last good policies stay in force");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use prometheus_client::registry::Registry;

    use super::*;

    const POLICY: &str =
        "apiVersion: podwright.dev/v1alpha1\nkind: HostPath\nmetadata: {name: NAME}\nspec: {action: deny}\n";

    fn write(folder: &Path, file: &str, name: &str) {
        fs::write(folder.join(file), POLICY.replace("NAME", name)).unwrap();
    }

    fn names(set: &PolicySet) -> Vec<&str> {
        set.validators().iter().map(|policy| &*policy.name).collect()
    }

    #[test]
    fn what_is_added_removed_or_changed_is_another_set() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let paths = [folder.to_owned()];
        let mut before = Texts::read(&paths).fingerprint();
        let mut differs = |what: &str| {
            let now = Texts::read(&paths).fingerprint();
            assert_ne!(now, before, "{what}");
            assert_eq!(now, Texts::read(&paths).fingerprint(), "{what}");
            before = now;
        };
        write(folder, "a.yaml", "a");
        differs("the first file");
        write(folder, "b.yml", "b");
        differs("a second file");
        write(folder, "b.yml", "c");
        differs("a changed file");
        fs::rename(folder.join("b.yml"), folder.join("c.yml")).unwrap();
        differs("a renamed file");
        fs::remove_file(folder.join("c.yml")).unwrap();
        differs("a removed file");
        fs::remove_dir_all(folder).unwrap();
        differs("the folder removed");
    }

    #[test]
    fn the_last_good_set_stays() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.yaml", "a");
        let paths = vec![folder.path().to_owned()];
        let store = Arc::new(ArcSwap::from_pointee(PolicySet::load(&paths).unwrap()));
        let reloads = Reloads::of_policies(&mut Registry::default());
        let files = PolicyFiles { paths, store: Arc::clone(&store), reloads };

        write(folder.path(), "b.yaml", "b");
        files.take(files.read());
        assert_eq!(names(&store.load()), ["a", "b"]);
        // One that is gone by mistake must not take its rule with it.
        fs::remove_file(folder.path().join("b.yaml")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("b.yaml")).unwrap();
        files.take(files.read());
        assert_eq!(names(&store.load()), ["a", "b"]);
        fs::remove_dir_all(folder.path()).unwrap();
        files.take(files.read());
        assert_eq!(names(&store.load()), ["a", "b"]);
    }
}

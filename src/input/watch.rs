//! Contents that are read again and again, and taken when they have changed.
//!
//! Contents are compared, not times, names or links: the kubelet changes a mounted ConfigMap or Secret by renaming
//! the link `..data`, which leaves the files that are read untouched.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;
use std::{io, thread};

use sha2::{Digest, Sha256};

/// Where contents come from, and what becomes of them. Both may block.
pub trait Source: Send + 'static {
    /// What was read, or why nothing was.
    type Contents;

    /// Reads all of it.
    fn read(&self) -> Self::Contents;

    /// What tells these contents from others. An error is told from others by what it says.
    fn fingerprint(contents: &Self::Contents) -> Fingerprint;

    /// Puts new contents in force, or tells why not. Called once for each change.
    fn take(&self, contents: Self::Contents);
}

/// Equal for equal contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of these parts, in their order.
    pub fn of<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            let part = part.as_ref();
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Its first 48 bits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl AsRef<[u8]> for Fingerprint {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Looks at `source` every so often, from the contents that are `in_force` on, for as long as the result lives.
///
/// A change is taken when two looks in a row find the same: what is found while files are being written, or while
/// the kubelet renames one link after the other, is neither taken nor called broken.
///
/// # Errors
/// When there is no thread for it. It has one of its own: a file that cannot be read to its end, such as one of a
/// server that is gone, then holds up nothing else.
pub fn watch<S: Source>(source: S, in_force: Fingerprint, every: Duration) -> io::Result<Watch> {
    let (stop, stopped) = mpsc::channel();
    thread::Builder::new().name("podwright-files".to_owned()).spawn(move || {
        let mut changes = Changes::since(in_force);
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            // A panic has told of itself, and the next change may be sound.
            let _ = catch_unwind(AssertUnwindSafe(|| look(&source, &mut changes)));
        }
    })?;
    Ok(Watch { _stop: stop })
}

/// A running watch. It ends when this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Watch {
    _stop: Sender<Infallible>,
}

fn look<S: Source>(source: &S, changes: &mut Changes) {
    let contents = source.read();
    if changes.settled(S::fingerprint(&contents)) {
        source.take(contents);
    }
}

/// Tells a change from what is still changing.
#[derive(Debug)]
struct Changes {
    /// What was taken last, whether or not it could be put in force.
    taken: Fingerprint,
    /// What the last look found.
    seen: Fingerprint,
}

impl Changes {
    fn since(in_force: Fingerprint) -> Self {
        Self { taken: in_force, seen: in_force }
    }

    /// Whether what is found now is a change that the last look has found too.
    fn settled(&mut self, now: Fingerprint) -> bool {
        let is_settled = now == self.seen && now != self.taken;
        self.seen = now;
        if is_settled {
            self.taken = now;
        }
        is_settled
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};
    use std::sync::mpsc::Receiver;

    use super::*;
    use crate::input;

    /// A volume as the kubelet makes it of a ConfigMap or a Secret.
    struct Volume(tempfile::TempDir);

    impl Volume {
        fn new(version: &str, content: &str) -> Self {
            let volume = Self(tempfile::tempdir().unwrap());
            volume.point_at(version, content);
            symlink("..data/file", volume.file()).unwrap();
            volume
        }

        fn file(&self) -> PathBuf {
            self.0.path().join("file")
        }

        /// Writes a version into a folder of its own and renames a link to it over `..data`.
        fn point_at(&self, version: &str, content: &str) {
            let root = self.0.path();
            fs::create_dir(root.join(version)).unwrap();
            fs::write(root.join(version).join("file"), content).unwrap();
            symlink(version, root.join("..data_tmp")).unwrap();
            fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        }
    }

    /// Tells of every look, and of what was taken.
    struct Told {
        file: PathBuf,
        looks: Sender<()>,
        taken: Sender<String>,
    }

    impl Source for Told {
        type Contents = String;

        fn read(&self) -> String {
            let _ = self.looks.send(());
            input::read_text(&self.file, 1024).unwrap_or_else(|error| error.to_string())
        }

        fn fingerprint(contents: &String) -> Fingerprint {
            Fingerprint::of([contents])
        }

        fn take(&self, contents: String) {
            assert_ne!(contents, "panic");
            let _ = self.taken.send(contents);
        }
    }

    fn watched(file: &Path) -> (Watch, Receiver<()>, Receiver<String>) {
        let ((looks, looked), (taken, received)) = (mpsc::channel(), mpsc::channel());
        let told = Told { file: file.to_owned(), looks, taken };
        let in_force = Fingerprint::of([told.read()]);
        (watch(told, in_force, Duration::from_millis(1)).unwrap(), looked, received)
    }

    fn next<T>(from: &Receiver<T>) -> T {
        from.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    #[test]
    fn a_change_is_what_two_looks_in_a_row_find() {
        let print = |text: &str| Fingerprint::of([text]);
        let mut changes = Changes::since(print("a"));
        let looks = [
            ("a", false),
            ("half", false),
            ("b", false),
            ("b", true),
            ("b", false),
            // There and back between two looks.
            ("a", false),
            ("b", false),
            ("a", false),
            ("a", true),
        ];
        for (number, (found, expected)) in looks.into_iter().enumerate() {
            assert_eq!(changes.settled(print(found)), expected, "look {number}");
        }
    }

    #[test]
    fn fingerprints_tell_where_a_part_ends() {
        assert_ne!(Fingerprint::of(["ab", "c"]), Fingerprint::of(["a", "bc"]));
        assert_ne!(Fingerprint::of(["a"]), Fingerprint::of(["a", ""]));
    }

    #[test]
    fn a_renamed_link_is_seen_and_each_change_taken_once() {
        let volume = Volume::new("..2026_a", "one");
        let (_watch, looks, taken) = watched(&volume.file());
        volume.point_at("..2026_b", "two");
        assert_eq!(next(&taken), "two");
        // The same content in another place is no change.
        volume.point_at("..2026_c", "two");
        looks.try_iter().count();
        (0..4).for_each(|_| next(&looks));
        volume.point_at("..2026_d", "three");
        assert_eq!(next(&taken), "three");
        fs::remove_dir_all(volume.0.path()).unwrap();
        assert_eq!(next(&taken), "No such file or directory (os error 2)");
    }

    #[test]
    fn a_panic_does_not_end_the_watch() {
        let volume = Volume::new("..2026_a", "one");
        let (_watch, looks, taken) = watched(&volume.file());
        volume.point_at("..2026_b", "panic");
        looks.try_iter().count();
        (0..4).for_each(|_| next(&looks));
        volume.point_at("..2026_c", "two");
        assert_eq!(next(&taken), "two");
    }

    #[test]
    fn it_ends_when_it_is_dropped() {
        let volume = Volume::new("..2026_a", "one");
        let (watch, looks, _) = watched(&volume.file());
        drop(watch);
        // The other end goes with the thread.
        while looks.recv_timeout(Duration::from_secs(10)).is_ok() {}
        assert_eq!(looks.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}

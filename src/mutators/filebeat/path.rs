//! Paths of log files: absolute globs, as Filebeat expands them.

use crate::mutators::Rejection;
use crate::mutators::annotations::Annotation;
use crate::pod::{AbsolutePath, PathError};

/// Directories in which an empty volume would hide what every image needs, themselves.
const SYSTEM: &[&str] = &[
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/local/sbin",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/run",
    "/var/spool",
];
/// Directories below which nothing may be mounted.
const SYSTEM_TREES: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/run/secrets",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/sbin",
    "/var/run/secrets",
];

/// One path of log files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogPath {
    /// The glob, normalised.
    pub(super) glob: AbsolutePath,
    /// Where its files are: the longest part without a wildcard, which is the file itself for a plain path.
    pub(super) base: AbsolutePath,
}

impl LogPath {
    /// Reads the paths of an annotation.
    pub(super) fn list(annotation: &Annotation<'_>) -> Result<Vec<Self>, Rejection> {
        if annotation.value.contains(['{', '}']) {
            return Err(annotation
                .reject("Filebeat's globs have no braces; write each path out, separated by commas"));
        }
        annotation.items().map(|text| Self::read(text, annotation)).collect()
    }

    fn read(text: &str, annotation: &Annotation<'_>) -> Result<Self, Rejection> {
        let glob: AbsolutePath =
            text.parse().map_err(|error: PathError| annotation.reject(error.to_string()))?;
        if let Some(segment) = glob.as_str().split('/').find(|segment| !is_sound(segment)) {
            return Err(annotation.reject(format!(
                "{text:?} is no glob: in {segment:?} a [ is never closed or a ] never opened"
            )));
        }
        if text.ends_with('/') || glob.as_str() == "/" {
            let hint = format!("{}/*.log", glob.as_str().trim_end_matches('/'));
            return Err(
                annotation.reject(format!("{text:?} is a directory; expected files, such as {hint:?}"))
            );
        }
        let base = match glob.as_str().find(['*', '?', '[', '\\']) {
            Some(wildcard) => {
                let plain = glob.as_str().get(..wildcard).unwrap_or_default();
                let upper = plain.trim_end_matches(|c| c != '/');
                upper.parse().map_err(|error: PathError| annotation.reject(error.to_string()))?
            }
            None => glob.clone(),
        };
        Ok(Self { glob, base })
    }

    /// Whether it names one file.
    pub(super) fn is_plain(&self) -> bool {
        self.base == self.glob
    }

    /// The directory that a volume is mounted at for it.
    pub(super) fn directory(&self) -> AbsolutePath {
        let parent = || self.base.parent().unwrap_or_else(|| self.base.clone());
        if self.is_plain() { parent() } else { self.base.clone() }
    }

    /// Whether it names one file by a word that directories have rather than files: `/app/logs`.
    pub(super) fn looks_like_directory(&self) -> bool {
        let last = self.glob.as_str().rsplit('/').next().unwrap_or_default();
        self.is_plain() && !last.contains('.')
    }

    /// Whether wildcards follow below its directory, so that files may be in others below it.
    pub(super) fn is_deep(&self) -> bool {
        self.glob.below(&self.directory()).is_some_and(|rest| rest.contains('/'))
    }
}

/// Why no empty volume may be mounted at a directory, if that is so.
pub(super) fn hides_system(directory: &AbsolutePath) -> bool {
    let directory = directory.as_str();
    let is_at_or_below = |upper: &&str| {
        directory.strip_prefix(*upper).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    SYSTEM.contains(&directory) || SYSTEM_TREES.iter().any(is_at_or_below)
}

/// Whether the brackets of a glob's segment pair up; `\` takes the next character as it stands.
fn is_sound(segment: &str) -> bool {
    let mut open = false;
    let mut chars = segment.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next().is_none() => return false,
            '[' => open = true,
            ']' if open => open = false,
            _ => {}
        }
    }
    !open
}

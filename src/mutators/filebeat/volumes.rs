//! From paths to volumes: the app's own where one is mounted at or above the files, else an `emptyDir` that both share.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::VOLUME_PREFIX;
use super::hints::Input;
use super::path::{LogPath, hides_system};
use crate::mutators::Rejection;
use crate::mutators::container::{EmptyVolume, Mounted};
use crate::pod::{AbsolutePath, Container, Document, Draft, Group, Mount, Node, Pod, Quantity};

/// Where the sidecar sees the volumes of a container: this, the container's name, and where the container has it, with
/// `-` for `/`. Never one within another: a directory to mount on cannot be made in a volume mounted read-only.
pub(super) const LOGS_ROOT: &str = "/logs";
/// The names of variables that are copied from the app begin with this.
pub(super) const VARIABLE_PREFIX: &str = "PODWRIGHT_LOGS_";
/// How many variables one `subPathExpr` may refer to: each is looked for among all of its container.
const MOST_VARIABLES: usize = 16;
/// Linux's `PATH_MAX`.
const PATH_LIMIT_BYTES: usize = 4096;
/// How many volumes in the way of one path are told.
const MOST_IN_THE_WAY: usize = 5;
/// Volumes that Kubernetes fills and no app can write to.
const READ_ONLY_SOURCES: &[&str] = &["configMap", "secret", "downwardAPI", "projected", "image"];

/// What the sidecar mounts and reads.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Its mounts of the app's volumes.
    pub(super) mounts: Vec<Document>,
    /// Variables that a `subPathExpr` of those mounts refers to, by name.
    pub(super) env: BTreeMap<String, Document>,
    /// The paths of each input, as the sidecar sees them.
    pub(super) paths: Vec<Vec<String>>,
    // Where each mount of the app appears in the sidecar: by container and path there.
    places: BTreeMap<(String, String), String>,
    // Which container's input reads the files of a volume, of a part of it, by a glob.
    read: HashMap<(String, String, String), String>,
}

/// Makes every file readable for the sidecar; adds volumes to the draft where none is mounted.
pub(super) fn plan(
    inputs: &[Input],
    draft: &mut Draft<'_>,
    size_limit: &Quantity,
    warnings: &mut Vec<String>,
) -> Result<Plan, Vec<Rejection>> {
    let mut rejections = Vec::new();
    // Upper directories first: what is made for them serves those below.
    let mut wanted: Vec<_> =
        inputs.iter().flat_map(|input| input.settings.paths.iter().map(move |path| (input, path))).collect();
    wanted.sort_by_key(|(_, path)| path.directory().depth());
    for (input, path) in wanted {
        if let Err(rejection) = ensure(input, path, draft, size_limit, warnings) {
            rejections.push(rejection);
        }
    }
    if !rejections.is_empty() {
        return Err(rejections);
    }
    let mut plan = Plan::default();
    for input in inputs {
        let mut paths = Vec::new();
        for path in &input.settings.paths {
            match plan.read(draft.pod(), input, path) {
                Ok(seen) => paths.extend(seen),
                Err(rejection) => rejections.push(rejection),
            }
        }
        plan.paths.push(paths);
    }
    if rejections.is_empty() { Ok(plan) } else { Err(rejections) }
}

/// Sees to it that a volume holds the files of a path.
fn ensure(
    input: &Input,
    path: &LogPath,
    draft: &mut Draft<'_>,
    size_limit: &Quantity,
    warnings: &mut Vec<String>,
) -> Result<(), Rejection> {
    let pod = draft.pod();
    let Some(container) = container(pod, &input.container) else { return Ok(()) };
    let reject = |message: String| Err(Rejection::new(format!("annotation {}", input.key), message));
    if path.is_deep() {
        let below = container.mounts().filter(|mount| is_below(mount, &path.directory()));
        warnings.extend(below.take(MOST_IN_THE_WAY).map(|mount| {
            format!(
                "{} does not reach into the volume at {}; give it a path of its own",
                path.glob,
                mount.path()
            )
        }));
    }
    if let Some(mount) = covering(&container, path) {
        let source = pod
            .volume(mount.volume())
            .and_then(|volume| READ_ONLY_SOURCES.iter().find(|kind| volume.source(kind).is_some()));
        return match (source, mount.read_only()) {
            (Some(kind), _) => reject(format!(
                "{} lies in the {kind} volume {:?}, where no log can be written",
                path.glob,
                mount.volume()
            )),
            (None, true) => reject(format!(
                "{} lies in {:?}, which container {:?} mounts read-only",
                path.glob,
                mount.path(),
                input.container
            )),
            (None, false) => Ok(()),
        };
    }
    let directory = path.directory();
    if hides_system(&directory) {
        return reject(format!(
            "a volume at {directory} would hide files that the container {:?} needs; write the logs to a directory \
             of their own, such as /app/logs, or mount a volume there yourself",
            input.container
        ));
    }
    // What Kubernetes says of a `mountPath`; runtimes take what follows for something else.
    if directory.as_str().contains(':') {
        return reject(format!(
            "no volume can be mounted at {directory}, for its \":\"; write the logs elsewhere"
        ));
    }
    if path.looks_like_directory() {
        return reject(format!(
            "{0} looks like a directory; for the files in it write {0}/*, for a file of that name mount a volume at \
             {directory} yourself",
            path.glob
        ));
    }
    let name = free_name(pod);
    let (group, index) = (container.group, container.index);
    let mount = Mounted { name: &name, mount_path: directory.as_str(), ..Mounted::default() };
    draft.push_volumes([Document::of(&EmptyVolume::new(&name, size_limit))]);
    draft.push_to_container(group, index, "volumeMounts", [Document::of(&mount)]);
    warnings.push(format!(
        "{directory} of container {} is now an empty volume; files that its image keeps there are hidden",
        input.container
    ));
    Ok(())
}

impl Plan {
    /// Takes a path up; `None` where its files are read already, through another container that shares the volume.
    fn read(&mut self, pod: &Pod, input: &Input, path: &LogPath) -> Result<Option<String>, Rejection> {
        let Some(container) = container(pod, &input.container) else { return Ok(None) };
        let Some(mount) = covering(&container, path) else { return Ok(None) };
        let at = mount.path().parse().ok();
        let Some(below) = at.and_then(|at: AbsolutePath| path.glob.below(&at)) else { return Ok(None) };
        let part = mount.sub_path().or(mount.sub_path_expr()).unwrap_or_default().to_owned();
        let files = (mount.volume().to_owned(), part, below.to_owned());
        match self.read.insert(files, input.container.clone()) {
            Some(first) if first == input.container => {
                let message = format!("{} is named twice for container {first:?}; name it once", path.glob);
                return Err(Rejection::new(format!("annotation {}", input.key), message));
            }
            // A volume that several containers share is read once.
            Some(_) => return Ok(None),
            None => {}
        }
        let place = self.mount(&container, &mount, input)?;
        Ok(Some(if below.is_empty() { place } else { format!("{place}/{below}") }))
    }

    /// Mounts in the sidecar what the app mounts, read-only; tells where.
    fn mount(
        &mut self,
        container: &Container<'_>,
        mount: &Mount<'_>,
        input: &Input,
    ) -> Result<String, Rejection> {
        let origin = (container.name().to_owned(), mount.path().to_owned());
        if let Some(place) = self.places.get(&origin) {
            return Ok(place.clone());
        }
        let place = self.free_place(container.name(), mount.path());
        self.places.insert(origin, place.clone());
        let mut entry = Mounted {
            name: mount.volume(),
            mount_path: &place,
            read_only: true,
            sub_path: mount.sub_path(),
            ..Mounted::default()
        };
        if let Some(expression) = mount.sub_path_expr() {
            if expression.len() > PATH_LIMIT_BYTES {
                let message = format!(
                    "the subPathExpr of the mount at {:?} is longer than a path of Linux, {PATH_LIMIT_BYTES} bytes",
                    mount.path()
                );
                return Err(Rejection::new(format!("annotation {}", input.key), message));
            }
            let mut own = BTreeMap::new();
            for name in references(expression) {
                if !own.contains_key(name) {
                    own.insert(name, self.copy_variable(container, name, input)?);
                }
                if own.len() > MOST_VARIABLES {
                    return Err(too_many_variables(mount, input));
                }
            }
            entry.sub_path_expr = Some(renamed(expression, |name| own.get(name).map(String::as_str)));
        }
        self.mounts.push(Document::of(&entry));
        Ok(place)
    }

    /// A place of its own: `/app/logs` and `/app-logs` would share one.
    fn free_place(&self, container: &str, path: &str) -> String {
        let place = format!("{LOGS_ROOT}/{container}/{}", path.trim_matches('/').replace('/', "-"));
        let is_free = |place: &String| !self.places.values().any(|taken| taken == place);
        let mut numbered = (2..).map(|number| format!("{place}-{number}"));
        Some(place.clone()).filter(is_free).or_else(|| numbered.find(is_free)).unwrap_or(place)
    }

    /// Gives the sidecar a variable of the app, by a name of our own: under its own name it could be one that Filebeat,
    /// its output or the loader reads.
    fn copy_variable(
        &mut self,
        container: &Container<'_>,
        name: &str,
        input: &Input,
    ) -> Result<String, Rejection> {
        let reject = |message: String| Err(Rejection::new(format!("annotation {}", input.key), message));
        let Some(entry) = container.env(name) else {
            return reject(format!(
                "the mount of {:?} refers to $({name}), which is not in env of container {:?}; write it there",
                input.settings.paths.first().map(|path| path.glob.as_str()).unwrap_or_default(),
                container.name()
            ));
        };
        if entry.get("value").and_then(Node::as_str).is_some_and(|value| value.contains("$(")) {
            return reject(format!(
                "$({name}) of container {:?} refers to further variables; write it out",
                container.name()
            ));
        }
        let own = format!("{VARIABLE_PREFIX}{name}");
        let mut renamed = Document::from(entry);
        if renamed.add(["name"], &Document::of(&own)).is_err() {
            return reject(format!("$({name}) of container {:?} is no variable", container.name()));
        }
        match self.env.insert(own.clone(), renamed.clone()) {
            Some(other) if other != renamed => {
                reject(format!("two containers give $({name}) different values; rename one"))
            }
            _ => Ok(own),
        }
    }
}

fn container<'a>(pod: &'a Pod, name: &str) -> Option<Container<'a>> {
    [Group::App, Group::Init]
        .into_iter()
        .flat_map(|group| pod.containers_in(group))
        .find(|one| one.name() == name)
}

/// The innermost mount that holds the files of a path.
fn covering<'a>(container: &Container<'a>, path: &LogPath) -> Option<Mount<'a>> {
    container
        .mounts()
        .filter_map(|mount| Some((mount.path().parse::<AbsolutePath>().ok()?, mount)))
        .filter(|(at, _)| at.is_at_or_above(&path.base))
        .max_by_key(|(at, _)| at.depth())
        .map(|(_, mount)| mount)
}

fn is_below(mount: &Mount<'_>, directory: &AbsolutePath) -> bool {
    mount
        .path()
        .parse()
        .is_ok_and(|at: AbsolutePath| at.below(directory).is_some_and(|rest| !rest.is_empty()))
}

fn free_name(pod: &Pod) -> String {
    let names = pod.volumes().map(|volume| volume.name());
    let taken: HashSet<&str> = names.filter(|name| name.starts_with(VOLUME_PREFIX)).collect();
    let mut names = (0..=taken.len()).map(|number| format!("{VOLUME_PREFIX}{number}"));
    names.find(|name| !taken.contains(name.as_str())).unwrap_or_default()
}

fn too_many_variables(mount: &Mount<'_>, input: &Input) -> Rejection {
    let message = format!(
        "the mount at {:?} refers to more than {MOST_VARIABLES} variables; mount what is above the files",
        mount.path()
    );
    Rejection::new(format!("annotation {}", input.key), message)
}

/// The names in `$(NAME)`; `$$(NAME)` is none.
fn references(expression: &str) -> Vec<&str> {
    pieces(expression).into_iter().filter_map(|(_, name)| name).collect()
}

/// The same expression with other names.
fn renamed<'a>(expression: &'a str, name: impl Fn(&'a str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(expression.len());
    for (plain, reference) in pieces(expression) {
        out.push_str(plain);
        out.extend(reference.and_then(&name).into_iter().flat_map(|name| ["$(", name, ")"]));
    }
    out
}

/// An expression as plain texts, each with the name that it is followed by, if it is.
fn pieces(expression: &str) -> Vec<(&str, Option<&str>)> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(dollar) = expression.get(at..).and_then(|rest| rest.find('$')).map(|found| at + found) {
        let behind = expression.get(dollar + 1..).unwrap_or_default();
        let name = behind.strip_prefix('(').and_then(|inner| inner.split_once(')')).map(|(name, _)| name);
        at = match (behind.starts_with('$'), name) {
            (true, _) => dollar + 2,
            (false, None) => dollar + 1,
            (false, Some(name)) => {
                pieces.push((expression.get(start..dollar).unwrap_or_default(), Some(name)));
                start = dollar + name.len() + 3;
                start
            }
        };
    }
    pieces.push((expression.get(start..).unwrap_or_default(), None));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_renamed_once_and_where_they_are_references() {
        for (expression, names, expected) in [
            ("a/b", vec![], "a/b"),
            ("$(A)/x/$(B)$(A)", vec!["A", "B", "A"], "$(P_A)/x/$(P_B)$(P_A)"),
            ("$(A)$(P_A)", vec!["A", "P_A"], "$(P_A)$(P_P_A)"),
            ("$$(A)$(", vec![], "$$(A)$("),
            ("$$$(A)$", vec!["A"], "$$$(P_A)$"),
        ] {
            assert_eq!(references(expression), names, "{expression}");
            let own: BTreeMap<_, _> = names.iter().map(|name| (*name, format!("P_{name}"))).collect();
            assert_eq!(renamed(expression, |name| own.get(name).map(String::as_str)), expected);
        }
    }
}

//! Fewer operations for the same result: the API server spends more on the number of them than on their bytes.
//!
//! What an edit adds is sent as it is in the end, with all that later edits do in it; and a list or a map that several
//! edits change as a whole, with its author's entries as they were.

use jsonptr::{Pointer, PointerBuf};
use memchr::memrchr;

use super::edit::Edit;
use super::{Document, Group, Node, Operation, Pod, patch};

/// How many bytes of entries may travel for each operation that is spared. The API server reads about as many in the
/// time that an operation takes it.
const BYTES_PER_OPERATION: usize = 4 * 1024;
/// How many bytes all lists and maps that are sent as a whole may have.
const MOST_BYTES: usize = 64 * 1024;
/// Lists that are not sent for what changes within an entry: each is much.
const CONTAINERS: [&str; 2] = ["/spec/containers", "/spec/initContainers"];
/// Objects whose fields are entries, not parts of a shape.
const MAPS: [&str; 3] = ["/metadata/annotations", "/metadata/labels", "/spec/nodeSelector"];

/// The operations for these edits, which have led to this Pod; `in_front` has the places of those that put an init
/// container in front of others.
pub(super) fn coalesced(result: &Pod, edits: Vec<Edit>, in_front: &[usize]) -> Vec<Operation> {
    let edits = settled(edits, in_front);
    let wholes = wholes(result, &edits);
    // Each with whether it is as it will be in the end.
    let mut operations: Vec<(Operation, bool)> = Vec::with_capacity(edits.len());
    for edit in edits {
        let path = edit.path().as_str();
        let adding = operations.iter_mut().rev().find_map(|(operation, is_final)| match operation {
            Operation::Add { path: at, value } if is_within(path, at.as_str()) => Some((at, value, is_final)),
            _ => None,
        });
        if let Some((at, value, is_final)) = adding
            && (*is_final || catch_up(value, result.node().at(patch::tokens(at)), result))
        {
            *is_final = true;
        } else if let Some((whole, node)) = wholes.iter().find(|(whole, _)| is_within(path, whole.as_str())) {
            operations.push((Operation::Add { path: whole.clone(), value: result.part(*node) }, true));
        } else {
            operations.extend(edit.into_operations().map(|operation| (operation, false)));
        }
    }
    operations.into_iter().map(|(operation, _)| operation).collect()
}

/// Has an operation add what later ones make of that, if they leave something.
fn catch_up(value: &mut Document, end: Option<Node<'_>>, result: &Pod) -> bool {
    end.map(|end| *value = result.part(end)).is_some()
}

/// The edits with every path as it is in the end: what goes in front of others comes before what it moves.
fn settled(edits: Vec<Edit>, in_front: &[usize]) -> Vec<Edit> {
    let Some(first) = in_front.first() else { return edits };
    let list = patch::pointer(["spec", Group::Init.field()]);
    let moved = edits.iter().take(*first).position(|edit| is_within(edit.path().as_str(), list.as_str()));
    // The list itself may be new.
    let makes_list =
        |at: &usize| edits.get(*at).is_some_and(|edit| matches!(edit, Edit::One(_)) && edit.path() == &*list);
    let place = moved.map_or(*first, |at| at + usize::from(makes_list(&at)));
    let (mut fronts, mut others) = (Vec::new(), Vec::new());
    for (at, edit) in edits.into_iter().enumerate() {
        if in_front.contains(&at) {
            others.iter_mut().for_each(|other| make_way(other, edit.path()));
            fronts.push(edit);
        } else {
            others.push(edit);
        }
    }
    others.splice(place..place, fronts);
    others
}

/// Moves an edit's path, once an init container is put in front.
fn make_way(edit: &mut Edit, front: &Pointer) {
    let Some(front) = init_container(front) else { return };
    let path = match edit {
        Edit::One(Operation::Add { path, .. } | Operation::Remove { path }) => path,
        Edit::Append { list, place, .. } => {
            if is_init_containers(list) {
                *place += usize::from(front <= *place);
                return;
            }
            list
        }
    };
    if let Some(place) = init_container(path).filter(|place| front <= *place) {
        let mut tokens: Vec<_> = patch::tokens(path).collect();
        if let Some(token) = tokens.get_mut(2) {
            *token = (place + 1).to_string().into();
        }
        *path = patch::pointer(&tokens);
    }
}

fn is_init_containers(path: &Pointer) -> bool {
    path.as_str().strip_prefix("/spec/") == Some(Group::Init.field())
}

/// The init container that a path is, or leads into.
fn init_container(path: &Pointer) -> Option<usize> {
    let mut tokens = patch::tokens(path);
    let is_list = tokens.next()? == "spec" && tokens.next()? == Group::Init.field();
    tokens.next().filter(|_| is_list)?.parse().ok()
}

/// A list or a map that edits change.
struct Touched<'e, 'r> {
    path: &'e str,
    node: Node<'r>,
    times: usize,
}

/// The lists and maps that are sent as a whole.
fn wholes<'r>(result: &'r Pod, edits: &[Edit]) -> Vec<(PointerBuf, Node<'r>)> {
    let mut touched: Vec<Touched<'_, 'r>> = Vec::new();
    for edit in edits {
        let path = edit.path().as_str();
        // Most are entries of what is known by then.
        let holder = above(path);
        if let Some(known) = touched.iter_mut().find(|known| known.path == holder || known.path == path) {
            known.times += edit.count();
        } else if let Some((path, node)) = home(result, edit.path()) {
            match touched.iter_mut().find(|known| known.path == path) {
                Some(known) => known.times += edit.count(),
                None => touched.push(Touched { path, node, times: edit.count() }),
            }
        }
    }
    let mut bytes = 0;
    touched.retain(|Touched { node, times, .. }| {
        let size = if *times > 1 { node.size() } else { MOST_BYTES };
        let pays = size <= BYTES_PER_OPERATION * (times - 1) && bytes + size <= MOST_BYTES;
        bytes += if pays { size } else { 0 };
        pays
    });
    let is_within_another = |one: &Touched<'_, '_>| {
        touched.iter().any(|other| other.path != one.path && is_within(one.path, other.path))
    };
    let outermost = touched.iter().filter(|one| !is_within_another(one));
    outermost.filter_map(|one| Some((PointerBuf::parse(one.path).ok()?, one.node))).collect()
}

/// The list or map that an edit makes, or whose entry it changes.
fn home<'p, 'r>(result: &'r Pod, path: &'p Pointer) -> Option<(&'p str, Node<'r>)> {
    // What the path leads to, and the two above it: of a field that was removed, only these.
    let mut along = [Some(result.node()), None, None];
    for token in patch::tokens(path) {
        let [end, above, _] = along;
        along = [end.and_then(|end| end.at([token])), end, above];
    }
    let path = path.as_str();
    let upwards = [path, above(path), above(above(path))];
    if CONTAINERS.contains(&upwards[2]) {
        along[2] = None;
    }
    let mut homes = upwards.into_iter().zip(along).filter_map(|(place, node)| Some((place, node?)));
    homes.find(|(place, node)| node.is_array() || node.is_object() && MAPS.contains(place))
}

/// The path to what holds the end of one.
fn above(path: &str) -> &str {
    memrchr(b'/', path.as_bytes()).and_then(|end| path.get(..end)).unwrap_or_default()
}

fn is_within(path: &str, upper: &str) -> bool {
    path.strip_prefix(upper).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Draft;
    use super::*;

    /// The paths of the operations for some edits of a Pod. That they give the same Pod the draft itself verifies.
    fn paths(pod: Value, edit: impl FnOnce(&mut Draft<'_>)) -> Vec<String> {
        let pod = Pod::from_value(pod).unwrap();
        let mut draft = Draft::new(&pod);
        edit(&mut draft);
        let edited = draft.finish().unwrap();
        let mut replayed = pod.node().to_value();
        let written = patch::patch_json(&edited.operations);
        assert_eq!(String::from_utf8(written), Ok(serde_json::to_string(&edited.operations).unwrap()));
        let patch: json_patch::Patch = serde_json::from_value(json!(edited.operations)).unwrap();
        json_patch::patch(&mut replayed, &patch).unwrap();
        assert_eq!(replayed, edited.pod.unwrap().node().to_value());
        edited.operations.iter().map(|operation| operation.path().to_string()).collect()
    }

    fn pod() -> Value {
        let container =
            |name: &str| json!({"name": name, "image": "a", "env": [{"name": "A", "value": "1"}]});
        json!({
            "metadata": {"annotations": {"x": "y"}},
            "spec": {"initContainers": [container("init")], "containers": [container("app")],
                "volumes": [{"name": "own", "emptyDir": {}}]},
        })
    }

    fn variable(name: &str) -> Value {
        json!({"name": name, "value": "1"})
    }

    fn container(name: &str) -> Value {
        json!({"name": name, "image": "b"})
    }

    #[test]
    fn a_list_or_map_with_several_edits_is_one_operation() {
        let found = paths(pod(), |draft| {
            for name in ["a", "b"] {
                draft.push_volumes([json!({"name": name, "emptyDir": {}})]);
                draft.push_to_container(Group::App, 0, "env", [variable(name)]);
                draft.set_annotation(name, "1");
                draft.set_label(name, "1");
            }
            draft.set_env(Group::App, 0, "A", "2");
            draft.push_container(Group::App, container("b"));
        });
        let expected = [
            "/spec/volumes",
            "/spec/containers/0/env",
            "/metadata/annotations",
            "/metadata/labels",
            "/spec/containers/1",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn single_edits_stay_as_they_are() {
        let found = paths(pod(), |draft| {
            draft.push_volumes([json!({"name": "a", "emptyDir": {}})]);
            draft.set_annotation("a", "1");
            draft.set_spec("shareProcessNamespace", &true);
            draft.set_spec("enableServiceLinks", &true);
        });
        let expected = [
            "/spec/volumes/1",
            "/metadata/annotations/a",
            "/spec/shareProcessNamespace",
            "/spec/enableServiceLinks",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_added_is_sent_as_it_is_in_the_end() {
        let found = paths(pod(), |draft| {
            draft.push_container(Group::App, container("b"));
            draft.push_volumes([json!({"name": "a", "emptyDir": {}})]);
            draft.push_to_container(Group::App, 1, "env", [variable("c")]);
            draft.set_container(Group::App, 1, "securityContext", &json!({"runAsUser": 1}));
            draft.set_env(Group::App, 1, "c", "2");
            draft.set_annotation("a", "1");
            draft.remove_annotation("a");
            draft.remove_annotation("x");
            draft.set_annotation("x", "z");
        });
        let expected = ["/spec/containers/1", "/spec/volumes/1", "/metadata/annotations"];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_goes_in_front_moves_the_others() {
        let edit = |draft: &mut Draft<'_>| {
            draft.push_to_container(Group::Init, 0, "env", [variable("b")]);
            draft.push_to_container(Group::Init, 0, "env", [variable("c")]);
            draft.push_first_init_container(container("first"));
            draft.push_to_container(Group::Init, 1, "env", [variable("d")]);
        };
        assert_eq!(paths(pod(), edit), ["/spec/initContainers/0", "/spec/initContainers/1/env"]);
        let found = paths(pod(), |draft| {
            draft.push_container(Group::Init, container("last"));
            edit(draft);
            draft.push_first_init_container(container("second"));
        });
        assert_eq!(found, ["/spec/initContainers"]);
    }

    #[test]
    fn much_of_others_is_not_carried() {
        let mut large = pod();
        large["spec"]["containers"][0]["env"][0]["value"] = "x".repeat(BYTES_PER_OPERATION).into();
        let edit = |draft: &mut Draft<'_>| {
            draft.push_to_container(Group::App, 0, "env", [variable("b")]);
            draft.push_to_container(Group::App, 0, "env", [variable("c")]);
        };
        assert_eq!(paths(large.clone(), edit), ["/spec/containers/0/env/1", "/spec/containers/0/env/2"]);
        let together = |draft: &mut Draft<'_>| {
            draft.push_to_container(Group::App, 0, "env", [variable("b"), variable("c")]);
        };
        assert_eq!(paths(large, together), ["/spec/containers/0/env/1", "/spec/containers/0/env/2"]);
    }

    #[test]
    fn what_goes_in_front_moves_what_is_appended() {
        let mut large = pod();
        large["spec"]["initContainers"][0]["env"][0]["value"] = "x".repeat(2 * BYTES_PER_OPERATION).into();
        let found = paths(large, |draft| {
            draft.push_container(Group::Init, container("last"));
            draft.push_to_container(Group::Init, 0, "env", [variable("b")]);
            draft.push_first_init_container(container("first"));
        });
        let expected = ["/spec/initContainers/0", "/spec/initContainers/2", "/spec/initContainers/1/env/1"];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_others_wrote_is_carried_as_they_wrote_it() {
        let odd = pod().to_string().replace(r#""name":"A","#, r#""name":"A","newer":1.10,"#);
        let odd = Pod::parse(&odd).unwrap();
        let mut draft = Draft::new(&odd);
        draft.push_to_container(Group::App, 0, "env", [variable("b")]);
        draft.push_to_container(Group::App, 0, "env", [variable("c")]);
        let operations = draft.finish().unwrap().operations;
        let patch = serde_json::to_string(&operations).unwrap();
        assert!(operations.len() == 1 && patch.contains(r#""newer":1.10,"#), "{patch}");
    }
}

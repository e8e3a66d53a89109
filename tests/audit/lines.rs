//! Whole lines, as the reviews in `reviews/` give them.

use std::cell::RefCell;

use podwright::engine::{Endpoint, decide};
use serde_json::json;

use crate::{deciding, line, policies, request, view};

#[test]
fn what_was_done_and_found_is_on_the_line() {
    for (name, endpoint) in [
        ("patched", Endpoint::Mutate),
        ("refused", Endpoint::Mutate),
        ("wrong-annotation", Endpoint::Mutate),
        ("exempted", Endpoint::Mutate),
        ("warned-on-a-dry-run", Endpoint::Mutate),
        ("updated", Endpoint::Validate),
        ("template", Endpoint::Validate),
    ] {
        let line = line(&policies(), endpoint, &request(name)).unwrap();
        let (json, end) = line.split_at(line.len() - 1);
        assert!(end == "\n" && !json.contains('\n') && !json.contains("SECRET"), "{line}");
        let record: serde_json::Value = serde_json::from_str(json).unwrap();
        insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_json_snapshot!(name, record);
        });
    }
}

#[test]
fn what_did_and_found_nothing_has_no_line() {
    for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
        assert_eq!(line(&policies(), endpoint, &request("untouched")), None);
    }
    // Mutations of a template are not made.
    let mut template = request("template");
    template["object"]["spec"]["template"] = json!({
        "metadata": {"annotations": {"sidecar.podwright.dev/inject": "proxy"}},
        "spec": {"containers": [{"name": "app", "image": "web"}]},
    });
    assert_eq!(line(&policies(), Endpoint::Validate, &template), None);
}

#[test]
fn what_a_pod_has_already_is_not_made_again() {
    let mut pod = request("patched");
    pod["object"]["metadata"]["annotations"] = json!({"sidecar.podwright.dev/inject": "proxy"});
    let operations = RefCell::new(None);
    let first = deciding(Endpoint::Mutate, &pod, |question| {
        let decision = decide(&policies(), &view(), question);
        *operations.borrow_mut() = Some(decision.operations.clone());
        decision
    });
    assert!(first.unwrap().contains(r#""mutations":[{"kind":"Sidecar","policy":"proxy""#));
    let patch: json_patch::Patch = serde_json::from_value(json!(operations.take())).unwrap();
    json_patch::patch(&mut pod["object"], &patch).unwrap();
    assert_eq!(line(&policies(), Endpoint::Mutate, &pod), None);
}

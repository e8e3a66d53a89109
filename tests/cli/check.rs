//! What check says of policies.

use insta::assert_snapshot;

use crate::support::Folder;

const HEAD: &str = "apiVersion: podwright.dev/v1alpha1\nkind: HostPath\n";

fn exempt(name: &str, expires: &str) -> String {
    format!(
        "    - {{name: {name}, match: {{}}, reason: because of {name}, owner: sre@example.com, expires: {expires}}}\n"
    )
}

#[test]
fn the_shipped_policies_are_right() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let outcome = Folder::new().run(&format!("check {shipped} --now 2026-01-01")).quiet();
    let embedded = Folder::new().run("check --now 2026-01-01").quiet();
    assert_eq!(outcome, embedded);
    assert!(outcome.contains("HostPath host-path: deny\n"), "{outcome}");
    assert!(outcome.contains("Filebeat filebeat\n"), "{outcome}");
    assert!(outcome.lines().last().unwrap().starts_with("ok: "), "{outcome}");
}

#[test]
fn policies_are_listed_and_exemptions_that_end_are_told() {
    let policies = format!(
        "{HEAD}metadata: {{name: a}}\nspec:\n  exemptions:\n{}{}{}{}---\n{HEAD}metadata: {{name: b}}\nspec: {{action: warn}}\n",
        exempt("past", "2027-05-31"),
        exempt("today", "2027-06-01"),
        exempt("soon", "2027-07-01"),
        exempt("later", "2027-07-02"),
    );
    let outcome = Folder::with("p.yaml", policies).run("check p.yaml --now 2027-06-01");
    assert_snapshot!(outcome.transcript());
}

#[test]
fn every_error_has_its_place() {
    let folder = Folder::with(
        "p/a.yaml",
        format!("{HEAD}metadata: {{name: a}}\nspec: {{acton: deny}}\n---\nkind: Nothing\n"),
    )
    .and(
        "p/b.yaml",
        format!("# b\n{}metadata: {{name: b}}\nspec: {{}}\n", HEAD.replace("HostPath", "HostPahts")),
    )
    .and("p/c.yaml", format!("{HEAD}metadata: {{name: c}}\nspec: [\n"))
    .and(
        "p/d.yml",
        format!("{HEAD}metadata: {{name: d}}\nspec:\n  exemptions:\n{}", exempt("x", "2027-13-01")),
    )
    .and(
        "p/e.yaml",
        format!("{HEAD}metadata: {{name: e}}\nspec: {{}}\n---\n{HEAD}metadata: {{name: e}}\nspec: {{}}\n"),
    );
    let outcome = folder.run("check p");
    assert_snapshot!(outcome.transcript());
    assert_eq!(outcome.code, Some(1));
}

#[test]
fn what_cannot_be_read_is_another_code() {
    let outcome = Folder::new().run("check missing.yaml");
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.starts_with("error: missing.yaml: No such file"), "{}", outcome.stderr);
}

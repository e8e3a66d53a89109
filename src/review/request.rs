//! The request of a review as the API server writes it: in one pass that goes past the object without reading it.

use super::cursor::Cursor;
use super::{API_VERSION, GroupVersionKind, KIND, Operation, Raw, Request, Resource, Text, UserInfo};

/// The request of a review. `None` where anything is unusual: another order would do, but not a key that recurs, an
/// escape in a name, or what is no review at all.
pub(super) fn of_review<'a>(body: &'a str) -> Option<Request<'a>> {
    let (mut api_version, mut kind, mut request) = (None, None, None);
    let mut cursor = Cursor::new(body);
    cursor.object(|key, cursor| match key {
        "apiVersion" => once(&mut api_version, cursor.string()?),
        "kind" => once(&mut kind, cursor.string()?),
        "request" => once(&mut request, self::request(cursor)?),
        _ => cursor.value().map(drop),
    })?;
    let is_ours = cursor.is_at_end() && (api_version, kind) == (Some(API_VERSION), Some(KIND));
    request.filter(|request| is_ours && !request.uid.is_empty())
}

#[derive(Default)]
struct Parts<'a> {
    uid: Option<Text<'a>>,
    kind: Option<GroupVersionKind<'a>>,
    resource: Option<Resource<'a>>,
    sub_resource: Option<Option<Text<'a>>>,
    name: Option<Option<Text<'a>>>,
    namespace: Option<Option<Text<'a>>>,
    operation: Option<Operation>,
    user_info: Option<UserInfo<'a>>,
    object: Option<Option<Raw<'a>>>,
    old_object: Option<Option<Raw<'a>>>,
    dry_run: Option<Option<bool>>,
}

fn request<'a>(cursor: &mut Cursor<'a>) -> Option<Request<'a>> {
    let mut parts = Parts::default();
    cursor.object(|key, cursor| match key {
        "uid" => once(&mut parts.uid, cursor.string()?.into()),
        "kind" => once(&mut parts.kind, kind(cursor)?),
        "resource" => once(&mut parts.resource, resource(cursor)?),
        "subResource" => once(&mut parts.sub_resource, cursor.text()?),
        "name" => once(&mut parts.name, cursor.text()?),
        "namespace" => once(&mut parts.namespace, cursor.text()?),
        "operation" => once(&mut parts.operation, operation(cursor)?),
        "userInfo" => once(&mut parts.user_info, user_info(cursor)?),
        "object" => once(&mut parts.object, object(cursor)?),
        "oldObject" => once(&mut parts.old_object, object(cursor)?),
        "dryRun" => once(&mut parts.dry_run, dry_run(cursor)?),
        _ => cursor.value().map(drop),
    })?;
    Some(Request {
        uid: parts.uid?,
        kind: parts.kind.unwrap_or_default(),
        resource: parts.resource.unwrap_or_default(),
        sub_resource: parts.sub_resource.flatten(),
        name: parts.name.flatten(),
        namespace: parts.namespace.flatten(),
        operation: parts.operation?,
        user_info: parts.user_info.unwrap_or_default(),
        object: parts.object.flatten(),
        old_object: parts.old_object.flatten(),
        dry_run: parts.dry_run.flatten(),
    })
}

fn kind<'a>(cursor: &mut Cursor<'a>) -> Option<GroupVersionKind<'a>> {
    let (mut group, mut version, mut kind) = (None, None, None);
    cursor.object(|key, cursor| match key {
        "group" => once(&mut group, cursor.string()?.into()),
        "version" => once(&mut version, cursor.string()?.into()),
        "kind" => once(&mut kind, cursor.string()?.into()),
        _ => cursor.value().map(drop),
    })?;
    let [group, version, kind] = [group, version, kind].map(Option::unwrap_or_default);
    Some(GroupVersionKind { group, version, kind })
}

fn resource<'a>(cursor: &mut Cursor<'a>) -> Option<Resource<'a>> {
    let (mut group, mut resource) = (None, None);
    cursor.object(|key, cursor| match key {
        "group" => once(&mut group, cursor.string()?.into()),
        "resource" => once(&mut resource, cursor.string()?.into()),
        _ => cursor.value().map(drop),
    })?;
    Some(Resource { group: group.unwrap_or_default(), resource: resource.unwrap_or_default() })
}

fn user_info<'a>(cursor: &mut Cursor<'a>) -> Option<UserInfo<'a>> {
    let mut username = None;
    cursor.object(|key, cursor| match key {
        "username" => once(&mut username, cursor.text()?),
        _ => cursor.value().map(drop),
    })?;
    Some(UserInfo { username: username.flatten() })
}

fn operation(cursor: &mut Cursor<'_>) -> Option<Operation> {
    match cursor.string()? {
        "CREATE" => Some(Operation::Create),
        "UPDATE" => Some(Operation::Update),
        "DELETE" => Some(Operation::Delete),
        "CONNECT" => Some(Operation::Connect),
        _ => None,
    }
}

fn object<'a>(cursor: &mut Cursor<'a>) -> Option<Option<Raw<'a>>> {
    match cursor.next()? {
        b'{' => cursor.value().map(|text| Some(Raw(text))),
        _ => cursor.word("null").map(|()| None),
    }
}

fn dry_run(cursor: &mut Cursor<'_>) -> Option<Option<bool>> {
    match cursor.next()? {
        b't' => cursor.word("true").map(|()| Some(true)),
        b'f' => cursor.word("false").map(|()| Some(false)),
        _ => cursor.word("null").map(|()| None),
    }
}

/// Fills a place that must be empty.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Review;
    use super::*;

    fn review(change: impl FnOnce(&mut Value)) -> String {
        let mut review = json!({
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "request": {
                "uid": "u1",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "subResource": "ephemeralcontainers",
                "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
                "name": "shop-1",
                "namespace": "shop",
                "operation": "UPDATE",
                "userInfo": {"username": "jane", "groups": ["a\"}", "b"], "extra": {}},
                "object": {"metadata": {"annotations": {"a": "}\\\"{"}}, "spec": {"containers": [{}]}},
                "oldObject": {"metadata": {"labels": {"app": "\u{e9}"}}},
                "dryRun": true,
                "options": {"kind": "UpdateOptions", "fieldManager": null},
            },
        });
        change(&mut review);
        review.to_string()
    }

    #[test]
    fn what_is_read_is_what_a_parser_reads() {
        for body in [
            review(|_| {}),
            review(|review| review["request"]["oldObject"] = Value::Null),
            review(|review| review["request"]["object"] = Value::Null),
            review(|review| review["request"]["dryRun"] = Value::Null),
            review(|review| review["request"]["name"] = Value::Null),
            review(|review| review["request"]["userInfo"] = json!({})),
            review(|review| review["request"]["kind"] = json!({})),
            serde_json::to_string_pretty(&serde_json::from_str::<Value>(&review(|_| {})).unwrap()).unwrap(),
        ] {
            let request = of_review(&body).unwrap();
            let parsed = Review::parse_in_parts(body.as_bytes()).unwrap().request;
            assert_eq!(format!("{request:?}"), format!("{parsed:?}"), "{body}");
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_a_parser() {
        let write = |from, to| review(|_| {}).replacen(from, to, 1);
        let twice = review(|_| {}).replacen(r#""uid":"u1""#, r#""uid":"u1","uid":"u2""#, 1);
        for body in [
            String::new(),
            "{}".to_owned(),
            "null".to_owned(),
            twice,
            write(r#""dryRun":true"#, r#""dryRun":truer"#),
            write(r#""dryRun":true"#, r#""dryRun":nul"#),
            write(r#""name":"shop-1""#, r#""name":nullable"#),
            write(r#""operation":"UPDATE""#, r#""operation":"UPDATE"s"#),
            review(|review| review["kind"] = json!("Review")),
            review(|review| review["apiVersion"] = json!("admission.k8s.io/v1beta1")),
            review(|review| review["request"] = Value::Null),
            review(|review| review["request"]["uid"] = json!("")),
            review(|review| review["request"]["uid"] = json!("a\"b")),
            review(|review| review["request"]["uid"] = json!(1)),
            review(|review| review["request"]["operation"] = json!("PATCH")),
            review(|review| review["request"]["dryRun"] = json!("true")),
            review(|review| review["request"]["object"] = json!("{}")),
            format!("{}x", review(|_| {})),
            format!("{} {{}}", review(|_| {})),
            review(|_| {}).trim_end_matches('}').to_owned(),
        ] {
            assert!(of_review(&body).is_none(), "{body}");
        }
    }
}

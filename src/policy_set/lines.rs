//! A JSON document of many lines, so that an error's line leads back to the field.

use serde_json::Value;

/// The document, its keys sorted: equal values are equal documents, whoever wrote them.
pub(super) fn document(mut value: Value) -> String {
    value.sort_all_objects();
    format!("{value:#}")
}

/// The field that a line of such a document is about, such as `spec.exemptions[0].expires`; empty for the whole.
pub(super) fn field(document: &str, line: u64) -> String {
    let value: Value = serde_json::from_str(document).unwrap_or_default();
    find(&value, String::new(), &mut line.saturating_sub(1)).unwrap_or_default()
}

/// Goes through the lines as they are written: one for each scalar and each empty list or map, two around any other.
fn find(value: &Value, field: String, lines_left: &mut u64) -> Option<String> {
    if *lines_left == 0 {
        return Some(field);
    }
    let mut inner = |part: &Value, name: &dyn Fn() -> String| {
        *lines_left -= 1;
        if *lines_left == 0 {
            return Some(name());
        }
        find(part, name(), lines_left)
    };
    let found = match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().find_map(|(key, part)| inner(part, &|| of_key(&field, key)))
        }
        Value::Array(parts) if !parts.is_empty() => {
            parts.iter().enumerate().find_map(|(index, part)| inner(part, &|| format!("{field}[{index}]")))
        }
        _ => return None,
    };
    if found.is_some() {
        return found;
    }
    *lines_left -= 1;
    (*lines_left == 0).then_some(field)
}

fn of_key(field: &str, key: &str) -> String {
    let is_word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match (field, is_word) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{field}.{key}"),
        _ => format!("{field}[{key:?}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_line_leads_to_its_field() {
        let value = json!({"spec": {"list": [{"a.b": 1, "c": []}, "x"], "empty": {}, "text": "two\nlines"}, "kind": "K"});
        let document = document(value);
        let fields: Vec<_> =
            (1..=document.lines().count() as u64).map(|line| field(&document, line)).collect();
        assert_eq!(
            fields,
            [
                "",
                "kind",
                "spec",
                "spec.empty",
                "spec.list",
                "spec.list[0]",
                "spec.list[0][\"a.b\"]",
                "spec.list[0].c",
                "spec.list[0]",
                "spec.list[1]",
                "spec.list",
                "spec.text",
                "spec",
                "",
            ],
            "{document}"
        );
        assert_eq!(field(&document, 99), "");
    }
}

//! JSON Schema as Kubernetes takes it in a definition: a structural schema, by the rules of KEP-1753 ("vanilla OpenAPI").
//!
//! What Kubernetes cannot say is left out, never guessed: `podwright serve` reads each policy as strictly as a file, and
//! tells what is wrong with it in its status.

use serde_json::{Map, Value, json};

/// The API server would drop a field that it does not know and say nothing: a rule misspelt would be a rule gone. So
/// every object keeps what it does not know, and Podwright refuses it by name. It also lets a definition that is older
/// than Podwright pass on a field that only Podwright knows.
pub(super) const KEEP: &str = "x-kubernetes-preserve-unknown-fields";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";

/// What is the same in both. Defaults are not: the API server would write them into the objects.
const SAME: &[&str] = &[
    "description",
    "type",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "required",
];

/// A schema without references, as a structural one.
pub(super) fn structural(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else { return anything() };
    let (schema, is_nullable) = without_null(schema);
    let mut result = alternatives(&schema).unwrap_or_else(|| plain(&schema));
    if let Some(description) = schema.get("description")
        && !result.contains_key("description")
    {
        result.insert("description".to_owned(), description.clone());
    }
    if is_nullable {
        result.insert("nullable".to_owned(), json!(true));
    }
    Value::Object(result)
}

fn anything() -> Value {
    json!({ KEEP: true })
}

/// The schema without the `null` that it may also be, and whether there was one.
fn without_null(schema: &Map<String, Value>) -> (Map<String, Value>, bool) {
    let is_null = |part: &Value| part == "null" || part["type"] == "null";
    let mut rest = schema.clone();
    let mut is_nullable = false;
    if let Some(Value::Array(words)) = rest.get_mut("enum") {
        // Kubernetes has a word for that, and 1.20 refuses a definition that lists it.
        words.retain(|word| !word.is_null());
    }
    for key in ["type", "anyOf", "oneOf"] {
        let Some(Value::Array(parts)) = rest.get_mut(key) else { continue };
        is_nullable |= parts.iter().any(is_null);
        parts.retain(|part| !is_null(part));
        if let [only] = parts.as_slice() {
            let only = only.clone();
            rest.remove(key);
            match only {
                // What the field says of itself goes before what its type does.
                Value::Object(fields) => fields.into_iter().for_each(|(key, value)| {
                    rest.entry(key).or_insert(value);
                }),
                name => {
                    rest.insert(key.to_owned(), name);
                }
            }
        }
    }
    (rest, is_nullable)
}

/// A schema that is one of several.
fn alternatives(schema: &Map<String, Value>) -> Option<Map<String, Value>> {
    let parts = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(*key)?.as_array())?;
    let parts: Vec<&Map<String, Value>> = parts.iter().filter_map(Value::as_object).collect();
    words(schema, &parts).or_else(|| one_field_of(&parts)).or_else(|| int_or_string(&parts)).or_else(|| {
        // Alternatives of one type: Kubernetes could only say that none of them fits, Podwright says what would.
        let first = parts.first()?.get("type")?;
        let is_one = parts.iter().all(|part| part.get("type") == Some(first));
        is_one.then(|| Map::from_iter([("type".to_owned(), first.clone())]))
    })
}

/// Words of which each has a description of its own.
fn words(schema: &Map<String, Value>, parts: &[&Map<String, Value>]) -> Option<Map<String, Value>> {
    let words: Option<Vec<_>> = parts.iter().map(|part| part.get("const")?.as_str()).collect();
    let words = words?;
    let text = |part: &Map<String, Value>| part.get("description")?.as_str().map(str::to_owned);
    let each = words.iter().zip(parts).filter_map(|(word, part)| Some(format!("`{word}`: {}", text(part)?)));
    let description = text(schema).into_iter().chain(each).collect::<Vec<_>>().join(" ");
    let result = json!({ "description": description, "type": "string", "enum": words });
    result.as_object().cloned()
}

/// Objects with one field each.
fn one_field_of(parts: &[&Map<String, Value>]) -> Option<Map<String, Value>> {
    let mut properties = Map::new();
    for part in parts {
        let fields = part.get("properties")?.as_object().filter(|fields| fields.len() == 1)?;
        for (name, field) in fields {
            let mut field = structural(field);
            if let (Some(field), Some(text)) = (field.as_object_mut(), part.get("description")) {
                field.insert("description".to_owned(), text.clone());
            }
            properties.insert(name.clone(), field);
        }
    }
    let result = json!({ "type": "object", "properties": properties, "minProperties": 1, "maxProperties": 1, KEEP: true });
    result.as_object().cloned()
}

fn int_or_string(parts: &[&Map<String, Value>]) -> Option<Map<String, Value>> {
    let has = |name: &str| parts.iter().any(|part| part.get("type").is_some_and(|kind| kind == name));
    if parts.len() != 2 || !has("integer") || !has("string") {
        return None;
    }
    // Bounds hold for numbers alone and patterns for strings, so both can stand beside each other.
    let mut result = Map::from_iter([(INT_OR_STRING.to_owned(), json!(true))]);
    result.extend(parts.iter().flat_map(|part| plain(part)).filter(|(key, _)| key != "type"));
    Some(result)
}

fn plain(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut result: Map<_, _> = schema
        .iter()
        .filter(|(key, _)| SAME.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if let Some(word) = schema.get("const") {
        result.insert("enum".to_owned(), json!([word]));
    }
    if let Some(items) = schema.get("items") {
        result.insert("items".to_owned(), structural(items));
    }
    let each = |(name, field): (&String, &Value)| (name.clone(), structural(field));
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties: Map<_, _> = properties.into_iter().flatten().map(each).collect();
    match schema.get("additionalProperties") {
        Some(values @ Value::Object(_)) if properties.is_empty() => {
            result.insert("additionalProperties".to_owned(), structural(values));
        }
        _ if result.get("type").is_some_and(|kind| kind == "object") => {
            result.insert(KEEP.to_owned(), json!(true));
        }
        _ => {}
    }
    if !properties.is_empty() {
        result.insert("properties".to_owned(), Value::Object(properties));
    }
    // Several types, a quantity's string and number: Kubernetes knows no such thing but "anything".
    if !result.get("type").is_some_and(Value::is_string) {
        result.remove("type");
        result.insert(KEEP.to_owned(), json!(true));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_cannot_say_is_said_otherwise_or_not_at_all() {
        let word =
            |word: &str| json!({"type": "string", "const": word, "description": format!("It is {word}.")});
        let wrapped = |field: &str| {
            json!({"type": "object", "properties": {field: {"type": "string"}}, "required": [field],
                   "additionalProperties": false, "description": "One."})
        };
        for (from, to) in [
            (
                json!({"type": ["integer", "null"], "format": "uint32", "minimum": 0}),
                json!({"type": "integer", "minimum": 0, "nullable": true}),
            ),
            (
                json!({"anyOf": [{"type": "string", "description": "b", "minLength": 1}, {"type": "null"}], "description": "a"}),
                json!({"description": "a", "type": "string", "minLength": 1, "nullable": true}),
            ),
            (
                json!({"type": ["integer", "null"], "enum": [8, 9, null]}),
                json!({"type": "integer", "enum": [8, 9], "nullable": true}),
            ),
            (
                json!({"type": ["string", "number"], "description": "q"}),
                json!({"description": "q", KEEP: true}),
            ),
            (
                json!({"oneOf": [word("a"), word("b")], "description": "Which.", "default": "a"}),
                json!({"description": "Which. `a`: It is a. `b`: It is b.", "type": "string", "enum": ["a", "b"]}),
            ),
            (
                json!({"oneOf": [wrapped("a"), wrapped("b")]}),
                json!({"type": "object", "minProperties": 1, "maxProperties": 1, KEEP: true, "properties": {
                "a": {"type": "string", "description": "One."}, "b": {"type": "string", "description": "One."}}}),
            ),
            (
                json!({"anyOf": [{"type": "integer", "maximum": 9}, {"type": "string", "pattern": "^a"}]}),
                json!({INT_OR_STRING: true, "maximum": 9, "pattern": "^a"}),
            ),
            (
                json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "string", "pattern": "^b"}]}),
                json!({"type": "string"}),
            ),
            (
                json!({"type": "object", "additionalProperties": {"type": "string"}, "default": {}}),
                json!({"type": "object", "additionalProperties": {"type": "string"}}),
            ),
            (
                json!({"type": "object", "properties": {"a": true}, "additionalProperties": false}),
                json!({"type": "object", "properties": {"a": {KEEP: true}}, KEEP: true}),
            ),
        ] {
            assert_eq!(structural(&from), to, "{from}");
        }
    }
}

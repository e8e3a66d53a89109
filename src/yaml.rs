//! YAML in and out, by the rules that Kubernetes' own tools read it with.
//!
//! `kubectl` and the API server's tools read YAML 1.1 (`sigs.k8s.io/yaml`): `0644` is octal there and `yes` a boolean.
//! So it is read here, and what is written stays a string for both readings.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_saphyr::{MessageFormatter as _, Options, UserMessageFormatter};

/// One document of a stream, with where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document<'a> {
    /// Its text, with the `---` line that opens it.
    pub text: &'a str,
    /// How many lines of the stream stand before it.
    pub lines_before: usize,
}

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct Error {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// The field that is not known, and those that are, if that is what is wrong.
    pub unknown: Option<(String, Vec<&'static str>)>,
}

/// The documents of a stream. Empty ones and those of comments alone are left out.
///
/// A line that begins with `---` ends a document wherever it stands, in a block scalar too (YAML 1.2.2, 9.1.2).
#[must_use]
pub fn documents(stream: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut start_line, mut offset, mut ended) = (0, 0, 0, None);
    for (number, line) in stream.split_inclusive('\n').enumerate() {
        let is_marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if is_marker && !only_directives(&stream[start..offset]) {
            // Directives behind the end of a document are the next one's.
            let ended = ended.filter(|(at, _)| *at > start && only_directives(&stream[*at..offset]));
            let (end, end_line) = ended.unwrap_or((offset, number));
            documents.push(Document { text: &stream[start..end], lines_before: start_line });
            (start, start_line) = (end, end_line);
        }
        offset += line.len();
        if line.trim_end() == "..." {
            ended = Some((offset, number + 1));
        }
    }
    documents.push(Document { text: &stream[start..], lines_before: start_line });
    documents.retain(|document| !document.is_empty());
    documents
}

/// Reads a document.
///
/// # Errors
/// When it is no YAML, or not of this shape; lines are counted in the stream that the document came from.
pub fn read<T: DeserializeOwned>(document: Document<'_>) -> Result<T, Error> {
    serde_saphyr::from_str_with_options(document.text, options()).map_err(|error| {
        let mut error = Error::of(&error);
        error.line += document.lines_before as u64;
        error
    })
}

/// Writes a value as a YAML document that both YAML 1.1 and 1.2 read back the same. Objects that have fields, written
/// one behind the other, are one object.
///
/// # Errors
/// When the value has something that YAML cannot hold, such as a map as a key.
pub fn write<T: Serialize>(value: &T) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string_with_options(value, serde_saphyr::ser_options! { folded_wrap_chars: 100_000 })
}

impl Document<'_> {
    fn is_empty(&self) -> bool {
        let content = |line: &str| {
            let line = line.strip_prefix("---").unwrap_or(line).trim();
            !line.is_empty() && !line.starts_with('#') && line != "..."
        };
        !self.text.lines().any(content)
    }
}

impl Error {
    fn of(error: &serde_saphyr::DeserializeError) -> Self {
        let error = error.without_snippet();
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        let unknown = match error {
            serde_saphyr::DeserializeError::SerdeUnknownField { field, expected, .. } => {
                Some((field.clone(), expected.clone()))
            }
            serde_saphyr::DeserializeError::SerdeUnknownVariant { variant, expected, .. } => {
                Some((variant.clone(), expected.clone()))
            }
            _ => None,
        };
        // Without the place: we say it in front.
        let message = UserMessageFormatter.format_message(error).into_owned();
        Self { line, column, message, unknown }
    }
}

/// Nothing but directives (`%YAML 1.2`) and comments: the marker that follows opens their document.
fn only_directives(text: &str) -> bool {
    text.contains('%') && text.lines().all(|line| line.trim().is_empty() || line.starts_with(['%', '#']))
}

fn options() -> Options {
    serde_saphyr::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
        // A list of all Pods of a large cluster is a document too. What aliases multiply is limited elsewhere.
        budget: serde_saphyr::budget! { max_events: 10_000_000, max_nodes: 2_000_000 },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn only(text: &str) -> Document<'_> {
        Document { text, lines_before: 0 }
    }

    #[test]
    fn a_stream_falls_into_documents_with_their_lines() {
        let stream = "# head\n---\na: 1\n---\n# nothing\n--- \nb: |\n  --- inner\n";
        let found: Vec<_> =
            documents(stream).iter().map(|document| (document.lines_before, document.text)).collect();
        assert_eq!(found, [(1, "---\na: 1\n"), (5, "--- \nb: |\n  --- inner\n")]);
        assert_eq!(documents("%YAML 1.2\n---\na: 1\n").len(), 1);
        let found = documents("a: 1\n...\n%YAML 1.2\n---\nb: 2\n...\n---\nc: 3\n");
        let found: Vec<_> = found.iter().map(|document| (document.lines_before, document.text)).collect();
        assert_eq!(found, [(0, "a: 1\n...\n"), (2, "%YAML 1.2\n---\nb: 2\n...\n"), (6, "---\nc: 3\n")]);
    }

    #[test]
    fn scalars_read_as_kubectl_reads_them() {
        let value: Value =
            read(only("a: 0644\nb: '0644'\nc: yes\nd: 'yes'\ne: 1e3\nf: ~\ng: 08\nh: 1.10\ni: '1.10'"))
                .unwrap();
        assert_eq!(value["a"], json!(420));
        assert_eq!(value["b"], json!("0644"));
        assert_eq!(value["c"], json!(true));
        assert_eq!(value["d"], json!("yes"));
        assert_eq!(value["f"], json!(null));
        assert_eq!(value["i"], json!("1.10"));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let value = json!({
            "octal": "0644", "bool": "yes", "on": "on", "y": "y", "number": "1e3", "sexagesimal": "12:30:00", "null": "~",
            "empty": "", "lines": "a\n  b\n\nc\n", "no newline": "a\nb", "tab": "\ta", "colon": "a: b # c", "quote": "it's \"so\"",
            "long": "word ".repeat(60), "unicode": "über \u{1F600}", "control": "\u{7}", "list": [[], {}, [1, [2]]],
            "date": "2027-01-01", "float": 1.5, "big": u64::MAX, "negative": -1, "key: odd": 1, "spaces": "  a  ", "cr": "a\r\nb",
            "dash": "- a", "multi trailing": "a\n\n\n", "leading newline": "\n a", "percent": "%{[x]}", "at": "@a", "star": "*.log",
        });
        let text = write(&value).unwrap();
        assert_eq!(read::<Value>(only(&text)).unwrap(), value, "{text}");
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![any::<String>(), "[a|>: \n#'\"-]{0,6}", "(a\n){0,2}\n{0,3}"];
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        scalar.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-c]{0,2}|\\PC{1,3}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn objects_one_behind_the_other_are_one(
            fields in prop::collection::hash_map("[a-z.]{1,8}|\\PC{1,4}", value(), 2..6),
            parts in any::<prop::sample::Index>(),
        ) {
            let first = 1 + parts.index(fields.len() - 1);
            let of = |fields: Vec<(&String, &Value)>| {
                fields.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>()
            };
            let whole = of(fields.iter().collect());
            let (one, two) = (of(fields.iter().take(first).collect()), of(fields.iter().skip(first).collect()));
            let text = write(&one).unwrap() + &write(&two).unwrap();
            prop_assert_eq!(&text, &write(&whole).unwrap());
            prop_assert_eq!(read::<Value>(only(&text)).unwrap(), Value::Object(whole), "{}", text);
        }
    }

    #[test]
    fn errors_say_where() {
        let error = read::<Value>(Document { text: "a: 1\nb: [", lines_before: 10 }).unwrap_err();
        assert!(error.line >= 12, "{error}");
        let error = read::<Value>(only("a: 1\na: 2")).unwrap_err();
        assert_eq!(error.to_string(), "2:1: duplicate mapping key `a` is not allowed here");
    }
}

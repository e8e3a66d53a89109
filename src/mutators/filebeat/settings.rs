//! The settings that annotations give an input: suffixes and meanings are those of Elastic's `co.elastic.logs/*`
//! hints, as far as a log file can have them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::path::LogPath;
use super::pattern;
use crate::mutators::Rejection;
use crate::mutators::annotations::Annotation;
use crate::policy::nearest;

/// Every suffix that an input takes, for hints; `fields.` takes any name behind it.
pub(super) const SUFFIXES: &[&str] = &[
    "paths",
    "multiline.type",
    "multiline.pattern",
    "multiline.negate",
    "multiline.match",
    "multiline.max_lines",
    "multiline.timeout",
    "multiline.flush_pattern",
    "multiline.count_lines",
    "multiline.skip_newline",
    "json.target",
    "json.keys_under_root",
    "json.overwrite_keys",
    "json.expand_keys",
    "json.add_error_key",
    "json.message_key",
    "json.document_id",
    "json.ignore_decoding_error",
    "include_lines",
    "exclude_lines",
    "encoding",
    "fields",
    "target",
];

/// The names of `encoding`. Source: Filebeat's reference, "encoding" of the filestream input.
const ENCODINGS: &[&str] = &[
    "plain",
    "latin1",
    "utf-8",
    "utf-16be-bom",
    "utf-16be",
    "utf-16le",
    "big5",
    "gb18030",
    "gbk",
    "hz-gb-2312",
    "euc-kr",
    "euc-jp",
    "iso-2022-jp",
    "shift-jis",
    "iso8859-1",
    "iso8859-2",
    "iso8859-3",
    "iso8859-4",
    "iso8859-5",
    "iso8859-6",
    "iso8859-7",
    "iso8859-8",
    "iso8859-9",
    "iso8859-10",
    "iso8859-13",
    "iso8859-14",
    "iso8859-15",
    "iso8859-16",
    "cp437",
    "cp850",
    "cp852",
    "cp855",
    "cp858",
    "cp860",
    "cp862",
    "cp863",
    "cp865",
    "cp866",
    "koi8r",
    "koi8u",
    "macintosh",
    "macintosh-cyrillic",
    "windows1250",
    "windows1251",
    "windows1252",
    "windows1253",
    "windows1254",
    "windows1255",
    "windows1256",
    "windows1257",
    "windows1258",
    "windows874",
];

/// How many expressions one list may have.
const MOST_EXPRESSIONS: usize = 100;

/// How one input reads its files, checked.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// The files.
    pub(super) paths: Vec<LogPath>,
    /// The parsers, in the order in which they run.
    pub(super) parsers: Vec<Value>,
    /// Lines to ship; all where it is empty.
    pub(super) include_lines: Vec<String>,
    /// Lines not to ship.
    pub(super) exclude_lines: Vec<String>,
    /// The files' encoding.
    pub(super) encoding: Option<String>,
    /// Fields that every event gets.
    pub(super) fields: BTreeMap<String, String>,
    /// The index or topic.
    pub(super) target: Option<String>,
}

type Result<T> = std::result::Result<T, Rejection>;

impl Settings {
    /// Reads the settings of one input from its annotations, by suffix.
    pub(super) fn read(given: &BTreeMap<&str, Annotation<'_>>) -> Result<Self> {
        let mut settings = Self::default();
        let (mut multiline, mut json) = (Map::new(), Map::new());
        for (suffix, annotation) in given {
            plain(annotation)?;
            if let Some(option) = suffix.strip_prefix("multiline.") {
                multiline.insert(option.to_owned(), multiline_option(option, annotation)?);
            } else if let Some(option) = suffix.strip_prefix("json.") {
                json.insert(option.to_owned(), json_option(option, annotation)?);
            } else if let Some(name) = suffix.strip_prefix("fields.") {
                settings.fields.insert(field_name(name, annotation)?, annotation.value.to_owned());
            } else {
                settings.set(suffix, annotation)?;
            }
        }
        settings.parsers = parsers(multiline, json, given)?;
        Ok(settings)
    }

    fn set(&mut self, suffix: &str, annotation: &Annotation<'_>) -> Result<()> {
        match suffix {
            "paths" => self.paths = LogPath::list(annotation)?,
            "include_lines" => self.include_lines = patterns(annotation)?,
            "exclude_lines" => self.exclude_lines = patterns(annotation)?,
            "encoding" => self.encoding = Some(one_of(ENCODINGS, annotation)?.to_owned()),
            "fields" => {
                for pair in annotation.items() {
                    let Some((name, value)) = pair.split_once('=') else {
                        return Err(annotation
                            .reject(format!("{pair:?} is no field; expected name=value,name=value")));
                    };
                    self.fields.insert(field_name(name.trim(), annotation)?, value.trim().to_owned());
                }
            }
            "target" => self.target = Some(target(annotation)?),
            _ => return Err(unknown(suffix, annotation)),
        }
        Ok(())
    }
}

/// A rejection of a suffix that is none, with the nearest that is one.
pub(super) fn unknown(suffix: &str, annotation: &Annotation<'_>) -> Rejection {
    let known = || SUFFIXES.iter().copied().chain(["inject"]);
    let hint = match nearest(suffix, known()) {
        Some(near) => format!("did you mean {}?", annotation.key.replace(suffix, near)),
        None => format!("expected one of {}", known().collect::<Vec<_>>().join(", ")),
    };
    annotation.reject(format!("this key is not known; {hint}"))
}

/// Filebeat reads `${NAME}` as a reference, to its credentials for one, and `$$` and `$}` as escapes for it.
fn plain(annotation: &Annotation<'_>) -> Result<()> {
    if annotation.value.contains('$')
        && let Some(reference) = ["${", "$$", "$}"].iter().find(|text| annotation.value.contains(**text))
    {
        let message = format!(
            "it holds {reference:?}, which Filebeat would read as a reference to a variable; leave it out"
        );
        return Err(annotation.reject(message));
    }
    if annotation.value.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n')) {
        return Err(annotation.reject("it holds a control character; leave it out"));
    }
    if annotation.value.trim().is_empty() {
        return Err(annotation.reject("it is empty; give it a value or leave it out"));
    }
    Ok(())
}

fn multiline_option(option: &str, annotation: &Annotation<'_>) -> Result<Value> {
    Ok(match option {
        "type" => one_of(&["pattern", "count", "while_pattern"], annotation)?.into(),
        "pattern" | "flush_pattern" => regex(annotation.value, annotation)?.into(),
        "negate" | "skip_newline" => annotation.boolean()?.into(),
        "match" => one_of(&["after", "before"], annotation)?.into(),
        "max_lines" => number(annotation, 1..=100_000)?.into(),
        "count_lines" => number(annotation, 1..=100_000)?.into(),
        "timeout" => duration(annotation)?.into(),
        _ => return Err(unknown(&format!("multiline.{option}"), annotation)),
    })
}

fn json_option(option: &str, annotation: &Annotation<'_>) -> Result<Value> {
    Ok(match option {
        "keys_under_root" | "overwrite_keys" | "expand_keys" | "add_error_key" | "ignore_decoding_error" => {
            annotation.boolean()?.into()
        }
        "target" | "message_key" | "document_id" => field_name(annotation.value, annotation)?.into(),
        _ => return Err(unknown(&format!("json.{option}"), annotation)),
    })
}

/// The parsers in their order. Lines are joined before they are decoded, unless the text to join is a key of the
/// decoded object.
fn parsers(
    mut multiline: Map<String, Value>,
    mut json: Map<String, Value>,
    given: &BTreeMap<&str, Annotation<'_>>,
) -> Result<Vec<Value>> {
    let mut parsers = Vec::new();
    if !multiline.is_empty() {
        complete(&mut multiline, given)?;
        parsers.push(serde_json::json!({ "multiline": multiline }));
    }
    if !json.is_empty() {
        // filestream's parser has a target where the log input had keys_under_root.
        if let Some(Value::Bool(under_root)) = json.remove("keys_under_root") {
            json.entry("target").or_insert_with(|| if under_root { "" } else { "json" }.into());
        }
        json.entry("target").or_insert_with(|| "json".into());
        let at_root = json.get("target").and_then(Value::as_str) == Some("");
        if at_root && json.get("overwrite_keys") == Some(&Value::Bool(true)) {
            let key = given.get("json.overwrite_keys");
            // Filebeat takes @metadata from the line too: its index or topic, past the policy's allowedTargets.
            let message = "at the root of the event it would let a line of the log choose its own index or topic; leave it \
                           out, or give json.target a name";
            return Err(
                key.map_or_else(|| Rejection::new("json.overwrite_keys", message), |key| key.reject(message))
            );
        }
        let decodes_first = json.contains_key("message_key");
        parsers.insert(if decodes_first { 0 } else { parsers.len() }, serde_json::json!({ "ndjson": json }));
    }
    Ok(parsers)
}

/// Fills in what Filebeat demands, and refuses what would do nothing.
fn complete(multiline: &mut Map<String, Value>, given: &BTreeMap<&str, Annotation<'_>>) -> Result<()> {
    let kind =
        multiline.entry("type").or_insert_with(|| "pattern".into()).as_str().unwrap_or_default().to_owned();
    let needed = if kind == "count" { "count_lines" } else { "pattern" };
    let first =
        given.iter().find(|(suffix, _)| suffix.starts_with("multiline.")).map(|(_, annotation)| annotation);
    match first {
        Some(annotation) if !multiline.contains_key(needed) => {
            let key = |suffix: &str| {
                annotation.key.rsplit_once("multiline.").map(|(head, _)| format!("{head}{suffix}"))
            };
            let wanted = key(&format!("multiline.{needed}")).unwrap_or_default();
            return Err(annotation.reject(format!("it does nothing without {wanted}; add that")));
        }
        _ => {}
    }
    if kind == "pattern" {
        multiline.entry("negate").or_insert_with(|| false.into());
        multiline.entry("match").or_insert_with(|| "after".into());
    }
    Ok(())
}

fn regex(text: &str, annotation: &Annotation<'_>) -> Result<String> {
    pattern::check(text).map_err(|why| {
        annotation.reject(format!("{text:?} is no regular expression for Filebeat (Go's syntax, RE2): {why}"))
    })?;
    Ok(text.to_owned())
}

/// Expressions, as a JSON list or separated by commas.
fn patterns(annotation: &Annotation<'_>) -> Result<Vec<String>> {
    if let Ok(list) = serde_json::from_str::<Vec<String>>(annotation.value) {
        few(list.len(), annotation)?;
        return list.iter().map(|text| regex(text, annotation)).collect();
    }
    let texts: Vec<_> = annotation.items().collect();
    few(texts.len(), annotation)?;
    let is_torn = |text: &&str| text.matches('{').count() != text.matches('}').count();
    if texts.len() > 1
        && (texts.iter().any(is_torn) || texts.iter().any(|text| pattern::check(text).is_err()))
    {
        let list = serde_json::json!([annotation.value]);
        return Err(annotation
            .reject(format!("a comma separates expressions; write one that holds a comma as {list}")));
    }
    texts.into_iter().map(|text| regex(text, annotation)).collect()
}

fn few(count: usize, annotation: &Annotation<'_>) -> Result<()> {
    if count <= MOST_EXPRESSIONS {
        return Ok(());
    }
    Err(annotation
        .reject(format!("it has {count} expressions, and may have {MOST_EXPRESSIONS}; join them with |")))
}

fn one_of<'a>(words: &[&'a str], annotation: &Annotation<'_>) -> Result<&'a str> {
    words.iter().find(|word| **word == annotation.value).copied().ok_or_else(|| {
        let hint = match nearest(annotation.value, words.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("expected one of {}", words.join(", ")),
        };
        annotation.reject(format!("{:?} is not known; {hint}", annotation.value))
    })
}

fn number(annotation: &Annotation<'_>, range: RangeInclusive<u32>) -> Result<u32> {
    annotation.value.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let (low, high) = (range.start(), range.end());
        annotation.reject(format!("{:?} is no number from {low} to {high}", annotation.value))
    })
}

/// A duration in Go's form, of one number and one unit.
fn duration(annotation: &Annotation<'_>) -> Result<String> {
    let text = annotation.value;
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if unit.len() < text.len() && matches!(unit, "ms" | "s" | "m" | "h") {
        return Ok(text.to_owned());
    }
    Err(annotation
        .reject(format!("{text:?} is no duration; expected a number with ms, s, m or h, such as 5s")))
}

fn field_name(name: &str, annotation: &Annotation<'_>) -> Result<String> {
    let sound = !name.is_empty()
        && !name.starts_with(['.', '-'])
        && !name.ends_with('.')
        && !name.contains("..")
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@'));
    if sound {
        Ok(name.to_owned())
    } else {
        Err(annotation.reject(format!(
            "{name:?} is no name of a field; expected letters, digits, '_', '-' and '.', such as team.name"
        )))
    }
}

fn target(annotation: &Annotation<'_>) -> Result<String> {
    let name = annotation.value;
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let sound =
        name.len() <= 200 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(inner);
    if sound {
        Ok(name.to_owned())
    } else {
        let message = format!(
            "{name:?} is no index or topic; expected lower-case letters, digits, '-', '_' and '.', such as logs-shop-prod"
        );
        Err(annotation.reject(message))
    }
}

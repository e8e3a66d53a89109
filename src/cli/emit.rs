//! Documents out: those without a change as they came, byte for byte.

use std::borrow::Cow;
use std::io::{self, Write};

use diffy::Line;
use serde_json::Value;

use super::documents::{Document, Format, Stream, head};
use super::style::Palette;
use crate::yaml;

/// A stream, with what became of each of its documents: `None` where nothing did.
#[derive(Debug)]
pub(super) struct Changed<'a> {
    /// The stream as it was read.
    pub(super) stream: &'a Stream,
    /// What became of its documents, in order.
    pub(super) documents: Vec<Option<Value>>,
}

/// Writes every document, in the format asked for or in the one that it came in.
///
/// # Errors
/// When it cannot be written.
pub(super) fn manifests(
    changed: &[Changed<'_>],
    format: Option<Format>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let format_of = |stream: &Stream| format.unwrap_or(stream.format);
    let mut joined = Joined {
        // JSON is YAML too, once a marker opens it.
        all_json: changed.iter().all(|changed| format_of(changed.stream) == Format::Json),
        text: String::new(),
    };
    for changed in changed {
        match format_of(changed.stream) {
            Format::Json if changed.stream.format == Format::Json && !joined.all_json => {
                // Among YAML every object needs its own marker.
                for piece in changed.apart() {
                    joined.push(&piece?, Format::Json);
                }
            }
            format if format == changed.stream.format => joined.push(&changed.in_place()?, format),
            format => {
                for value in changed.values().filter(|value| !value.is_null()) {
                    joined.push(&written(value, format)?, format);
                }
            }
        }
    }
    out.write_all(joined.text.as_bytes())?;
    Ok(())
}

/// Writes what changed, as a unified diff of the YAML before and after.
///
/// # Errors
/// When it cannot be written.
pub(super) fn diff(changed: &[Changed<'_>], out: &mut impl Write) -> anyhow::Result<()> {
    let palette = Palette::stdout();
    for Changed { stream, documents } in changed {
        for (document, after) in stream.documents.iter().zip(documents) {
            let Some(after) = after else { continue };
            let place = format!("{}:{}", stream.name, stream.line_of(document));
            write_diff(&yaml::write(&document.value)?, &yaml::write(after)?, &place, palette, out)?;
        }
    }
    Ok(())
}

fn write_diff(
    before: &str,
    after: &str,
    place: &str,
    palette: Palette,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{}", palette.name(format_args!("--- {place}")))?;
    writeln!(out, "{}", palette.name(format_args!("+++ {place} injected")))?;
    for hunk in diffy::create_patch(before, after).hunks() {
        let lines = format_args!("@@ -{} +{} @@", hunk.old_range(), hunk.new_range());
        writeln!(out, "{}", palette.place(lines))?;
        for line in hunk.lines() {
            let (Line::Context(text) | Line::Delete(text) | Line::Insert(text)) = line;
            let text = text.trim_end_matches('\n');
            match line {
                Line::Context(_) => writeln!(out, " {text}")?,
                Line::Delete(_) => writeln!(out, "{}", palette.removed(format_args!("-{text}")))?,
                Line::Insert(_) => writeln!(out, "{}", palette.added(format_args!("+{text}")))?,
            }
        }
    }
    Ok(())
}

impl Changed<'_> {
    fn values(&self) -> impl Iterator<Item = &Value> {
        let pairs = self.stream.documents.iter().zip(&self.documents);
        pairs.map(|(document, changed)| changed.as_ref().unwrap_or(&document.value))
    }

    /// The text of each document, changed or not.
    fn apart(&self) -> impl Iterator<Item = anyhow::Result<Cow<'_, str>>> {
        let pairs = self.stream.documents.iter().zip(&self.documents);
        pairs.map(|(document, changed)| match changed {
            Some(value) => rewritten(self.stream, document, value).map(Cow::Owned),
            None => Ok(Cow::Borrowed(self.stream.text_of(document))),
        })
    }

    /// The stream's text with the changed documents in the places of the old ones.
    fn in_place(&self) -> anyhow::Result<String> {
        let stream = self.stream;
        let mut text = String::with_capacity(stream.text.len());
        let mut written = 0;
        for (document, changed) in stream.documents.iter().zip(&self.documents) {
            if let Some(value) = changed {
                text.push_str(stream.text.get(written..document.range.start).unwrap_or_default());
                text.push_str(&rewritten(stream, document, value)?);
                written = document.range.end;
            }
        }
        text.push_str(stream.text.get(written..).unwrap_or_default());
        Ok(text)
    }
}

/// A changed document in the manner of its old text.
fn rewritten(stream: &Stream, document: &Document, value: &Value) -> anyhow::Result<String> {
    let before = stream.text_of(document);
    if stream.format == Format::Json {
        // Whoever wrote one object per line reads one object per line.
        let compact = !before.contains('\n');
        return Ok(if compact {
            serde_json::to_string(value)?
        } else {
            serde_json::to_string_pretty(value)?
        });
    }
    let head = head(before);
    let marker =
        if before.get(head.len()..).is_some_and(|rest| rest.starts_with("---")) { "---\n" } else { "" };
    // A document that was ended stays so: the directives of the next may stand only behind an end.
    let end = if before.lines().any(|line| line.trim_end() == "...") { "...\n" } else { "" };
    let text = format!("{head}{marker}{}{end}", yaml::write(value)?);
    // A line break within a value is written as an escape or, in a block, read as \n whatever it is.
    Ok(if before.contains("\r\n") { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text })
}

fn written(value: &Value, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Yaml => yaml::write(value)?,
        Format::Json => format!("{}\n", serde_json::to_string_pretty(value)?),
    })
}

/// Pieces of output, kept apart as documents of one stream.
#[derive(Debug)]
struct Joined {
    all_json: bool,
    text: String,
}

impl Joined {
    fn push(&mut self, piece: &str, format: Format) {
        if piece.is_empty() {
            return;
        }
        let is_first = self.text.is_empty();
        if !is_first && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(match format {
            Format::Json if self.all_json => "",
            Format::Json => "---\n",
            Format::Yaml if is_first => "",
            Format::Yaml => opener(piece),
        });
        self.text.push_str(piece);
    }
}

/// What sets a piece of YAML apart from what stands before it.
fn opener(piece: &str) -> &'static str {
    let mut telling = piece.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    match telling.next() {
        Some(line) if line.starts_with("---") => "",
        // A directive may stand only where the document before it has ended.
        Some(line) if line.starts_with('%') => "...\n",
        _ => "---\n",
    }
}

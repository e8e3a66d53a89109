//! Manifests a piece at a time: so much is held in memory as one piece needs, however long a file is.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read as _};

use bytesize::ByteSize;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::documents::{self, Document, Format, MOST_BYTES, Source, Stream};
use crate::cli::exit::BadInput;

/// How much YAML makes a piece; a longer document is one by itself.
const PIECE: usize = 256 * 1024;

/// Something to read, more than once if need be.
#[derive(Debug)]
pub(super) struct Input {
    name: String,
    source: Source,
    /// What was piped in, which comes only once.
    piped: Option<String>,
}

impl Input {
    /// Opens a source.
    ///
    /// # Errors
    /// When stdin cannot be read.
    pub(super) fn new(source: Source) -> Result<Self, BadInput> {
        let piped = if source == Source::Stdin { Some(source.read()?) } else { None };
        Ok(Self { name: source.to_string(), source, piped })
    }

    /// Visits its documents in order, those only whose text holds one of some words, if any are given.
    ///
    /// # Errors
    /// When it cannot be read or documents are malformed: every one of them, each with its place.
    pub(super) fn visit(&self, words: &[&str], visit: &mut dyn FnMut(&Stream)) -> Result<(), BadInput> {
        let mut pieces = Pieces { name: &self.name, words, visit, errors: Vec::new() };
        match (&self.piped, &self.source) {
            (Some(text), _) if is_json(text.as_bytes()) => pieces.json(text.clone())?,
            (Some(text), _) => pieces.yaml(Cursor::new(text))?,
            (None, Source::File(path)) => {
                let file = File::open(path).map_err(|error| pieces.unreadable(&error))?;
                let mut file = BufReader::new(file);
                if is_json(file.fill_buf().map_err(|error| pieces.unreadable(&error))?) {
                    pieces.json(self.source.read()?)?;
                } else {
                    pieces.yaml(file)?;
                }
            }
            (None, Source::Stdin) => {}
        }
        if pieces.errors.is_empty() { Ok(()) } else { Err(BadInput(pieces.errors)) }
    }
}

/// As kubectl guesses: by what it begins with.
fn is_json(start: &[u8]) -> bool {
    matches!(start.trim_ascii_start(), [b'{' | b'[', ..])
}

struct Pieces<'a> {
    name: &'a str,
    words: &'a [&'a str],
    visit: &'a mut dyn FnMut(&Stream),
    errors: Vec<String>,
}

impl Pieces<'_> {
    fn unreadable(&self, error: &std::io::Error) -> BadInput {
        format!("{}: {error}", self.name).into()
    }

    fn holds_any(&self, text: &str) -> bool {
        self.words.is_empty()
            || self.words.iter().any(|word| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some())
    }

    /// Cuts where a document begins, once there is enough.
    fn yaml(&mut self, mut reader: impl BufRead) -> Result<(), BadInput> {
        let (mut piece, mut line) = (Vec::new(), Vec::new());
        let (mut lines, mut lines_before) = (0, 0);
        let mut is_directive = false;
        // A path can lead to what never ends.
        let mut next_line = |line: &mut Vec<u8>, held: usize| {
            reader.by_ref().take((MOST_BYTES + 1).saturating_sub(held as u64)).read_until(b'\n', line)
        };
        while next_line(&mut line, piece.len()).map_err(|error| self.unreadable(&error))? > 0 {
            let is_marker = line
                .strip_prefix(b"---")
                .is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace));
            // Directives belong to the document that the marker opens.
            if is_marker && !is_directive && piece.len() >= PIECE {
                self.yaml_piece(std::mem::take(&mut piece), lines_before)?;
                lines_before = lines;
            }
            if !matches!(line.trim_ascii(), [] | [b'#', ..]) {
                is_directive = line.starts_with(b"%");
            }
            lines += 1;
            piece.append(&mut line);
            if piece.len() as u64 > MOST_BYTES {
                let most = ByteSize(MOST_BYTES).display().iec();
                let line = lines_before + 1;
                return Err(format!(
                    "{}:{line}: expected at most {most} in one document, found more",
                    self.name
                )
                .into());
            }
        }
        self.yaml_piece(piece, lines_before)
    }

    fn yaml_piece(&mut self, piece: Vec<u8>, lines_before: usize) -> Result<(), BadInput> {
        let text = String::from_utf8(piece).map_err(|error| {
            let sound = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = lines_before + sound.filter(|byte| **byte == b'\n').count() + 1;
            BadInput::from(format!("{}:{line}: expected UTF-8 text, found other bytes", self.name))
        })?;
        if !self.holds_any(&text) {
            return Ok(());
        }
        match documents::yaml(&text) {
            Ok(mut documents) => {
                for document in &mut documents {
                    document.lines_before += lines_before;
                }
                let name = self.name.to_owned();
                (self.visit)(&Stream { name, format: Format::Yaml, text, documents });
            }
            Err(errors) => self.errors.extend(errors.into_iter().map(|mut error| {
                error.line += lines_before as u64;
                format!("{}:{error}", self.name)
            })),
        }
        Ok(())
    }

    fn json(&mut self, text: String) -> Result<(), BadInput> {
        if !self.holds_any(&text) {
            return Ok(());
        }
        match objects(&text) {
            Ok(objects) => {
                let mut lines = Counted { text: &text, at: 0, lines: 0 };
                for object in objects {
                    self.json_object(object, &mut lines)?;
                }
                Ok(())
            }
            Err(error) if self.name.ends_with(".json") => {
                Err(format!("{}:{}", self.name, documents::place_first(&error)).into())
            }
            // What looks like JSON may still be YAML in braces.
            Err(_) => {
                let stream = Stream::parse(self.name.to_owned(), text)?;
                (self.visit)(&stream);
                Ok(())
            }
        }
    }

    /// Visits the items of a list one by one, anything else as a whole.
    fn json_object(&mut self, object: &str, lines: &mut Counted<'_>) -> Result<(), BadInput> {
        let list: Option<List<'_>> = serde_json::from_str(object).ok();
        match list.as_ref().and_then(|list| Some((list, list.kind.strip_suffix("List")?))) {
            Some((list, of)) => {
                for item in &list.items {
                    let implied = (of, list.api_version.as_str());
                    self.json_piece(item.get(), Some(implied), lines.before(item.get()))?;
                }
                Ok(())
            }
            None => self.json_piece(object, None, lines.before(object)),
        }
    }

    fn json_piece(
        &mut self,
        text: &str,
        implied: Option<(&str, &str)>,
        lines_before: usize,
    ) -> Result<(), BadInput> {
        if !self.holds_any(text) && !implied.is_some_and(|(kind, _)| self.holds_any(kind)) {
            return Ok(());
        }
        let mut value: Value = serde_json::from_str(text).map_err(|error| {
            let line = lines_before + error.line();
            BadInput::from(format!("{}:{line}: {error}", self.name))
        })?;
        // An item of a PodList need not say what it is; one of a List has to.
        if let (Some((kind, api_version)), Some(fields)) =
            (implied.filter(|(of, _)| !of.is_empty()), value.as_object_mut())
        {
            fields.entry("kind").or_insert_with(|| kind.into());
            fields.entry("apiVersion").or_insert_with(|| api_version.into());
        }
        let document = Document { range: 0..text.len(), lines_before, value };
        let (name, text) = (self.name.to_owned(), text.to_owned());
        (self.visit)(&Stream { name, format: Format::Json, text, documents: vec![document] });
        Ok(())
    }
}

/// A list whose items are still text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    #[serde(default)]
    api_version: String,
    kind: String,
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

/// The objects of a text of JSON, one behind the other.
fn objects(text: &str) -> Result<Vec<&str>, serde_json::Error> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    values.map(|value| value.map(RawValue::get)).collect()
}

/// Counts the lines of a text once, for parts of it that come in order.
struct Counted<'a> {
    text: &'a str,
    at: usize,
    lines: usize,
}

impl Counted<'_> {
    /// How many lines stand before a part.
    fn before(&mut self, part: &str) -> usize {
        let start = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        let between = self.text.as_bytes().get(self.at..start).unwrap_or_default();
        self.lines += memchr::memchr_iter(b'\n', between).count();
        self.at = start.max(self.at);
        self.lines
    }
}

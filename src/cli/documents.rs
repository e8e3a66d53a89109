//! Manifests from files, folders and stdin, as documents that know where they stand.

use std::cell::OnceCell;
use std::fmt;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::Value;

use super::exit::BadInput;
use crate::{input, yaml};

/// The most that one file may have: the Pods of a large cluster are some 100 MiB.
pub(super) const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// Which manifests a command reads.
#[derive(Debug, clap::Args)]
pub(super) struct InputArgs {
    /// A file, a folder (its *.yaml, *.yml and *.json, hidden ones left out), or - for stdin; may be repeated
    #[arg(short = 'f', long = "filename", required = true, value_name = "FILE|DIR|-")]
    filenames: Vec<PathBuf>,

    /// Read the folders below a folder too
    #[arg(short = 'R', long)]
    recursive: bool,
}

/// How documents are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// YAML documents.
    Yaml,
    /// JSON objects, one behind the other.
    Json,
}

/// One file, or stdin.
#[derive(Debug)]
pub(super) struct Stream {
    /// What messages call it.
    pub(super) name: String,
    /// How it is written.
    pub(super) format: Format,
    /// All of it.
    pub(super) text: String,
    /// Its documents in order; what stands between them is blank or comment.
    pub(super) documents: Vec<Document>,
}

/// One document of a stream.
#[derive(Debug)]
pub(super) struct Document {
    /// Where in the stream's text it stands.
    pub(super) range: Range<usize>,
    /// How many lines stand before it.
    pub(super) lines_before: usize,
    /// What it says.
    pub(super) value: Value,
}

impl InputArgs {
    /// Reads every document of every file.
    ///
    /// # Errors
    /// When a file cannot be read or a document is malformed: every one of them, each with its place.
    pub(super) fn read(&self) -> Result<Vec<Stream>, BadInput> {
        let mut streams = Vec::new();
        let mut errors = Vec::new();
        for source in self.sources(&mut errors) {
            match source.read().and_then(|text| Stream::parse(source.to_string(), text)) {
                Ok(stream) => streams.push(stream),
                Err(BadInput(reasons)) => errors.extend(reasons),
            }
        }
        if errors.is_empty() { Ok(streams) } else { Err(BadInput(errors)) }
    }

    /// What there is to read.
    pub(super) fn sources(&self, errors: &mut Vec<String>) -> Vec<Source> {
        let mut sources = Vec::new();
        for path in &self.filenames {
            if path.as_os_str() == "-" {
                if sources.contains(&Source::Stdin) {
                    errors.push("-: stdin can be read only once; give -f - only once".to_owned());
                } else {
                    sources.push(Source::Stdin);
                }
            } else if path.is_dir() {
                let mut files = Vec::new();
                match manifests(path, self.recursive, &mut files) {
                    Ok(()) if files.is_empty() => errors.push(format!(
                        "{}: expected *.yaml, *.yml or *.json in this folder, found none{}",
                        path.display(),
                        if self.recursive { "" } else { "; -R reads the folders below it too" }
                    )),
                    Ok(()) => sources.extend(files.into_iter().map(Source::File)),
                    Err(error) => errors.push(format!("{}: {error}", path.display())),
                }
            } else {
                sources.push(Source::File(path.clone()));
            }
        }
        sources
    }
}

/// The manifests of a folder, by name. Links to folders are not followed: they may lead in a circle.
fn manifests(folder: &Path, recursive: bool, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.retain(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_manifest = path
            .extension()
            .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known));
        if entry.file_type()?.is_dir() {
            if recursive {
                manifests(&path, recursive, files)?;
            }
        } else if is_manifest && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// Something to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// What is piped in.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// All of it.
    ///
    /// # Errors
    /// When it cannot be read, or is no UTF-8.
    pub(super) fn read(&self) -> Result<String, BadInput> {
        let bytes = match self {
            Self::Stdin => input::read_all(io::stdin().lock(), MOST_BYTES),
            Self::File(path) => input::read(path, MOST_BYTES),
        };
        let bytes = bytes.map_err(|error| BadInput::from(format!("{self}: {error}")))?;
        String::from_utf8(bytes).map_err(|error| {
            let sound = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = sound.filter(|byte| **byte == b'\n').count() + 1;
            BadInput::from(format!("{self}:{line}: expected UTF-8 text, found other bytes"))
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => out.write_str("<stdin>"),
            Self::File(path) => path.display().fmt(out),
        }
    }
}

impl Stream {
    /// Reads every document of a text.
    ///
    /// # Errors
    /// When one is malformed: every one of them, each with its place.
    pub(super) fn parse(name: String, text: String) -> Result<Self, BadInput> {
        // As kubectl guesses: by what it begins with. What looks like JSON may still be YAML in braces.
        if text.trim_start().starts_with(['{', '[']) {
            match json(&text) {
                Ok(documents) => return Ok(Self { name, format: Format::Json, text, documents }),
                Err(error) if name.ends_with(".json") => {
                    return Err(format!("{name}:{}", place_first(&error)).into());
                }
                Err(_) => {}
            }
        }
        match yaml(&text) {
            Ok(documents) => Ok(Self { name, format: Format::Yaml, text, documents }),
            Err(errors) => Err(BadInput(errors.iter().map(|error| format!("{name}:{error}")).collect())),
        }
    }

    /// The text of one of its documents.
    pub(super) fn text_of(&self, document: &Document) -> &str {
        self.text.get(document.range.clone()).unwrap_or_default()
    }

    /// The line on which a document's own text begins, behind comments and the marker.
    pub(super) fn line_of(&self, document: &Document) -> usize {
        document.lines_before + head(self.text_of(document)).lines().count() + 1
    }

    /// The line on which the object at a JSON pointer such as `/items/2` begins.
    pub(super) fn line_of_object(&self, document: &Document, pointer: &str) -> usize {
        self.lines(document).of(pointer)
    }

    /// The lines on which the objects of a document begin.
    pub(super) fn lines<'a>(&'a self, document: &'a Document) -> Lines<'a> {
        Lines { stream: self, document, list: OnceCell::new() }
    }
}

/// The lines on which the objects of a document begin. It is read for them once, and only if they are asked for.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    stream: &'a Stream,
    document: &'a Document,
    list: OnceCell<Option<List>>,
}

impl Lines<'_> {
    /// The line of the object at a JSON pointer such as `/items/2`.
    pub(super) fn of(&self, pointer: &str) -> usize {
        self.of_item(pointer).unwrap_or_else(|| self.stream.line_of(self.document))
    }

    fn of_item(&self, pointer: &str) -> Option<usize> {
        let mut indexes = pointer.split('/').filter_map(|token| token.parse::<usize>().ok());
        let first = indexes.next()?;
        let list = self.list.get_or_init(|| {
            let text = self.stream.text_of(self.document);
            yaml::read(yaml::Document { text, lines_before: 0 }).ok()
        });
        let mut item = list.as_ref()?.items.get(first)?;
        for index in indexes {
            item = item.value.items.get(index)?;
        }
        Some(self.document.lines_before + usize::try_from(item.referenced.line()).ok()?)
    }
}

/// What stands before a document's own text: comments, blank lines, directives and the marker.
pub(super) fn head(text: &str) -> &str {
    let is_head = |line: &&str| {
        let rest = line.strip_prefix("---").unwrap_or(line).trim();
        rest.is_empty() || rest.starts_with('#') || line.starts_with('%')
    };
    let length = text.split_inclusive('\n').take_while(is_head).map(str::len).sum();
    text.get(..length).unwrap_or_default()
}

/// A list, as far as it tells where its items stand.
#[derive(Debug, serde::Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<serde_saphyr::Spanned<List>>,
}

/// The documents of a text of YAML.
pub(super) fn yaml(text: &str) -> Result<Vec<Document>, Vec<yaml::Error>> {
    let starts: Vec<usize> = text
        .split_inclusive('\n')
        .scan(0, |offset, line| {
            *offset += line.len();
            Some(*offset - line.len())
        })
        .collect();
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    for document in yaml::documents(text) {
        let start = starts.get(document.lines_before).copied().unwrap_or_default();
        match yaml::read(document) {
            Ok(value) => documents.push(Document {
                range: start..start + document.text.len(),
                lines_before: document.lines_before,
                value,
            }),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(documents) } else { Err(errors) }
}

fn json(text: &str) -> Result<Vec<Document>, serde_json::Error> {
    let mut documents = Vec::new();
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    loop {
        let before = values.byte_offset();
        let Some(value) = values.next().transpose()? else {
            return Ok(documents);
        };
        let rest = text.get(before..).unwrap_or_default();
        let start = before + (rest.len() - rest.trim_start().len());
        let lines_before = text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        documents.push(Document { range: start..values.byte_offset(), lines_before, value });
    }
}

/// Our other messages say the place first.
pub(super) fn place_first(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let text = message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text);
    format!("{}:{}: {text}", error.line(), error.column())
}

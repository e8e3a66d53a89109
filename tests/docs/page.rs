//! The pages, as the tests read them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// One page.
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// One fenced block of a page.
pub(crate) struct Block {
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
    /// The line before it; empty where another block is.
    pub(crate) before: String,
}

impl Page {
    pub(crate) fn read(name: &str) -> Self {
        Self::at(&root().join(name))
    }

    pub(crate) fn at(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.strip_prefix(root()).unwrap_or(path).display().to_string();
        Self { name, path: path.to_owned(), text }
    }

    /// Whether a word stands in a code span: by itself, or as one part of a path such as `output.kafka`.
    pub(crate) fn names(&self, word: &str) -> bool {
        let prose = self.prose();
        spans(&prose).any(|span| span == word || span.split(['.', '[', ']']).any(|part| part == word))
    }

    /// The text outside of fenced blocks.
    pub(crate) fn prose(&self) -> String {
        let mut is_code = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                prose.push_str(line);
            }
            prose.push('\n');
        }
        prose
    }

    /// The code spans in the first cells of the tables whose first column is called this.
    pub(crate) fn first_cells(&self, column: &str) -> impl Iterator<Item = String> {
        let mut is_within = false;
        let mut cells = Vec::new();
        for line in self.prose().lines() {
            let cell = line.strip_prefix("| ").and_then(|row| row.split(" |").next());
            is_within = cell.is_some_and(|cell| cell == column) || is_within && line.starts_with('|');
            cells.extend(cell.filter(|_| is_within).into_iter().flat_map(spans).map(str::to_owned));
        }
        cells.into_iter()
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let (mut before, mut is_open) = ("", false);
        for (index, line) in self.text.lines().enumerate() {
            match line.strip_prefix("```") {
                Some(_) if is_open => is_open = false,
                Some(language) => {
                    let (language, before) = (language.to_owned(), std::mem::take(&mut before).to_owned());
                    blocks.push(Block { line: index + 1, language, text: String::new(), before });
                    is_open = true;
                }
                None if is_open => {
                    let text = &mut blocks.last_mut().unwrap().text;
                    text.push_str(line);
                    text.push('\n');
                }
                None if !line.is_empty() => before = line,
                None => {}
            }
        }
        blocks
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &str> {
        self.text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
    }

    /// Whether there is a heading that an anchor leads to, as GitHub names them.
    pub(crate) fn has_heading(&self, anchor: &str) -> bool {
        let prose = self.prose();
        prose.lines().filter(|line| line.starts_with('#')).any(|line| {
            let text = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            let slug: String =
                text.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
            slug == anchor
        })
    }
}

impl Block {
    /// In what the outcome is not as the page says, if so. `next` may quote what is told.
    pub(crate) fn unlike(&self, refusal: Option<String>, next: Option<&Self>) -> Option<String> {
        let told = next.filter(|next| next.language == "text" && next.before.is_empty());
        match (self.before == "<!-- refused -->", refusal, told) {
            (true, None, _) => Some("it is not refused".to_owned()),
            (false, Some(refusal), _) => Some(format!("it is refused: {refusal}")),
            (true, Some(refusal), Some(told)) if !plain(&refusal).contains(&plain(&told.text)) => {
                Some(format!("what is told is\n  {refusal}"))
            }
            _ => None,
        }
    }

    /// In what the records are not as the page says, if so.
    pub(crate) fn unlike_recorded(&self, recorded: &str, next: Option<&Self>) -> Option<String> {
        let told = next.filter(|next| next.language == "text" && next.before.is_empty());
        let is_so = told.map_or(!recorded.is_empty(), |told| plain(recorded).contains(&plain(&told.text)));
        (self.before == "<!-- recorded -->" && !is_so).then(|| format!("what is recorded is\n  {recorded}"))
    }
}

/// Every page: those of `docs/`, and those of the folders beside it.
pub(crate) fn pages() -> Vec<Page> {
    let folders = ["", "docs", "certs", "manifests", "manifests/helm/podwright", "manifests/observability"]
        .map(|folder| root().join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut paths: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths.iter().map(|path| Page::at(path)).collect()
}

/// A text with its lines joined.
pub(crate) fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The code spans of a text.
pub(crate) fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The words of a text that begin like this.
pub(crate) fn tokens(text: &str, start: &str) -> BTreeSet<String> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c == '_';
    text.match_indices(start)
        .map(|(at, _)| text[at..].chars().take_while(|c| is_inner(*c)).collect())
        .collect()
}

//! What a table is written on.

use std::io;

use crate::cli::style::Palette;

/// The width of what has none of its own.
const PLAIN_WIDTH: u16 = 120;
/// Narrower than this a table cannot be read.
const NARROWEST: u16 = 60;

/// Colours and width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// Its colours.
    pub(super) palette: Palette,
    /// Its width in columns.
    pub(super) width: u16,
}

impl Output {
    /// Stdout, as wide as the terminal or as `COLUMNS` says.
    pub(super) fn terminal() -> Self {
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
        let width = columns.or_else(terminal).unwrap_or(PLAIN_WIDTH).max(NARROWEST);
        Self { palette: Palette::stdout(), width }
    }

    /// A file.
    pub(super) fn file() -> Self {
        Self { palette: Palette::plain(), width: PLAIN_WIDTH }
    }
}

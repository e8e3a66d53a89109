//! Colours, on a terminal only.

use std::fmt::{self, Display};
use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// The styles of one output; all plain where it is no terminal, or `NO_COLOR` is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    coloured: bool,
}

impl Palette {
    /// The palette of stdout.
    pub(super) fn stdout() -> Self {
        Self { coloured: AutoStream::choice(&io::stdout()) != ColorChoice::Never }
    }

    /// The palette of a file.
    pub(super) fn plain() -> Self {
        Self { coloured: false }
    }

    /// The palette of stderr.
    pub(super) fn stderr() -> Self {
        Self { coloured: AutoStream::choice(&io::stderr()) != ColorChoice::Never }
    }

    /// What is refused or wrong.
    pub(super) fn error<T: Display>(self, text: T) -> Styled<T> {
        self.styled(AnsiColor::Red.on_default().bold(), text)
    }

    /// What someone should look at.
    pub(super) fn warning<T: Display>(self, text: T) -> Styled<T> {
        self.styled(AnsiColor::Yellow.on_default().bold(), text)
    }

    /// What is well.
    pub(super) fn good<T: Display>(self, text: T) -> Styled<T> {
        self.styled(AnsiColor::Green.on_default().bold(), text)
    }

    /// What names the thing that is talked of.
    pub(super) fn name<T: Display>(self, text: T) -> Styled<T> {
        self.styled(Style::new().bold(), text)
    }

    /// What is there for completeness.
    pub(super) fn faint<T: Display>(self, text: T) -> Styled<T> {
        self.styled(Style::new().dimmed(), text)
    }

    /// A line that came in.
    pub(super) fn added<T: Display>(self, text: T) -> Styled<T> {
        self.styled(AnsiColor::Green.on_default(), text)
    }

    /// A line that went.
    pub(super) fn removed<T: Display>(self, text: T) -> Styled<T> {
        self.styled(AnsiColor::Red.on_default(), text)
    }

    /// Where in a document lines stand.
    pub(super) fn place<T: Display>(self, text: T) -> Styled<T> {
        self.styled(AnsiColor::Cyan.on_default(), text)
    }

    fn styled<T: Display>(self, style: Style, text: T) -> Styled<T> {
        Styled { style: if self.coloured { style } else { Style::new() }, text }
    }
}

/// A text in its style.
#[derive(Debug)]
pub(super) struct Styled<T> {
    style: Style,
    text: T,
}

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.style;
        write!(out, "{style}{}{style:#}", self.text)
    }
}

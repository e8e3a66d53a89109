//! Logs: one JSON object per line on stderr, or text for people.
//!
//! A log line holds names, numbers and reasons; never an environment variable's value and never a whole object.

use std::io::{self, IsTerminal as _};
use std::panic;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// The shape of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Json,
    /// Text for people; coloured on a terminal.
    Text,
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The level is none.
    #[error(
        "reading the log level {level:?}: {source}; expected error, warn, info, debug, trace, or a list such as \
         info,podwright=debug"
    )]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Something else already logs.
    #[error("starting the logs: {0}")]
    Started(#[from] TryInitError),
}

/// Starts logging to stderr, for the whole process. A panic becomes a log line too.
///
/// # Errors
/// When `level` is no level, or something logs already.
pub fn init(format: Format, level: &str) -> Result<(), Error> {
    let filter =
        EnvFilter::try_new(level).map_err(|source| Error::Level { level: level.to_owned(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).finish().try_init()?,
        Format::Text => builder.with_ansi(io::stderr().is_terminal()).finish().try_init()?,
    }
    log_panics();
    Ok(())
}

/// Where, not what: a panic's message may quote the object that it failed on.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked; this is a bug of Podwright's");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_named() {
        let error = init(Format::Json, "podwright=loud").unwrap_err().to_string();
        assert!(error.contains("podwright=loud") && error.contains("expected error, warn"), "{error}");
    }
}

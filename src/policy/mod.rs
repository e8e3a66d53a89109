//! What every kind of policy shares: the envelope, `match`, `action` and `exemptions`. It knows no kind.

mod envelope;
mod exemption;
mod glob;
mod matching;
mod own;
mod own_container;
mod own_mount;
mod resource;
mod selector;
mod subject;
mod text;

pub use envelope::{API_VERSION, Envelope, Header, Metadata, Name};
pub use exemption::{Exemption, Standing};
pub use glob::Glob;
pub use matching::{Match, Mismatch, OwnerKind};
pub use own::Own;
pub use own_container::OwnContainer;
pub use own_mount::OwnMount;
pub use resource::{GROUP, VERSION, plural};
pub use selector::LabelSelector;
pub use subject::{Given, Object, Subject};
pub use text::{NonEmpty, elided, listed, nearest};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a policy does about a violation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The Pod is refused.
    #[default]
    Deny,
    /// The Pod is admitted, and its author told.
    Warn,
    /// The Pod is admitted, and the violation recorded.
    Audit,
}

impl Action {
    /// The word that policies and metrics use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Audit => "audit",
        }
    }
}

//! The validators: one table, one file each.

/// What a validator found.
#[derive(Debug, Clone)]
pub struct Violation {
    /// The validator's kind.
    pub kind: &'static str,
    /// The policy's name.
    pub policy: String,
}

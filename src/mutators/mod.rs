//! The mutators: one table, one file each.

/// What a mutator did to a Pod.
#[derive(Debug, Clone)]
pub struct Mutation {
    /// The mutator's kind.
    pub kind: &'static str,
    /// The policy's name.
    pub policy: String,
}

//! Certificates that Podwright makes for itself: what becomes of those that a Secret holds.
//!
//! The Secret holds an authority that signs, the older ones that are still to be trusted, and the one serving
//! certificate of all replicas. Each replica reads it, asks [`plan`] what should be in it and writes that; of several
//! that do so at once, one is first and the others read what it wrote. Nobody leads.
//!
//! A new authority signs nothing until every API server trusts it: first it stands in the `caBundle` beside the older
//! ones, and only then a serving certificate of it is made.

mod held;
mod plan;
mod published;

pub use held::{Data, Fault, Material, Serving, authorities, pem};
pub use plan::{Asked, Plan, Reason, Situation, plan};
pub use published::Published;

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an authority is valid. It is succeeded when a third of that is left.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(365);
/// How long a serving certificate is valid. It is renewed when a third of that is left. Less than an authority has left
/// when it is succeeded, so that none outlives the one that signed it.
const SERVING_LIFE: Duration = DAY.saturating_mul(90);
/// How long an authority is trusted after its successor was made: replicas that were cut off serve by it.
const OVERLAP: Duration = DAY.saturating_mul(7);
/// How many authorities are trusted at once; only who forces new ones again and again comes near.
const MOST_AUTHORITIES: usize = 8;

//! Podwright: a Kubernetes admission webhook for Pods.
//!
//! # The house
//!
//! Imports run downwards only, in the order of this list.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`cli`] | one file per command |
//! | [`server`] | accept, limits, drain; routes; the health and metrics port |
//! | [`tls`] | where certificates come from, and the resolver that takes new ones |
//! | [`audit`] | a record of each decision, and where it is written; the report over many Pods, one file per format |
//! | [`cluster`] | the watches that fill the cluster view |
//! | [`engine`] | `decide`: policies, view and review in, decision out; pure |
//! | [`policy_set`] | loading with located errors, compiling every kind |
//! | [`mutators`] | one table; one file per mutator |
//! | [`validators`] | one table; one file per validator |
//! | [`policy`] | what every kind shares: envelope, `match`, exemptions |
//! | [`view`] | the cluster view, plain data |
//! | [`pod`] | readers over a Pod's raw JSON; edits recorded as operations |
//! | [`review`] | the wire types |
//! | [`yaml`] | YAML by kubectl's rules |
//! | [`input`] | files and streams, read up to a size, and again when they change |
//! | [`telemetry`] | metrics and logs |
//!
//! # One review's way
//!
//! 1. [`server`] accepts under a connection limit, shakes hands under a time limit, and reads the body under limits
//!    of size and time.
//! 2. [`review`] reads the envelope, borrowed; the object stays raw. From here on every answer carries the uid.
//! 3. [`engine::decide`] takes the [`policy_set`] and the [`view`] as they are. Where no policy can be concerned, the
//!    answer is yes, and the Pod is never parsed.
//! 4. Validators judge what the user wrote; mutators edit a draft of it, in a fixed order.
//! 5. The draft is verified: its operations give the working copy, and that is a sound Pod. Otherwise the edits are
//!    dropped: a patch that cannot be applied would keep the Pod from starting.
//! 6. The answer is made; then it is counted and logged, and its [`audit`] record handed to a queue that nobody waits
//!    for.
//!
//! `inject`, `explain` and `scan` call the same engine: what they say offline is what the cluster does.

pub mod audit;
pub mod cli;
pub mod cluster;
pub mod engine;
pub mod input;
pub mod mutators;
pub mod pod;
pub mod policy;
pub mod policy_set;
pub mod review;
pub mod server;
pub mod telemetry;
pub mod tls;
pub mod validators;
pub mod view;
pub mod yaml;

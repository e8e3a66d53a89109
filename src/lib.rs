//! Podwright: a Kubernetes admission webhook for Pods.

pub mod cli;
pub mod engine;
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

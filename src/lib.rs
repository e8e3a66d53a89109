//! Podwright: a Kubernetes admission webhook for Pods.

<<<<<<< HEAD
pub mod cluster;
=======
pub mod cli;
>>>>>>> main
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

//! Generators of Pods and of JSON, for every test that throws things at Podwright: a folder that several of them include.

#![allow(dead_code, reason = "each of them takes what it needs")]

pub(crate) mod annotations;
pub(crate) mod json;
pub(crate) mod pods;
pub(crate) mod shapes;

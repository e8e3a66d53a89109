//! The targets of `fuzz/` on what they start from, and on what was found: `make fuzz` searches on from there.
//!
//! With `FUZZ_CORPUS` the seeds are written into that folder: the fuzzers' own build cannot, as all of it is instrumented.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by a panic"
)]

#[path = "../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

use crate::targets::TARGETS;

#[test]
fn every_target_takes_its_seeds() {
    let seeds = seeds::of_the_cases(Path::new(env!("CARGO_MANIFEST_DIR")));
    for (target, run) in TARGETS {
        let seeds = &seeds[target];
        assert!(seeds.len() >= 10, "{target} has {} seeds", seeds.len());
        if let Some(corpus) = std::env::var_os("FUZZ_CORPUS") {
            let folder = Path::new(&corpus).join(target);
            fs::create_dir_all(&folder).unwrap();
            for (number, seed) in seeds.iter().enumerate() {
                fs::write(folder.join(format!("case-{number:03}")), seed).unwrap();
            }
        }
        seeds.iter().for_each(|seed| run(seed.as_bytes()));
    }
}

#[test]
fn what_was_found_stays_mended() {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/found");
    for folder in fs::read_dir(found).unwrap().map(|entry| entry.unwrap().path()) {
        let name = folder.file_name().unwrap();
        let (_, run) = TARGETS.iter().find(|(target, _)| **target == *name).unwrap();
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            eprintln!("{}", file.display());
            run(&fs::read(file).unwrap());
        }
    }
}

#[test]
fn each_has_its_binary() {
    for (target, _) in TARGETS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/fuzz_targets/{target}.rs"));
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(&format!("targets::{target}(data)")), "{target}: {text}");
    }
}

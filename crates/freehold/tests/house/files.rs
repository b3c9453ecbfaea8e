//! What every source file must be: of bearable length, introduced by a header, and reached by a `mod` line.

use std::collections::{BTreeMap, BTreeSet};

use crate::repository::rust_files;
use crate::rust_text;

const LINES_MAX: usize = 800;

const HEADER_LINES_MAX: usize = 5;

/// Test binaries a crate may have; one keeps linking short, the second is this one.
const TEST_BINARIES: [&str; 2] = ["it", "house"];

#[test]
fn no_file_is_too_long() {
    let mut findings = Vec::new();
    for (file, text) in rust_files() {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            findings.push(format!("{} has {lines} lines, at most {LINES_MAX}: split it by noun", file.path));
        }
    }
    crate::expect_none("files past the limit", &findings);
}

#[test]
fn every_file_opens_with_a_short_header() {
    let mut findings = Vec::new();
    for (file, text) in rust_files() {
        let header = text.lines().take_while(|line| line.starts_with("//!")).count();
        if header == 0 {
            findings.push(format!("{} has no `//!` header: say what it is, for whom, what it must not do", file.path));
        } else if header > HEADER_LINES_MAX {
            findings.push(format!("{} has {header} header lines, at most {HEADER_LINES_MAX}: shorten it", file.path));
        }
    }
    crate::expect_none("headers", &findings);
}

/// A file that no `mod` line reaches is not compiled: its tests pass by never running.
#[test]
fn no_file_is_forgotten() {
    let texts: BTreeMap<String, String> = rust_files().into_iter().map(|(file, text)| (file.path, text)).collect();
    let mut findings = Vec::new();
    let mut reached = BTreeSet::new();
    for path in texts.keys() {
        if is_root(path) {
            reach(path, &texts, &mut reached);
        }
    }
    for path in texts.keys().filter(|path| !reached.contains(*path)) {
        findings.push(format!("{path} is reached by no `mod` line: declare it in its parent, or remove it"));
    }
    crate::expect_none("forgotten files", &findings);
}

#[test]
fn each_crate_has_one_test_binary() {
    let mut findings = Vec::new();
    for (file, _) in rust_files() {
        let Some((_, rest)) = file.path.split_once("/tests/") else { continue };
        let folder = rest.split('/').next().unwrap_or_default();
        if file.path.matches('/').count() >= 3 && !TEST_BINARIES.contains(&folder) && is_root(&file.path) {
            findings.push(format!("{} is a test binary of its own: move it below tests/it/", file.path));
        }
    }
    crate::expect_none("test binaries", &findings);
}

/// Returns whether cargo compiles a file by itself.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').skip(2).collect();
    let folder_of_roots = |parts: &[&str]| matches!(parts, [_] | [_, "main.rs"]);
    match parts[..] {
        ["src", "bin", ref rest @ ..] | ["tests" | "examples" | "benches", ref rest @ ..] => folder_of_roots(rest),
        _ => matches!(parts[..], ["build.rs"] | ["src", "lib.rs" | "main.rs"]),
    }
}

fn reach(path: &str, texts: &BTreeMap<String, String>, reached: &mut BTreeSet<String>) {
    let Some(text) = texts.get(path) else { return };
    reached.insert(path.to_owned());
    let folder = match path.strip_suffix("/main.rs").or_else(|| path.strip_suffix("/lib.rs")) {
        Some(folder) => folder.to_owned(),
        None if is_root(path) => path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned()),
        None => path.trim_end_matches(".rs").to_owned(),
    };
    for name in rust_text::declared_modules(&rust_text::split(text).code) {
        reach(&format!("{folder}/{name}.rs"), texts, reached);
    }
}

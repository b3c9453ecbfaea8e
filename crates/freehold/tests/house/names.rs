//! Names that say nothing are not used for modules, and a module is a file beside its folder.

use crate::repository::{files, rust_files};
use crate::rust_text;

const FORBIDDEN: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "misc", "core"];

#[test]
fn no_module_has_an_empty_name() {
    let mut findings = Vec::new();
    for file in files().iter().filter(|f| f.path.starts_with("crates/")) {
        for part in file.path.split('/') {
            if FORBIDDEN.contains(&part.trim_end_matches(".rs")) {
                findings.push(format!("{}: `{part}` says nothing: name what it holds", file.path));
            }
        }
    }
    for (file, text) in rust_files() {
        for name in rust_text::declared_modules(&rust_text::split(&text).code) {
            if FORBIDDEN.contains(&name) {
                findings.push(format!("{}: module `{name}` says nothing: name what it holds", file.path));
            }
        }
    }
    crate::expect_none("empty names", &findings);
}

#[test]
fn modules_stand_beside_their_folder() {
    let found = rust_files().into_iter().filter(|(file, _)| file.path.ends_with("/mod.rs"));
    let findings: Vec<_> =
        found.map(|(file, _)| format!("{}: rename it to the file of that name beside the folder", file.path)).collect();
    crate::expect_none("mod.rs", &findings);
}

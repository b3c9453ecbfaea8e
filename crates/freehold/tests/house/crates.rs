//! The crates, what each may use, and how large it may grow: the table of `ARCHITECTURE.md` as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use toml::Table;

use crate::repository::{root, rust_files};
use crate::rust_text;

const WIRE: &str = "freehold-wire";
const EVIDENCE: &str = "freehold-evidence";
const WORKFLOW: &str = "freehold-workflow";
const STORE: &str = "freehold-store";
const ENGINE: &str = "freehold-engine";
const VAULT: &str = "freehold-vault";
const GATEWAY: &str = "freehold-gateway";
const BINARY: &str = "freehold";

/// Which of our crates each crate may use.
const MAY_USE: [(&str, &[&str]); 8] = [
    (WIRE, &[]),
    (EVIDENCE, &[]),
    (WORKFLOW, &[WIRE]),
    (STORE, &[WIRE]),
    (ENGINE, &[WIRE]),
    (VAULT, &[]),
    (GATEWAY, &[WIRE, WORKFLOW, STORE, ENGINE]),
    (BINARY, &[WIRE, EVIDENCE, WORKFLOW, STORE, ENGINE, VAULT, GATEWAY]),
];

/// Dependencies that one crate fences off from all others.
const FENCED: [(&str, &str); 4] = [("anyhow", BINARY), ("clap", BINARY), ("rusqlite", STORE), ("llama-cpp-2", ENGINE)];

/// Crates that compute and do nothing else.
const PURE: [&str; 3] = [WIRE, EVIDENCE, WORKFLOW];

/// What a pure crate may not name: files, network, processes, environment, clocks, tasks, chance.
const IMPURE: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "async fn",
    "tokio::",
];

/// No crate may hold more of the workspace's lines than this, once the workspace is large enough to tell.
const SHARE_MAX_PERCENT: usize = 45;
const SHARE_COUNTS_FROM_LINES: usize = 8000;

fn manifest(krate: &str) -> Table {
    fs::read_to_string(root().join("crates").join(krate).join("Cargo.toml")).unwrap().parse().unwrap()
}

/// Returns the dependencies of a manifest, whatever they are for and on whatever platform.
fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (key, value) in manifest {
        let Some(table) = value.as_table() else { continue };
        match key.as_str() {
            "dependencies" | "dev-dependencies" | "build-dependencies" => found.extend(table.keys().cloned()),
            "target" => table.values().filter_map(|t| t.as_table()).for_each(|t| found.extend(dependencies(t))),
            _ => {}
        }
    }
    found
}

#[test]
fn crates_are_those_of_the_table() {
    let found: BTreeSet<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let table: BTreeSet<String> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, table, "a crate must earn its place: a fence, a pure part, or a line Cargo should draw");
}

#[test]
fn crates_use_only_what_the_table_allows() {
    let mut findings = Vec::new();
    for (krate, allowed) in MAY_USE {
        for used in dependencies(&manifest(krate)) {
            if used.starts_with(BINARY) && !allowed.contains(&used.as_str()) {
                findings.push(format!("{krate} uses {used}: move the code, or draw the line anew in ARCHITECTURE.md"));
            }
            if let Some((_, fence)) = FENCED.iter().find(|(name, fence)| *name == used && *fence != krate) {
                findings.push(format!("{krate} uses {used}, which belongs behind {fence}"));
            }
        }
    }
    crate::expect_none("edges between crates", &findings);
}

#[test]
fn crates_take_lints_and_edition_from_the_workspace() {
    let mut findings = Vec::new();
    for (krate, _) in MAY_USE {
        let manifest = manifest(krate);
        let inherits = |table: &str, key: &str| {
            let value = manifest.get(table).and_then(|t| t.get(key));
            value.is_some_and(|v| {
                v.as_bool() == Some(true) || v.get("workspace").and_then(toml::Value::as_bool) == Some(true)
            })
        };
        for (table, key) in
            [("lints", "workspace"), ("package", "edition"), ("package", "rust-version"), ("package", "license")]
        {
            if !inherits(table, key) {
                findings.push(format!("{krate}: [{table}] {key} is not taken from the workspace"));
            }
        }
    }
    crate::expect_none("manifests", &findings);
}

#[test]
fn pure_crates_touch_nothing_outside() {
    let mut findings = Vec::new();
    for (file, text) in rust_files() {
        if !PURE.iter().any(|krate| file.path.starts_with(&format!("crates/{krate}/src/"))) {
            continue;
        }
        for (line, number) in rust_text::split(&text).code.lines().zip(1..) {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                findings
                    .push(format!("{}:{number} names `{word}`: take it as an argument, or move the code", file.path));
            }
        }
    }
    crate::expect_none("pure crates", &findings);
}

#[test]
fn no_crate_outgrows_the_others() {
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for (file, text) in rust_files() {
        *lines.entry(file.krate().unwrap().to_owned()).or_default() += text.lines().count();
    }
    let total: usize = lines.values().sum();
    println!("{total} lines: {lines:?}");
    if total < SHARE_COUNTS_FROM_LINES {
        return;
    }
    let large = lines.iter().filter(|(_, n)| **n * 100 > total * SHARE_MAX_PERCENT);
    let findings: Vec<_> = large
        .map(|(krate, n)| {
            format!("{krate} has {n} of {total} lines, at most {SHARE_MAX_PERCENT} %: find the crate inside it")
        })
        .collect();
    crate::expect_none("shares", &findings);
}

//! The lock file: how much comes in from outside, and what comes in twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use toml::Table;

use crate::repository::root;

/// The most packages the lock file may hold, ours included. 300 were there when the workspace was laid, of which the embedded
/// engine and its structured output bring 70; a handful may be added before somebody must look.
const PACKAGES_MAX: usize = 320;

/// Packages that come in more than one version, each with its reason. None is excused for longer than it lasts.
const EXCUSED: [(&str, &str); 10] = [
    ("bit-vec", "rcgen makes certificates with another one, in tests of TLS only"),
    ("fluent-uri", "llguidance reads JSON Schema with an older reader than ours"),
    ("getrandom", "ring, the rand 0.9 family and tempfile each follow a different generation"),
    ("r-efi", "comes with getrandom on a platform we do not build for"),
    ("rand", "proptest moved to 0.10, statistics stay on 0.9 so that seeded results do not change"),
    ("rand_core", "comes with rand"),
    ("referencing", "llguidance reads JSON Schema with an older reader than ours"),
    ("shlex", "bindgen and cc, both only while building"),
    ("syn", "macro crates are halfway from 2 to 3; only while building"),
    ("windows-sys", "on a platform we do not build for"),
];

fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let lock: Table = fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let text = |key: &str| package[key].as_str().unwrap().to_owned();
        found.entry(text("name")).or_default().insert(text("version"));
    }
    found
}

#[test]
fn lock_file_stays_below_its_ceiling() {
    let count: usize = packages().values().map(BTreeSet::len).sum();
    println!("{count} packages, at most {PACKAGES_MAX}");
    assert!(
        count <= PACKAGES_MAX,
        "{count} packages, at most {PACKAGES_MAX}: is the newest dependency worth what it drags in?"
    );
}

#[test]
fn no_package_comes_twice_without_an_excuse() {
    let mut findings = Vec::new();
    let packages = packages();
    let excused = |name: &str| EXCUSED.iter().any(|(excused, _)| *excused == name);
    for (name, versions) in packages.iter().filter(|(name, versions)| versions.len() > 1 && !excused(name)) {
        findings.push(format!("{name} comes as {versions:?}: agree on one version, or excuse it in {}", file!()));
    }
    for (name, _) in EXCUSED.iter().filter(|(name, _)| packages.get(*name).is_none_or(|versions| versions.len() < 2)) {
        findings.push(format!("{name} comes once: remove its excuse from {}", file!()));
    }
    crate::expect_none("packages in several versions", &findings);
}

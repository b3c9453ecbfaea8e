//! The style test: reads the repository and holds it to the rules that no compiler knows.
//! Each rule returns what it found, where, and what to do about it.

#![expect(clippy::unwrap_used, reason = "a rule that cannot read the repository should fail loudly")]

mod crates;
mod dependencies;
mod documents;
mod files;
mod functions;
mod leftovers;
mod names;
mod repository;
mod rust_text;

/// Fails with every finding on a line of its own.
#[track_caller]
fn expect_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}: {} found\n  {}\n", findings.len(), findings.join("\n  "));
}

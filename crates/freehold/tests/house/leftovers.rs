//! What is left behind in haste: promises without a number, silenced lints and tests, machine paths, unsafe code.

use crate::repository::{File, files, rust_files};
use crate::rust_text;

/// The one place where unsafe code may stand: the backend that calls C++.
const UNSAFE_ALLOWED: &str = "crates/freehold-engine/src/worker/llama";

/// Words that promise work; in pieces, so that this file does not promise any.
const PROMISES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Folders of the machines this was written on; in pieces, so that this file does not name any.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/fa", "rm/")];

/// Marks that silence a lint, and that skip a test; in pieces, so that this file has none.
const SILENCING: [&str; 3] = [concat!("#[", "allow("), concat!("#![", "allow("), concat!(",", "allow(")];
const SKIPPING: [&str; 2] = [concat!("#[", "ignore"), concat!(",", "ignore)")];

#[test]
fn every_promise_has_a_number_or_a_date() {
    let mut findings = Vec::new();
    for file in files() {
        let Some(text) = remarks(&file) else { continue };
        for (line, number) in text.lines().zip(1..) {
            for word in PROMISES.iter().filter(|word| !rust_text::lines_with_word(line, word).is_empty()) {
                if !is_numbered(line, word) {
                    findings.push(format!("{}:{number} `{word}` without `(#number)` or `(year-month-day)`", file.path));
                }
            }
        }
    }
    crate::expect_none("promises", &findings);
}

/// Returns the text of a file in which a promise could stand.
fn remarks(file: &File) -> Option<String> {
    let text = file.text()?;
    match file.path.rsplit_once('.') {
        Some((_, "rs")) => Some(rust_text::split(text).comments),
        Some((_, "py" | "toml" | "sh")) => Some(text.to_owned()),
        _ => file.path.starts_with("script/").then(|| text.to_owned()),
    }
}

fn is_numbered(line: &str, word: &str) -> bool {
    let after = line.split_once(word).map_or("", |(_, after)| after);
    let mark = after.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or("", |(mark, _)| mark);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let dated = mark.len() == 10 && mark.split('-').all(digits);
    dated || mark.strip_prefix('#').is_some_and(digits)
}

#[test]
fn no_lint_or_test_is_silenced() {
    let mut findings = Vec::new();
    for (file, text) in rust_files() {
        let code = rust_text::split(&text).code;
        for (line, number) in code.lines().zip(1..) {
            let line: String = line.split_whitespace().collect();
            if SILENCING.iter().any(|mark| line.contains(mark)) {
                findings.push(format!("{}:{number} silences a lint: use #[expect(lint, reason)]", file.path));
            }
            if SKIPPING.iter().any(|mark| line.contains(mark)) {
                findings.push(format!("{}:{number} skips a test: assert what holds today instead", file.path));
            }
        }
    }
    crate::expect_none("silenced lints and tests", &findings);
}

#[test]
fn unsafe_code_stays_in_the_llama_backend() {
    let mut findings = Vec::new();
    for (file, text) in rust_files() {
        let allowed = file.path.starts_with(UNSAFE_ALLOWED);
        for number in rust_text::lines_with_word(&rust_text::split(&text).code, "unsafe") {
            if !allowed {
                findings.push(format!("{}:{number} is unsafe outside {UNSAFE_ALLOWED}*", file.path));
            }
        }
    }
    crate::expect_none("unsafe code", &findings);
}

#[test]
fn no_path_of_a_machine_is_left() {
    let mut findings = Vec::new();
    for file in files() {
        let text = String::from_utf8_lossy(&file.bytes);
        for (line, number) in text.lines().zip(1..) {
            for path in MACHINE_PATHS.iter().filter(|path| names_path(line, path)) {
                findings.push(format!("{}:{number} names {path}, a folder of one machine", file.path));
            }
        }
    }
    crate::expect_none("machine paths", &findings);
}

/// Returns whether a line names an absolute path, not the end of another one.
fn names_path(line: &str, path: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '}' | '~' | '*');
    line.match_indices(path).any(|(at, _)| !line[..at].ends_with(continues))
}

#[test]
fn rules_for_words_accept_and_refuse() {
    let word = PROMISES[0];
    assert!(is_numbered(&format!("// {word}(#12): later"), word));
    assert!(is_numbered(&format!("// {word}(2026-12-01): later"), word));
    for line in [format!("// {word}: later"), format!("// {word}(#): later"), format!("// {word}(soon)")] {
        assert!(!is_numbered(&line, word), "{line}");
    }
    let path = MACHINE_PATHS[0];
    assert!(names_path(&format!("open(\"{path}x\")"), path));
    assert!(!names_path(&format!("https://example.org{path}x"), path));
}

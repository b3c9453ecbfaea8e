//! No function past 70 lines, ever; and the number of those past 40 may only shrink.

use std::collections::BTreeMap;
use std::fs;

use crate::repository::{root, rust_files};
use crate::rust_text;

/// No function body may have more lines of code than this.
const LINES_MAX: usize = 70;

/// A function body with more lines than this counts as long.
const LINES_AIM: usize = 40;

const RATCHET: &str = "crates/freehold/tests/house/long-functions.txt";

/// A function by name, place, and the lines of code between its braces.
#[derive(Debug, PartialEq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Returns the functions of a source text that have a body, nested ones included.
fn functions(source: &str) -> Vec<Function> {
    let code = rust_text::split(source).code;
    let starts = code.match_indices("fn ").filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    });
    starts.filter_map(|(at, _)| function_at(&code, at)).collect()
}

fn function_at(code: &str, at: usize) -> Option<Function> {
    let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let open = at + body_start(&code[at..])?;
    let close = open + closing_brace(&code[open..])?;
    let body = &code[open + 1..close];
    let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
    (!name.is_empty()).then(|| Function { name, line: code[..at].matches('\n').count() + 1, lines })
}

/// Returns where the body of a function opens, or `None` for one without.
fn body_start(signature: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, c) in signature.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn closing_brace(body: &str) -> Option<usize> {
    let mut depth = 0_i32;
    body.char_indices().find_map(|(at, c)| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        (depth == 0).then_some(at)
    })
}

/// Reads the ratchet: a crate and a count on each line that is not a remark.
fn ratchet() -> BTreeMap<String, usize> {
    let text = fs::read_to_string(root().join(RATCHET)).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).map(|(name, n)| (name.to_owned(), n.parse().unwrap())).collect()
}

#[test]
fn no_function_is_past_the_limit() {
    let mut findings = Vec::new();
    for (file, text) in rust_files() {
        for f in functions(&text).iter().filter(|f| f.lines > LINES_MAX) {
            let Function { name, line, lines } = f;
            findings.push(format!("{}:{line} `{name}` has {lines} lines, at most {LINES_MAX}: split it", file.path));
        }
    }
    crate::expect_none("functions past the limit", &findings);
}

#[test]
fn long_functions_only_become_fewer() {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in rust_files() {
        let long = functions(&text).into_iter().filter(|f| f.lines > LINES_AIM);
        let list = long.map(|f| format!("{}:{} `{}` {} lines", file.path, f.line, f.name, f.lines));
        found.entry(file.krate().unwrap().to_owned()).or_default().extend(list);
    }
    let allowed = ratchet();
    let mut findings = Vec::new();
    for (krate, long) in &found {
        let allowed = allowed.get(krate).copied().unwrap_or(0);
        if long.len() > allowed {
            let list = long.join("\n    ");
            findings.push(format!(
                "{krate} has {} functions past {LINES_AIM} lines, {allowed} allowed: split one\n    {list}",
                long.len()
            ));
        } else if long.len() < allowed {
            findings.push(format!("{krate} is down to {} long functions: lower its line in {RATCHET}", long.len()));
        }
    }
    for krate in allowed.keys().filter(|krate| !found.contains_key(*krate)) {
        findings.push(format!("{krate} is not a crate any more: remove its line from {RATCHET}"));
    }
    crate::expect_none("long functions", &findings);
}

#[test]
fn functions_are_measured_by_lines_of_code() {
    let source = "trait T { fn none(&self); }\nfn a<F: Fn(u8) -> [u8; 2]>(f: F) {\n    // remark\n\n    let s = \"}\n{\";\n}\nconst P: fn (u8) = b;\nfn b(_: u8) { fn c() {\n 1;\n} }\n";
    let found: Vec<_> = functions(source).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(found, [("a".into(), 2, 2), ("b".into(), 9, 3), ("c".into(), 9, 1)]);
}

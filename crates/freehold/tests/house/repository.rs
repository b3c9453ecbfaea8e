//! The repository as the rules see it: every file that could be committed, and the crates.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours, as in `.gitignore`.
const SKIPPED: [&str; 4] = [".git", "target", "__pycache__", ".venv"];

/// One file, by its path below the root with forward slashes.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

impl File {
    /// Returns the text, or `None` for a binary file.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    /// Returns the crate the file belongs to.
    pub(crate) fn krate(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns all files, sorted by path.
pub(crate) fn files() -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path().strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(File { path, bytes: fs::read(entry.path()).unwrap() });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Returns the Rust files of the crates with their text.
pub(crate) fn rust_files() -> Vec<(File, String)> {
    let of_crates = files().into_iter().filter(|f| f.path.starts_with("crates/") && f.path.ends_with(".rs"));
    of_crates.map(|f| (f.text().unwrap().to_owned(), f)).map(|(text, f)| (f, text)).collect()
}

#[test]
fn repository_is_found() {
    let files = files();
    for path in ["Cargo.toml", "crates/freehold/tests/house/main.rs", ".gitignore"] {
        assert!(files.iter().any(|f| f.path == path), "{path} is missing");
    }
    assert!(!files.iter().any(|f| f.path.starts_with("target/")));
}

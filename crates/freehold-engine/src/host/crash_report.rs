//! What is left behind when a worker dies: a file each in the home, of which the newest are kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::confine::Layer;
use crate::host::death::Cause;
use crate::model::Backend;

/// The most reports that are kept; the oldest gives way.
pub const CRASH_REPORTS_MAX: usize = 20;
/// Raised with every change of what a report holds.
const FORMAT: u32 = 1;
/// The most calls that a report lists.
pub(crate) const CALLS_MAX: usize = 64;
/// The most characters of a model's name in a file's name.
const NAME_CHARS_MAX: usize = 40;

/// What is known of a worker's death. Holds no text of any call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashReport {
    /// The version of this form.
    pub format: u32,
    /// When the death was noticed, in UTC (RFC 3339).
    pub at: String,
    /// The model's name.
    pub model: String,
    /// Its file.
    pub path: PathBuf,
    /// What ran it.
    pub backend: Backend,
    /// The engine's exact build, where the model was loaded.
    pub engine_build: Option<String>,
    /// The worker's process.
    pub process: Option<u32>,
    /// Why it ended.
    pub cause: Cause,
    /// The same in words.
    pub how: String,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The status it ended with.
    pub status: Option<i32>,
    /// What it was doing: loading, or serving the calls below.
    pub doing: Doing,
    /// The calls that it had, by the engine's own numbers, 64 at most.
    pub calls: Vec<CrashedCall>,
    /// The most memory that it was seen to hold, in KiB.
    pub memory_peak_kib: Option<u64>,
    /// How often workers of this model were started again within the window so far.
    pub restarts: usize,
    /// What held it.
    pub isolation: Vec<Layer>,
    /// The last lines it wrote to its error output, oldest first.
    pub last_lines: Vec<String>,
}

/// What a worker was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// It was starting, or loading its model.
    Loading,
    /// The model was loaded.
    Serving,
}

/// A call that a worker took with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashedCall {
    /// The engine's own number.
    pub id: u64,
    /// How many events it had brought; with none, its prompt was waiting or being read.
    pub events: u64,
}

impl CrashReport {
    /// Returns the number that stands for this form.
    pub(crate) fn format() -> u32 {
        FORMAT
    }

    /// Writes a time as reports have it: always as long, so that the names of files are in the order of time.
    pub(crate) fn time(at: Timestamp) -> String {
        at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }

    fn file_name(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let model: String =
            self.model.chars().take(NAME_CHARS_MAX).map(|c| if is_plain(c) { c } else { '_' }).collect();
        format!("{}-{model}.json", self.at.replace([':', '-'], ""))
    }

    /// Writes the report into `folder`, lets the oldest go, and returns where it lies. Waits for the disk.
    pub(crate) fn keep(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let path = folder.join(self.file_name());
        fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        let names = report_files(folder)?;
        for old in names.iter().rev().skip(CRASH_REPORTS_MAX) {
            fs::remove_file(old)?;
        }
        Ok(path)
    }
}

/// Returns the reports in a folder, newest first; what is no report is passed over.
///
/// # Errors
/// The folder is there and cannot be read.
pub fn crash_reports(folder: &Path) -> io::Result<Vec<CrashReport>> {
    let read = |path: &PathBuf| serde_json::from_slice(&fs::read(path).ok()?).ok();
    match report_files(folder) {
        Ok(files) => Ok(files.iter().rev().filter_map(read).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Returns the files of reports, oldest first.
fn report_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(second: i64) -> CrashReport {
        CrashReport {
            format: FORMAT,
            at: CrashReport::time(Timestamp::from_millisecond(second * 500).unwrap()),
            model: "a/../b".into(),
            path: "m.gguf".into(),
            backend: Backend::Llama,
            engine_build: None,
            process: Some(7),
            cause: Cause::Hang,
            how: "did nothing".into(),
            signal: None,
            status: None,
            doing: Doing::Serving,
            calls: vec![CrashedCall { id: 3, events: 0 }],
            memory_peak_kib: Some(10),
            restarts: 1,
            isolation: Vec::new(),
            last_lines: vec!["a line".into()],
        }
    }

    #[test]
    fn newest_are_kept_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("crashes");
        assert_eq!(crash_reports(&folder).unwrap(), []);
        for second in 0..25 {
            let path = report(second).keep(&folder).unwrap();
            assert_eq!(path.parent(), Some(folder.as_path()), "a name is no path");
        }
        fs::write(folder.join("0.json"), "no report").unwrap();
        let kept = crash_reports(&folder).unwrap();
        assert_eq!(kept.len(), CRASH_REPORTS_MAX);
        assert_eq!(kept[0], report(24));
        assert_eq!(kept[19], report(5));
    }
}

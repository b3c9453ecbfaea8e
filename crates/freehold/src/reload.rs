//! Sees that the configuration file has changed, by its time and size, without reading it.

use std::path::PathBuf;
use std::time::SystemTime;

/// Watches a configuration file.
#[derive(Debug)]
pub struct Watch {
    file: Option<PathBuf>,
    seen: Option<(SystemTime, u64)>,
}

impl Watch {
    /// Begins with the file as it is; `None` where there is none to watch.
    pub fn new(file: Option<PathBuf>) -> Self {
        let mut watch = Watch { file, seen: None };
        watch.seen = watch.look();
        watch
    }

    /// Returns whether the file has changed since this was asked last; a file that is away has not.
    pub fn has_changed(&mut self) -> bool {
        let found = self.look();
        let has_changed = found.is_some() && found != self.seen;
        self.seen = found.or(self.seen);
        has_changed
    }

    fn look(&self) -> Option<(SystemTime, u64)> {
        let data = std::fs::metadata(self.file.as_ref()?).ok()?;
        Some((data.modified().ok()?, data.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_is_seen_once_and_absence_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("freehold.toml");
        std::fs::write(&file, "a").unwrap();
        let mut watch = Watch::new(Some(file.clone()));
        assert!(!watch.has_changed());
        std::fs::write(&file, "ab").unwrap();
        assert!(watch.has_changed() && !watch.has_changed());
        std::fs::remove_file(&file).unwrap();
        assert!(!watch.has_changed());
        std::fs::write(&file, "abc").unwrap();
        assert!(watch.has_changed());
        assert!(!Watch::new(None).has_changed());
    }
}

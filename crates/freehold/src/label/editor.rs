//! The person's own editor, on a file of its own that is gone afterwards.

use std::io::Write;
use std::process::Command;

use crate::exit::Fault;

/// Lets the person write, beginning with a text; `None` where the editor ended as if it were to be forgotten, or nothing was
/// changed.
pub(super) fn write(begin: &str) -> Result<Option<String>, Fault> {
    let editor =
        ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|set| !set.trim().is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let cannot = |error: std::io::Error| Fault::input("cannot make a file to write in").because(error);
    let path = std::env::temp_dir().join(format!("freehold-{}.txt", uuid::Uuid::now_v7()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path).and_then(|mut file| file.write_all(begin.as_bytes())).map_err(cannot)?;
    // The editor may come with arguments of its own, as git and others take it.
    let ran = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(&path).status();
    let text = std::fs::read_to_string(&path);
    std::fs::remove_file(&path).map_err(cannot)?;
    let status = ran.map_err(|error| Fault::input(format!("cannot start the editor {editor}")).because(error))?;
    let text = text.map_err(|error| Fault::input("cannot read what was written").because(error))?;
    Ok((status.success() && text != begin).then_some(text))
}

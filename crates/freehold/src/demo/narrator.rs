//! Tells the demo on stderr: headings, sentences and progress, quiet where no terminal listens.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// The teller.
#[derive(Debug, Clone, Copy)]
pub struct Narrator {
    is_terminal: bool,
    has_color: bool,
}

impl Narrator {
    /// Returns a teller that fits stderr.
    pub fn of_stderr() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Narrator { is_terminal, has_color: is_terminal && std::env::var_os("NO_COLOR").is_none() }
    }

    /// Begins a chapter.
    pub fn chapter(&self, number: u32, title: &str) {
        if self.has_color {
            eprintln!("\n\x1b[1;36m{number}  {title}\x1b[0m");
        } else {
            eprintln!("\n{number}  {title}");
        }
    }

    /// Says a sentence.
    pub fn say(&self, sentence: &str) {
        eprintln!("   {sentence}");
    }

    /// Shows a block as it is.
    pub fn show(&self, block: &str) {
        eprintln!();
        for line in block.lines() {
            eprintln!("   {line}");
        }
        eprintln!();
    }

    /// Returns a progress bar over `count` things.
    pub fn bar(&self, count: u64, what: &str) -> ProgressBar {
        if !self.is_terminal {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("   {msg:28} {bar:40.cyan/dim} {pos}/{len}  {elapsed}");
        ProgressBar::new(count)
            .with_style(style.expect("the template is right; every demo shows it").progress_chars("━━─"))
            .with_message(what.to_owned())
    }
}

//! Writes data to stdout. A reader that has gone away is no error; a full disk is.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use crate::exit::Fault;

/// Writes a block as it is.
///
/// # Errors
/// Stdout cannot be written, for another reason than that nobody reads any more.
pub fn block(text: impl Display) -> Result<(), Fault> {
    let mut stdout = std::io::stdout().lock();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Fault::input("cannot write to stdout").because(error))
        }
        _ => Ok(()),
    }
}

/// Writes a line.
///
/// # Errors
/// As for [`block`].
pub fn line(text: impl Display) -> Result<(), Fault> {
    block(format_args!("{text}\n"))
}

//! Checks at work: on the lines of anyone's file, and with the help of programs and endpoints.
//!
//! What a check computes by itself stands in `freehold-evidence`; here is what needs a file, a process or the network.

mod file;
mod tally;

pub use file::{score_lines, write_line};
pub use tally::Tally;

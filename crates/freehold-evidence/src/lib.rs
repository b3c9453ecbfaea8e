//! Checks and statistics: is a candidate adequate for a step, and how sure may we be.
//! Pure: no input or output, no clock, no randomness of its own. Every method names its source.

pub mod bootstrap;
pub mod cascade;
pub mod check;
pub mod decision;
pub mod drift;
pub mod judge;
pub mod looks;
pub mod multiplicity;
pub mod noise;
pub mod paired;
pub mod plan;
pub mod ppi;
pub mod proportion;
pub mod quantile;
pub mod sequential;
pub mod strata;
pub mod tango;

pub use check::{Check, Output, Score, ToolCall};
pub use decision::{Decision, Pair, Rule, Tally, Verdict, decide};

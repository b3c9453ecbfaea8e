//! Keeps calls and everything decided about them, in one SQLite file of a home folder.
//!
//! Every method blocks and belongs off the async threads; only `Recorder::record` may be called from anywhere.

mod aliases;
mod assessment;
mod body;
mod calls;
mod cases;
mod certificate;
mod error;
mod export;
mod gap;
mod generation;
mod interned;
mod keeping;
mod keys;
mod label;
mod loads;
mod log;
mod look;
mod mask;
mod recorder;
mod retention;
mod room;
#[cfg(test)]
mod sample;
mod schema;
mod seal;
mod step_calls;
mod steps;
mod store;
mod tally;
mod traffic;

pub use aliases::{NumberedChange, StepChange, StepRules};
pub use assessment::{Assessment, AssessmentHead, Replay};
pub use calls::Imported;
pub use cases::CaseKey;
pub use certificate::Certified;
pub use error::{Error, ErrorKind};
pub use export::Selection;
pub use gap::Gap;
pub use generation::{Generation, NewGeneration, Route};
pub use keeping::{Bodies, Keeping};
pub use keys::{Budget, Key, KeySecret, KeyTerms, Period, Rate, Spent, Unit, UnknownPrice};
pub use label::{Label, Preference, Said};
pub use loads::Load;
pub use look::Look;
pub use mask::{Kind, MaskError, Masking};
pub use recorder::{Acknowledge, Receipt, Recorder, RecorderConfig, RecorderStats};
pub use retention::{Removed, Retention};
pub use seal::{Purpose, SEAL_BYTES, Seal, SealError};
pub use steps::{StepSummary, Traffic};
pub use store::{Limits, Store, make_home};
pub use traffic::DayTraffic;

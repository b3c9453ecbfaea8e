//! Whether a check says right or wrong, or grades in between: the test that decides on its scores is chosen by it.

use super::{Check, FieldFigure};

impl Check {
    /// Returns whether scores may lie between 0 and 1; known before any answer is seen.
    #[must_use]
    pub fn is_graded(&self) -> bool {
        match self {
            Self::Fields(figure, _) => *figure != FieldFigure::AllEqual,
            Self::RougeL | Self::Chrf => true,
            Self::Exact(_)
            | Self::Regex(_)
            | Self::Numeric(_)
            | Self::Json(_)
            | Self::Schema(_)
            | Self::Field { .. }
            | Self::ToolCall
            | Self::Refusal
            | Self::Answered => false,
        }
    }
}

//! The desk's phrases, in the notation of [`super::pen`]: problems, circumstances, details and distractors.

pub(super) mod details;
pub(super) mod problems;
pub(super) mod replies;
pub(super) mod values;

//! What a caller is told in headers beside the answer: how it came about, and what was done to the call on the way.

use http::HeaderMap;
use http::header::HeaderValue;

use freehold_wire::Api;

use crate::headers;

/// What was done to a call on the way.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The dialect in which the upstream was asked, where it is not the caller's.
    pub translated: Option<Api>,
    /// The fields that the translation left out.
    pub lost: Vec<String>,
    /// What was removed from the request.
    pub removed: Option<&'static str>,
    /// Whether the answer is an estimate.
    pub is_estimated: bool,
}

impl Told {
    /// Says it in headers.
    pub(crate) fn mark(&self, marks: &mut HeaderMap) {
        if let Some(spoken) = self.translated {
            marks.insert(headers::TRANSLATED, HeaderValue::from_static(spoken.as_str()));
        }
        if !self.lost.is_empty() {
            marks.insert(headers::LOST, headers::value(&self.lost.join(",")));
        }
        if let Some(removed) = self.removed {
            marks.insert(headers::REMOVED, HeaderValue::from_static(removed));
        }
        if self.is_estimated {
            marks.insert(headers::ESTIMATED, HeaderValue::from_static("true"));
        }
    }
}

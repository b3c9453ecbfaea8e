//! What a token is: its bytes, and whether it ends an answer.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::worker::output::{THINK_CLOSE, THINK_OPEN, TOOL_CLOSE, TOOL_OPEN};

/// The model's vocabulary, as far as answers need it.
pub(crate) struct Vocabulary(pub(crate) &'static LlamaModel);

impl Vocabulary {
    pub(crate) fn ends(&self, token: LlamaToken) -> bool {
        self.0.vocab().is_eog(token)
    }

    /// Returns the bytes of a token; control tokens have none, unless they mark a part of the answer.
    pub(crate) fn bytes(&self, token: LlamaToken) -> Vec<u8> {
        let plain = self.0.vocab().token_to_piece(token, false, None);
        if !plain.is_empty() {
            return plain;
        }
        let special = self.0.vocab().token_to_piece(token, true, None);
        let markers = [TOOL_OPEN, TOOL_CLOSE, THINK_OPEN, THINK_CLOSE];
        if markers.iter().any(|marker| marker.as_bytes() == special) { special } else { Vec::new() }
    }
}

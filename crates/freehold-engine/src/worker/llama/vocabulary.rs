//! What a token is: its bytes, and whether it ends an answer.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::worker::output::Manner;

/// The model's vocabulary, as far as answers need it.
pub(crate) struct Vocabulary {
    pub(crate) model: &'static LlamaModel,
    pub(crate) manner: Manner,
}

impl Vocabulary {
    pub(crate) fn ends(&self, token: LlamaToken) -> bool {
        self.model.vocab().is_eog(token)
    }

    /// Returns the bytes of a token; control tokens have none, unless they mark a part of the answer.
    pub(crate) fn bytes(&self, token: LlamaToken) -> Vec<u8> {
        let plain = self.model.vocab().token_to_piece(token, false, None);
        if !plain.is_empty() {
            return plain;
        }
        let special = self.model.vocab().token_to_piece(token, true, None);
        if self.manner.has_token(&special) { special } else { Vec::new() }
    }
}

//! From a request to the tokens of a prompt.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::protocol::Order;
use crate::worker::chat::{self, Template};

/// Makes prompts for one model.
pub(crate) struct Prompts {
    pub(crate) model: &'static LlamaModel,
    pub(crate) template: Option<Template>,
}

impl Prompts {
    /// Makes a prompt of a request: its text, and its tokens, of which there is at least one.
    pub(crate) fn of(&self, order: &Order) -> Result<(String, Vec<LlamaToken>), String> {
        let text = match &self.template {
            Some(template) => template.render(&order.request, order.at_ms)?,
            None => chat::plain(&order.request)?,
        };
        let tokens = self.tokenize(&text);
        Ok((text, tokens))
    }

    fn tokenize(&self, text: &str) -> Vec<LlamaToken> {
        let vocabulary = self.model.vocab();
        let is_plain = self.template.is_none();
        let mut tokens = vocabulary.tokenize(text.as_bytes(), is_plain, !is_plain);
        // Templates write the first token themselves, or leave it out; the model's file says whether it must be there.
        if vocabulary.should_add_bos() && tokens.first() != Some(&vocabulary.bos()) {
            tokens.insert(0, vocabulary.bos());
        }
        if tokens.is_empty() {
            let first = if vocabulary.bos().0 >= 0 { vocabulary.bos() } else { LlamaToken(0) };
            tokens.push(first);
        }
        tokens
    }
}

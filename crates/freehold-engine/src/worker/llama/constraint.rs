//! Answers that must have a shape: which tokens may come next, by llguidance.

use std::collections::{HashMap, VecDeque};

use freehold_wire::Request;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::SimpleVob;
use llguidance::{Matcher, ParserFactory};

use crate::worker::llama::grammar::{self, Beginning, Writing};
use crate::worker::output::Manner;

/// How many compiled grammars are kept.
const KEPT_GRAMMARS_MAX: usize = 64;

/// Compiles grammars for one vocabulary, and keeps the compiled ones.
pub(crate) struct Constraints {
    factory: ParserFactory,
    writing: Writing,
    compiled: HashMap<String, Matcher>,
    by_age: VecDeque<String>,
}

/// The constraint on one answer in progress.
pub(crate) struct Constraint {
    matcher: Matcher,
    /// Whether the answer is JSON and nothing else.
    pub(crate) is_json_only: bool,
}

impl Constraints {
    pub(crate) fn new(model: &LlamaModel, manner: Manner) -> Result<Constraints, String> {
        let tokens = LlamaSampler::llguidance_tok_env(model);
        let mut factory = ParserFactory::new_simple(&tokens)
            .map_err(|error| format!("the vocabulary cannot be constrained: {error}"))?;
        factory.quiet();
        let writing = Writing::of(model, manner);
        Ok(Constraints { factory, writing, compiled: HashMap::new(), by_age: VecDeque::new() })
    }

    /// Returns the constraint that a request asks for, if it asks for any.
    pub(crate) fn of(&mut self, request: &Request, beginning: Beginning) -> Result<Option<Constraint>, String> {
        let Some(grammar) = grammar::of(request, &self.writing, beginning)? else { return Ok(None) };
        let is_json_only = request.tools.is_empty() || request.tool_choice == freehold_wire::ToolChoice::None;
        if !self.compiled.contains_key(&grammar) {
            let matcher = self.compile(&grammar)?;
            if self.by_age.len() == KEPT_GRAMMARS_MAX {
                self.by_age.pop_front().map(|oldest| self.compiled.remove(&oldest));
            }
            self.by_age.push_back(grammar.clone());
            self.compiled.insert(grammar.clone(), matcher);
        }
        // Clones share what the lexer has learnt, so a grammar becomes faster with use.
        Ok(self.compiled.get(&grammar).map(|matcher| Constraint { matcher: matcher.clone(), is_json_only }))
    }

    fn compile(&self, grammar: &str) -> Result<Matcher, String> {
        let parser = self.factory.create_parser(TopLevelGrammar::from_lark(grammar.to_owned()));
        let matcher = Matcher::new(parser);
        match matcher.get_error() {
            None => Ok(matcher),
            // The first line says what; the rest quotes the grammar.
            Some(error) => {
                let first = error.lines().next().unwrap_or_default();
                Err(format!("the shape that it asks of the answer cannot be enforced: {first}"))
            }
        }
    }
}

impl Constraint {
    /// Takes a token if it may come next; returns whether it may.
    pub(crate) fn take(&mut self, token: i32) -> Result<bool, String> {
        let token = token.cast_unsigned();
        self.matcher.try_consume_tokens(&[token]).map(|taken| taken == 1).map_err(|error| failed(&error))
    }

    /// Returns the tokens that may come next.
    pub(crate) fn allowed(&mut self) -> Result<SimpleVob, String> {
        self.matcher.compute_mask_or_eos().map_err(|error| failed(&error))
    }

    /// Returns whether nothing can follow.
    pub(crate) fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }
}

fn failed(error: &impl ToString) -> String {
    let text = error.to_string();
    format!("the constraint on the answer failed: {}", text.lines().next().unwrap_or_default())
}

//! Remembers the heads that came last: an application sends the same few again and again, and long ones take long to hash.

use freehold_wire::{Api, Request, ResponseFormat, Tool};

use super::{Identity, Marks, head, with_head};

/// The most heads that are remembered, and the most bytes of one that is.
const HEADS_MAX: usize = 16;
const HEAD_BYTES_MAX: usize = 256 << 10;

/// The heads that came last, with their steps.
#[derive(Debug, Default)]
pub struct Heads {
    /// The one that came last is the last.
    recent: Vec<(Head, String)>,
}

/// All of a request that its step depends on.
#[derive(Debug)]
struct Head {
    api: Api,
    system: String,
    tools: Vec<Tool>,
    response_format: ResponseFormat,
}

impl Heads {
    /// Finds the step and run of a request as [`super::identify`] does; a head that came lately is compared, not hashed.
    pub fn identify(&mut self, request: &Request, marks: Marks<'_>) -> Identity {
        with_head(request, marks, |request| self.step(request))
    }

    fn step(&mut self, request: &Request) -> String {
        if let Some(at) = self.recent.iter().rposition(|(head, _)| head.is_of(request)) {
            self.recent[at..].rotate_left(1);
            return self.recent.last().expect("one was just found").1.clone();
        }
        let (step, bytes) = head::step_id(request);
        if bytes <= HEAD_BYTES_MAX {
            if self.recent.len() == HEADS_MAX {
                self.recent.remove(0);
            }
            self.recent.push((Head::of(request), step.clone()));
        }
        step
    }
}

impl Head {
    fn of(request: &Request) -> Self {
        let (tools, response_format) = (request.tools.clone(), request.response_format.clone());
        Head { api: request.api, system: request.system.clone(), tools, response_format }
    }

    fn is_of(&self, request: &Request) -> bool {
        self.api == request.api
            && self.system == request.system
            && self.tools == request.tools
            && self.response_format == request.response_format
    }
}

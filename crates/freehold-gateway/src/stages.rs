//! The stages of a call's path one by one, so that each can be measured. Nobody is served from here.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use freehold_wire::Api;

use crate::gateway::Shared;
use crate::headers::{self, Credentials};
use crate::record::{Ending, OpenRecord, Shape, Stamp};
use crate::route::{self, Asked};
use crate::{Gateway, identify};

/// The stages of the path of a call through one gateway.
pub struct Stages<'a> {
    shared: &'a Shared,
}

/// A call to be taken through the stages.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its dialect.
    pub api: Api,
    /// The headers it came with.
    pub headers: HeaderMap,
    /// Its body.
    pub request: Bytes,
    /// The body of its answer.
    pub answer: Bytes,
}

impl<'a> Stages<'a> {
    /// Takes the stages of a gateway.
    pub fn new(gateway: &'a Gateway) -> Self {
        Stages { shared: gateway.shared() }
    }

    /// Reads the request and finds its step; returns that.
    ///
    /// # Panics
    /// The request of the sample cannot be read.
    pub fn identify(&self, sample: &Sample) -> String {
        let view = identify::view(sample.api, &sample.headers, &sample.request, self.shared.steps.load().as_deref());
        view.expect("the sample can be read").step
    }

    /// Decides who answers; returns how many may.
    ///
    /// # Panics
    /// Nobody answers the model.
    pub fn route(&self, sample: &Sample, (model, step): (&str, &str)) -> usize {
        let (current, generation) = (self.shared.current.load_full(), self.shared.routes.snapshot());
        let asked = Asked { api: sample.api, model, step };
        let is_of_engine = |model: &str| self.shared.engine.serves(model);
        let plan = route::plan(asked, &generation, current.among(), is_of_engine);
        plan.expect("somebody answers the sample").len()
    }

    /// Makes the caller's headers ready for an upstream; returns how many are left.
    pub fn headers(&self, sample: &Sample) -> usize {
        let mut sent = sample.headers.clone();
        headers::to_upstream(&mut sent, sample.api, Credentials::Callers);
        sent.len()
    }

    /// Opens the record of a call, fills it, marks the answer, reads usage from it, and hands it to the store.
    pub fn record(&self, sample: &Sample, id: String) {
        let stamp = Stamp { id, at_ms: 1_790_000_000_000, begun: Instant::now() };
        let mut record = OpenRecord::open(&self.shared.keeper, sample.api, stamp);
        record.keep_request(sample.request.clone());
        "bench".clone_into(&mut record.call_mut().step);
        record.upstream_answers(StatusCode::OK, Shape::Whole, Vec::new());
        record.copy(&sample.answer);
        let mut marks = HeaderMap::new();
        record.mark(&mut marks);
        black_box(marks);
        drop(record.close(Ending::default()));
    }
}

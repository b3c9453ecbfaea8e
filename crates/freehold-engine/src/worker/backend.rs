//! The port between the session and whatever runs a model.

use crate::model::Backend as Kind;
use crate::protocol::{Facts, LoadOrder, Order, WorkerEvent};
use crate::worker::scripted::{self, Scripted};

#[cfg(feature = "llama")]
use crate::worker::llama::Llama;

/// Events of one step, with the calls they belong to.
pub(crate) type Events = Vec<(u64, WorkerEvent)>;

/// What runs the model.
pub(crate) enum Backend {
    Scripted(Box<Scripted>),
    #[cfg(feature = "llama")]
    Llama(Box<Llama>),
}

/// When a backend wants to be stepped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// At once.
    Now,
    /// After this pause, or when something new comes in.
    After(std::time::Duration),
    /// Not before something new comes in.
    Never,
}

impl Backend {
    /// Loads a model; the error is told to the host.
    pub(crate) fn load(order: &LoadOrder) -> Result<(Backend, Facts), String> {
        if order.slots == 0 || order.context_tokens == 0 {
            return Err(format!("{} slots of {} tokens cannot serve", order.slots, order.context_tokens));
        }
        match order.backend {
            Kind::Scripted => {
                Scripted::load(order).map(|(backend, facts)| (Backend::Scripted(Box::new(backend)), facts))
            }
            #[cfg(feature = "llama")]
            Kind::Llama => Llama::load(order).map(|(backend, facts)| (Backend::Llama(Box::new(backend)), facts)),
            #[cfg(not(feature = "llama"))]
            Kind::Llama => Err("this binary was built without the llama feature".to_owned()),
        }
    }

    /// Takes a call in, or refuses it with the reason.
    pub(crate) fn admit(&mut self, order: Order) -> Result<(), String> {
        match self {
            Backend::Scripted(backend) => backend.admit(order),
            #[cfg(feature = "llama")]
            Backend::Llama(backend) => backend.admit(order),
        }
    }

    /// Returns how many tokens the prompt of a request has, as `admit` would make it, or why none can be made of it.
    pub(crate) fn count(&self, order: &Order) -> Result<u64, String> {
        match self {
            Backend::Scripted(_) => Ok(scripted::count_words(&order.request)),
            #[cfg(feature = "llama")]
            Backend::Llama(backend) => backend.count(order),
        }
    }

    /// Takes a request for vectors in, or refuses it with the reason.
    pub(crate) fn embed(&mut self, order: &Order) -> Result<(), String> {
        match self {
            Backend::Scripted(_) => Err(format!("a script has no vectors (call {})", order.id)),
            #[cfg(feature = "llama")]
            Backend::Llama(backend) => backend.embed(order),
        }
    }

    /// Lets go of a call; nothing happens when it is not there.
    pub(crate) fn cancel(&mut self, id: u64) {
        match self {
            Backend::Scripted(backend) => backend.cancel(id),
            #[cfg(feature = "llama")]
            Backend::Llama(backend) => backend.cancel(id),
        }
    }

    pub(crate) fn wish(&self) -> Wish {
        match self {
            Backend::Scripted(backend) => backend.wish(),
            #[cfg(feature = "llama")]
            Backend::Llama(backend) => backend.wish(),
        }
    }

    /// Takes all running calls one step on.
    pub(crate) fn step(&mut self, events: &mut Events) {
        match self {
            Backend::Scripted(backend) => backend.step(events),
            #[cfg(feature = "llama")]
            Backend::Llama(backend) => backend.step(events),
        }
    }
}

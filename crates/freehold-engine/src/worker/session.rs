//! The worker's main loop: take in what the host says, step the model, say what came of it.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};

use crate::protocol::frames;
use crate::protocol::{FromWorker, LoadOrder, ToWorker, WorkerEvent};
use crate::worker::WorkerError;
use crate::worker::backend::{Backend, Wish};

/// The way to the host; frames are collected and written in one piece per step.
pub(crate) struct Host {
    output: File,
    waiting: Vec<u8>,
}

impl Host {
    pub(crate) fn new(output: File) -> Host {
        Host { output, waiting: Vec::new() }
    }

    pub(crate) fn send(&mut self, message: &FromWorker) -> Result<(), WorkerError> {
        Ok(frames::encode(message, &mut self.waiting)?)
    }

    pub(crate) fn flush(&mut self) -> Result<(), WorkerError> {
        if !self.waiting.is_empty() {
            self.output.write_all(&self.waiting).map_err(WorkerError::Write)?;
            self.waiting.clear();
        }
        Ok(())
    }
}

/// Loads the model and serves until the host says goodbye.
pub(crate) fn serve(order: &LoadOrder, host: &mut Host, messages: &Receiver<ToWorker>) -> Result<(), WorkerError> {
    let mut backend = match Backend::load(order) {
        Ok((backend, facts)) => {
            host.send(&FromWorker::Loaded(facts))?;
            host.flush()?;
            backend
        }
        Err(what) => {
            host.send(&FromWorker::LoadFailed { what })?;
            return host.flush();
        }
    };
    let mut events = Vec::new();
    loop {
        while let Some(message) = next_message(messages, backend.wish()) {
            if let ToWorker::Bye = message {
                return Ok(());
            }
            if let ToWorker::Ping = message {
                host.send(&FromWorker::Pong)?;
            } else if let Some((id, event)) = obey(message, &mut backend)? {
                host.send(&FromWorker::Event { id, event })?;
            }
            host.flush()?;
        }
        backend.step(&mut events);
        for (id, event) in events.drain(..) {
            host.send(&FromWorker::Event { id, event })?;
        }
        host.flush()?;
    }
}

/// Does what the host says, and returns what there is to say about it at once.
fn obey(message: ToWorker, backend: &mut Backend) -> Result<Option<(u64, WorkerEvent)>, WorkerError> {
    Ok(match message {
        ToWorker::Generate(order) => {
            let id = order.id;
            backend.admit(*order).err().map(|what| (id, WorkerEvent::Refused(what)))
        }
        ToWorker::Count(order) => {
            let counted = backend.count(&order);
            let counted = counted.map(|prompt_tokens| WorkerEvent::Counted { prompt_tokens });
            Some((order.id, counted.unwrap_or_else(WorkerEvent::Refused)))
        }
        ToWorker::Embed(order) => {
            let id = order.id;
            backend.embed(&order).err().map(|what| (id, WorkerEvent::Refused(what)))
        }
        ToWorker::Cancel { id } => {
            backend.cancel(id);
            Some((id, WorkerEvent::Cancelled))
        }
        ToWorker::Hello(_) | ToWorker::Load(_) | ToWorker::Ping | ToWorker::Bye => {
            return Err(WorkerError::Unexpected { expected: "no second greeting" });
        }
    })
}

/// Returns what the host has said, waiting for it as long as the backend has nothing to do.
fn next_message(messages: &Receiver<ToWorker>, wish: Wish) -> Option<ToWorker> {
    match wish {
        Wish::Now => match messages.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(ToWorker::Bye),
        },
        Wish::After(pause) => match messages.recv_timeout(pause) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(ToWorker::Bye),
        },
        Wish::Never => Some(messages.recv().unwrap_or(ToWorker::Bye)),
    }
}

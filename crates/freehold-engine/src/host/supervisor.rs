//! The task that owns one model's worker: routes its events, notices its death, and starts it again within a budget.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::host::spawner::Spawner;
use crate::host::start::start;
use crate::host::worker_link::WorkerLink;
use crate::host::{EngineConfig, Event};
use crate::protocol::{FromWorker, ToWorker, WorkerEvent};
use crate::{Error, ModelInfo, ModelSpec, ModelState};

/// What a supervisor is told.
#[derive(Debug)]
pub(crate) enum Command {
    Generate(NewCall),
    Cancel(u64),
}

/// A call that was admitted.
#[derive(Debug)]
pub(crate) struct NewCall {
    pub(crate) id: u64,
    /// The request, ready to be sent.
    pub(crate) frame: Vec<u8>,
    pub(crate) events: mpsc::Sender<Event>,
    /// Its place among the admitted, held until the worker is done with it.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// A call that the worker knows of.
pub(crate) struct RunningCall {
    events: mpsc::Sender<Event>,
    _permit: OwnedSemaphorePermit,
}

/// Owns a model's worker.
pub(crate) struct Supervisor {
    pub(crate) spec: ModelSpec,
    pub(crate) config: Arc<EngineConfig>,
    pub(crate) spawner: Arc<Spawner>,
    pub(crate) tracker: TaskTracker,
    pub(crate) info: Arc<Mutex<Option<ModelInfo>>>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) stop: CancellationToken,
    /// Tells, by being dropped, that the worker is gone.
    pub(crate) _stopped: DropGuard,
    pub(crate) calls: HashMap<u64, RunningCall>,
    pub(crate) restarts: VecDeque<Instant>,
}

/// Why serving ended.
enum Ended {
    Stopped,
    Died(Error),
}

impl Supervisor {
    /// Loads, tells `loaded` how that went, then serves until the model is stopped.
    pub(crate) async fn run(mut self, loaded: oneshot::Sender<Result<ModelInfo, Error>>) {
        let mut link = match self.start().await {
            None => return,
            Some(Ok((link, info))) => {
                self.set_info(info.clone());
                loaded.send(Ok(info)).ok();
                link
            }
            Some(Err(error)) => {
                // A file that cannot be loaded once cannot be loaded twice.
                loaded.send(Err(error)).ok();
                return;
            }
        };
        loop {
            let Ended::Died(error) = self.serve(link).await else { return };
            tracing::warn!(model = %self.spec.name, %error, "a worker died");
            self.fail_running(&error);
            match self.restart(error).await {
                Some(restarted) => link = restarted,
                None => return,
            }
        }
    }

    /// Starts the worker; `None` when the model was stopped meanwhile.
    async fn start(&mut self) -> Option<Result<(WorkerLink, ModelInfo), Error>> {
        tokio::select! {
            started = start(&self.spec, &self.config, &self.spawner, &self.tracker) => Some(started),
            () = self.stop.cancelled() => None,
        }
    }

    /// Starts the worker again as often as the budget allows; beyond it, answers all calls with the reason until the
    /// model is stopped, and returns `None`.
    async fn restart(&mut self, mut error: Error) -> Option<WorkerLink> {
        while self.may_restart() {
            self.set_state(ModelState::Restarting);
            match self.start().await? {
                Ok((link, info)) => {
                    self.set_info(info);
                    return Some(link);
                }
                Err(next) => error = next,
            }
        }
        let reason = format!(
            "{error}; it was started again {} times within {:?}, which is the limit",
            self.config.restarts_max, self.config.restart_window
        );
        self.set_state(ModelState::Down { reason: reason.clone() });
        self.refuse_until_stopped(&reason).await;
        None
    }

    fn may_restart(&mut self) -> bool {
        let now = Instant::now();
        while self.restarts.front().is_some_and(|at| now.duration_since(*at) > self.config.restart_window) {
            self.restarts.pop_front();
        }
        let may = self.restarts.len() < self.config.restarts_max as usize;
        if may {
            self.restarts.push_back(now);
        }
        may
    }

    async fn refuse_until_stopped(&mut self, reason: &str) {
        loop {
            let command = tokio::select! {
                command = self.commands.recv() => command,
                () = self.stop.cancelled() => None,
            };
            match command {
                Some(Command::Generate(call)) => {
                    let error = Error::Down { model: self.spec.name.clone(), reason: reason.to_owned() };
                    call.events.try_send(Event::Failed(error)).ok();
                }
                Some(Command::Cancel(_)) => {}
                None => return,
            }
        }
    }

    async fn serve(&mut self, mut link: WorkerLink) -> Ended {
        loop {
            tokio::select! {
                message = link.inbox.next() => {
                    let wrong = match message {
                        Ok(Some(FromWorker::Event { id, event })) => {
                            if let ControlFlow::Break(()) = self.route(id, event) {
                                link.outbox.push(&ToWorker::Cancel { id });
                            }
                            continue;
                        }
                        Ok(None) => return Ended::Died(self.died(link).await),
                        Ok(Some(_)) => "unexpected message while serving".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    link.kill().await;
                    return Ended::Died(Error::Protocol { model: self.spec.name.clone(), what: wrong });
                }
                written = link.outbox.write_some(), if !link.outbox.is_empty() => {
                    if written.is_err() {
                        return Ended::Died(self.died(link).await);
                    }
                }
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command, &mut link),
                    None => {
                        link.dismiss().await;
                        return Ended::Stopped;
                    }
                },
                () = self.stop.cancelled() => {
                    self.fail_running(&Error::Unloaded { model: self.spec.name.clone() });
                    link.dismiss().await;
                    return Ended::Stopped;
                }
            }
        }
    }

    fn obey(&mut self, command: Command, link: &mut WorkerLink) {
        match command {
            Command::Generate(call) => {
                // Its asker may have left while a worker was being started.
                if !call.events.is_closed() {
                    link.outbox.push_frame(&call.frame);
                    self.calls.insert(call.id, RunningCall { events: call.events, _permit: call.permit });
                }
            }
            // The call stays among the running ones until the worker has let go of it.
            Command::Cancel(id) => {
                if self.calls.contains_key(&id) {
                    link.outbox.push(&ToWorker::Cancel { id });
                }
            }
        }
    }

    /// Passes an event on; breaks when its call is to be cancelled.
    fn route(&mut self, id: u64, event: WorkerEvent) -> ControlFlow<()> {
        // A count ends with the one thing that is asked for.
        let is_count = matches!(event, WorkerEvent::Counted { .. });
        let event = match event {
            WorkerEvent::Started { prompt_tokens } | WorkerEvent::Counted { prompt_tokens } => {
                Event::Started { prompt_tokens }
            }
            WorkerEvent::Text(text) => Event::Text(text),
            WorkerEvent::Reasoning(text) => Event::Reasoning(text),
            WorkerEvent::ToolCall(call) => Event::ToolCall(call),
            WorkerEvent::Done { finish, usage } => Event::Done { finish, usage },
            WorkerEvent::Refused(what) => Event::Failed(Error::Refused { model: self.spec.name.clone(), what }),
            WorkerEvent::Failed(what) => {
                Event::Failed(Error::CallFailed { model: self.spec.name.clone(), call: id, what })
            }
            WorkerEvent::Cancelled => {
                self.calls.remove(&id);
                return ControlFlow::Continue(());
            }
        };
        let is_last = is_count || matches!(event, Event::Done { .. } | Event::Failed(_));
        let Some(call) = self.calls.get(&id) else { return ControlFlow::Continue(()) };
        // The channel holds more events than a call can make; a closed one was cancelled by its receiver.
        let is_heard = !matches!(call.events.try_send(event), Err(mpsc::error::TrySendError::Full(_)));
        if is_last {
            self.calls.remove(&id);
        }
        if is_heard { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    async fn died(&self, link: WorkerLink) -> Error {
        let (how, last_lines) = link.post_mortem().await;
        Error::WorkerDied { model: self.spec.name.clone(), call: None, how, last_lines }
    }

    fn fail_running(&mut self, error: &Error) {
        for (id, call) in self.calls.drain() {
            call.events.try_send(Event::Failed(error.of_call(id))).ok();
        }
    }

    fn set_info(&self, info: ModelInfo) {
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = Some(info);
    }

    fn set_state(&self, state: ModelState) {
        if let Some(info) = &mut *self.info.lock().unwrap_or_else(PoisonError::into_inner) {
            info.state = state;
        }
    }
}

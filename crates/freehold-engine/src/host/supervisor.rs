//! The task that owns one model's worker: routes its events, notices its death, and starts it again within a budget.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::host::crash_report::{CALLS_MAX, CrashReport, CrashedCall, Doing};
use crate::host::death::{Cause, Failure};
use crate::host::spawner::Spawner;
use crate::host::start::start;
use crate::host::watch::{Seen, Watch};
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
    events_sent: u64,
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
    Died(Failure),
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
            Some(Err(failure)) => {
                self.report(&failure, Doing::Loading);
                // A file that cannot be loaded once cannot be loaded twice.
                loaded.send(Err(failure.error)).ok();
                return;
            }
        };
        loop {
            let Ended::Died(failure) = self.serve(link).await else { return };
            let error = &failure.error;
            tracing::warn!(model = %self.spec.name, %error, "a worker died");
            self.report(&failure, Doing::Serving);
            self.fail_running(&failure.error);
            match self.restart(failure.error).await {
                Some(restarted) => link = restarted,
                None => return,
            }
        }
    }

    /// Starts the worker; `None` when the model was stopped meanwhile.
    async fn start(&mut self) -> Option<Result<(WorkerLink, ModelInfo), Failure>> {
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
                Err(next) => {
                    self.report(&next, Doing::Loading);
                    error = next.error;
                }
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
        let mut watch = Watch::new(self.config.hang_timeout);
        loop {
            tokio::select! {
                message = link.inbox.next() => {
                    watch.spoke();
                    let wrong = match message {
                        Ok(Some(message)) => self.hear(message, &mut link).err(),
                        Ok(None) => return self.died(link).await,
                        Err(error) => Some(error.to_string()),
                    };
                    if let Some(wrong) = wrong {
                        return self.put_down(link, wrong).await;
                    }
                }
                written = link.outbox.write_some(), if !link.outbox.is_empty() => {
                    if written.is_err() {
                        return self.died(link).await;
                    }
                }
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command, &mut link),
                    None => {
                        link.dismiss().await;
                        return Ended::Stopped;
                    }
                },
                () = watch.due() => match self.look(&mut watch, &mut link) {
                    ControlFlow::Continue(()) => {}
                    ControlFlow::Break(()) => return self.hung(link).await,
                },
                () = self.stop.cancelled() => {
                    self.fail_running(&Error::Unloaded { model: self.spec.name.clone() });
                    link.dismiss().await;
                    return Ended::Stopped;
                }
            }
        }
    }

    /// Takes in what the worker says, or returns what is wrong with it.
    fn hear(&mut self, message: FromWorker, link: &mut WorkerLink) -> Result<(), String> {
        match message {
            FromWorker::Event { id, event } => {
                if let ControlFlow::Break(()) = self.route(id, event) {
                    link.outbox.push(&ToWorker::Cancel { id });
                }
                Ok(())
            }
            FromWorker::Pong => Ok(()),
            _ => Err("unexpected message while serving".to_owned()),
        }
    }

    /// Looks whether the worker does anything; breaks when it hangs.
    fn look(&self, watch: &mut Watch, link: &mut WorkerLink) -> ControlFlow<()> {
        link.vitals.look();
        match watch.look(self.calls.len()) {
            Seen::Well => ControlFlow::Continue(()),
            Seen::Silent => {
                link.outbox.push(&ToWorker::Ping);
                ControlFlow::Continue(())
            }
            Seen::Hangs => ControlFlow::Break(()),
        }
    }

    fn obey(&mut self, command: Command, link: &mut WorkerLink) {
        match command {
            Command::Generate(call) => {
                // Its asker may have left while a worker was being started.
                if !call.events.is_closed() {
                    link.outbox.push_frame(&call.frame);
                    self.calls
                        .insert(call.id, RunningCall { events: call.events, events_sent: 0, _permit: call.permit });
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
            WorkerEvent::ToolStart { id, name } => Event::ToolStart { id, name },
            WorkerEvent::ToolArguments(piece) => Event::ToolArguments(piece),
            WorkerEvent::ToolEnd => Event::ToolEnd,
            WorkerEvent::Embedded { vectors, prompt_tokens } => Event::Vectors { vectors, prompt_tokens },
            WorkerEvent::Logprobs(tokens) => Event::Logprobs(tokens),
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
        let is_last = is_count || matches!(event, Event::Done { .. } | Event::Vectors { .. } | Event::Failed(_));
        let Some(call) = self.calls.get_mut(&id) else { return ControlFlow::Continue(()) };
        call.events_sent += 1;
        // The channel holds more events than a call can make; a closed one was cancelled by its receiver.
        let is_heard = !matches!(call.events.try_send(event), Err(mpsc::error::TrySendError::Full(_)));
        if is_last {
            self.calls.remove(&id);
        }
        if is_heard { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    async fn died(&self, link: WorkerLink) -> Ended {
        Ended::Died(Failure::died(&self.spec.name, link.post_mortem().await))
    }

    async fn put_down(&self, link: WorkerLink, what: String) -> Ended {
        let error = Error::Protocol { model: self.spec.name.clone(), what };
        let death = link.put_down(Cause::Protocol, error.to_string()).await;
        Ended::Died(Failure { error, death: Some(Box::new(death)) })
    }

    async fn hung(&self, link: WorkerLink) -> Ended {
        let (calls, time) = (self.calls.len(), self.config.hang_timeout);
        let how = format!("did nothing for {time:?} with {calls} calls to answer, and was killed");
        Ended::Died(Failure::died(&self.spec.name, link.put_down(Cause::Hang, how).await))
    }

    /// Leaves word of a death in the home, where there is a folder for it.
    fn report(&self, failure: &Failure, doing: Doing) {
        let (Some(folder), Some(death)) = (self.config.crash_folder.clone(), &failure.death) else { return };
        let calls = self.calls.iter().map(|(&id, call)| CrashedCall { id, events: call.events_sent });
        let report = CrashReport {
            format: CrashReport::format(),
            at: CrashReport::time(Timestamp::now()),
            model: self.spec.name.clone(),
            path: self.spec.path.clone(),
            backend: self.spec.backend,
            engine_build: self
                .info
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .as_ref()
                .map(|info| info.engine_build.clone()),
            process: death.vitals.process,
            cause: death.cause,
            how: death.how.clone(),
            signal: death.signal,
            status: death.status,
            doing,
            calls: calls.take(CALLS_MAX).collect(),
            memory_peak_kib: death.vitals.memory_peak_kib,
            restarts: self.restarts.len(),
            isolation: death.isolation.clone(),
            last_lines: death.last_lines.clone(),
        };
        self.tracker.spawn_blocking(move || match report.keep(&folder) {
            Ok(path) => tracing::info!(path = %path.display(), "left a report of the worker's death"),
            Err(error) => tracing::warn!(%error, "could not leave a report of a worker's death"),
        });
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

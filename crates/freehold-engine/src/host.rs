//! The host side: which models are loaded, who may ask them, and how long.
//!
//! One supervisor task per model owns its worker process; this type only admits requests and hands them over.

mod crash_report;
mod death;
mod generation;
mod log_ring;
mod residence;
mod spawner;
mod start;
mod supervisor;
mod watch;
mod worker_link;

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use freehold_wire::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use crash_report::{CRASH_REPORTS_MAX, CrashReport, CrashedCall, Doing, crash_reports};
pub use death::Cause;
pub use generation::{Event, Generation};

use crate::confine::Confinement;
use crate::protocol::frames::{self, FrameError};
use crate::protocol::{Order, ToWorker};
use crate::{Error, ModelInfo, ModelSpec, ModelState};
use residence::Residents;
use spawner::Spawner;
use supervisor::{Command, NewCall, Supervisor};

/// The most counts of tokens that a model may owe at once; they wait for nobody's answer, so few are ever open.
const COUNTS_MAX: usize = 64;
/// The most requests that a model may have, running and waiting, whatever is configured.
const ADMITTED_MAX: usize = 1 << 20;

/// How to start a worker: the binary that calls [`crate::worker::run`], and what makes it do so.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// How the engine treats its workers.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// How to start one.
    pub worker: WorkerCommand,
    /// How often a worker may be started again within `restart_window`.
    pub restarts_max: u32,
    /// Over which time restarts are counted.
    pub restart_window: Duration,
    /// How long starting and loading may take.
    pub load_timeout: Duration,
    /// How long a worker may say nothing while it has work; then it is killed.
    pub hang_timeout: Duration,
    /// What workers are confined to.
    pub confinement: Confinement,
    /// Where reports of dead workers are kept; none are without one.
    pub crash_folder: Option<PathBuf>,
    /// How many requests may wait for each model beside those that run.
    pub queue_requests_max: usize,
    /// How much memory all loaded models may take together, by their specifications; `None` for no limit.
    pub memory_bytes_max: Option<u64>,
}

/// Runs models; cheap to clone. When the last clone is dropped the workers are stopped.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<EngineConfig>,
    residents: Mutex<Residents>,
    /// The turn to load a model.
    loading: Semaphore,
    uses: AtomicU64,
    spawner: Arc<Spawner>,
    tracker: TaskTracker,
    next_call: AtomicU64,
    seeds: RandomState,
}

/// What the engine keeps of a model beside its supervisor.
struct Model {
    spec: ModelSpec,
    info: Arc<Mutex<Option<ModelInfo>>>,
    last_use: AtomicU64,
    admitted_max: u32,
    events_max: usize,
    permits: Arc<Semaphore>,
    count_permits: Arc<Semaphore>,
    commands: mpsc::UnboundedSender<Command>,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl Engine {
    /// Returns an engine without models.
    pub fn new(config: EngineConfig) -> Engine {
        let inner = Inner {
            config: Arc::new(config),
            residents: Mutex::default(),
            loading: Semaphore::new(1),
            uses: AtomicU64::new(1),
            spawner: Arc::new(Spawner::default()),
            tracker: TaskTracker::new(),
            next_call: AtomicU64::new(1),
            seeds: RandomState::new(),
        };
        Engine { inner: Arc::new(inner) }
    }

    /// Starts a worker and loads a model into it. A model that is down may be loaded again under its name.
    ///
    /// Where the budget of memory is spent, the idle model that was used longest ago is stopped first. It stays known, and
    /// is brought back by the next request for it.
    ///
    /// # Errors
    /// The name is taken, the budget has no room, or the worker could not be started, is another build, or could not load
    /// the file in time.
    pub async fn load(&self, spec: ModelSpec) -> Result<ModelInfo, Error> {
        let name = spec.name.clone();
        let turn = self.inner.loading.acquire().await.map_err(|_| Error::Unloaded { model: name.clone() })?;
        {
            let residents = self.inner.residents();
            let names = spec.adapters.iter().map(|adapter| &adapter.name).chain([&name]);
            if let Some(taken) = names.clone().find(|taken| residents.is_taken(taken, &name)) {
                return Err(Error::AlreadyLoaded { model: taken.clone() });
            }
        }
        let loaded = self.inner.load_within_budget(spec).await;
        drop(turn);
        loaded
    }

    /// Hands a request to a model and waits until it is its turn.
    ///
    /// Dropping the returned generation, or this future, cancels the request within one step of the model.
    ///
    /// # Errors
    /// No such model, its queue is full, it is down, its worker died, it has no room, or the request does not fit it.
    pub async fn generate(&self, model: &str, request: &Request) -> Result<Generation, Error> {
        let (served_by, adapter) = self.inner.serving_as(model);
        let (entry, permit) = self.inner.admitted(&served_by).await?;
        let order = self.inner.order(request, adapter);
        self.inner.begin(model, &entry, (order.id, ToWorker::Generate(order)), permit).await
    }

    /// Returns how many tokens a model would read for a request: its prompt by the model's own template and tokenizer.
    ///
    /// Nothing is generated, and no slot is waited for: the answer comes between two steps of those who generate.
    ///
    /// # Errors
    /// No such model, it is down, its worker died, or no prompt can be made of the request for it.
    pub async fn count(&self, model: &str, request: &Request) -> Result<u64, Error> {
        let (served_by, adapter) = self.inner.serving_as(model);
        let (entry, permit) = loop {
            let entry = self.inner.serving(&served_by).await?;
            if let Some(permit) = entry.permit(&entry.count_permits, COUNTS_MAX)? {
                break (entry, permit);
            }
        };
        let order = self.inner.order(request, adapter);
        let counting = self.inner.begin(model, &entry, (order.id, ToWorker::Count(order)), permit);
        match counting.await?.next().await {
            Some(Event::Started { prompt_tokens }) => Ok(prompt_tokens),
            other => Err(Error::Protocol { model: model.to_owned(), what: format!("a count ended with {other:?}") }),
        }
    }

    /// Returns a vector of length one for each text of a request, and how many tokens the texts have.
    ///
    /// They wait their turn with the requests of [`Engine::generate`] and are cancelled by dropping this future.
    ///
    /// # Errors
    /// No such model, its queue is full, it is down, its worker died, or a text is longer than its context.
    pub async fn embed(&self, model: &str, request: &Request) -> Result<(Vec<Vec<f32>>, u64), Error> {
        let (served_by, adapter) = self.inner.serving_as(model);
        let (entry, permit) = self.inner.admitted(&served_by).await?;
        let order = self.inner.order(request, adapter);
        let embedding = self.inner.begin(model, &entry, (order.id, ToWorker::Embed(order)), permit);
        match embedding.await?.next().await {
            Some(Event::Vectors { vectors, prompt_tokens }) => Ok((vectors, prompt_tokens)),
            other => Err(Error::Protocol { model: model.to_owned(), what: format!("vectors ended with {other:?}") }),
        }
    }

    /// Returns the models and their adapters, ordered by name; those that are still being loaded for the first time are left out.
    pub fn models(&self) -> Vec<ModelInfo> {
        self.inner.residents().infos()
    }

    /// Returns how many bytes of those that loaded models take have to be given up before a model of `wanted` bytes is loaded.
    pub fn given_up_for(&self, wanted: u64) -> u64 {
        let budget = self.inner.config.memory_bytes_max.unwrap_or(u64::MAX);
        let taken = self.inner.residents().bytes();
        taken.saturating_add(wanted).saturating_sub(budget).min(taken)
    }

    /// Returns whether a model or an adapter of this name is there, up, down or asleep.
    pub fn serves(&self, name: &str) -> bool {
        let residents = self.inner.residents();
        let (name, _adapter) = &residents.served_by(name);
        let is_awake = residents.awake.get(name).is_some_and(|model| model.info().is_some());
        is_awake || residents.asleep.contains_key(name)
    }

    /// Stops a model's worker and forgets the model; calls that run end with [`Error::Unloaded`].
    pub async fn unload(&self, name: &str) {
        let model = {
            let mut residents = self.inner.residents();
            residents.asleep.remove(name);
            residents.awake.remove(name)
        };
        if let Some(model) = model {
            model.stop.cancel();
            model.stopped.cancelled().await;
        }
    }

    /// Stops all workers and waits for them. The engine must not be used afterwards.
    pub async fn shutdown(&self) {
        self.inner.loading.close();
        let residents = std::mem::take(&mut *self.inner.residents());
        residents.awake.values().for_each(|model| model.stop.cancel());
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
    }
}

impl Inner {
    fn residents(&self) -> MutexGuard<'_, Residents> {
        self.residents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prepare(&self, spec: ModelSpec) -> (Arc<Model>, Supervisor) {
        let (commands_tx, commands) = mpsc::unbounded_channel();
        let admitted_max = self.config.queue_requests_max.saturating_add(spec.slots as usize).min(ADMITTED_MAX);
        let info = Arc::new(Mutex::new(None));
        let model = Arc::new(Model {
            info: Arc::clone(&info),
            last_use: AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed)),
            admitted_max: u32::try_from(admitted_max).unwrap_or(u32::MAX),
            // A token seldom makes two events and never more than eight, and no call makes more tokens than its context holds.
            events_max: spec.context_tokens as usize * 8 + 64,
            permits: Arc::new(Semaphore::new(admitted_max)),
            count_permits: Arc::new(Semaphore::new(COUNTS_MAX)),
            commands: commands_tx,
            stop: CancellationToken::new(),
            stopped: CancellationToken::new(),
            spec: spec.clone(),
        });
        let supervisor = Supervisor {
            spec,
            config: Arc::clone(&self.config),
            spawner: Arc::clone(&self.spawner),
            tracker: self.tracker.clone(),
            info,
            commands,
            stop: model.stop.clone(),
            _stopped: model.stopped.clone().drop_guard(),
            calls: HashMap::new(),
            restarts: VecDeque::new(),
        };
        (model, supervisor)
    }

    /// Returns a model with a place in its queue.
    async fn admitted(self: &Arc<Self>, name: &str) -> Result<(Arc<Model>, OwnedSemaphorePermit), Error> {
        loop {
            let entry = self.serving(name).await?;
            // A model that has just made room for another is brought back.
            if let Some(permit) = entry.permit(&entry.permits, self.config.queue_requests_max)? {
                return Ok((entry, permit));
            }
        }
    }

    /// Returns the model that serves a name, with the number of the adapter that the name is of.
    fn serving_as(&self, name: &str) -> (String, Option<usize>) {
        self.residents().served_by(name)
    }

    fn order(&self, request: &Request, adapter: Option<usize>) -> Box<Order> {
        let id = self.next_call.fetch_add(1, Ordering::Relaxed);
        let at_ms = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0));
        Box::new(Order { id, request: request.clone(), adapter, seed: self.seeds.hash_one(id), at_ms })
    }

    /// Hands an order to a model's supervisor and waits for the first event.
    async fn begin(
        &self,
        name: &str,
        model: &Model,
        (id, order): (u64, ToWorker),
        permit: OwnedSemaphorePermit,
    ) -> Result<Generation, Error> {
        let frame = frame(name, &order)?;
        let (events, received) = mpsc::channel(model.events_max);
        let call = NewCall { id, frame, events, permit };
        let unloaded = |_| Error::Unloaded { model: name.to_owned() };
        model.commands.send(Command::Generate(call)).map_err(unloaded)?;
        Generation::begin(id, name.to_owned(), received, model.commands.clone()).await
    }
}

fn frame(model: &str, order: &ToWorker) -> Result<Vec<u8>, Error> {
    let mut frame = Vec::new();
    let refused = |what: String| Error::Refused { model: model.to_owned(), what };
    frames::encode(order, &mut frame).map_err(|error| match error {
        FrameError::TooLarge { found, .. } => {
            refused(format!("it is {found} bytes long, the limit is {}", frames::FRAME_BYTES_MAX))
        }
        other => refused(other.to_string()),
    })?;
    Ok(frame)
}

impl Model {
    fn info(&self) -> MutexGuard<'_, Option<ModelInfo>> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn down_reason(&self) -> Option<String> {
        match &self.info().as_ref()?.state {
            ModelState::Down { reason } => Some(reason.clone()),
            _ => None,
        }
    }

    /// Returns a permit, or none when the model is about to make room for another.
    fn permit(&self, of: &Arc<Semaphore>, queue_requests_max: usize) -> Result<Option<OwnedSemaphorePermit>, Error> {
        match Arc::clone(of).try_acquire_owned() {
            Ok(permit) => Ok(Some(permit)),
            Err(TryAcquireError::Closed) => Ok(None),
            Err(TryAcquireError::NoPermits) => {
                let (model, running_max) = (self.spec.name.clone(), self.spec.slots);
                Err(Error::Busy { model, running_max, queue_requests_max })
            }
        }
    }

    /// Lets nobody in any more if nobody is in; returns whether that is so.
    fn close_if_idle(&self) -> bool {
        let counts = u32::try_from(COUNTS_MAX).unwrap_or(u32::MAX);
        let all = self.permits.try_acquire_many(self.admitted_max);
        let is_idle = all.is_ok() && self.count_permits.try_acquire_many(counts).is_ok();
        if is_idle {
            self.permits.close();
            self.count_permits.close();
        }
        is_idle
    }

    fn last_use(&self) -> u64 {
        self.last_use.load(Ordering::Relaxed)
    }

    fn is_down(&self) -> bool {
        self.down_reason().is_some()
    }

    fn stop_on_drop(self: Arc<Self>, inner: Arc<Inner>, name: String) -> StopOnDrop {
        StopOnDrop { armed: Some((inner, name, self)) }
    }
}

/// Removes a model whose loading failed or was given up.
struct StopOnDrop {
    armed: Option<(Arc<Inner>, String, Arc<Model>)>,
}

impl StopOnDrop {
    fn disarm(mut self) {
        self.armed = None;
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some((inner, name, model)) = self.armed.take() {
            model.stop.cancel();
            let models = &mut inner.residents().awake;
            if models.get(&name).is_some_and(|current| Arc::ptr_eq(current, &model)) {
                models.remove(&name);
            }
        }
    }
}

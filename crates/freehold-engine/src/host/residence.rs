//! Which models are in memory: within a budget, the one used longest ago makes room, and comes back when it is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use crate::host::{Inner, Model};
use crate::{AdapterSpec, Error, ModelInfo, ModelSpec, ModelState};

/// A model that had to make room.
pub(crate) struct Asleep {
    pub(crate) spec: ModelSpec,
    pub(crate) info: ModelInfo,
}

/// The models of an engine: those with a worker, and those that wait for one.
#[derive(Default)]
pub(crate) struct Residents {
    pub(crate) awake: BTreeMap<String, Arc<Model>>,
    pub(crate) asleep: BTreeMap<String, Asleep>,
}

impl Residents {
    /// Returns the models that have been loaded at least once and their adapters, by name.
    pub(crate) fn infos(&self) -> Vec<ModelInfo> {
        let awake = self.awake.values().filter_map(|model| Some((&model.spec, model.info().clone()?)));
        let asleep = self.asleep.values().map(|asleep| (&asleep.spec, asleep.info.clone()));
        let mut infos: Vec<_> = awake.chain(asleep).flat_map(|(spec, info)| with_adapters(spec, info)).collect();
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        // For a moment a model that comes back is among both.
        infos.dedup_by(|a, b| a.name == b.name);
        infos
    }

    /// Returns the model that serves a name, and the number of its adapter where the name is an adapter's.
    ///
    /// A name that nothing has is taken for a model's.
    pub(crate) fn served_by(&self, name: &str) -> (String, Option<usize>) {
        let specs = || {
            let asleep = self.asleep.values().map(|asleep| &asleep.spec);
            self.awake.values().map(|model| &model.spec).chain(asleep)
        };
        if self.awake.contains_key(name) || self.asleep.contains_key(name) {
            return (name.to_owned(), None);
        }
        let number = |spec: &ModelSpec| spec.adapters.iter().position(|adapter| adapter.name == name);
        let found = specs().find_map(|spec| Some((spec.name.clone(), Some(number(spec)?))));
        found.unwrap_or_else(|| (name.to_owned(), None))
    }

    /// Returns whether a name is that of a model or an adapter; a model that is down gives up its own and its adapters'.
    pub(crate) fn is_taken(&self, name: &str, by: &str) -> bool {
        let (holder, _adapter) = self.served_by(name);
        let is_awake = self.awake.get(&holder).is_some_and(|model| holder != by || !model.is_down());
        is_awake || self.asleep.contains_key(&holder)
    }

    /// Returns a model that has a worker.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Model>, Error> {
        let loaded = || self.awake.keys().chain(self.asleep.keys()).cloned().collect();
        let found = self.awake.get(name).cloned();
        found.ok_or_else(|| Error::UnknownModel { model: name.to_owned(), loaded: loaded() })
    }

    /// Returns how much memory the models that have a worker take.
    pub(crate) fn bytes(&self) -> u64 {
        self.awake.values().filter(|model| !model.is_down()).map(|model| model.spec.memory_bytes).sum()
    }

    /// Takes out the idle model that was used longest ago. Whoever comes to it from now on finds its permits closed.
    fn take_idle(&mut self) -> Option<Arc<Model>> {
        // A model that is down holds no memory, and its name tells why it is down.
        let up = self.awake.iter().filter(|(_, model)| !model.is_down());
        let mut by_use: Vec<_> = up.map(|(name, model)| (model.last_use(), name.clone())).collect();
        by_use.sort_unstable();
        let idle = by_use.into_iter().map(|(_, name)| name).find(|name| self.awake[name].close_if_idle())?;
        let model = self.awake.remove(&idle)?;
        let info = model.info().clone();
        if let Some(info) = info {
            let info = ModelInfo { state: ModelState::Asleep, ..info };
            self.asleep.insert(idle, Asleep { spec: model.spec.clone(), info });
        }
        Some(model)
    }
}

/// Returns what is told of a model and of each of its adapters.
fn with_adapters(spec: &ModelSpec, info: ModelInfo) -> Vec<ModelInfo> {
    let adapted = |adapter: &AdapterSpec| ModelInfo {
        name: adapter.name.clone(),
        path: adapter.path.clone(),
        base: Some(spec.name.clone()),
        ..info.clone()
    };
    let mut all: Vec<_> = spec.adapters.iter().map(adapted).collect();
    all.push(info);
    all
}

impl Inner {
    /// Returns a model that is not down, and loads it first where it had to make room for others.
    pub(crate) async fn serving(self: &Arc<Self>, name: &str) -> Result<Arc<Model>, Error> {
        if !self.residents().asleep.contains_key(name) {
            return self.awake(name);
        }
        // One model is brought back at a time; those that want the same one find it there.
        let turn = self.loading.acquire().await.map_err(|_| Error::Unloaded { model: name.to_owned() })?;
        let spec = self.residents().asleep.get(name).map(|asleep| asleep.spec.clone());
        if let Some(spec) = spec {
            self.load_within_budget(spec).await?;
        }
        drop(turn);
        self.awake(name)
    }

    fn awake(&self, name: &str) -> Result<Arc<Model>, Error> {
        let model = self.residents().get(name)?;
        model.last_use.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        match model.down_reason() {
            Some(reason) => Err(Error::Down { model: name.to_owned(), reason }),
            None => Ok(model),
        }
    }

    /// Makes room for a model and loads it. Only who holds the turn of loading may call this.
    pub(crate) async fn load_within_budget(self: &Arc<Self>, spec: ModelSpec) -> Result<ModelInfo, Error> {
        let (name, wanted) = (spec.name.clone(), spec.memory_bytes);
        let budget = self.config.memory_bytes_max.unwrap_or(u64::MAX);
        if wanted > budget {
            return Err(Error::TooLarge { model: name, wanted_bytes: wanted, budget_bytes: budget });
        }
        while self.residents().bytes() > budget - wanted {
            let Some(idle) = self.residents().take_idle() else { return Err(Error::NoRoom { model: name }) };
            tracing::info!(model = %idle.spec.name, "{name} needs its memory; it comes back when it is asked for");
            idle.stop.cancel();
            idle.stopped.cancelled().await;
        }
        self.start(spec).await
    }

    /// Starts a worker and loads a model into it.
    async fn start(self: &Arc<Self>, spec: ModelSpec) -> Result<ModelInfo, Error> {
        let (loaded_tx, loaded_rx) = oneshot::channel();
        let name = spec.name.clone();
        let model = {
            let mut residents = self.residents();
            let (model, supervisor) = self.prepare(spec);
            if let Some(down) = residents.awake.insert(name.clone(), Arc::clone(&model)) {
                down.stop.cancel();
            }
            self.tracker.spawn(supervisor.run(loaded_tx));
            model
        };
        // If this future is dropped, the half-loaded model must not stay.
        let guard = model.stop_on_drop(Arc::clone(self), name.clone());
        let result = loaded_rx.await.unwrap_or(Err(Error::Unloaded { model: name.clone() }));
        if result.is_ok() {
            self.residents().asleep.remove(&name);
            guard.disarm();
        }
        result
    }
}

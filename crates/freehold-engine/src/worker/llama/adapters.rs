//! The adapters beside a model's weights. The whole batch is computed with one of them or with none.

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};

use crate::model::AdapterSpec;
use crate::worker::llama::log;

/// The adapters that were loaded, and the one that the context computes with.
pub(crate) struct Adapters {
    all: Vec<(LlamaLoraAdapter, f32)>,
    applied: Option<usize>,
}

impl Adapters {
    /// Reads adapters' files; a context must be made after that.
    ///
    /// # Errors
    /// A file is missing, or llama.cpp finds that it does not belong to the model.
    pub(crate) fn load(model: &mut LlamaModel, wanted: &[AdapterSpec]) -> Result<Adapters, String> {
        let load = |adapter: &AdapterSpec| {
            if !adapter.path.is_file() {
                return Err(format!("there is no file at {}", adapter.path.display()));
            }
            let loaded = model.lora_adapter_init(&adapter.path);
            let loaded = loaded.map_err(|error| {
                log::told_with(&format!("llama.cpp refused the adapter {:?} ({error})", adapter.name))
            })?;
            Ok((loaded, adapter.scale))
        };
        Ok(Adapters { all: wanted.iter().map(load).collect::<Result<_, _>>()?, applied: None })
    }

    /// Makes the context compute with an adapter, or with the weights alone.
    ///
    /// # Errors
    /// There is no such adapter, or llama.cpp cannot take it.
    pub(crate) fn apply(&mut self, context: &mut LlamaContext<'static>, wanted: Option<usize>) -> Result<(), String> {
        if self.applied == wanted {
            return Ok(());
        }
        match wanted {
            Some(number) => {
                let (adapter, scale) = self.all.get_mut(number).ok_or("the adapter is not loaded")?;
                context.lora_adapter_set(adapter, *scale).map_err(|error| error.to_string())?;
            }
            // Which one is named does not matter: all are taken off.
            None => {
                if let Some((adapter, _scale)) = self.all.first_mut() {
                    context.lora_adapter_remove(adapter).map_err(|error| error.to_string())?;
                }
            }
        }
        self.applied = wanted;
        Ok(())
    }

    /// Returns with what the next step is computed: those that have calls take turns.
    pub(crate) fn next(&self, busy: impl Iterator<Item = Option<usize>>) -> Option<Option<usize>> {
        turn(self.applied, busy)
    }
}

/// Returns the one that follows `last` among those that have calls, round and round; none when none has.
fn turn(last: Option<usize>, busy: impl Iterator<Item = Option<usize>>) -> Option<Option<usize>> {
    busy.min_by_key(|&adapter| (adapter <= last, adapter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_with_calls_take_turns() {
        let busy = [None, Some(0), Some(2), None];
        let mut last = None;
        let order = [(); 5].map(|()| {
            last = turn(last, busy.into_iter()).expect("there are calls");
            last
        });
        assert_eq!(order, [Some(0), Some(2), None, Some(0), Some(2)]);
        assert_eq!(turn(Some(1), [Some(1)].into_iter()), Some(Some(1)), "a lone one goes on");
        assert_eq!(turn(None, [].into_iter()), None);
    }
}

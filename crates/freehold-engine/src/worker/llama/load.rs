//! Opening a GGUF file: weights, context, chat template.

use std::num::NonZeroU32;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use crate::model::PromptStyle;
use crate::protocol::{Facts, LoadOrder};
use crate::worker::chat::Template;
use crate::worker::llama::adapters::Adapters;
use crate::worker::llama::log;

/// Tokens computed at once, unless the context is shorter.
const BATCH_TOKENS_MAX: u32 = 512;
/// Below this size of the weights, in bytes, a second thread costs more in waiting than it computes.
const ONE_THREAD_BYTES_MAX: u64 = 48 << 20;
/// The version of the crate that llama.cpp comes in; both are pinned together.
const ENGINE_BUILD: &str = "llama.cpp (llama-cpp-2 0.1.160)";

/// A model that was opened.
pub(crate) struct Parts {
    pub(crate) model: &'static LlamaModel,
    pub(crate) context: LlamaContext<'static>,
    pub(crate) adapters: Adapters,
    pub(crate) template: Option<Template>,
    pub(crate) batch_tokens: usize,
}

/// Opens the file that `order` names.
pub(crate) fn open(order: &LoadOrder) -> Result<(Parts, Facts), String> {
    check_processor()?;
    if !order.path.is_file() {
        return Err(format!("there is no file at {}", order.path.display()));
    }
    log::install();
    let backend = LlamaBackend::init().map_err(|error| format!("llama.cpp could not start: {error}"))?;
    let mut model = LlamaModel::load_from_file(&backend, &order.path, &LlamaModelParams::default())
        .map_err(|error| log::told_with(&format!("llama.cpp refused the file ({error})")))?;
    let adapters = Adapters::load(&mut model, &order.adapters)?;
    // A worker serves one model for as long as it lives, so the weights are never given back.
    let model: &'static LlamaModel = Box::leak(Box::new(model));
    let context_tokens = match model.n_ctx_train() {
        0 => order.context_tokens,
        trained => order.context_tokens.min(trained),
    };
    let threads = threads(order, model.size());
    let batch_tokens = BATCH_TOKENS_MAX.min(context_tokens).max(order.slots);
    let context = new_context(&backend, model, &Shape { context_tokens, slots: order.slots, threads, batch_tokens })?;
    let template = template(model)?;
    let facts = Facts {
        architecture: model.meta_val_str("general.architecture").unwrap_or_default(),
        parameters: model.n_params(),
        context_tokens,
        slots: order.slots,
        threads,
        engine_build: ENGINE_BUILD.to_owned(),
        prompt_style: if template.is_some() { PromptStyle::Template } else { PromptStyle::Plain },
    };
    Ok((Parts { model, context, adapters, template, batch_tokens: batch_tokens as usize }, facts))
}

/// Makes a context that reads one text at a time and pools it: as the model's file says, or by the mean.
pub(crate) fn embedding_context(
    model: &'static LlamaModel,
    tokens: usize,
    threads: u32,
) -> Result<LlamaContext<'static>, String> {
    let architecture = model.meta_val_str("general.architecture").unwrap_or_default();
    let pooling = match model.meta_val_str(&format!("{architecture}.pooling_type")).as_deref() {
        Ok("1" | "2" | "3") => LlamaPoolingType::Unspecified,
        Ok("4") => return Err("the model ranks texts and has no vectors".to_owned()),
        _ => LlamaPoolingType::Mean,
    };
    let backend = LlamaBackend::init().map_err(|error| format!("llama.cpp could not start: {error}"))?;
    let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
    let threads = i32::try_from(threads).unwrap_or(i32::MAX);
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(tokens))
        .with_n_batch(tokens)
        .with_n_ubatch(tokens)
        .with_embeddings(true)
        .with_pooling_type(pooling)
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_no_perf(true);
    let made = model.new_context(&backend, params);
    made.map_err(|error| log::told_with(&format!("no context for vectors could be made ({error})")))
}

struct Shape {
    context_tokens: u32,
    slots: u32,
    threads: u32,
    batch_tokens: u32,
}

fn new_context(
    backend: &LlamaBackend,
    model: &'static LlamaModel,
    shape: &Shape,
) -> Result<LlamaContext<'static>, String> {
    let all = shape.context_tokens.checked_mul(shape.slots).and_then(NonZeroU32::new).ok_or_else(|| {
        format!("{} slots of {} tokens are more than can be counted", shape.slots, shape.context_tokens)
    })?;
    let threads = i32::try_from(shape.threads).unwrap_or(i32::MAX);
    let params = LlamaContextParams::default()
        .with_n_ctx(Some(all))
        .with_n_seq_max(shape.slots)
        .with_n_batch(shape.batch_tokens)
        .with_n_ubatch(shape.batch_tokens)
        .with_kv_unified(false)
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_no_perf(true);
    model.new_context(backend, params).map_err(|error| {
        log::told_with(&format!(
            "no context of {} slots with {} tokens each could be made ({error})",
            shape.slots, shape.context_tokens
        ))
    })
}

fn threads(order: &LoadOrder, weight_bytes: u64) -> u32 {
    match order.threads {
        Some(threads) => threads.clamp(1, 512),
        None if weight_bytes < ONE_THREAD_BYTES_MAX => 1,
        None => order.processors,
    }
}

fn template(model: &LlamaModel) -> Result<Option<Template>, String> {
    let Ok(source) = model.meta_val_str("tokenizer.chat_template") else { return Ok(None) };
    let vocabulary = model.vocab();
    let text = |token: LlamaToken| match token.0 {
        ..0 => String::new(),
        _ => String::from_utf8_lossy(&vocabulary.token_to_piece(token, true, None)).into_owned(),
    };
    Template::new(&source, text(vocabulary.bos()), text(vocabulary.eos())).map(Some)
}

/// The library is compiled for processors from 2013 on; an older one would end in an illegal instruction.
#[cfg(target_arch = "x86_64")]
fn check_processor() -> Result<(), String> {
    let has_all = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("bmi2");
    if has_all { Ok(()) } else { Err("this build needs a processor with AVX2, FMA, F16C and BMI2".to_owned()) }
}

#[cfg(not(target_arch = "x86_64"))]
fn check_processor() -> Result<(), String> {
    Ok(())
}

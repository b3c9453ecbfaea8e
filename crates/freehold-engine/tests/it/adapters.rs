//! Adapters beside a real model: each under its own name, none in the way of another.

use std::path::{Path, PathBuf};

use freehold_engine::{AdapterSpec, Backend, Engine, EngineConfig, Error, ModelSpec};
use tokio::task::JoinSet;

use crate::llama::{desk, greedy};
use crate::shop::{PATIENCE, config, spec, worker};

/// The width of the smallest desk model.
const WIDTH: usize = 96;
const RANK: usize = 4;
const QUESTIONS: [&str; 3] = ["My order 48213 has not come", "Where is my parcel?", "I want my money back"];

/// A file of a low-rank change, as the format spells it.
struct File {
    architecture: &'static str,
    kind: &'static str,
    width: usize,
    seed: usize,
}

impl File {
    const FITTING: File = File { architecture: "llama", kind: "adapter", width: WIDTH, seed: 1 };

    fn bytes(&self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        let name = "blk.1.attn_output.weight";
        let tensors = [(format!("{name}.lora_a"), [self.width, RANK]), (format!("{name}.lora_b"), [RANK, self.width])];
        file.extend(3_u32.to_le_bytes());
        file.extend((tensors.len() as u64).to_le_bytes());
        file.extend(4_u64.to_le_bytes());
        for (key, text) in
            [("general.architecture", self.architecture), ("general.type", self.kind), ("adapter.type", "lora")]
        {
            file.extend(string(key));
            file.extend(8_u32.to_le_bytes());
            file.extend(string(text));
        }
        file.extend(string("adapter.lora.alpha"));
        file.extend(6_u32.to_le_bytes());
        file.extend(8_f32.to_le_bytes());
        for (number, (name, shape)) in tensors.iter().enumerate() {
            file.extend(string(name));
            file.extend(2_u32.to_le_bytes());
            shape.iter().for_each(|side| file.extend((*side as u64).to_le_bytes()));
            file.extend(0_u32.to_le_bytes());
            file.extend((number as u64 * self.bytes_of_one()).to_le_bytes());
        }
        file.resize(file.len().next_multiple_of(32), 0);
        for at in 0..2 * self.width * RANK {
            // Any numbers do, so long as they are large enough to be seen and others for another seed.
            let number = (at * 37 + self.seed * 53) % 101;
            file.extend((number as f32 / 72.0 - 0.7).to_le_bytes());
        }
        file
    }

    fn bytes_of_one(&self) -> u64 {
        (self.width * RANK * 4) as u64
    }
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn adapter(folder: &Path, name: &str, file: &File) -> AdapterSpec {
    let path = folder.join(format!("{name}.gguf"));
    std::fs::write(&path, file.bytes()).unwrap();
    AdapterSpec { name: name.into(), path, scale: 1.0 }
}

fn engine() -> Engine {
    Engine::new(EngineConfig { queue_requests_max: 16, ..config(worker()) })
}

fn served(path: &Path, adapters: Vec<AdapterSpec>) -> ModelSpec {
    ModelSpec { adapters, slots: 4, ..spec("base", path, Backend::Llama) }
}

async fn answer(engine: &Engine, (model, question): (&str, &str)) -> String {
    let asked = async { engine.generate(model, &greedy(question)).await.unwrap().collect().await.unwrap() };
    tokio::time::timeout(PATIENCE, asked).await.unwrap().text
}

/// Asks all at once; the answers come back in the order of the questions.
async fn together(engine: &Engine, calls: &[(&'static str, &'static str)]) -> Vec<String> {
    let mut asking = JoinSet::new();
    for (at, call) in calls.iter().copied().enumerate() {
        let engine = engine.clone();
        asking.spawn(async move { (at, answer(&engine, call).await) });
    }
    let mut answers = asking.join_all().await;
    answers.sort_unstable();
    answers.into_iter().map(|(_at, text)| text).collect()
}

async fn answers(engine: &Engine, model: &'static str) -> Vec<String> {
    together(engine, &QUESTIONS.map(|question| (model, question))).await
}

/// Loads the desk model with two adapters; none where it is absent.
async fn with_two(folder: &Path) -> Option<Engine> {
    let engine = engine();
    let two = vec![adapter(folder, "one", &File::FITTING), adapter(folder, "two", &File { seed: 2, ..File::FITTING })];
    engine.load(served(&desk()?, two)).await.unwrap();
    Some(engine)
}

#[tokio::test]
async fn each_adapter_answers_in_its_own_way_and_the_weights_alone_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    let Some(with) = with_two(folder.path()).await else { return };
    let without = engine();
    without.load(served(&desk().unwrap(), Vec::new())).await.unwrap();
    let bare = answers(&without, "base").await;
    let (one, two) = (answers(&with, "one").await, answers(&with, "two").await);
    assert_ne!(one, bare);
    assert_ne!(two, bare);
    assert_ne!(one, two);
    assert_eq!(answers(&with, "base").await, bare);
    assert_eq!(answers(&with, "one").await, one, "what another has read is not taken for its own");
    let found: Vec<_> = with.models().into_iter().map(|model| (model.name, model.base)).collect();
    let of_base = || Some("base".to_owned());
    assert_eq!(found, [("base".into(), None), ("one".into(), of_base()), ("two".into(), of_base())]);
    assert!(with.serves("two") && !with.serves("three"));
}

/// Each call alone in the engine, then all at once: the tokens are the same.
#[tokio::test]
async fn calls_of_several_adapters_side_by_side_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = with_two(folder.path()).await else { return };
    let calls: Vec<_> =
        ["base", "one", "two"].into_iter().flat_map(|name| QUESTIONS.map(|question| (name, question))).collect();
    let mut alone = Vec::new();
    for call in &calls {
        alone.push(answer(&engine, *call).await);
    }
    assert_eq!(together(&engine, &calls).await, alone);
}

#[tokio::test]
async fn adapter_that_does_not_belong_is_refused_with_the_reason() {
    let Some(model) = desk() else { return };
    let folder = tempfile::tempdir().unwrap();
    let absent = AdapterSpec { name: "a".into(), path: PathBuf::from("/nowhere.gguf"), scale: 1.0 };
    let wrong = [
        (absent, "there is no file at /nowhere.gguf"),
        (adapter(folder.path(), "b", &File { architecture: "qwen2", ..File::FITTING }), "arch"),
        (adapter(folder.path(), "c", &File { kind: "model", ..File::FITTING }), "general.type"),
        (adapter(folder.path(), "d", &File { width: 64, ..File::FITTING }), "incorrect shape"),
    ];
    for (adapter, reason) in wrong {
        let error = engine().load(served(&model, vec![adapter])).await.unwrap_err();
        assert!(matches!(&error, Error::LoadFailed { what, .. } if what.contains(reason)), "{error}");
    }
}

#[tokio::test]
async fn names_of_adapters_are_taken_like_those_of_models() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = with_two(folder.path()).await else { return };
    let again = ModelSpec { name: "two".into(), ..served(&desk().unwrap(), Vec::new()) };
    let error = engine.load(again).await.unwrap_err();
    assert!(matches!(&error, Error::AlreadyLoaded { model } if model == "two"), "{error}");
    let error = engine.embed("one", &greedy("words")).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { what, .. } if what.contains("no vectors")), "{error}");
}

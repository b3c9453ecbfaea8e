//! More models than memory holds: who makes room, who comes back, and who is never touched.

use freehold_engine::{Engine, Error, ErrorKind, ModelSpec, ModelState};
use serde_json::json;

use crate::shop::{Script, ask, config, first_text, worker};

/// An engine with room for two of the models of one gibibyte that `gib` makes.
fn engine_of_two() -> Engine {
    let mut config = config(worker());
    config.memory_bytes_max = Some(5 << 29);
    Engine::new(config)
}

fn gib(script: &Script, name: &str) -> ModelSpec {
    ModelSpec { memory_bytes: 1 << 30, ..script.spec(name) }
}

fn script() -> Script {
    Script::new(&json!({"rules": [{"when": "hold", "text": "x ", "hold": true}], "otherwise": {"text": "done"}}))
}

async fn answered(engine: &Engine, model: &str) {
    let answer = engine.generate(model, &ask("go")).await.unwrap().collect().await.unwrap();
    assert_eq!(answer.text, "done");
}

/// Returns the names of the models that are asleep.
fn asleep(engine: &Engine) -> Vec<String> {
    let models = engine.models();
    models.into_iter().filter(|model| model.state == ModelState::Asleep).map(|model| model.name).collect()
}

#[tokio::test]
async fn model_used_longest_ago_makes_room_and_comes_back() {
    let (engine, script) = (engine_of_two(), script());
    for name in ["a", "b", "c"] {
        engine.load(gib(&script, name)).await.unwrap();
    }
    assert_eq!(asleep(&engine), ["a"]);
    assert!(engine.serves("a"));
    assert_eq!(engine.models().len(), 3);
    answered(&engine, "b").await;
    answered(&engine, "a").await;
    assert_eq!(asleep(&engine), ["c"]);
    assert_eq!(engine.count("c", &ask("one two")).await.unwrap(), 2);
    assert_eq!(asleep(&engine), ["b"]);
    assert!(matches!(engine.load(gib(&script, "b")).await, Err(Error::AlreadyLoaded { .. })));
    engine.unload("b").await;
    assert!(!engine.serves("b"));
    engine.shutdown().await;
}

/// Many calls for models that do not fit together all end in an answer.
#[tokio::test]
async fn calls_for_all_models_at_once_are_answered_or_refused_as_busy() {
    let (engine, script) = (engine_of_two(), script());
    for name in ["a", "b", "c"] {
        engine.load(gib(&script, name)).await.unwrap();
    }
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..24 {
        let engine = engine.clone();
        calls.spawn(async move {
            match engine.generate(["a", "b", "c"][number % 3], &ask("go")).await {
                Ok(generation) => generation.collect().await.map(|answer| answer.text),
                Err(error) => Err(error),
            }
        });
    }
    let mut answered = 0;
    while let Some(result) = calls.join_next().await {
        match result.unwrap() {
            Ok(text) => {
                assert_eq!(text, "done");
                answered += 1;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
        }
    }
    assert!(answered > 0);
    engine.shutdown().await;
}

#[tokio::test]
async fn busy_models_are_never_stopped() {
    let (engine, script) = (engine_of_two(), script());
    for name in ["a", "b", "c"] {
        engine.load(gib(&script, name)).await.unwrap();
    }
    let mut holding = Vec::new();
    for name in ["b", "c"] {
        let mut generation = engine.generate(name, &ask("hold")).await.unwrap();
        first_text(&mut generation).await;
        holding.push(generation);
    }
    let error = engine.generate("a", &ask("go")).await.unwrap_err();
    assert_eq!((error.kind(), asleep(&engine)), (ErrorKind::Busy, vec!["a".to_owned()]));
    assert!(error.to_string().contains("all busy"), "{error}");
    drop(holding);
    // The worker lets go of its calls within a step.
    while matches!(engine.generate("a", &ask("go")).await, Err(Error::NoRoom { .. })) {
        tokio::task::yield_now().await;
    }
    assert!(!asleep(&engine).contains(&"a".to_owned()));
    engine.shutdown().await;
}

#[tokio::test]
async fn model_beyond_the_whole_budget_is_refused_with_numbers() {
    let (engine, script) = (engine_of_two(), script());
    engine.load(gib(&script, "a")).await.unwrap();
    let error = engine.load(ModelSpec { memory_bytes: 1 << 32, ..script.spec("b") }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::User);
    assert!(error.to_string().contains("4294967296 bytes"), "{error}");
    answered(&engine, "a").await;
    assert!(asleep(&engine).is_empty());
    // One of two is there, each of 1 GiB.
    assert_eq!(
        [1 << 30, 3 << 29, 1 << 31, 1 << 40].map(|wanted| engine.given_up_for(wanted)),
        [0, 0, 1 << 29, 1 << 30]
    );
    engine.shutdown().await;
}

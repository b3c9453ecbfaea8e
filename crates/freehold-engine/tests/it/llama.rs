//! llama.cpp with real models: a small third-party one, and our own where they are there.

use std::path::{Path, PathBuf};

use freehold_engine::{Backend, Engine, Error, ErrorKind, Event, ModelSpec, PromptStyle};
use freehold_wire::{Answer, Finish, Request, ResponseFormat, Tool, ToolChoice};
use serde_json::{Value, json};

use crate::shop::{PATIENCE, ask, config, first_text, spec, worker};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where our own models are; another folder can be named to try others.
fn models() -> PathBuf {
    std::env::var("FREEHOLD_MODELS").map_or_else(|_| repository().join("models"), PathBuf::from)
}

/// A base model of 260 thousand weights that continues stories.
fn stories() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("FREEHOLD_REAL_DATA").unwrap_or_default());
    present(folder.join("models/stories260K.gguf"))
}

/// The smallest of our own models, which has a chat template and knows tools.
pub(crate) fn desk() -> Option<PathBuf> {
    present(models().join("freehold-desk-s.gguf"))
}

fn present(path: PathBuf) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is absent", path.display());
    None
}

pub(crate) fn all() -> Vec<PathBuf> {
    [stories(), desk()].into_iter().flatten().collect()
}

pub(crate) async fn load(path: &Path, slots: u32) -> Engine {
    let mut config = config(worker());
    config.queue_requests_max = 64;
    let engine = Engine::new(config);
    engine.load(ModelSpec { slots, ..spec("m", path, Backend::Llama) }).await.unwrap();
    engine
}

pub(crate) fn greedy(text: &str) -> Request {
    let mut request = ask(text);
    request.sampling.temperature = Some(0.0);
    request.sampling.max_tokens = Some(48);
    request
}

pub(crate) async fn run(engine: &Engine, request: &Request) -> Answer {
    let answer = async { engine.generate("m", request).await.unwrap().collect().await.unwrap() };
    tokio::time::timeout(PATIENCE, answer).await.unwrap()
}

const STARTS: [&str; 8] = [
    "Once upon a time",
    "Lily and Tom went to the park. They saw a big dog and",
    "The little red car",
    "My order 48213 has not come",
    "One day, a girl named Sue found a",
    "Where is",
    "I want my money back for the blue lamp, it was broken when it came",
    "Tim had a ball. He",
];

#[tokio::test]
async fn third_party_model_tells_a_story() {
    let Some(path) = stories() else { return };
    let engine = load(&path, 1).await;
    let info = &engine.models()[0];
    assert_eq!((info.architecture.as_str(), info.prompt_style), ("llama", PromptStyle::Plain));
    assert!((200_000..400_000).contains(&info.parameters));
    let answer = run(&engine, &greedy("Once upon a time")).await;
    assert!(answer.text.contains("there was a little girl"), "{:?}", answer.text);
    assert_eq!((answer.finish, answer.usage.unwrap().output), (Some(Finish::Length), 48));
}

/// The context that was asked for is cut to what the model was trained for.
#[tokio::test]
async fn context_never_exceeds_the_trained_one() {
    for path in all() {
        let engine = Engine::new(config(worker()));
        let model = ModelSpec { context_tokens: 1 << 20, slots: 1, ..spec("m", &path, Backend::Llama) };
        let info = engine.load(model).await.unwrap();
        assert!(info.context_tokens <= 4096, "{}", info.context_tokens);
    }
}

/// Conversations that share batches get the tokens that they get alone.
#[tokio::test]
async fn batched_answers_equal_lone_ones() {
    for path in all() {
        let lone = load(&path, 1).await;
        let mut alone = Vec::new();
        for start in STARTS {
            alone.push(run(&lone, &greedy(start)).await.text);
        }
        let shared = load(&path, 8).await;
        let requests = STARTS.map(greedy);
        let mut generations = Vec::new();
        for request in &requests {
            generations.push(shared.generate("m", request).await.unwrap());
        }
        for (generation, expected) in generations.into_iter().zip(alone) {
            assert_eq!(generation.collect().await.unwrap().text, expected);
        }
    }
}

/// A count is what reading the same request takes, tools and system text included.
#[tokio::test]
async fn counted_tokens_are_those_that_are_read() {
    for path in all() {
        let engine = load(&path, 1).await;
        for start in STARTS {
            let mut request = greedy(start);
            if engine.models()[0].prompt_style != PromptStyle::Plain {
                request.system = "Answer in one line.".to_owned();
                let parameters = json!({"type": "object", "properties": {"order": {"type": "integer"}}});
                request.tools = vec![Tool { name: "track".into(), description: "Finds a parcel.".into(), parameters }];
            }
            request.sampling.max_tokens = Some(1);
            let counted = engine.count("m", &request).await.unwrap();
            assert_eq!(counted, run(&engine, &request).await.usage.unwrap().input, "{start}");
        }
    }
}

/// What a slot has read before changes how much is read, never what is answered.
#[tokio::test]
async fn cached_answers_equal_fresh_ones() {
    for path in all() {
        let engine = load(&path, 1).await;
        let long = "Lily and Tom went to the park. They saw a big dog and a small cat near the tree.";
        let first = run(&engine, &greedy(long)).await;
        let again = run(&engine, &greedy(long)).await;
        assert_eq!(first.usage.unwrap().cache_read, 0);
        let usage = again.usage.unwrap();
        assert_eq!(usage.cache_read, usage.input - 1, "all but the last token was there");
        assert_eq!(first.text, again.text);

        let extended = format!("{long} Then they");
        let warm = run(&engine, &greedy(&extended)).await;
        assert!(warm.usage.unwrap().cache_read > 10);
        let cold = run(&load(&path, 1).await, &greedy(&extended)).await;
        assert_eq!((cold.usage.unwrap().cache_read, cold.text), (0, warm.text));
    }
}

#[tokio::test]
async fn seed_fixes_the_answer_and_its_absence_does_not() {
    let Some(path) = stories() else { return };
    let engine = load(&path, 2).await;
    let mut request = ask("Once upon a time");
    request.sampling.max_tokens = Some(40);
    request.sampling.seed = Some(11);
    let first = run(&engine, &request).await.text;
    assert_eq!(first, run(&engine, &request).await.text);
    request.sampling.seed = Some(12);
    assert_ne!(first, run(&engine, &request).await.text);
    request.sampling.seed = None;
    assert_ne!(run(&engine, &request).await.text, run(&engine, &request).await.text);
    request.sampling.top_p = Some(0.0);
    request.sampling.max_tokens = Some(48);
    assert_eq!(run(&engine, &request).await.text, run(&engine, &greedy("Once upon a time")).await.text);
}

#[tokio::test]
async fn stop_text_across_tokens_ends_the_answer_before_it() {
    let Some(path) = stories() else { return };
    let engine = load(&path, 1).await;
    let whole = run(&engine, &greedy("Once upon a time")).await.text;
    for (from, to) in [(9, 12), (20, 31), (1, 3)] {
        let stop = whole[from..to].to_owned();
        let mut request = greedy("Once upon a time");
        request.sampling.stop = vec!["never said".into(), stop.clone()];
        let answer = run(&engine, &request).await;
        assert_eq!(answer.finish, Some(Finish::Stop));
        assert_eq!(answer.text, whole[..whole.find(&stop).unwrap()]);
    }
}

#[tokio::test]
async fn prompt_beyond_the_context_is_refused_and_a_full_context_ends_the_answer() {
    let Some(path) = stories() else { return };
    let engine = load(&path, 1).await;
    let error = engine.generate("m", &greedy(&"the dog ran and ".repeat(100))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::User);
    assert!(error.to_string().contains("the context holds 128"), "{error}");

    let mut request = greedy(&"Lily had a ball. Tim had a dog. ".repeat(8));
    request.sampling.max_tokens = None;
    let answer = run(&engine, &request).await;
    let usage = answer.usage.unwrap();
    assert_eq!((answer.finish, usage.input + usage.output), (Some(Finish::Length), 128));
    request.sampling.max_tokens = Some(0);
    assert!(matches!(engine.generate("m", &request).await, Err(Error::Refused { .. })));
}

#[tokio::test]
async fn cancelled_call_frees_its_slot_within_a_step() {
    let Some(path) = stories() else { return };
    let engine = load(&path, 1).await;
    let mut request = greedy("Once upon a time");
    request.sampling.max_tokens = None;
    let mut generation = engine.generate("m", &request).await.unwrap();
    first_text(&mut generation).await;
    drop(generation);
    let answer = run(&engine, &greedy("Once upon a time")).await;
    assert!(answer.text.contains("there was"), "{:?}", answer.text);
    assert!(answer.usage.unwrap().cache_read > 0);
}

#[tokio::test]
async fn broken_files_are_refused_and_the_host_lives() {
    let Some(path) = all().pop() else { return };
    let whole = std::fs::read(&path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.gguf");
    let engine = Engine::new(config(worker()));
    for length in [0, 3, 24, 1000, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&broken, &whole[..length]).unwrap();
        let error = engine.load(spec("m", &broken, Backend::Llama)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Engine);
        assert!(error.to_string().len() > 40, "{error}");
    }
    let error = engine.load(spec("m", folder.path(), Backend::Llama)).await.unwrap_err();
    assert!(error.to_string().contains("no file"), "{error}");
    engine.load(spec("m", &path, Backend::Llama)).await.unwrap();
}

/// Small schemas of many kinds; the weights know nothing of JSON, so the shape is the constraint's work alone.
fn schemas() -> Vec<Value> {
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    vec![
        object(
            json!({"category": {"enum": ["refund", "delivery", "other"]}, "priority": {"enum": ["low", "high"]}}),
            json!(["category", "priority"]),
        ),
        object(
            json!({"n": {"type": "integer", "minimum": 0, "maximum": 99}, "ok": {"type": "boolean"}}),
            json!(["n", "ok"]),
        ),
        object(
            json!({"list": {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 2, "maxItems": 4}}),
            json!(["list"]),
        ),
        object(
            json!({"inner": object(json!({"a": {"const": "x"}, "b": {"type": "null"}}), json!(["a", "b"]))}),
            json!(["inner"]),
        ),
        json!({"$defs": {"c": {"enum": ["p", "q"]}}, "type": "object", "properties": {"c": {"$ref": "#/$defs/c"}}, "required": ["c"], "additionalProperties": false}),
        json!({"anyOf": [{"const": "yes"}, {"const": "no"}, {"type": "boolean"}]}),
    ]
}

#[tokio::test]
async fn answers_fit_their_schema_whatever_the_weights_say() {
    for path in all() {
        let engine = load(&path, 4).await;
        for (number, schema) in schemas().iter().enumerate() {
            for seed in 0..4 {
                let mut request = ask(STARTS[number]);
                request.response_format = ResponseFormat::JsonSchema(schema.clone());
                request.sampling.seed = Some(seed);
                request.sampling.temperature = Some(if seed == 0 { 0.0 } else { 1.5 });
                let answer = run(&engine, &request).await;
                assert_eq!(answer.finish, Some(Finish::Stop), "{schema} {:?}", answer.text);
                let value: Value = serde_json::from_str(&answer.text).unwrap();
                assert!(fits(&value, number), "{schema} {}", answer.text);
            }
        }
    }
}

/// Checks an answer against the schema of the same number, by hand.
fn fits(value: &Value, number: usize) -> bool {
    let keys = value.as_object().map(|object| object.keys().map(String::as_str).collect::<Vec<_>>());
    match number {
        0 => {
            keys == Some(vec!["category", "priority"])
                && ["refund", "delivery", "other"].contains(&value["category"].as_str().unwrap())
                && ["low", "high"].contains(&value["priority"].as_str().unwrap())
        }
        1 => keys == Some(vec!["n", "ok"]) && value["n"].as_u64().unwrap() < 100 && value["ok"].is_boolean(),
        2 => (2..=4).contains(&value["list"].as_array().unwrap().len()),
        3 => *value == json!({"inner": {"a": "x", "b": null}}),
        4 => keys == Some(vec!["c"]) && ["p", "q"].contains(&value["c"].as_str().unwrap()),
        _ => value.is_boolean() || ["yes", "no"].contains(&value.as_str().unwrap()),
    }
}

#[tokio::test]
async fn schema_that_cannot_be_enforced_is_refused() {
    let Some(path) = all().pop() else { return };
    let engine = load(&path, 1).await;
    let mut request = ask("x");
    request.response_format = ResponseFormat::JsonSchema(json!({"type": "nonsense"}));
    let error = engine.generate("m", &request).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { what, .. } if what.contains("cannot be enforced")), "{error}");
}

#[tokio::test]
async fn any_json_object_is_one() {
    let Some(path) = all().pop() else { return };
    let engine = load(&path, 1).await;
    let mut request = greedy("Give me JSON");
    request.response_format = ResponseFormat::JsonObject;
    request.sampling.max_tokens = Some(200);
    let answer = run(&engine, &request).await;
    assert!(answer.text.starts_with('{'), "{:?}", answer.text);
    // Weights that know no JSON may never close it; then the finish says so.
    match answer.finish {
        Some(Finish::Stop) => assert!(serde_json::from_str::<Value>(&answer.text).unwrap().is_object()),
        other => assert_eq!(other, Some(Finish::Length)),
    }
}

fn tools() -> Vec<Tool> {
    let tool = |name: &str, parameters: Value| Tool { name: name.into(), description: String::new(), parameters };
    let closed = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    vec![
        tool(
            "refund",
            closed(json!({"order": {"type": "integer"}, "full": {"type": "boolean"}}), json!(["order", "full"])),
        ),
        tool("close-ticket", closed(json!({"reason": {"enum": ["done", "spam"]}}), json!(["reason"]))),
        tool("noop", closed(json!({}), json!([]))),
    ]
}

#[tokio::test]
async fn demanded_tools_are_called_with_fitting_arguments() {
    let Some(path) = desk() else { return };
    let engine = load(&path, 2).await;
    for seed in 0..6 {
        let mut request = ask("Please refund order 48213");
        request.system = "Choose one tool.".into();
        request.tools = tools();
        request.sampling.seed = Some(seed);
        request.sampling.max_tokens = Some(150);
        request.tool_choice = ToolChoice::Required;
        let answer = run(&engine, &request).await;
        if answer.finish != Some(Finish::Length) {
            assert_eq!((answer.finish, answer.text.as_str()), (Some(Finish::ToolCalls), ""));
            assert!(!answer.tool_calls.is_empty());
        }
        request.tool_choice = ToolChoice::Named("close-ticket".into());
        let answer = run(&engine, &request).await;
        assert_eq!(answer.tool_calls.len(), 1, "{answer:?}");
        assert_eq!(answer.tool_calls[0].name, "close-ticket");
        let arguments: Value = serde_json::from_str(&answer.tool_calls[0].arguments).unwrap();
        assert!(["done", "spam"].contains(&arguments["reason"].as_str().unwrap()));
        request.tool_choice = ToolChoice::Auto;
        run(&engine, &request).await;
        request.tool_choice = ToolChoice::Named("absent".into());
        assert!(matches!(engine.generate("m", &request).await, Err(Error::Refused { .. })));
    }
}

#[tokio::test]
async fn chat_model_ends_its_turn_by_itself() {
    let Some(path) = desk() else { return };
    let engine = load(&path, 1).await;
    assert_eq!(engine.models()[0].prompt_style, PromptStyle::Template);
    let mut request = greedy("Hello, my parcel with order 48213 has not arrived.");
    request.system = "Classify the ticket.".into();
    request.sampling.max_tokens = Some(250);
    let mut generation = engine.generate("m", &request).await.unwrap();
    let mut text = String::new();
    while let Some(event) = generation.next().await {
        match event {
            Event::Text(piece) => text += &piece,
            Event::Done { finish, .. } => assert_eq!(finish, Finish::Stop, "{text}"),
            Event::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    assert!(!text.contains("<|"), "{text}");
}

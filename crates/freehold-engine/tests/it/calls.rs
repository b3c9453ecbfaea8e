//! Calls that go well, or that are refused.

use std::time::Duration;

use freehold_engine::{Error, ErrorKind, Event, ModelState, PromptStyle};
use freehold_wire::{Finish, Message, Part, Role, Tool, Usage};
use serde_json::json;

use crate::shop::{Script, ask, engine, first_text, until};

#[tokio::test]
async fn model_answers_and_says_what_it_is() {
    let script = Script::new(&json!({"otherwise": {"reasoning": "hm so", "text": "one two three"}}));
    let engine = engine();
    let info = engine.load(script.spec("m")).await.unwrap();
    assert_eq!((info.architecture.as_str(), info.context_tokens, info.slots), ("scripted", 256, 2));
    assert_eq!((info.prompt_style, info.state.clone()), (PromptStyle::Plain, ModelState::Serving));
    assert_eq!(engine.models(), [info]);

    let answer = engine.generate("m", &ask("count to three")).await.unwrap().collect().await.unwrap();
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("one two three", "hm so"));
    assert_eq!(answer.finish, Some(Finish::Stop));
    assert_eq!(answer.usage, Some(Usage { input: 3, cache_read: 0, output: 4, ..Usage::default() }));
    engine.shutdown().await;
}

/// The one slot and the whole queue are taken, and the counts are answered all the same.
#[tokio::test]
async fn tokens_are_counted_while_everybody_else_waits() {
    let script = Script::new(&json!({"rules": [{"when": "hold", "text": "one", "hold": true}]}));
    let engine = engine();
    engine.load(freehold_engine::ModelSpec { slots: 1, ..script.spec("m") }).await.unwrap();
    let answer = engine.generate("m", &ask("how long is this")).await.unwrap().collect().await.unwrap();
    assert_eq!(answer.usage.unwrap().input, 4);
    let mut holding = engine.generate("m", &ask("hold")).await.unwrap();
    first_text(&mut holding).await;
    let request = ask("hold");
    let mut queued: Vec<_> = (0..2).map(|_| Box::pin(engine.generate("m", &request))).collect();
    for queued in &mut queued {
        assert!(tokio::time::timeout(Duration::ZERO, queued).await.is_err());
    }
    assert!(matches!(engine.generate("m", &request).await, Err(Error::Busy { .. })));
    // As many as fit, and far more; also where the prompt is too long to be answered.
    let long = ask(&"word ".repeat(300));
    assert!(matches!(engine.count("m", &long).await, Ok(300)));
    for _ in 0..100 {
        assert!(matches!(engine.count("m", &ask("how long is this")).await, Ok(4)));
    }
    assert!(matches!(engine.count("unknown", &request).await, Err(Error::UnknownModel { .. })));
    drop(queued);
    drop(holding);
    engine.shutdown().await;
}

#[tokio::test]
async fn events_come_one_by_one_and_in_order() {
    let script = Script::new(&json!({"otherwise": {"text": "one two"}}));
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let mut generation = engine.generate("m", &ask("go")).await.unwrap();
    let mut seen = Vec::new();
    while let Some(event) = generation.next().await {
        seen.push(format!("{event:?}"));
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen[0].starts_with("Started { prompt_tokens: 1"));
    assert_eq!(&seen[1..3], ["Text(\"one \")", "Text(\"two\")"]);
    assert!(seen[3].starts_with("Done"));
    assert!(generation.next().await.is_none());
}

#[tokio::test]
async fn rules_choose_by_the_last_user_turn() {
    let rules = json!([
        {"when": "weather", "text": "Looking. ", "tool_call": {"name": "look", "arguments": {"at": "sky"}}},
        {"when": "", "text": "else"},
    ]);
    let script = Script::new(&json!({"rules": rules}));
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let mut request = ask("how is the weather?");
    request.tools = vec![Tool { name: "look".into(), description: String::new(), parameters: json!({}) }];
    let answer = engine.generate("m", &request).await.unwrap().collect().await.unwrap();
    assert_eq!((answer.text.as_str(), answer.finish), ("Looking. ", Some(Finish::ToolCalls)));
    assert_eq!(answer.tool_calls.len(), 1);
    assert_eq!(
        (answer.tool_calls[0].name.as_str(), answer.tool_calls[0].arguments.as_str()),
        ("look", "{\"at\":\"sky\"}")
    );
    assert!(answer.tool_calls[0].id.starts_with("call_"));
    let answer = engine.generate("m", &ask("what?")).await.unwrap().collect().await.unwrap();
    assert_eq!(answer.text, "else");
}

/// A model that calls a tool must not call it for ever: what the tool returned chooses the next answer.
#[tokio::test]
async fn rules_choose_by_what_the_tools_returned() {
    let rules = json!([
        {"when": "weather", "after": "rain", "text": "Take a coat."},
        {"after": "sun", "text": "Leave the coat."},
        {"when": "weather", "text": "Looking."},
    ]);
    let script = Script::new(&json!({"rules": rules, "otherwise": {"text": "else"}}));
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let mut request = ask("how is the weather?");
    let turn = |role, part| Message { role, parts: vec![part] };
    let answer = engine.generate("m", &request).await.unwrap().collect().await.unwrap();
    assert_eq!(answer.text, "Looking.");
    request.messages.push(turn(Role::Assistant, Part::Text("Looking.".into())));
    for (returned, expected) in [("rain at noon", "Take a coat."), ("sun", "Leave the coat."), ("snow", "Looking.")] {
        let result = Part::ToolResult { id: "call_1".into(), text: returned.into() };
        request.messages.truncate(2);
        request.messages.push(turn(Role::Tool, result));
        let answer = engine.generate("m", &request).await.unwrap().collect().await.unwrap();
        assert_eq!(answer.text, expected, "after {returned:?}");
    }
    request.messages.push(turn(Role::Assistant, Part::Text("Done.".into())));
    request.messages.push(turn(Role::User, Part::Text("and now?".into())));
    let answer = engine.generate("m", &request).await.unwrap().collect().await.unwrap();
    assert_eq!(answer.text, "else", "an older result no longer counts");
}

#[tokio::test]
async fn length_and_stop_end_an_answer() {
    let script = Script::new(&json!({"otherwise": {"text": "one two three four"}}));
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let mut request = ask("go");
    request.sampling.max_tokens = Some(2);
    let answer = engine.generate("m", &request).await.unwrap().collect().await.unwrap();
    assert_eq!((answer.text.as_str(), answer.finish), ("one two ", Some(Finish::Length)));
    request.sampling.max_tokens = None;
    request.sampling.stop = vec!["o thr".into()];
    let answer = engine.generate("m", &request).await.unwrap().collect().await.unwrap();
    assert_eq!((answer.text.as_str(), answer.finish), ("one tw", Some(Finish::Stop)));
}

#[tokio::test]
async fn prompt_beyond_the_context_is_refused_with_numbers() {
    let script = Script::new(&json!({"otherwise": {"text": "x"}}));
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let error = engine.generate("m", &ask(&"word ".repeat(300))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::User);
    assert!(error.to_string().contains("300") && error.to_string().contains("256"), "{error}");
}

#[tokio::test]
async fn failure_of_one_call_is_its_own() {
    let script = Script::new(
        &json!({"rules": [{"when": "bad", "text": "so ", "fail": "no more"}], "otherwise": {"text": "fine"}}),
    );
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let mut bad = engine.generate("m", &ask("bad")).await.unwrap();
    assert_eq!(first_text(&mut bad).await, "so ");
    let id = bad.id();
    let error = bad.collect().await.unwrap_err();
    assert!(matches!(&error, Error::CallFailed { call, what, .. } if *call == id && what == "no more"), "{error}");
    assert_eq!(engine.generate("m", &ask("good")).await.unwrap().collect().await.unwrap().text, "fine");
}

#[tokio::test]
async fn several_calls_run_at_once() {
    let script = Script::new(&json!({"otherwise": {"text": "begun ", "hold": true}}));
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let mut first = engine.generate("m", &ask("a")).await.unwrap();
    let mut second = engine.generate("m", &ask("b")).await.unwrap();
    // Neither ends, so both texts can only come if both run.
    assert_eq!(first_text(&mut first).await, "begun ");
    assert_eq!(first_text(&mut second).await, "begun ");
}

#[tokio::test]
async fn full_queue_is_busy_until_a_call_is_dropped() {
    let script =
        Script::new(&json!({"rules": [{"when": "hold", "text": "x ", "hold": true}], "otherwise": {"text": "free"}}));
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let running =
        [engine.generate("m", &ask("hold")).await.unwrap(), engine.generate("m", &ask("hold")).await.unwrap()];
    // Two slots are taken, two may wait; the waiting ones are not answered until a slot is free.
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let engine = engine.clone();
            Box::pin(async move { engine.generate("m", &ask("later")).await })
        })
        .collect();
    let mut waiting = futures_ready(waiting).await;
    let error = engine.generate("m", &ask("too many")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("2 requests run and 2 wait"), "{error}");

    drop(running);
    for call in &mut waiting {
        assert_eq!(call.await.unwrap().collect().await.unwrap().text, "free");
    }
    assert_eq!(engine.generate("m", &ask("again")).await.unwrap().collect().await.unwrap().text, "free");
}

/// Polls each future once, so that its request is on its way.
async fn futures_ready<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F> {
    for future in &mut futures {
        std::future::poll_fn(|context| {
            assert!(std::pin::Pin::new(&mut *future).poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    }
    futures
}

#[tokio::test]
async fn dropping_a_waiting_request_takes_it_out_of_the_queue() {
    let script =
        Script::new(&json!({"rules": [{"when": "hold", "text": "x ", "hold": true}], "otherwise": {"text": "free"}}));
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let running =
        [engine.generate("m", &ask("hold")).await.unwrap(), engine.generate("m", &ask("hold")).await.unwrap()];
    let later = ask("later");
    for _ in 0..20 {
        let mut given_up = Box::pin(engine.generate("m", &later));
        std::future::poll_fn(|context| {
            // Its place may still be held by the one before it, whose cancellation is on its way.
            let _whatever = given_up.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    drop(running);
    let mut answered = None;
    while answered.is_none() {
        tokio::task::yield_now().await;
        answered = answer_unless_busy(&engine).await;
    }
    assert_eq!(answered.as_deref(), Some("free"));
}

async fn answer_unless_busy(engine: &freehold_engine::Engine) -> Option<String> {
    match engine.generate("m", &ask("now")).await {
        Ok(generation) => Some(generation.collect().await.unwrap().text),
        Err(Error::Busy { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn names_are_checked() {
    let script = Script::new(&json!({"otherwise": {"text": "x"}}));
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let error = engine.load(script.spec("m")).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyLoaded { .. }));
    let error = engine.generate("n", &ask("x")).await.unwrap_err();
    assert_eq!(error.to_string(), "no model named \"n\" is loaded in the engine (loaded: m)");
}

#[tokio::test]
async fn unload_ends_the_calls_and_frees_the_name() {
    let script = Script::new(&json!({"otherwise": {"text": "x ", "hold": true}}));
    let engine = engine();
    engine.load(script.spec("m")).await.unwrap();
    let mut generation = engine.generate("m", &ask("x")).await.unwrap();
    first_text(&mut generation).await;
    engine.unload("m").await;
    assert!(matches!(generation.next().await, Some(Event::Failed(Error::Unloaded { .. }))));
    assert!(engine.models().is_empty());
    engine.load(script.spec("m")).await.unwrap();
}

#[tokio::test]
async fn given_up_load_leaves_nothing_behind() {
    let script = Script::new(&json!({"otherwise": {"text": "x"}}));
    let engine = engine();
    let mut loading = Box::pin(engine.load(script.spec("m")));
    std::future::poll_fn(|context| {
        assert!(loading.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(loading);
    until("the name is free", || engine.models().is_empty()).await;
    engine.load(script.spec("m")).await.unwrap();
}

#[tokio::test]
async fn missing_and_broken_files_are_named() {
    let script = Script::new(&json!({"otherwise": {"txt": "x"}}));
    let engine = engine();
    let error = engine.load(script.spec("m")).await.unwrap_err();
    assert!(error.to_string().contains("txt"), "{error}");
    let mut spec = script.spec("m");
    spec.path = script.path("absent.json");
    let error = engine.load(spec).await.unwrap_err();
    assert!(matches!(error, Error::LoadFailed { .. }) && error.to_string().contains("absent.json"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Engine);
    assert!(engine.models().is_empty());
}

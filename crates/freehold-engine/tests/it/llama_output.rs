//! What comes out of real models: the shape of answers, log probabilities, seeds beside other calls.

use freehold_engine::{Engine, Error, Event};
use freehold_wire::{Answer, Finish, Request, ResponseFormat, Tool, ToolChoice};
use serde_json::{Map, Value, json};

use crate::llama::{all, desk, greedy, load, run};
use crate::shop::ask;

/// A source of numbers for tests (Steele et al., 2014).
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What a schema allows, written down apart from the schema.
enum Shape {
    Null,
    Truth,
    Number(i64, i64),
    Word(Vec<String>),
    Text(u64),
    List(Box<Shape>, u64, u64),
    Either(Box<Shape>, Box<Shape>),
    /// Members, and whether each must be there.
    Object(Vec<(String, Shape, bool)>),
}

impl Shape {
    fn random(random: &mut SplitMix, depth: u64) -> Shape {
        match random.below(if depth == 0 { 5 } else { 8 }) {
            0 => Shape::Null,
            1 => Shape::Truth,
            2 => {
                let low = random.below(50).cast_signed() - 25;
                Shape::Number(low, low + random.below(100).cast_signed())
            }
            3 => Shape::Word((0..=random.below(4)).map(|at| format!("w{at}\u{fc}\"{}", random.below(9))).collect()),
            4 => Shape::Text(random.below(8) + 1),
            5 => {
                let least = random.below(2);
                Shape::List(Box::new(Shape::random(random, depth - 1)), least, least + random.below(2))
            }
            6 => Shape::Either(Box::new(Shape::random(random, depth - 1)), Box::new(Shape::random(random, depth - 1))),
            _ => Shape::object(random, depth - 1),
        }
    }

    fn object(random: &mut SplitMix, depth: u64) -> Shape {
        let members = (0..=random.below(3)).map(|at| {
            let shape = Shape::random(random, depth);
            (format!("m{at}"), shape, random.below(3) > 0)
        });
        Shape::Object(members.collect())
    }

    fn schema(&self) -> Value {
        match self {
            Shape::Null => json!({"type": "null"}),
            Shape::Truth => json!({"type": "boolean"}),
            Shape::Number(low, high) => json!({"type": "integer", "minimum": low, "maximum": high}),
            Shape::Word(words) => json!({"enum": words}),
            Shape::Text(longest) => json!({"type": "string", "maxLength": longest}),
            Shape::List(item, least, most) => {
                json!({"type": "array", "items": item.schema(), "minItems": least, "maxItems": most})
            }
            Shape::Either(one, other) => json!({"anyOf": [one.schema(), other.schema()]}),
            Shape::Object(members) => {
                let required: Vec<&String> = members.iter().filter(|member| member.2).map(|member| &member.0).collect();
                let properties: Map<String, Value> =
                    members.iter().map(|(name, shape, _)| (name.clone(), shape.schema())).collect();
                json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
            }
        }
    }

    fn allows(&self, value: &Value) -> bool {
        match self {
            Shape::Null => value.is_null(),
            Shape::Truth => value.is_boolean(),
            Shape::Number(low, high) => value.as_i64().is_some_and(|number| (*low..=*high).contains(&number)),
            Shape::Word(words) => value.as_str().is_some_and(|said| words.iter().any(|word| word == said)),
            Shape::Text(longest) => value.as_str().is_some_and(|said| said.chars().count() as u64 <= *longest),
            Shape::List(item, least, most) => value.as_array().is_some_and(|items| {
                (*least..=*most).contains(&(items.len() as u64)) && items.iter().all(|value| item.allows(value))
            }),
            Shape::Either(one, other) => one.allows(value) || other.allows(value),
            Shape::Object(members) => value.as_object().is_some_and(|object| {
                let known = |name: &String| members.iter().any(|member| member.0 == *name);
                let fits = |(name, shape, needed): &(String, Shape, bool)| match object.get(name) {
                    Some(value) => shape.allows(value),
                    None => !needed,
                };
                object.keys().all(known) && members.iter().all(fits)
            }),
        }
    }
}

/// Runs requests beside each other, as many as the model has slots.
async fn beside(engine: &Engine, requests: &[Request]) -> Vec<Answer> {
    let mut generations = Vec::new();
    for request in requests {
        generations.push(engine.generate("m", request).await.unwrap());
    }
    let mut answers = Vec::new();
    for generation in generations {
        answers.push(generation.collect().await.unwrap());
    }
    answers
}

/// 500 random schemas, drawn hot: whatever ends by itself is valid under its schema.
#[tokio::test]
async fn answers_fit_random_schemas() {
    let Some(path) = all().pop() else { return };
    let engine = load(&path, 8).await;
    let mut random = SplitMix(5);
    let mut finished = 0;
    for _ in 0..63 {
        let shapes: Vec<Shape> = (0..8).map(|_| Shape::object(&mut random, 2)).collect();
        let requests: Vec<Request> = shapes
            .iter()
            .map(|shape| {
                let mut request = ask("Once");
                request.response_format = ResponseFormat::JsonSchema(shape.schema());
                request.sampling.seed = Some(random.below(1 << 40));
                request.sampling.temperature = Some(1.5);
                request.sampling.max_tokens = Some(90);
                request
            })
            .collect();
        for (shape, answer) in shapes.iter().zip(beside(&engine, &requests).await) {
            if answer.finish == Some(Finish::Stop) {
                finished += 1;
                let value = serde_json::from_str(&answer.text).unwrap();
                assert!(shape.allows(&value), "{} {}", shape.schema(), answer.text);
            }
        }
    }
    eprintln!("{finished} of 504 answers ended by themselves");
    assert!(finished > 250, "{finished}");
}

/// The same request with the same seed gets the same tokens, whatever runs beside it.
#[tokio::test]
async fn seeded_answers_do_not_depend_on_what_runs_beside_them() {
    for path in all() {
        let engine = load(&path, 8).await;
        let seeded = |seed| {
            let mut request = greedy("Once upon a time");
            request.sampling.temperature = Some(1.0);
            request.sampling.top_p = Some(0.95);
            request.sampling.seed = Some(seed);
            request
        };
        let alone = [run(&engine, &seeded(1)).await.text, run(&engine, &seeded(2)).await.text];
        for round in 0..6 {
            let mut requests: Vec<Request> = (0..8).map(|other| seeded(100 * round + other + 10)).collect();
            for (at, request) in requests.iter_mut().enumerate() {
                request.messages[0].parts.push(freehold_wire::Part::Text(" there".repeat(at * 3)));
            }
            let (first, second) = (usize::try_from(round).unwrap(), usize::try_from((round + 3) % 8).unwrap());
            requests[first] = seeded(1);
            requests[second] = seeded(2);
            let answers = beside(&engine, &requests).await;
            assert_eq!([&answers[first].text, &answers[second].text], [&alone[0], &alone[1]], "{round}");
        }
    }
}

/// Each token of the text is told once, with its share of the model's distribution.
#[tokio::test]
async fn log_probabilities_tell_the_text_token_by_token() {
    for path in all() {
        let engine = load(&path, 1).await;
        let mut request = greedy("Once upon a time");
        request.sampling.top_logprobs = Some(3);
        request.sampling.stop = vec!["never said at all".into()];
        let generation = engine.generate("m", &request).await.unwrap();
        let (answer, tokens) = generation.collect_with_logprobs().await.unwrap();
        let bytes: Vec<u8> = tokens
            .iter()
            .flat_map(|token| token["bytes"].as_array().unwrap())
            .map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap())
            .collect();
        assert_eq!(String::from_utf8_lossy(&bytes).trim_start(), answer.text.trim_start());
        for token in &tokens {
            let top = token["top_logprobs"].as_array().unwrap();
            assert_eq!((top.len(), &top[0]["token"]), (3, &token["token"]), "greedy takes the likeliest");
            let shares: Vec<f64> = top.iter().map(|top| top["logprob"].as_f64().unwrap()).collect();
            assert!(shares[0] == token["logprob"] && shares.is_sorted_by(|a, b| a >= b), "{shares:?}");
            assert!(shares.iter().map(|share| share.exp()).sum::<f64>() <= 1.0 + 1e-6, "{shares:?}");
        }
        request.sampling.top_logprobs = None;
        let plain = engine.generate("m", &request).await.unwrap().collect_with_logprobs().await.unwrap();
        assert_eq!(plain, (Answer { usage: plain.0.usage, ..answer }, Vec::new()));
    }
}

fn with_tools(text: &str) -> Request {
    let parameters = json!({
        "type": "object",
        "properties": {"order": {"type": "integer", "minimum": 0, "maximum": 99999}, "note": {"type": "string", "maxLength": 40}},
        "required": ["order", "note"],
        "additionalProperties": false,
    });
    let mut request = greedy(text);
    request.tools = vec![Tool { name: "refund".into(), description: "Pays back.".into(), parameters }];
    request.tool_choice = ToolChoice::Required;
    request.sampling.max_tokens = Some(120);
    request
}

/// The arguments of a call come in pieces that together are what is collected.
#[tokio::test]
async fn arguments_are_streamed() {
    let Some(path) = desk() else { return };
    let engine = load(&path, 1).await;
    let mut request = with_tools("Please refund order 48213");
    request.one_tool_call = true;
    let mut generation = engine.generate("m", &request).await.unwrap();
    let (mut pieces, mut names, mut arguments) = (0, Vec::new(), String::new());
    while let Some(event) = generation.next().await {
        match event {
            Event::ToolStart { name, .. } => names.push(name),
            Event::ToolArguments(piece) => {
                pieces += 1;
                arguments += &piece;
            }
            Event::Done { finish, .. } => assert_eq!(finish, Finish::ToolCalls),
            Event::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    assert_eq!(names, ["refund"], "one call and no more");
    assert!(pieces > 2, "{pieces}");
    let value: Value = serde_json::from_str(&arguments).unwrap();
    assert!(value["order"].is_i64(), "{value}");
}

fn texts(texts: &[&str]) -> Request {
    let mut request = ask("");
    request.messages[0].parts = texts.iter().map(|&text| freehold_wire::Part::Text(text.to_owned())).collect();
    request
}

/// Vectors have length one, do not depend on what was read before, and lie near each other where the texts do.
#[tokio::test]
async fn texts_become_vectors() {
    for path in all() {
        let engine = load(&path, 1).await;
        let said = ["Lily has a red ball.", "Lily has a red ball!", "The big dog ran to the park."];
        let (vectors, tokens) = engine.embed("m", &texts(&said)).await.unwrap();
        assert!(tokens > 12, "{tokens}");
        let product =
            |one: usize, other: usize| vectors[one].iter().zip(&vectors[other]).map(|(a, b)| a * b).sum::<f32>();
        for (at, vector) in vectors.iter().enumerate() {
            assert!(vector.len() > 8 && (product(at, at) - 1.0).abs() < 1e-4, "{at}");
        }
        assert!(product(0, 1) > product(0, 2), "{} {}", product(0, 1), product(0, 2));
        let answer = run(&engine, &greedy("Once upon a time")).await;
        let (again, _) = engine.embed("m", &texts(&said[2..])).await.unwrap();
        assert_eq!(again[0], vectors[2]);
        assert_eq!(run(&engine, &greedy("Once upon a time")).await.text, answer.text);
        for wrong in [texts(&[]), texts(&[""]), texts(&[&"a dog ran ".repeat(2000)])] {
            assert!(matches!(engine.embed("m", &wrong).await, Err(Error::Refused { .. })));
        }
    }
}

//! Steps found by the head of the request.

use freehold_wire::{Api, Message, Part, Request, ResponseFormat, Role, Sampling, Tool, ToolChoice};
use freehold_workflow::{Heads, Marks, StepBy, Steps, identify};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn bare(api: Api) -> Request {
    Request {
        api,
        model: "m".into(),
        system: String::new(),
        messages: Vec::new(),
        tools: Vec::new(),
        tool_choice: ToolChoice::Auto,
        response_format: ResponseFormat::Text,
        sampling: Sampling::default(),
        stream: false,
        stream_usage: false,
        metadata: Vec::new(),
        one_tool_call: false,
    }
}

fn step(request: &Request) -> String {
    let identity = identify(request, Marks::default());
    assert_eq!(identity.by, StepBy::Head);
    identity.step
}

pub(crate) fn with_system(text: &str) -> Request {
    Request { system: text.into(), ..bare(Api::OpenAiChat) }
}

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), description: "Does it.".into(), parameters: json!({"type": "object"}) }
}

#[test]
fn readable_part_names_what_the_step_is_about() {
    let readable = |request: &Request| step(request).rsplit_once('-').expect("the digits").0.to_owned();
    for (system, expected) in [
        ("You are a helpful assistant that triages support tickets for ACME.", "triages-support-tickets-acme"),
        ("Extract the order number, the product and the date.", "extract-order-number-product"),
        ("Ты помощник. Reply in JSON", "reply-json"),
        ("你是一个助手", "openai-chat"),
        ("You are an assistant.", "openai-chat"),
        ("Pneumonoultramicroscopicsilicovolcanoconiosis first", "pneumonoultramicroscopicsilicovo"),
        ("Internationalization considerations everywhere", "internationalization"),
    ] {
        assert_eq!(readable(&with_system(system)), expected, "{system}");
    }
    let tools = Request { tools: vec![tool("refund_order"), tool("cancel-it")], ..bare(Api::OpenAiChat) };
    assert_eq!(readable(&tools), "cancel-refund-order");
    let format = |format| readable(&Request { response_format: format, ..bare(Api::OpenAiResponses) });
    assert_eq!(format(ResponseFormat::JsonSchema(json!({"title": "Line Item"}))), "line-item");
    assert_eq!(format(ResponseFormat::JsonSchema(json!({}))), "json-schema");
    assert_eq!(format(ResponseFormat::JsonObject), "json-object");
    assert_eq!(format(ResponseFormat::Text), "openai-responses-no-system");
}

/// Ids are kept by stores for years: a change of the hash must not go unnoticed.
#[test]
fn ids_stay_what_they_are() {
    let mut request = with_system("You triage support tickets.");
    assert_eq!(step(&request), "triage-support-tickets-9ffca4");
    request.tools = vec![tool("b"), tool("a")];
    request.response_format = ResponseFormat::JsonSchema(json!({"type": "object", "properties": {}}));
    assert_eq!(step(&request), "triage-support-tickets-990e52");
    for (api, expected) in Api::DIALECTS.into_iter().zip([
        "openai-chat-no-system-9f71da",
        "openai-responses-no-system-5abb06",
        "anthropic-messages-no-system-f60fd2",
    ]) {
        assert_eq!(step(&bare(api)), expected);
    }
}

/// The same request in three dialects is three steps: a move keeps the dialect, so their evidence is kept apart.
#[test]
fn families_are_kept_apart() {
    let steps = Api::DIALECTS.map(|api| step(&Request { system: "Be brief.".into(), ..bare(api) }));
    assert!(steps[0] != steps[1] && steps[1] != steps[2] && steps[0] != steps[2]);
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "[a-z]{0,6}".prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null)
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\é]{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn request() -> impl Strategy<Value = Request> {
    let tools = prop::collection::btree_map("[a-z_]{1,8}", (".{0,12}", schema()), 0..5).prop_map(|tools| {
        let tools = tools.into_iter();
        tools.map(|(name, (description, parameters))| Tool { name, description, parameters }).collect::<Vec<_>>()
    });
    let format = prop_oneof![
        Just(ResponseFormat::Text),
        Just(ResponseFormat::JsonObject),
        schema().prop_map(ResponseFormat::JsonSchema)
    ];
    (prop::sample::select(&Api::DIALECTS[..]), ".{0,60}", tools, format)
        .prop_map(|(api, system, tools, response_format)| Request { system, tools, response_format, ..bare(api) })
}

/// Reverses the members of every object.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(reversed).collect(),
        Value::Object(members) => Value::Object(
            members.iter().rev().map(|(name, member)| (name.clone(), reversed(member))).collect::<Map<_, _>>(),
        ),
        leaf => leaf.clone(),
    }
}

proptest! {
    #[test]
    fn what_is_not_the_head_never_changes_the_step(request in request(), model in ".{0,12}", turns in prop::collection::vec(".{0,20}", 0..4), stream: bool, temperature: f32) {
        let say = |text: String| Message { role: Role::User, parts: vec![Part::Text(text)] };
        let other = Request {
            model,
            messages: turns.into_iter().map(say).collect(),
            stream,
            sampling: Sampling { temperature: Some(temperature), ..Sampling::default() },
            tool_choice: ToolChoice::Required,
            metadata: vec![("user_id".into(), "u".into())],
            ..request.clone()
        };
        prop_assert_eq!(step(&other), step(&request));
    }

    #[test]
    fn order_never_changes_the_step(request in request(), turn in 0usize..5) {
        let mut other = request.clone();
        other.tools.reverse();
        let middle = turn.min(other.tools.len());
        other.tools.rotate_left(middle);
        for tool in &mut other.tools { tool.parameters = reversed(&tool.parameters); }
        if let ResponseFormat::JsonSchema(schema) = &request.response_format {
            other.response_format = ResponseFormat::JsonSchema(reversed(schema));
        }
        prop_assert_eq!(step(&other), step(&request));
    }

    /// More requests than are remembered, each of which comes again in an order that is drawn.
    #[test]
    fn remembered_heads_have_the_steps_that_hashing_finds(requests in prop::collection::vec(request(), 1..24), order in prop::collection::vec(0usize..24, 0..80)) {
        let (steps, mut heads) = (Steps::default(), Heads::default());
        for at in order {
            let mut request = requests[at % requests.len()].clone();
            if at % 5 == 0 { request.system.push('x'); }
            let found = identify(&request, Marks::default());
            prop_assert_eq!(&heads.identify(&request, Marks::default()), &found);
            prop_assert_eq!(steps.identify(&request, Marks::default(), &mut heads), found);
        }
    }

    /// Six hex digits meet by chance once in 16.8 million pairs; none of these few does.
    #[test]
    fn every_change_of_the_head_changes_the_step(request in request(), more in "[a-z]{1,5}") {
        let changed = |change: &dyn Fn(&mut Request)| {
            let mut other = request.clone();
            change(&mut other);
            step(&other)
        };
        let before = step(&request);
        prop_assert_ne!(&changed(&|other| other.system.push_str(&more)), &before);
        prop_assert_ne!(&changed(&|other| other.tools.push(tool(&format!("new_{more}")))), &before);
        if !request.tools.is_empty() {
            prop_assert_ne!(&changed(&|other| drop(other.tools.pop())), &before);
            prop_assert_ne!(&changed(&|other| other.tools[0].description.push_str(&more)), &before);
            prop_assert_ne!(&changed(&|other| other.tools[0].name.push_str(&more)), &before);
            prop_assert_ne!(&changed(&|other| other.tools[0].parameters = json!([{"new": more}, other.tools[0].parameters])), &before);
        }
        let format = ResponseFormat::JsonSchema(json!({"new": [more]}));
        prop_assert_ne!(&changed(&|other| other.response_format = format.clone()), &before);
    }

    #[test]
    fn ids_are_short_and_plain(request in request()) {
        let step = step(&request);
        prop_assert!(step.len() <= 32 + 7, "{}", step);
        prop_assert!(step.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{}", step);
        prop_assert!(!step.starts_with('-') && !step.contains("--"), "{}", step);
    }
}

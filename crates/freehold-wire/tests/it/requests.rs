//! Reading requests: one request in every spelling, and errors that name the field.

use freehold_wire::{
    Api, Message, Part, Request, ResponseFormat, Role, Sampling, Tool, ToolCall, ToolChoice, requests,
};
use serde_json::{Value, json};

fn read(api: Api, body: &Value) -> Request {
    requests::read(api, body.to_string().as_bytes()).expect("the fixture is a request")
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}

/// The request that the fixtures of all dialects spell.
fn expected(api: Api) -> Request {
    let call = |id: &str, city: &str| {
        let arguments = json!({ "city": city }).to_string();
        Part::ToolCall(ToolCall { id: id.into(), name: "weather".into(), arguments })
    };
    let result = |id: &str, text: &str| Message {
        role: Role::Tool,
        parts: vec![Part::ToolResult { id: id.into(), text: text.into() }],
    };
    let text = |text: &str| Part::Text(text.into());
    Request {
        api,
        model: "some-model".into(),
        system: "You tell the weather.\n\nBe brief.".into(),
        messages: vec![
            Message { role: Role::User, parts: vec![text("Weather in "), text("Oslo and Rome?")] },
            Message { role: Role::Assistant, parts: vec![text("Looking."), call("c1", "Oslo"), call("c2", "Rome")] },
            result("c1", "3 degrees"),
            result("c2", r#"[{"image":1}]"#),
            Message { role: Role::User, parts: vec![text("And?")] },
        ],
        tools: vec![
            Tool { name: "weather".into(), description: "Tells it.".into(), parameters: schema() },
            Tool { name: "bare".into(), description: String::new(), parameters: json!({}) },
        ],
        tool_choice: ToolChoice::Named("weather".into()),
        response_format: ResponseFormat::JsonSchema(schema()),
        sampling: Sampling {
            max_tokens: Some(200),
            temperature: Some(0.5),
            top_p: Some(0.25),
            stop: vec!["END".into()],
            ..Sampling::default()
        },
        stream: true,
        stream_usage: false,
        metadata: vec![("user_id".into(), "u1".into())],
        one_tool_call: false,
    }
}

#[test]
fn wish_for_one_tool_call_at_most_is_read_in_every_spelling() {
    let chat = json!({"messages": [], "parallel_tool_calls": false});
    let responses = json!({"input": "x", "parallel_tool_calls": false});
    let messages =
        json!({"model": "m", "messages": [], "tool_choice": {"type": "any", "disable_parallel_tool_use": true}});
    for (api, body) in [(Api::OpenAiChat, chat), (Api::OpenAiResponses, responses), (Api::AnthropicMessages, messages)]
    {
        assert!(read(api, &body).one_tool_call, "{api}");
    }
    assert!(!read(Api::OpenAiChat, &json!({"messages": [], "parallel_tool_calls": true})).one_tool_call);
}

#[test]
fn wish_for_log_probabilities_is_read_in_both_spellings() {
    let chat = |members: Value| {
        let mut body = json!({"messages": []});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        read(Api::OpenAiChat, &body).sampling.top_logprobs
    };
    assert_eq!(chat(json!({"logprobs": true, "top_logprobs": 3})), Some(3));
    assert_eq!(chat(json!({"logprobs": true})), Some(0));
    assert_eq!(chat(json!({"logprobs": false, "top_logprobs": 3})), None);
    let responses = json!({"input": "x", "include": ["message.output_text.logprobs"], "top_logprobs": 2});
    assert_eq!(read(Api::OpenAiResponses, &responses).sampling.top_logprobs, Some(2));
    assert_eq!(read(Api::OpenAiResponses, &json!({"input": "x", "top_logprobs": 2})).sampling.top_logprobs, None);
}

fn chat() -> Value {
    let call = |id, city: &str| {
        let arguments = json!({ "city": city }).to_string();
        json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}})
    };
    json!({
        "model": "some-model",
        "messages": [
            {"role": "system", "content": "You tell the weather."},
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": [{"type": "text", "text": "Weather in "}, {"type": "text", "text": "Oslo and Rome?"}]},
            {"role": "assistant", "content": "Looking.", "tool_calls": [call("c1", "Oslo"), call("c2", "Rome")]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "3 "}, {"type": "text", "text": "degrees"}]},
            {"role": "tool", "tool_call_id": "c2", "content": [{"image": 1}]},
            {"role": "user", "content": "And?"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": schema()}},
            {"type": "function", "function": {"name": "bare"}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema()}},
        "max_completion_tokens": 200,
        "temperature": 0.5,
        "top_p": 0.25,
        "stop": "END",
        "stream": true,
        "metadata": {"user_id": "u1"},
        "logit_bias": {"never": ["looked", "at"]},
    })
}

fn responses() -> Value {
    let call = |id, city: &str| {
        let arguments = json!({ "city": city }).to_string();
        json!({"type": "function_call", "id": "fc_1", "call_id": id, "name": "weather", "arguments": arguments})
    };
    json!({
        "model": "some-model",
        "instructions": "You tell the weather.",
        "input": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "input_text", "text": "Weather in "}, {"type": "input_text", "text": "Oslo and Rome?"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Looking.", "annotations": []}]},
            call("c1", "Oslo"),
            call("c2", "Rome"),
            {"type": "function_call_output", "call_id": "c1", "output": "3 degrees"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"image": 1}]},
            {"role": "user", "content": "And?"},
        ],
        "tools": [
            {"type": "web_search"},
            {"type": "function", "name": "weather", "description": "Tells it.", "parameters": schema(), "strict": true},
            {"type": "function", "name": "bare", "parameters": null},
        ],
        "tool_choice": {"type": "function", "name": "weather"},
        "text": {"format": {"type": "json_schema", "name": "x", "schema": schema()}},
        "max_output_tokens": 200,
        "temperature": 0.5,
        "top_p": 0.25,
        "stop": ["END"],
        "stream": true,
        "metadata": {"user_id": "u1"},
    })
}

fn messages() -> Value {
    let call = |id, city: &str| json!({"type": "tool_use", "id": id, "name": "weather", "input": {"city": city}});
    json!({
        "model": "some-model",
        "system": [{"type": "text", "text": "You tell the weather.", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Weather in "}, {"type": "text", "text": "Oslo and Rome?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Looking."}, call("c1", "Oslo"), call("c2", "Rome")]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "3 degrees"},
                {"type": "tool_result", "tool_use_id": "c2", "content": [{"image": 1}]},
                {"type": "text", "text": "And?"},
            ]},
        ],
        "tools": [
            {"type": "web_search_20250305", "name": "web_search"},
            {"name": "weather", "description": "Tells it.", "input_schema": schema()},
            {"type": "custom", "name": "bare"},
        ],
        "tool_choice": {"type": "tool", "name": "weather"},
        "output_config": {"format": {"type": "json_schema", "schema": schema()}},
        "max_tokens": 200,
        "temperature": 0.5,
        "top_p": 0.25,
        "stop_sequences": ["END"],
        "stream": true,
        "metadata": {"user_id": "u1"},
    })
}

fn fixture(api: Api) -> Value {
    match api {
        Api::OpenAiChat => chat(),
        Api::OpenAiResponses => responses(),
        _ => messages(),
    }
}

#[test]
fn every_dialect_spells_the_same_request() {
    for api in Api::DIALECTS {
        assert_eq!(read(api, &fixture(api)), expected(api), "{api}");
    }
}

#[test]
fn least_requests_are_read() {
    let turns = json!([{"role": "user", "content": "Hi"}]);
    for (api, body) in [
        (Api::OpenAiChat, json!({"model": "m", "messages": turns})),
        (Api::OpenAiResponses, json!({"model": "m", "input": "Hi"})),
        (Api::AnthropicMessages, json!({"model": "m", "messages": turns, "max_tokens": null, "system": null})),
    ] {
        let request = read(api, &body);
        assert_eq!(request.messages, [Message { role: Role::User, parts: vec![Part::Text("Hi".into())] }]);
        assert_eq!((request.system.as_str(), request.stream), ("", false));
        assert_eq!((request.tool_choice, request.response_format), (ToolChoice::Auto, ResponseFormat::Text));
        assert_eq!(request.sampling, Sampling::default());
    }
}

#[test]
fn tool_choices_are_read_in_every_form() {
    let chat = [
        (json!("auto"), ToolChoice::Auto),
        (json!("none"), ToolChoice::None),
        (json!("required"), ToolChoice::Required),
        (json!({"type": "custom", "custom": {"name": "x"}}), ToolChoice::Named("x".into())),
        (json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}), ToolChoice::Auto),
        (Value::Null, ToolChoice::Auto),
    ];
    let responses = [
        (json!({"type": "allowed_tools", "mode": "required", "tools": []}), ToolChoice::Required),
        (json!({"type": "function", "name": "x"}), ToolChoice::Named("x".into())),
        (json!({"type": "web_search_preview"}), ToolChoice::Required),
    ];
    let messages = [
        (json!({"type": "auto"}), ToolChoice::Auto),
        (json!({"type": "none"}), ToolChoice::None),
        (json!({"type": "any", "disable_parallel_tool_use": true}), ToolChoice::Required),
    ];
    let cases = [(Api::OpenAiChat, &chat[..]), (Api::OpenAiResponses, &responses), (Api::AnthropicMessages, &messages)];
    for (api, choices) in cases {
        for (choice, expected) in choices {
            let mut body = fixture(api);
            body["tool_choice"] = choice.clone();
            assert_eq!(read(api, &body).tool_choice, *expected, "{api} {choice}");
        }
    }
}

#[test]
fn formats_are_read_in_every_form() {
    for (api, path, format, expected) in [
        (Api::OpenAiChat, "/response_format", json!({"type": "json_object"}), ResponseFormat::JsonObject),
        (Api::OpenAiChat, "/response_format", json!({"type": "text"}), ResponseFormat::Text),
        (Api::OpenAiChat, "/response_format", Value::Null, ResponseFormat::Text),
        (Api::OpenAiResponses, "/text", json!({"verbosity": "low"}), ResponseFormat::Text),
        (Api::OpenAiResponses, "/text", json!({"format": {"type": "json_object"}}), ResponseFormat::JsonObject),
        (Api::AnthropicMessages, "/output_config", json!({"effort": "low"}), ResponseFormat::Text),
    ] {
        let mut body = fixture(api);
        *body.pointer_mut(path).unwrap() = format;
        assert_eq!(read(api, &body).response_format, expected, "{api} {path}");
    }
    let body = json!({"model": "m", "messages": [], "output_format": {"type": "json_schema", "schema": schema()}});
    assert_eq!(read(Api::AnthropicMessages, &body).response_format, ResponseFormat::JsonSchema(schema()));
}

#[test]
fn reasoning_and_other_content_keep_their_place() {
    let image = json!({"type": "image_url", "image_url": {"url": "data:,x"}});
    let chat = json!({"model": "m", "messages": [
        {"role": "user", "content": [image, {"type": "text", "text": "What?"}]},
        {"role": "assistant", "reasoning_content": "Hm.", "content": [{"type": "text", "text": "A cat."}]},
    ]});
    let request = read(Api::OpenAiChat, &chat);
    assert_eq!(request.messages[0].parts, [Part::Other(image), Part::Text("What?".into())]);
    assert_eq!(request.messages[1].parts, [Part::Reasoning("Hm.".into()), Part::Text("A cat.".into())]);

    let hidden = json!({"type": "redacted_thinking", "data": "x"});
    let messages = json!({"model": "m", "messages": [{"role": "assistant", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"}, hidden, {"type": "text", "text": "A cat."},
    ]}]});
    let parts = &read(Api::AnthropicMessages, &messages).messages[0].parts;
    assert_eq!(*parts, [Part::Reasoning("Hm.".into()), Part::Other(hidden), Part::Text("A cat.".into())]);

    let sealed = json!({"type": "reasoning", "summary": [], "encrypted_content": "x"});
    let responses = json!({"model": "m", "input": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"role": "assistant", "content": "A cat."},
        sealed,
        {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"},
    ]});
    let turns = read(Api::OpenAiResponses, &responses).messages;
    let call = Part::ToolCall(ToolCall { id: "c".into(), name: "n".into(), arguments: "{}".into() });
    assert_eq!(turns.len(), 1);
    assert_eq!(turns[0].parts, [Part::Reasoning("Hm.".into()), Part::Text("A cat.".into()), Part::Other(sealed), call]);
}

#[test]
fn the_form_before_tools_is_read() {
    let body = json!({"model": "m", "function_call": {"name": "f"}, "functions": [{"name": "f", "parameters": schema()}],
        "messages": [
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "done"},
    ]});
    let request = read(Api::OpenAiChat, &body);
    assert_eq!(request.tools, [Tool { name: "f".into(), description: String::new(), parameters: schema() }]);
    assert_eq!(request.tool_choice, ToolChoice::Named("f".into()));
    let call = ToolCall { id: String::new(), name: "f".into(), arguments: "{}".into() };
    assert_eq!(request.messages[0].parts, [Part::ToolCall(call)]);
    assert_eq!(request.messages[1].parts, [Part::ToolResult { id: "f".into(), text: "done".into() }]);
}

#[test]
fn numbers_are_read_as_clients_spell_them() {
    let with = |name: &str, value: Value| {
        let mut body = json!({"model": "m", "messages": []});
        body[name] = value;
        read(Api::OpenAiChat, &body).sampling
    };
    assert_eq!(with("max_tokens", json!(16.0)).max_tokens, Some(16));
    assert_eq!(with("max_tokens", json!(-1)).max_tokens, None);
    assert_eq!(with("max_tokens", json!(1_u64 << 40)).max_tokens, Some(u32::MAX));
    assert_eq!(with("temperature", json!(1)).temperature, Some(1.0));
    assert_eq!(with("seed", json!(-1)).seed, Some(u64::MAX));
    let stream = json!({"model": "m", "messages": [], "stream_options": {"include_usage": true}});
    assert!(read(Api::OpenAiChat, &stream).stream_usage);
}

/// Spoils one field of the fixture and compares the error: the path, and what was found.
fn assert_fault(api: Api, pointer: &str, spoilt: Value, field: &str, found: &str) {
    let mut body = fixture(api);
    *body.pointer_mut(pointer).expect("the fixture has the field") = spoilt;
    let error = requests::read(api, body.to_string().as_bytes()).expect_err("the field is spoilt");
    assert_eq!(error.to_string(), format!("field {field} of the {api} request: {found}"));
}

const NO_STRING: &str = "nothing where a string is expected";

#[test]
fn errors_name_the_field_and_not_the_text() {
    let secret = "a prompt that must not be shown";
    let fault = |pointer: &str, spoilt: Value, field: &str, found: &str| {
        assert_fault(Api::OpenAiChat, pointer, spoilt, field, found);
    };
    fault("/model", json!(1), "model", "a number where a string is expected");
    fault("/messages/3/role", json!(secret), "messages[3].role", "a string of 31 bytes is no role of this API");
    let text = "/messages/2/content/1/text";
    fault(text, json!(7), "messages[2].content[1].text", "a number where a string is expected");
    let name = "/messages/3/tool_calls/1/function/name";
    fault(name, json!([secret]), "messages[3].tool_calls[1].function.name", "an array where a string is expected");
    fault("/tools/1/function/name", Value::Null, "tools[1].function.name", NO_STRING);
    fault("/tool_choice", json!("maybe"), "tool_choice", "\"maybe\" is no tool choice of this API");
    let limit = "max_completion_tokens";
    fault("/max_completion_tokens", json!(1.5), limit, "1.5 where a whole number from 0 is expected");
    fault("/stop", json!(["a", 1]), "stop[1]", "a number where a string is expected");
    fault("/stream", json!("yes"), "stream", "a string where a boolean is expected");
    fault("/metadata", json!(secret), "metadata", "a string where an object is expected");
}

#[test]
fn errors_of_the_other_dialects_name_the_field_too() {
    let fault = |pointer: &str, spoilt: Value, field: &str, found: &str| {
        assert_fault(Api::OpenAiResponses, pointer, spoilt, field, found);
    };
    fault("/input/3/name", Value::Null, "input[3].name", NO_STRING);
    fault("/text/format/type", json!("poem"), "text.format.type", "\"poem\" is no format of this API");
    fault("/input", json!(3), "input", "a number where a string or an array is expected");
    let fault = |pointer: &str, spoilt: Value, field: &str, found: &str| {
        assert_fault(Api::AnthropicMessages, pointer, spoilt, field, found);
    };
    fault("/model", Value::Null, "model", NO_STRING);
    fault("/system", json!(true), "system", "a boolean where a string or an array is expected");
    let result = "messages[2].content[0].content";
    fault("/messages/2/content/0/content", json!(1), result, "a number where a string or an array is expected");
    fault("/tool_choice", json!("auto"), "tool_choice", "a string where an object is expected");
}

#[test]
fn bodies_that_are_no_requests_are_refused() {
    let error = requests::read(Api::OpenAiChat, b"[]").unwrap_err();
    assert_eq!(error.to_string(), "field (body) of the openai.chat request: an array where an object is expected");
    assert!(matches!(requests::read(Api::OpenAiChat, b"{\"model\": \"m"), Err(requests::Error::Json(_))));
}

#[test]
fn messages_of_the_model_in_a_row_stay_turns_of_their_own() {
    let say = |text: &str| json!({"role": "assistant", "content": text});
    let body = json!({"model": "m", "input": [say("One."), say("Two.")]});
    let texts: Vec<String> = read(Api::OpenAiResponses, &body).messages.iter().map(Message::text).collect();
    assert_eq!(texts, ["One.", "Two."]);
}

#[test]
fn of_repeated_names_the_last_counts() {
    let request = requests::read(Api::OpenAiChat, br#"{"model":"a","messages":[],"model":"b"}"#).unwrap();
    assert_eq!(request.model, "b");
}

#[test]
fn openai_requests_need_not_name_a_model() {
    for body in [json!({"messages": []}), json!({"messages": [], "model": null})] {
        assert_eq!(read(Api::OpenAiChat, &body).model, "");
        assert_eq!(read(Api::OpenAiResponses, &body).model, "");
    }
}

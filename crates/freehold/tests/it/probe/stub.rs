//! A server of Chat Completions with a switch for every fault.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use freehold::probe::Promise;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::model::{Heard, Skill, allowed};

const CONTEXT_TOKENS: usize = 3000;

macro_rules! faults {
    ($($fault:ident breaks [$($broken:ident),*] hides [$($hidden:ident),*];)*) => {
        /// What the server does wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Fault {
            $($fault,)*
            /// It cuts the prompt and counts it whole, which nobody can tell from a model that forgets.
            ContextCutUncounted,
        }

        impl Fault {
            pub(super) const ALL: &'static [Fault] = &[$(Fault::$fault),*];

            /// Returns the promises that it breaks.
            pub(super) fn breaks(self) -> Vec<Promise> {
                match self {
                    $(Fault::$fault => vec![$(Promise::$broken),*],)*
                    Fault::ContextCutUncounted => Vec::new(),
                }
            }

            /// Returns the promises of which nothing can be said beside it.
            pub(super) fn hides(self) -> Vec<Promise> {
                match self {
                    $(Fault::$fault => vec![$(Promise::$hidden),*],)*
                    Fault::ContextCutUncounted => vec![Promise::Context],
                }
            }
        }
    };
}

faults! {
    SchemaIgnored breaks [Schema] hides [];
    SchemaLoose breaks [Schema] hides [];
    SchemaRefused breaks [Schema] hides [];
    RequiredIgnored breaks [ToolChoiceRequired] hides [];
    NamedIgnored breaks [ToolChoiceNamed] hides [];
    NoneIgnored breaks [ToolChoiceNone] hides [];
    CallsInText breaks [ToolChoiceRequired, ToolChoiceNamed, ParallelCalls] hides [ToolChoiceNone, EmptyArguments, StreamedCalls];
    ParallelIgnored breaks [ParallelCalls] hides [];
    SameIds breaks [ParallelCalls] hides [];
    CallsJoined breaks [ParallelCalls] hides [];
    EmptyArgumentsLost breaks [EmptyArguments] hides [];
    StreamLosesArguments breaks [StreamedCalls] hides [];
    StreamLosesCalls breaks [StreamedCalls] hides [];
    StopIgnored breaks [Stop] hides [];
    MaxTokensIgnored breaks [MaxTokens] hides [];
    SeedIgnored breaks [Seed] hides [];
    LogprobsMissing breaks [Logprobs] hides [];
    UsageMissing breaks [UsageInStreams] hides [];
    ReasoningLeaks breaks [ReasoningApart] hides [];
    ReasoningDropped breaks [ReasoningKept] hides [];
    SystemDropped breaks [SystemRole, SystemBlocks] hides [];
    SecondSystemDropped breaks [SystemBlocks] hides [];
    DeveloperDropped breaks [DeveloperRole] hides [];
    DeveloperRefused breaks [DeveloperRole] hides [];
    LettersTorn breaks [Unicode] hides [];
    ContextCut breaks [Context] hides [];
    DriftsUnderLoad breaks [RepeatsUnderLoad] hides [];
}

impl Fault {
    /// Returns whether only the answers of a model that does as it is told show it.
    pub(super) fn needs_skill(self) -> bool {
        use Fault::{
            CallsInText, CallsJoined, NoneIgnored, ParallelIgnored, ReasoningDropped, ReasoningLeaks, SameIds,
        };
        matches!(
            self,
            NoneIgnored | CallsInText | ParallelIgnored | SameIds | CallsJoined | ReasoningLeaks | ReasoningDropped
        )
    }
}

/// The server; it ends with its runtime.
pub(super) struct Stub {
    address: SocketAddr,
    _serving: TaskTracker,
}

struct Desk {
    fault: Option<Fault>,
    skill: Skill,
    /// How often each request came.
    seen: Mutex<HashMap<String, u64>>,
}

/// An answer before it is spelt.
#[derive(Default)]
struct Answer {
    text: String,
    reasoning: String,
    calls: Vec<(String, String, String)>,
    finish: &'static str,
    prompt_tokens: usize,
    completion_tokens: usize,
}

impl Stub {
    pub(super) async fn start(fault: Option<Fault>, skill: Skill) -> Self {
        let desk = Arc::new(Desk { fault, skill, seen: Mutex::default() });
        let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(desk);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = TaskTracker::new();
        serving.spawn(async move { axum::serve(listener, router).await });
        Stub { address, _serving: serving }
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn complete(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap();
    if let Some(refusal) = desk.refusal(&request) {
        return (StatusCode::BAD_REQUEST, json!({"error": {"message": refusal}}).to_string()).into_response();
    }
    let answer = desk.answer(&request);
    match request["stream"].as_bool() {
        Some(true) => desk.stream(&request, &answer).into_response(),
        _ => desk.whole(&request, &answer).to_string().into_response(),
    }
}

impl Desk {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn refusal(&self, request: &Value) -> Option<&'static str> {
        let has_developer = turns(request).any(|turn| turn["role"] == "developer");
        let has_schema = request["response_format"].is_object();
        match self.fault? {
            Fault::DeveloperRefused if has_developer => Some("unexpected role: developer"),
            Fault::SchemaRefused if has_schema => Some("response_format is not supported"),
            _ => None,
        }
    }

    /// Returns the words of the turns that reach the model.
    fn words<'a>(&self, request: &'a Value) -> Vec<&'a str> {
        let mut words = Vec::new();
        let mut systems = 0;
        for turn in turns(request) {
            systems += u64::from(turn["role"] == "system");
            let is_dropped = match self.fault {
                Some(Fault::SystemDropped) => turn["role"] == "system",
                Some(Fault::SecondSystemDropped) => turn["role"] == "system" && systems > 1,
                Some(Fault::DeveloperDropped) => turn["role"] == "developer",
                _ => false,
            };
            if !is_dropped {
                words.extend(turn["content"].as_str().unwrap_or_default().split_whitespace());
            }
            if !self.has(Fault::ReasoningDropped) {
                words.extend(turn["reasoning_content"].as_str().unwrap_or_default().split_whitespace());
            }
        }
        words
    }

    fn answer(&self, request: &Value) -> Answer {
        let words = self.words(request);
        let cuts = self.has(Fault::ContextCut) || self.has(Fault::ContextCutUncounted);
        let from = if cuts { words.len().saturating_sub(CONTEXT_TOKENS) } else { 0 };
        let counted = if self.has(Fault::ContextCutUncounted) { words.len() } else { words.len() - from };
        let last = turns(request).filter(|turn| turn["role"] == "user").last();
        let last = last.and_then(|turn| turn["content"].as_str()).unwrap_or_default().to_owned();
        let heard = Heard { all: words[from..].join(" "), last, draw: self.draw(request) };
        let mut answer = Answer { finish: "stop", prompt_tokens: counted + 4, ..Answer::default() };
        answer.calls = self.calls(request, &heard);
        if self.has(Fault::CallsInText) && !answer.calls.is_empty() {
            answer.text = format!("<tool_call>{}</tool_call>", answer.calls[0].2);
            answer.calls.clear();
        } else if answer.calls.is_empty() {
            answer.text = self.text(request, &heard);
        }
        if !answer.calls.is_empty() {
            answer.finish = "tool_calls";
        }
        if self.skill == Skill::Thinks {
            answer.reasoning = "I think about it.".to_owned();
        }
        self.end(request, &mut answer);
        if self.has(Fault::ReasoningLeaks) && self.skill == Skill::Thinks && heard.last.contains("17 times 23") {
            answer.text = format!("<think>{}</think>{}", std::mem::take(&mut answer.reasoning), answer.text);
        }
        answer
    }

    /// Returns what sampling hangs on: nothing at temperature 0, else the seed, else the number of the request.
    fn draw(&self, request: &Value) -> u64 {
        let mut seen = self.seen.lock().unwrap();
        let times = seen.entry(request.to_string()).or_default();
        *times += 1;
        if request["temperature"].as_f64() == Some(0.0) {
            // The first two are asked alone.
            return if self.has(Fault::DriftsUnderLoad) && *times > 2 { *times } else { 0 };
        }
        request["seed"].as_u64().filter(|_| !self.has(Fault::SeedIgnored)).unwrap_or(*times)
    }

    fn calls(&self, request: &Value, heard: &Heard) -> Vec<(String, String, String)> {
        let Some(tools) = request["tools"].as_array() else { return Vec::new() };
        let choice = &request["tool_choice"];
        let forced = |name: &str| {
            let tool = tools.iter().find(|tool| tool["function"]["name"] == name).unwrap();
            vec![(name.to_owned(), allowed(&tool["function"]["parameters"]))]
        };
        let mut calls = match (choice.as_str(), choice["function"]["name"].as_str()) {
            (Some("none"), _) if !self.has(Fault::NoneIgnored) => Vec::new(),
            (Some("required"), _) if !self.has(Fault::RequiredIgnored) => forced("get_weather"),
            (_, Some("get_time")) if self.has(Fault::NamedIgnored) && tools.len() > 1 => forced("get_weather"),
            (_, Some(name)) => forced(name),
            _ => self.skill.calls(heard),
        };
        if request["parallel_tool_calls"] == false && !self.has(Fault::ParallelIgnored) {
            calls.truncate(1);
        }
        if self.has(Fault::CallsJoined) && calls.len() > 1 {
            let joined: String = calls.iter().map(|(_, arguments)| arguments.to_string()).collect();
            return vec![("call_0".to_owned(), calls[0].0.clone(), joined)];
        }
        let id = |place: usize| if self.has(Fault::SameIds) { "call_0".to_owned() } else { format!("call_{place}") };
        let spelt = |arguments: Value| match arguments == json!({}) && self.has(Fault::EmptyArgumentsLost) {
            true => String::new(),
            false => arguments.to_string(),
        };
        calls.into_iter().enumerate().map(|(place, (name, arguments))| (id(place), name, spelt(arguments))).collect()
    }

    fn text(&self, request: &Value, heard: &Heard) -> String {
        let schema = &request["response_format"]["json_schema"];
        // The schema that forces letters is enforced whatever the fault, so that no other check depends on it.
        let is_letters = schema["name"] == "letters";
        if schema.is_object() && (is_letters || !self.has(Fault::SchemaIgnored)) {
            return if self.has(Fault::SchemaLoose) && schema["name"] == "count" {
                json!({"zq_open": true}).to_string()
            } else {
                allowed(&schema["schema"]).to_string()
            };
        }
        self.skill.text(heard)
    }

    /// Ends the answer at its stop words and at its bound, thinking included.
    fn end(&self, request: &Value, answer: &mut Answer) {
        let stops = request["stop"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for stop in stops.filter(|_| !self.has(Fault::StopIgnored)) {
            answer.text = answer.text.split(stop).next().unwrap_or_default().to_owned();
        }
        let thought = answer.reasoning.split_whitespace().count();
        let words: Vec<&str> = answer.text.split(' ').filter(|word| !word.is_empty()).collect();
        let bound = request["max_tokens"].as_u64().map_or(usize::MAX, |tokens| usize::try_from(tokens).unwrap());
        let bound = bound.saturating_sub(thought);
        answer.completion_tokens = words.len() + thought;
        if words.len() > bound && !self.has(Fault::MaxTokensIgnored) {
            answer.text = words[..bound].join(" ");
            answer.completion_tokens = bound + thought;
            answer.finish = "length";
        }
    }

    fn usage(answer: &Answer) -> Value {
        json!({"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens})
    }

    fn whole(&self, request: &Value, answer: &Answer) -> Value {
        let calls: Vec<Value> = answer.calls.iter().map(|call| spelt(call, None)).collect();
        let mut message = json!({"role": "assistant", "content": answer.text});
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        if !answer.reasoning.is_empty() {
            message["reasoning_content"] = answer.reasoning.as_str().into();
        }
        let mut choice = json!({"index": 0, "message": message, "finish_reason": answer.finish});
        if request["logprobs"] == true && !self.has(Fault::LogprobsMissing) {
            let tokens = answer.text.split_whitespace().map(|word| json!({"token": word, "logprob": -0.5}));
            choice["logprobs"] = json!({"content": tokens.collect::<Vec<_>>()});
        }
        json!({"id": "a", "object": "chat.completion", "model": "stub", "choices": [choice], "usage": Self::usage(answer)})
    }

    fn stream(&self, request: &Value, answer: &Answer) -> String {
        let mut deltas = vec![json!({"role": "assistant"})];
        if !answer.reasoning.is_empty() {
            deltas.push(json!({"reasoning_content": answer.reasoning}));
        }
        deltas.extend(self.pieces(&answer.text).into_iter().map(|piece| json!({"content": piece})));
        let calls = answer.calls.iter().enumerate().filter(|_| !self.loses_calls(request));
        for (place, call) in calls {
            let loses = self.has(Fault::StreamLosesArguments) && request["seed"].is_u64();
            let (begun, rest) = if loses { ("", "") } else { call.2.split_at(call.2.len() / 2) };
            let begun = (call.0.clone(), call.1.clone(), begun.to_owned());
            deltas.push(json!({"tool_calls": [spelt(&begun, Some(place))]}));
            deltas.push(json!({"tool_calls": [{"index": place, "function": {"arguments": rest}}]}));
        }
        let event = |delta: Value, finish: Option<&str>| {
            format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
        };
        let mut text: String = deltas.into_iter().map(|delta| event(delta, None)).collect();
        text += &event(json!({}), Some(answer.finish));
        if request["stream_options"]["include_usage"] == true && !self.has(Fault::UsageMissing) {
            text += &format!("data: {}\n\n", json!({"choices": [], "usage": Self::usage(answer)}));
        }
        text + "data: [DONE]\n\n"
    }

    fn loses_calls(&self, request: &Value) -> bool {
        self.has(Fault::StreamLosesCalls) && request["seed"].is_u64()
    }

    /// Cuts a text into the pieces of a stream: between letters, or through them.
    fn pieces(&self, text: &str) -> Vec<String> {
        if self.has(Fault::LettersTorn) {
            return text.as_bytes().chunks(3).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
        }
        let letters: Vec<char> = text.chars().collect();
        letters.chunks(3).map(|letters| letters.iter().collect()).collect()
    }
}

fn turns(request: &Value) -> impl Iterator<Item = &Value> {
    request["messages"].as_array().into_iter().flatten()
}

fn spelt((id, name, arguments): &(String, String, String), place: Option<usize>) -> Value {
    let mut call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    if let Some(place) = place {
        call["index"] = place.into();
    }
    call
}

//! A fair trial: what is done to recorded requests for a candidate, what of it can be switched, and where it shows.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};

use crate::assess::{STEP, import, tickets};
use crate::running::{Ran, run};

/// The bound below which the stub's model is still thinking when it is cut.
const THINKS_TOKENS: u64 = 500;

/// A server of a model that thinks before it answers right, and that keeps what it heard.
struct Thinker {
    address: SocketAddr,
    desk: Arc<Desk>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Desk {
    /// The right answers, by what the user says.
    answers: HashMap<String, String>,
    heard: Mutex<Vec<Value>>,
}

impl Thinker {
    /// Starts it, with the right answers of the calls that are recorded in a home.
    fn start(home: &Path) -> Self {
        let calls = std::fs::read_to_string(home.join("calls.jsonl")).unwrap();
        let calls = calls.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let answers = calls.map(|call| {
            let said = said(&call["request"]);
            (said, call["response"]["choices"][0]["message"]["content"].as_str().unwrap().to_owned())
        });
        let desk = Arc::new(Desk { answers: answers.collect(), heard: Mutex::default() });
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build().unwrap();
        let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(Arc::clone(&desk));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Thinker { address, desk, _runtime: runtime }
    }

    fn heard(&self) -> Vec<Value> {
        std::mem::take(&mut self.desk.heard.lock().unwrap())
    }
}

fn said(request: &Value) -> String {
    let turns = request["messages"].as_array().unwrap();
    turns.iter().rfind(|turn| turn["role"] == "user").unwrap()["content"].to_string()
}

async fn complete(State(desk): State<Arc<Desk>>, body: Bytes) -> String {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let is_cut = request["max_tokens"].as_u64().is_some_and(|bound| bound < THINKS_TOKENS);
    let answer = desk.answers.get(&said(&request)).cloned().unwrap_or_default();
    desk.heard.lock().unwrap().push(request);
    let (content, finish) = if is_cut { (String::new(), "length") } else { (answer, "stop") };
    let message = json!({"role": "assistant", "content": content});
    json!({"id": "x", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}})
    .to_string()
}

/// Imports calls whose answers are bounded, and configures a thinker as who is proposed.
fn stand(count: u64, more: &str) -> (tempfile::TempDir, Thinker) {
    let (before, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    import(before.path(), &tickets(count));
    let calls = std::fs::read_to_string(before.path().join("calls.jsonl")).unwrap();
    let bounded: Vec<String> = calls
        .lines()
        .map(|line| {
            let mut call: Value = serde_json::from_str(line).unwrap();
            call["request"]["max_tokens"] = 64.into();
            call["request"]["store"] = true.into();
            call.to_string()
        })
        .collect();
    std::fs::write(home.path().join("calls.jsonl"), bounded.join("\n")).unwrap();
    assert_eq!(run(home.path(), &["import", "calls.jsonl"]).code, 0);
    let thinker = Thinker::start(home.path());
    let address = thinker.address;
    let entry = format!(
        "[[upstream]]\nname = \"box\"\nbase_url = \"http://{address}\"\napis = [\"openai.chat\"]\nengine = \"vllm\"\n\
         sampling = {{temperature = 0.6, top_k = 20}}\nthinking_tokens = 2000\n{more}"
    );
    std::fs::write(home.path().join("freehold.toml"), entry).unwrap();
    (home, thinker)
}

fn assess(home: &Path, more: &[&str]) -> Ran {
    let looks: &[&str] = if more.contains(&"--looks") { &[] } else { &["--fixed"] };
    run(home, &[&["assess", STEP, "--candidate", "box/m", "--no-probe"], looks, more].concat())
}

fn row(home: &Path, more: &[&str]) -> Value {
    let ran = assess(home, &[&["--json"], more].concat());
    serde_json::from_str(ran.stdout.trim()).unwrap_or_else(|_| panic!("{ran:?}"))
}

#[test]
fn sampling_and_room_to_think_are_given_and_shown_with_their_values() {
    let (home, thinker) = stand(30, "");
    let result = row(home.path(), &[]);
    for request in thinker.heard() {
        assert_eq!(request["max_tokens"], 2064, "{request}");
        assert_eq!((&request["temperature"], &request["top_k"]), (&json!(0.6), &json!(20)), "{request}");
        assert!(request.get("store").is_none(), "{request}");
    }
    let done = json!(["vendor_fields_dropped", "sampling_of_card", "thinking_budgeted"]);
    let values =
        json!({"sampling": {"from": "configuration", "temperature": 0.6, "top_k": 20}, "thinking_tokens": 2000});
    assert_eq!((&result["adapted"], &result["adapted_with"]), (&done, &values));
    assert_eq!(result["arms"]["candidate"], 1.0, "{result}");
    let notes = result["notes"].to_string();
    assert!(notes.contains("temperature 0.6, top_k 20, as configured") && notes.contains("by 2000 tokens"), "{notes}");
    let certified = run(home.path(), &["certificate", "show", STEP, "--json"]).stdout;
    let certified: Value = serde_json::from_str(&certified).unwrap();
    assert!(certified.to_string().contains(r#""thinking_tokens":2000"#), "{certified}");
}

#[test]
fn each_adaptation_can_be_switched_by_flag_and_by_step() {
    let (home, thinker) = stand(12, "[[step]]\nname = \"triage\"\nadapt = \"vendor_fields_dropped\"\n");
    let heard = |more: &[&str], expected: Value| {
        assert_eq!(row(home.path(), more)["adapted"], expected);
        thinker.heard().remove(0)
    };
    let by_step = heard(&[], json!(["vendor_fields_dropped"]));
    assert_eq!((by_step.get("store"), &by_step["max_tokens"]), (None, &json!(64)));
    let by_flag = heard(&["--adapt", "thinking_budgeted"], json!(["thinking_budgeted"]));
    assert_eq!((&by_flag["store"], &by_flag["max_tokens"]), (&json!(true), &json!(2064)));
    let as_is = heard(&["--as-is"], json!([]));
    assert_eq!((&as_is["store"], &as_is["max_tokens"]), (&json!(true), &json!(64)));
    assert_eq!(
        heard(&["--adapt", "all"], json!(["vendor_fields_dropped", "sampling_of_card", "thinking_budgeted"]))["max_tokens"],
        2064
    );
    let unknown = assess(home.path(), &["--adapt", "kindness"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("developer_as_system, system_merged"), "{unknown:?}");
}

#[test]
fn a_step_that_names_no_adaptation_that_there_is_is_refused_with_those_that_there_are() {
    let (home, _thinker) = stand(2, "[[step]]\nname = \"triage\"\nadapt = \"kindness\"\n");
    let ran = run(home.path(), &["config", "check"]);
    assert!(ran.code == 2 && ran.stderr.contains("thinking_budgeted"), "{ran:?}");
}

#[test]
fn both_forms_stand_side_by_side_each_with_its_own_statistics() {
    let (home, thinker) = stand(60, "");
    let page = home.path().join("page.html");
    let ran = assess(home.path(), &["--both-forms", "--html", page.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(thinker.heard().len(), 120);
    for words in
        ["as is     not adequate", "adapted   adequate", "Adapting made +100.0 points of the candidate's score (90"]
    {
        assert!(ran.stdout.contains(words), "{words} is missing in {}", ran.stdout);
    }
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page.contains(">as is</th>") && page.contains(">adapted</th>") && page.contains("Adapting made +100.0 points")
    );
    let result = row(home.path(), &["--both-forms", "--seed", "2"]);
    let as_is = &result["as_is"];
    assert_eq!(
        (&result["verdict"], &as_is["row"]["verdict"]),
        (&json!("adequate"), &json!("not_adequate")),
        "{result}"
    );
    assert_eq!((&result["arms"]["candidate"], &as_is["arms"]["candidate"]), (&json!(1.0), &json!(0.0)));
    assert_eq!((&as_is["effect"]["n"], &as_is["effect"]["difference"]), (&json!(60), &json!(1.0)));
    assert_ne!(as_is["assessment"], result["id"]);
    let shown = run(home.path(), &["certificate", "show", STEP, "--json"]).stdout;
    assert!(shown.contains("thinking_budgeted"), "the newest certificate is of the adapted form: {shown}");
    let moved = run(home.path(), &["move", STEP, "--to", "box/m"]);
    assert!(moved.code == 0 && moved.stderr.contains("the gateway adapts none"), "{moved:?}");
    let looked = row(home.path(), &["--both-forms", "--seed", "3", "--looks", "2"]);
    assert_eq!(looked["as_is"]["effect"]["interval"], Value::Null, "{looked}");
}

#[test]
fn both_forms_are_one_where_nothing_is_adapted() {
    let (home, thinker) = stand(12, "");
    let result = row(home.path(), &["--both-forms", "--adapt", "developer_as_system"]);
    assert!(result.get("as_is").is_none() && thinker.heard().len() == 12, "{result}");
    assert!(result["notes"].to_string().contains("both forms are the same"), "{result}");
    let judged = assess(home.path(), &["--both-forms", "--check", "judge:box/j"]);
    assert!(judged.code == 2 && judged.stderr.contains("one form"), "{judged:?}");
    let split = assess(home.path(), &["--both-forms", "--candidate", "box/n", "--choose", "split"]);
    assert!(split.code == 2 && split.stderr.contains("leave --choose split and --across out"), "{split:?}");
}

#[test]
fn the_incumbent_is_asked_again_once_for_both_forms() {
    let (home, thinker) = stand(12, "");
    let file = home.path().join("freehold.toml");
    let entries = std::fs::read_to_string(&file).unwrap();
    let address = thinker.address;
    let more = format!("[[upstream]]\nname = \"import\"\nbase_url = \"http://{address}\"\napis = [\"openai.chat\"]\n");
    std::fs::write(&file, entries + &more).unwrap();
    let result = row(home.path(), &["--both-forms"]);
    assert!(result["arms"]["rerun"].is_number(), "{result}");
    let heard = thinker.heard();
    let (candidate, incumbent): (Vec<_>, Vec<_>) = heard.iter().partition(|request| request["model"] == "m");
    // Each assessment asks the incumbent once whether it can be asked at all.
    assert_eq!((candidate.len(), incumbent.len()), (24, 12 + 2));
    assert!(incumbent.iter().all(|request| request["max_tokens"] == 64), "the incumbent is asked as it was");
}

//! The official OpenAI and Anthropic Python clients, really run against the gateway: whole, streamed, tools, errors.

use std::path::{Path, PathBuf};
use std::process::Command;

use freehold::sample::business::{self, Earlier, Split, StepName, Ticket};
use freehold::sample::vendor::{MODEL, Manner, Vendor};
use freehold_store::Store;
use serde_json::{Value, json};

use crate::running::Up;

/// Set where the clients must be there, so that nothing is skipped unseen.
const REQUIRED: &str = "FREEHOLD_REQUIRE_CLIENTS";

fn python() -> Option<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/python");
    let python = std::env::var_os("FREEHOLD_PYTHON").map_or(ours, PathBuf::from);
    let has_clients = Command::new(&python).args(["-c", "import openai, anthropic"]).status();
    if has_clients.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os(REQUIRED).is_none(), "no clients in {}; run script/bootstrap", python.display());
    eprintln!("skipped: no Python clients in {}; script/bootstrap installs them", python.display());
    None
}

fn bodies(ticket: &Ticket, model: &str) -> Value {
    let (triage, extract) = (&ticket.gold.triage, &ticket.gold.extract);
    let earlier = Earlier { triage, extract, decision: &ticket.gold.decide };
    let body = |step| business::request(step, ticket, earlier, model);
    json!({"triage": body(StepName::Triage), "decide": body(StepName::Decide), "reply": body(StepName::Reply)})
}

fn ask(python: &Path, home: &Path, gateway: &str, bodies: &Value) -> Value {
    let file = home.join("bodies.json");
    std::fs::write(&file, bodies.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/official.py");
    let output = Command::new(python)
        .arg(script)
        .arg(gateway)
        .arg(&file)
        .env_remove("http_proxy")
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Checks what both clients saw, against what the answers of the ticket must be.
fn check(seen: &Value, ticket: &Ticket, served_by: &str) {
    let parsed = |text: &Value| serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap();
    assert_eq!(parsed(&seen["triage"]["text"]), ticket.gold.triage);
    assert_eq!(parsed(&seen["triage_streamed"]["text"]), ticket.gold.triage);
    assert_eq!(seen["triage"]["served_by"], served_by);
    assert_eq!(seen["triage"]["call"], true);
    assert_eq!(seen["triage"]["finish"], "stop");
    let call = json!([[ticket.gold.decide["name"], ticket.gold.decide["arguments"]]]);
    assert_eq!(seen["decide"]["calls"], call);
    assert_eq!(seen["decide_streamed"]["calls"], call);
    assert_eq!(seen["decide_streamed"]["finish"], "tool_calls");
    for name in ["reply", "reply_streamed"] {
        assert!(!seen[name]["text"].as_str().unwrap().is_empty(), "{name}");
        assert_eq!(seen[name]["finish"], "end_turn", "{name}");
    }
    assert!(seen["reply_streamed"]["pieces"].as_u64().unwrap() > 1, "the reply came in one piece");
    for name in ["triage", "triage_streamed", "decide_streamed", "reply", "reply_streamed"] {
        assert!(seen[name]["output_tokens"].as_u64().unwrap() > 0, "{name}");
    }
}

#[test]
fn official_clients_reach_the_vendor_through_the_gateway() {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let exact = Manner { error_rate: 0.0, latency: std::time::Duration::ZERO, seed: 1 };
    let vendor = runtime.block_on(Vendor::start(exact)).unwrap();
    let ticket = business::ticket(7, 0, Split::Demo);
    vendor.learn(std::iter::once(ticket.clone()));
    let configuration = format!(
        "[[upstream]]\nname = \"vendor\"\nbase_url = \"http://{}\"\napis = [\"openai.chat\", \"anthropic.messages\"]\nsimulated = true\n",
        vendor.address()
    );
    let up = Up::start(home.path(), &configuration);
    let seen = ask(&python, home.path(), &format!("http://{}", up.address), &bodies(&ticket, MODEL));
    check(&seen, &ticket, &format!("vendor/{MODEL}"));
    assert_eq!(seen["chat_error"], json!({"status": 400, "kind": "BadRequestError"}));
    assert_eq!(seen["messages_error"], json!({"status": 400, "kind": "BadRequestError"}));
    up.stop();

    let store = Store::open(home.path()).unwrap();
    let (calls, failures): (u64, u64) =
        store.steps().unwrap().iter().fold((0, 0), |sum, step| (sum.0 + step.calls, sum.1 + step.failures));
    assert_eq!((calls, failures), (8, 2), "every call is recorded, and those that failed as failed");
}

#[test]
fn official_clients_reach_a_scripted_model_of_our_engine() {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().unwrap();
    let ticket = business::ticket(7, 0, Split::Demo);
    let script = json!({
        "rules": [
            {"when": "Decision: ", "text": ticket.gold.reply},
            {"when": "Triage: ", "tool_call": ticket.gold.decide},
        ],
        "otherwise": {"text": ticket.gold.triage.to_string()},
    });
    std::fs::write(home.path().join("script.json"), script.to_string()).unwrap();
    let up = Up::start(home.path(), "[[model]]\nname = \"desk\"\npath = \"script.json\"\nbackend = \"scripted\"\n");
    let seen = ask(&python, home.path(), &format!("http://{}", up.address), &bodies(&ticket, "desk"));
    check(&seen, &ticket, "engine/desk");
    assert_eq!(seen["models"], json!(["desk"]));
    up.stop();
}

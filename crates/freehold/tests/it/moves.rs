//! A step moves and comes back on a running gateway, and a call in flight is not dropped.

use freehold::sample::business::{self, Earlier, Split, StepName};
use freehold::sample::vendor::{MODEL, Manner, Vendor};
use freehold_store::Store;
use serde_json::{Value, json};

use crate::running::{Up, run};

struct Stand {
    home: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    vendor: Vendor,
    up: Up,
    body: Vec<u8>,
}

fn stand(latency_ms: u64) -> Stand {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let manner = Manner { error_rate: 0.0, latency: std::time::Duration::from_millis(latency_ms), seed: 1 };
    let vendor = runtime.block_on(Vendor::start(manner)).unwrap();
    let ticket = business::ticket(7, 0, Split::Demo);
    vendor.learn(std::iter::once(ticket.clone()));
    let script = json!({"otherwise": {"text": "{\"category\":\"local\"}"}});
    std::fs::write(home.path().join("script.json"), script.to_string()).unwrap();
    let configuration = format!(
        "[[upstream]]\nname = \"vendor\"\nbase_url = \"http://{}\"\napis = [\"openai.chat\"]\nsimulated = true\n\
         [[model]]\nname = \"desk\"\npath = \"script.json\"\nbackend = \"scripted\"\n",
        vendor.address()
    );
    let up = Up::start(home.path(), &configuration);
    let earlier = Earlier { triage: &Value::Null, extract: &Value::Null, decision: &Value::Null };
    let body = business::request(StepName::Triage, &ticket, earlier, MODEL).to_string().into_bytes();
    Stand { home, runtime, vendor, up, body }
}

impl Stand {
    fn ask(&self) -> String {
        self.runtime.block_on(ask(self.up.address.clone(), self.body.clone()))
    }

    fn step(&self) -> String {
        let store = Store::open(self.home.path()).unwrap();
        // What is recorded reaches the tables a moment later.
        let mut steps = Vec::new();
        while steps.is_empty() {
            steps = store.steps().unwrap();
            std::thread::yield_now();
        }
        steps[0].step.clone()
    }
}

async fn ask(address: String, body: Vec<u8>) -> String {
    let client = freehold::client::Client::new(std::time::Duration::from_secs(20)).unwrap();
    let reply = client.post(&format!("http://{address}/v1/chat/completions"), &[], body).await.unwrap();
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let header = |name: &str| reply.headers[name].to_str().unwrap().to_owned();
    format!("{} in generation {}", header("x-freehold-served-by"), header("x-freehold-generation"))
}

#[test]
fn step_moves_and_comes_back_at_once() {
    let stand = stand(0);
    let home = stand.home.path();
    assert_eq!(stand.ask(), format!("vendor/{MODEL} in generation 0"));
    let step = stand.step();

    let refused = run(home, &["move", &step, "--to", "desk"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("was not assessed"), "{}", refused.stderr);

    let moved = run(home, &["move", &step, "--to", "desk", "--despite", "a trial", "--json"]);
    assert_eq!(moved.code, 0, "{}", moved.stderr);
    assert!(moved.stderr.contains("the running gateway serves it now"), "{}", moved.stderr);
    let generation: Value = serde_json::from_str(&moved.stdout).unwrap();
    assert_eq!(generation["routes"][&step]["despite"], "a trial", "the reason is kept");
    assert_eq!(stand.ask(), "engine/desk in generation 1");

    let back = run(home, &["rollback"]);
    assert_eq!(back.code, 0, "{}", back.stderr);
    assert_eq!(stand.ask(), format!("vendor/{MODEL} in generation 2"));
    assert_eq!(run(home, &["rollback"]).code, 2, "there is nothing before generation 0");
    assert_eq!(run(home, &["rollback", "1"]).code, 0);
    assert_eq!(stand.ask(), "engine/desk in generation 3");
    assert_eq!(run(home, &["rollback"]).code, 0, "the one before the restored generation");
    assert_eq!(stand.ask(), format!("vendor/{MODEL} in generation 4"));
}

#[test]
fn calls_in_flight_end_where_they_began() {
    let stand = stand(700);
    stand.ask();
    let step = stand.step();
    let in_flight = stand.runtime.spawn(ask(stand.up.address.clone(), stand.body.clone()));
    while stand.vendor.asked() < 2 {
        std::thread::yield_now();
    }
    let moved = run(stand.home.path(), &["move", &step, "--to", "desk", "--despite", "a trial"]);
    assert_eq!(moved.code, 0, "{}", moved.stderr);
    assert_eq!(stand.runtime.block_on(in_flight).unwrap(), format!("vendor/{MODEL} in generation 0"));
    assert_eq!(stand.ask(), "engine/desk in generation 1");
}

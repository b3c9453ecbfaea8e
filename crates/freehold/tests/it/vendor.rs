//! The simulated vendor's faults, as an application sees them through the gateway.

use std::time::Duration;

use freehold::client::{Client, Reply};
use freehold::sample::business::{self, Earlier, Split, StepName};
use freehold::sample::vendor::{Fault, MODEL, Manner, Vendor};
use serde_json::Value;

use crate::running::Up;

#[test]
fn faults_on_demand_reach_the_caller_as_they_are() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let exact = Manner { error_rate: 0.0, latency: Duration::ZERO, seed: 1 };
    let mut vendor = runtime.block_on(Vendor::start(exact)).unwrap();
    let ticket = business::ticket(7, 0, Split::Demo);
    vendor.learn(std::iter::once(ticket.clone()));
    let address = vendor.address();
    let entry = format!("[[upstream]]\nname = \"vendor\"\nbase_url = \"http://{address}\"\napis = [\"openai.chat\"]\n");
    let up = Up::start(home.path(), &entry);
    let earlier = Earlier { triage: &Value::Null, extract: &Value::Null, decision: &Value::Null };
    let body = business::request(StepName::Triage, &ticket, earlier, MODEL).to_string().into_bytes();
    let ask = || -> Reply {
        runtime.block_on(async {
            let client = Client::new(Duration::from_secs(20)).unwrap();
            client.post(&format!("http://{}/v1/chat/completions", up.address), &[], body.clone()).await.unwrap()
        })
    };
    assert_eq!(ask().status, 200);
    vendor.set_fault(Fault::Throttled);
    let throttled = ask();
    assert_eq!((throttled.status.as_u16(), throttled.headers["retry-after"].to_str().unwrap()), (429, "1"));
    vendor.set_fault(Fault::Failing);
    assert_eq!(ask().status, 503);
    vendor.set_fault(Fault::Cut);
    assert_eq!(ask().status, 502, "an answer cut in the middle is no answer");
    vendor.set_fault(Fault::None);
    runtime.block_on(vendor.stop());
    assert_eq!(ask().status, 502, "a vendor that is gone");
    runtime.block_on(vendor.resume()).unwrap();
    assert_eq!(vendor.address(), address);
    assert_eq!(ask().status, 200);
    up.stop();
}

//! Who serves a call, and how that changes while the gateway serves.

use freehold_wire::Api;

use crate::caller::{self, Reply};
use crate::house::{self, House};
use crate::mock::Mock;

const CHAT: &str = "/v1/chat/completions";
const STEP: &str = "x-freehold-step: triage\r\nauthorization: Bearer vendors\r\n";
const REQUEST: &str = "{\"messages\": [],\n \"model\" : \"gpt-4o\" , \"x\":1}";
const MOVED: &str = "{\"messages\": [],\n \"model\" : \"qwen\" , \"x\":1}";

#[test]
fn a_move_takes_effect_on_the_next_call_and_not_on_those_in_flight() {
    house::run(async {
        let (mut vendor, mut own) = (Mock::start().await, Mock::start().await);
        let upstreams = vec![
            house::upstream("vendor", vendor.addr, &[Api::OpenAiChat]),
            house::upstream("vllm", own.addr, &[Api::OpenAiChat]),
        ];
        let house = House::new(house::config(upstreams)).await;
        let first = caller::send(house.addr, caller::posted(CHAT, STEP, REQUEST.as_bytes())).await;
        let in_flight = vendor.next().await;

        house.gateway.routes().set(house::generation(4, &[("triage", "vllm", "qwen")]));
        assert_eq!(house.gateway.routes().current_number(), 4);
        let second = caller::send(house.addr, caller::posted(CHAT, STEP, REQUEST.as_bytes())).await;
        let moved = own.next().await;
        assert_eq!(String::from_utf8_lossy(&moved.body), MOVED);
        assert_eq!(moved.header("authorization"), None, "the vendor's key must not go to another server");
        moved.whole("200 OK", "", "{}").await;
        in_flight.whole("200 OK", "", "{}").await;

        let (first, second) = (Reply::read(first).await, Reply::read(second).await);
        assert_eq!(first.header("x-freehold-served-by"), Some("vendor/gpt-4o"));
        assert_eq!(first.header("x-freehold-generation"), Some("0"));
        assert_eq!(second.header("x-freehold-served-by"), Some("vllm/qwen"));
        assert_eq!(second.header("x-freehold-generation"), Some("4"));
        let call = house.recorded(&second.call_id());
        assert_eq!((call.model.as_str(), call.upstream.as_str(), call.generation), ("gpt-4o", "vllm", 4));
        assert_eq!((call.served_model.as_deref(), call.request.as_slice()), (Some("qwen"), REQUEST.as_bytes()));
        assert_eq!(house.recorded(&first.call_id()).generation, 0);

        house.gateway.routes().set(house::generation(5, &[]));
        let third = caller::send(house.addr, caller::posted(CHAT, STEP, REQUEST.as_bytes())).await;
        let back = vendor.next().await;
        assert_eq!(back.header("authorization"), Some("Bearer vendors"));
        back.whole("200 OK", "", "{}").await;
        assert_eq!(Reply::read(third).await.header("x-freehold-served-by"), Some("vendor/gpt-4o"));
    });
}

#[test]
fn moves_that_cannot_be_carried_out_are_refused_clearly() {
    house::run(async {
        let mut vendor = Mock::start().await;
        let upstreams = vec![
            house::upstream("vendor", vendor.addr, &[Api::OpenAiChat]),
            house::upstream("files", vendor.addr, &[Api::Opaque]),
        ];
        let moves = [("triage", "files", "gpt-4o-mini"), ("reply", "gone", "m"), ("extract", "engine", "absent")];
        let house = House::with_routes(house::config(upstreams), house::generation(1, &moves)).await;
        let body = r#"{"model":"claude","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}"#;
        for (step, status, parts) in [
            ("triage", 501, ["opaque", "anthropic.messages"]),
            ("reply", 500, ["\"gone\"", "vendor (openai.chat"]),
            ("extract", 404, ["\"absent\"", "none"]),
        ] {
            let header = format!("x-freehold-step: {step}\r\n");
            let mut reply = caller::post(house.addr, "/v1/messages", &header, body).await;
            let message = reply.json().await["error"]["message"].as_str().unwrap().to_owned();
            assert_eq!(reply.status, status, "{message}");
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
            assert!(house.recorded(&reply.call_id()).failure.is_some());
        }
        assert!(vendor.is_untouched());
    });
}

#[test]
fn models_tell_who_serves_what() {
    house::run(async {
        let mock = Mock::start().await;
        let mut listed = house::upstream("vllm", mock.addr, &[Api::OpenAiChat]);
        listed.models = vec!["qwen".into(), "llama".into()];
        let mut vendor = house::upstream("vendor", mock.addr, &Api::DIALECTS);
        vendor.simulated = true;
        let moves = [("triage", "vllm", "qwen"), ("reply", "vendor", "gpt-4o-mini")];
        let house = House::with_routes(house::config(vec![vendor, listed]), house::generation(3, &moves)).await;
        let models = caller::get(house.addr, "/v1/models").await.json().await;
        assert_eq!(models["object"], "list");
        let served: Vec<(&str, String)> = models["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|model| (model["id"].as_str().unwrap(), model["freehold"].to_string()))
            .collect();
        assert_eq!(
            served,
            [
                ("gpt-4o-mini", r#"{"served_by":["vendor"],"steps":["reply"]}"#.to_owned()),
                ("llama", r#"{"served_by":["vllm"],"steps":[]}"#.to_owned()),
                ("qwen", r#"{"served_by":["vllm"],"steps":["triage"]}"#.to_owned()),
            ]
        );
        assert_eq!(models["freehold"]["generation"], 3);
        assert_eq!(models["freehold"]["steps"]["triage"]["served_by"], "vllm/qwen");
        assert_eq!(models["freehold"]["upstreams"][0]["simulated"], true);
    });
}

#[test]
fn one_model_is_told_with_its_end_and_an_unknown_one_is_asked_of_the_vendor() {
    house::run(async {
        let mut mock = Mock::start().await;
        let mut upstream = house::upstream("vendor", mock.addr, &[Api::OpenAiChat]);
        upstream.models = vec!["org/gpt-4o".into()];
        let mut config = house::config(vec![upstream]);
        config.retirements.insert("org/gpt-4o".into(), "2027-01-31".into());
        let house = House::new(config).await;
        for path in ["/v1/models/org/gpt-4o", "/v1/models/org%2Fgpt-4o"] {
            let model = caller::get(house.addr, path).await.json().await;
            assert_eq!((model["id"].as_str(), model["object"].as_str()), (Some("org/gpt-4o"), Some("model")));
            assert_eq!(model["freehold"]["retires_on"], "2027-01-31");
        }
        let socket = caller::send(house.addr, "GET /v1/models/other HTTP/1.1\r\nhost: gateway\r\n\r\n").await;
        let exchange = mock.next().await;
        assert_eq!(exchange.first_line, "GET /v1/models/other HTTP/1.1");
        exchange.whole("404 Not Found", "", "{}").await;
        assert_eq!(Reply::read(socket).await.status, 404);
    });
}

#[test]
fn health_shows_generation_and_recorder() {
    house::run(async {
        let house = House::with_routes(house::config(vec![]), house::generation(7, &[])).await;
        let mut health = caller::get(house.addr, "/healthz").await;
        assert_eq!(health.status, 200);
        let health = health.json().await;
        assert_eq!((health["status"].as_str(), health["generation"].as_u64()), (Some("ok"), Some(7)));
        assert_eq!(
            (health["recorder"]["recorded"].as_u64(), health["recorder"]["dropped"].as_u64()),
            (Some(0), Some(0))
        );
        assert_eq!(health["recorder"]["last_error"], serde_json::Value::Null);
        assert_eq!(caller::get(house.addr, "/readyz").await.json().await["status"], "ready");
    });
}

//! Virtual keys and budgets: who is let in, what goes upstream, and what stops.

use std::sync::Arc;

use freehold_gateway::{GatewayConfig, Listen, Secret, StepBudget, digest};
use freehold_store::{Budget, Key, KeySecret, KeyTerms, Period, Rate, Unit, UnknownPrice};
use freehold_wire::{Api, Usage};

use crate::caller::{self, Piece, Reply};
use crate::house::{self, House};
use crate::mock::Mock;

const CHAT: &str = "/v1/chat/completions";
const SECRET: &str = "fh-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";
const REQUEST: &str = r#"{"model":"gpt-4o","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"gpt-4o","stream":true,"max_tokens":1,"messages":[{"role":"user","content":"hi"}]}"#;
/// 11 tokens in, 7 out.
const ANSWER: &str = r#"{"id":"x","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#;

fn key(name: &str, terms: KeyTerms) -> Key {
    let secret = KeySecret { digest: digest(SECRET), prefix: "fh-012345".into(), created_ms: 0, until_ms: None };
    Key { name: name.into(), created_ms: 0, expires_ms: None, revoked_ms: None, terms, secrets: vec![secret] }
}

/// Returns a configuration in which the upstream has a key of its own, and tokens cost a millionth of a dollar each, but for the
/// model `mystery`.
fn config(mock: &Mock) -> GatewayConfig {
    let mut upstream = house::upstream("vendor", mock.addr, &Api::DIALECTS);
    upstream.key = Some(Secret::new("vendors-own"));
    let mut config = house::config(vec![upstream]);
    config.observe.pricing = Some(Arc::new(|_: &str, model: &str, usage: &Usage| {
        (model != "mystery").then_some(usage.input + usage.output)
    }));
    config
}

fn bearer() -> String {
    format!("authorization: Bearer {SECRET}\r\n")
}

fn budget(amount: u64, unit: Unit) -> Budget {
    // A month, so that the test does not run across its end.
    Budget { amount, unit, period: Period::Month }
}

/// Makes a call that the upstream answers, if it comes that far.
async fn call(house: &House, mock: &mut Mock, body: &str) -> Reply {
    let socket = caller::send(house.addr, caller::posted(CHAT, &bearer(), body.as_bytes())).await;
    tokio::select! {
        exchange = mock.next() => exchange.whole("200 OK", "content-type: application/json\r\n", ANSWER).await,
        ready = socket.readable() => ready.unwrap(),
    }
    Reply::read(socket).await
}

#[test]
fn key_is_needed_where_it_is_asked_for_and_goes_no_further() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(GatewayConfig { require_keys: true, ..config(&mock) }).await;
        house.gateway.keys().set(vec![key("ci", KeyTerms::default())]);
        for headers in ["", "authorization: Bearer sk-vendors\r\n", "x-api-key: fh-unknown\r\n"] {
            let mut reply = caller::post(house.addr, CHAT, headers, REQUEST).await;
            assert_eq!(reply.status, 401, "{headers}");
            assert_eq!(reply.json().await["error"]["type"], "authentication_error");
            assert_eq!(caller::post(house.addr, "/v1/files", headers, "x").await.status, 401);
        }
        assert_eq!(caller::get(house.addr, "/v1/models").await.status, 401);
        assert_eq!(caller::get(house.addr, "/metrics").await.status, 401);
        assert_eq!(caller::get(house.addr, "/healthz").await.status, 200);
        assert!(mock.is_untouched());

        let ways = [bearer(), bearer().to_lowercase().replace(&SECRET.to_lowercase(), SECRET)]
            .into_iter()
            .chain(["x-api-key", "api-key"].map(|name| format!("{name}: {SECRET}\r\nauthorization: Bearer other\r\n")));
        for headers in ways {
            let headers = format!("{headers}cookie: a=b\r\n");
            let socket = caller::send(house.addr, caller::posted(CHAT, &headers, REQUEST.as_bytes())).await;
            let exchange = mock.next().await;
            assert_eq!(exchange.header("authorization"), Some("Bearer vendors-own"));
            assert!(!format!("{:?}", exchange.headers).contains(&SECRET[3..]), "the key went upstream");
            assert_eq!((exchange.header("x-api-key"), exchange.header("cookie")), (None, None));
            exchange.whole("200 OK", "", ANSWER).await;
            let mut reply = Reply::read(socket).await;
            assert_eq!((reply.status, reply.body().await.1), (200, Piece::End));
            let recorded = house.recorded(&reply.call_id());
            assert_eq!(recorded.key.as_deref(), Some("ci"));
        }
    });
}

#[test]
fn key_never_stands_in_for_one_that_the_upstream_lacks() {
    house::run(async {
        let mut mock = Mock::start().await;
        let mut lacking = config(&mock);
        lacking.upstreams[0].key = None;
        let house = House::new(lacking.clone()).await;
        house.gateway.keys().set(vec![key("ci", KeyTerms::default())]);
        let mut reply = caller::post(house.addr, CHAT, &bearer(), REQUEST).await;
        let message = reply.json().await["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(reply.status, 500);
        assert!(message.contains("\"vendor\"") && message.contains("`key`"), "{message}");
        assert_eq!(caller::post(house.addr, "/v1/files", &bearer(), "x").await.status, 500);
        assert!(mock.is_untouched());

        // A machine of one's own may go without; nothing of the caller's reaches it either.
        let house = House::new(GatewayConfig { unbilled: vec!["vendor".into()], ..lacking }).await;
        house.gateway.keys().set(vec![key("ci", KeyTerms::default())]);
        let socket = caller::send(house.addr, caller::posted(CHAT, &bearer(), REQUEST.as_bytes())).await;
        let exchange = mock.next().await;
        assert_eq!(exchange.header("authorization"), None);
        exchange.whole("200 OK", "", ANSWER).await;
        assert_eq!(Reply::read(socket).await.status, 200);
    });
}

#[test]
fn expired_rotated_and_revoked_secrets_are_refused_from_the_moment_on() {
    house::run(async {
        let mock = Mock::start().await;
        let house = House::new(config(&mock)).await;
        let keys = house.gateway.keys();
        let good = key("ci", KeyTerms::default());
        let mut rotated = good.clone();
        rotated.secrets[0].until_ms = Some(1000);
        let cases = [
            (Key { expires_ms: Some(1000), ..good.clone() }, "1970-01-01T00:00:01Z"),
            (rotated, "1970-01-01T00:00:01Z"),
            (Key { revoked_ms: Some(1), ..good }, "revoked"),
        ];
        for (key, part) in cases {
            keys.set(vec![key]);
            let mut reply = caller::post(house.addr, CHAT, &bearer(), REQUEST).await;
            assert_eq!(reply.status, 401);
            let message = reply.json().await["error"]["message"].to_string();
            assert!(message.contains(part), "{message}");
        }
        keys.set(Vec::new());
        assert_eq!(caller::post(house.addr, CHAT, &bearer(), REQUEST).await.status, 401);
    });
}

#[test]
fn scopes_hold_by_step_and_by_model() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(config(&mock)).await;
        let terms = KeyTerms { steps: vec!["sup*".into()], models: vec!["gpt-4o".into()], ..KeyTerms::default() };
        house.gateway.keys().set(vec![key("ci", terms)]);
        let headers = |step: &str| format!("{}x-freehold-step: {step}\r\n", bearer());
        let mut other_step = caller::post(house.addr, CHAT, &headers("triage"), REQUEST).await;
        assert_eq!(other_step.status, 403);
        assert!(other_step.json().await["error"]["message"].to_string().contains("triage"));
        assert_eq!(house.recorded(&other_step.call_id()).failure.unwrap().kind, "refused");
        let anthropic = r#"{"model":"claude","max_tokens":1,"messages":[]}"#;
        let mut other_model = caller::post(house.addr, "/v1/messages", &headers("support"), anthropic).await;
        assert_eq!(other_model.status, 403);
        assert_eq!(other_model.json().await["error"]["type"], "permission_error");
        // A call that names no model is in no scope of models.
        assert_eq!(caller::post(house.addr, "/v1/files", &headers("support"), "x").await.status, 403);
        assert!(mock.is_untouched());
        let socket = caller::send(house.addr, caller::posted(CHAT, &headers("support"), REQUEST.as_bytes())).await;
        mock.next().await.whole("200 OK", "", ANSWER).await;
        assert_eq!(Reply::read(socket).await.status, 200);
    });
}

#[test]
fn rate_and_concurrency_hold_for_each_key() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(config(&mock)).await;
        let keys = house.gateway.keys();
        let rate = Some(Rate { calls: 1, per_s: 3600 });
        keys.set(vec![key("ci", KeyTerms { rate, ..KeyTerms::default() })]);
        assert_eq!(call(&house, &mut mock, REQUEST).await.status, 200);
        let held = caller::post(house.addr, CHAT, &bearer(), REQUEST).await;
        let after: u64 = held.header("retry-after").unwrap().parse().unwrap();
        assert!(held.status == 429 && (3500..=3600).contains(&after), "{after}");
        // Putting the keys in force again fills no bucket.
        keys.set(vec![key("ci", KeyTerms { rate, ..KeyTerms::default() })]);
        assert_eq!(caller::post(house.addr, CHAT, &bearer(), REQUEST).await.status, 429);

        keys.set(vec![key("ci", KeyTerms { concurrent: Some(1), ..KeyTerms::default() })]);
        let first = caller::send(house.addr, caller::posted(CHAT, &bearer(), REQUEST.as_bytes())).await;
        let exchange = mock.next().await;
        assert_eq!(caller::post(house.addr, CHAT, &bearer(), REQUEST).await.status, 429);
        exchange.whole("200 OK", "", ANSWER).await;
        assert_eq!(Reply::read(first).await.body().await.1, Piece::End);
        assert_eq!(call(&house, &mut mock, REQUEST).await.status, 200);
    });
}

#[test]
fn budget_stops_before_a_call_that_may_exceed_it_and_counts_what_was_used() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(config(&mock)).await;
        // Two calls reserve 101 each and take 18; the third finds 36 taken of 120.
        for unit in [Unit::Tokens, Unit::Microusd] {
            let name = format!("{unit:?}");
            let terms = KeyTerms { budgets: vec![budget(120, unit)], ..KeyTerms::default() };
            house.gateway.keys().set(vec![key(&name, terms.clone())]);
            for _ in 0..2 {
                assert_eq!(call(&house, &mut mock, REQUEST).await.body().await.1, Piece::End);
            }
            let mut over = caller::post(house.addr, CHAT, &bearer(), REQUEST).await;
            assert_eq!((over.status, over.header("x-should-retry")), (429, Some("false")));
            let body = over.json().await;
            let message = body["error"]["message"].to_string();
            assert_eq!(body["error"]["type"], "insufficient_quota");
            assert!(
                message.contains(&name) && message.contains("a month") && message.contains("T00:00:00Z"),
                "{message}"
            );
            let spent = house.gateway.keys().take_spent();
            let month = spent.iter().find(|one| one.period == Period::Month).unwrap();
            let taken = if unit == Unit::Tokens { month.tokens } else { month.microusd };
            assert_eq!((month.holder.as_str(), taken), (format!("key:{name}").as_str(), 36));
            assert_eq!(house.gateway.keys().take_spent(), []);
        }
    });
}

#[test]
fn budget_goes_by_the_prices_that_are_in_force_and_a_call_in_flight_by_its_own() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(config(&mock)).await;
        let terms = KeyTerms { budgets: vec![budget(400, Unit::Microusd)], ..KeyTerms::default() };
        house.gateway.keys().set(vec![key("ci", terms)]);
        let in_flight = caller::send(house.addr, caller::posted(CHAT, &bearer(), REQUEST.as_bytes())).await;
        let exchange = mock.next().await;
        let mut dearer = config(&mock);
        dearer.observe.pricing =
            Some(Arc::new(|_: &str, _: &str, usage: &Usage| Some(100 * (usage.input + usage.output))));
        house.gateway.reload(dearer.clone()).unwrap();
        exchange.whole("200 OK", "", ANSWER).await;
        assert_eq!(Reply::read(in_flight).await.body().await.1, Piece::End);
        let mut over = caller::post(house.addr, CHAT, &bearer(), REQUEST).await;
        let message = over.json().await["error"]["message"].to_string();
        assert_eq!(over.status, 429);
        assert!(message.contains("0.000018 USD of 0.000400 USD") && message.contains("0.010100 USD more"), "{message}");
        // Where nobody bills for the upstream any more, its calls cost the budget nothing.
        house.gateway.reload(GatewayConfig { unbilled: vec!["vendor".into()], ..dearer }).unwrap();
        assert_eq!(call(&house, &mut mock, REQUEST).await.body().await.1, Piece::End);
        let spent = house.gateway.keys().take_spent();
        let month = spent.iter().find(|one| one.period == Period::Month).unwrap();
        assert_eq!((month.microusd, month.tokens), (18, 36));
    });
}

#[test]
fn spending_before_the_start_counts() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(config(&mock)).await;
        let terms = KeyTerms { budgets: vec![budget(120, Unit::Tokens)], ..KeyTerms::default() };
        house.gateway.keys().set(vec![key("ci", terms.clone())]);
        assert_eq!(call(&house, &mut mock, REQUEST).await.status, 200);
        let mut spent = house.gateway.keys().take_spent();
        let again = House::new(config(&mock)).await;
        spent.iter_mut().for_each(|one| one.tokens += 2);
        again.gateway.keys().restore(&spent);
        again.gateway.keys().set(vec![key("ci", terms)]);
        assert_eq!(caller::post(again.addr, CHAT, &bearer(), REQUEST).await.status, 429);
    });
}

#[test]
fn money_budget_refuses_a_model_whose_price_is_not_known_unless_told_otherwise() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(config(&mock)).await;
        let mystery = REQUEST.replace("gpt-4o", "mystery");
        let mut terms = KeyTerms { budgets: vec![budget(1_000_000, Unit::Microusd)], ..KeyTerms::default() };
        house.gateway.keys().set(vec![key("ci", terms.clone())]);
        let mut refused = caller::post(house.addr, CHAT, &bearer(), &mystery).await;
        assert_eq!(refused.status, 403);
        assert!(refused.json().await["error"]["message"].to_string().contains("mystery"));
        // What a path that nobody here understands costs is not known either.
        assert_eq!(caller::post(house.addr, "/v1/images/generations", &bearer(), "{}").await.status, 403);
        terms.unknown_price = UnknownPrice::Allow;
        house.gateway.keys().set(vec![key("ci", terms)]);
        assert_eq!(call(&house, &mut mock, &mystery).await.status, 200);
    });
}

#[test]
fn budget_of_a_step_holds_for_everyone() {
    house::run(async {
        let mut mock = Mock::start().await;
        let mut config = config(&mock);
        let budgets = vec![budget(110, Unit::Tokens)];
        let unknown_price = UnknownPrice::Refuse;
        config.budgets = vec![StepBudget { step: "triage".into(), budgets, unknown_price }];
        let house = House::new(config).await;
        let headers = "x-freehold-step: triage\r\n";
        let socket = caller::send(house.addr, caller::posted(CHAT, headers, REQUEST.as_bytes())).await;
        mock.next().await.whole("200 OK", "", ANSWER).await;
        assert_eq!(Reply::read(socket).await.status, 200);
        let mut over = caller::post(house.addr, CHAT, headers, REQUEST).await;
        assert!(over.status == 429 && over.json().await["error"]["message"].to_string().contains("triage"));
        let other = caller::send(house.addr, caller::posted(CHAT, "", REQUEST.as_bytes())).await;
        mock.next().await.whole("200 OK", "", ANSWER).await;
        assert_eq!(Reply::read(other).await.status, 200);
    });
}

#[test]
fn stream_that_outgrows_its_budget_ends_with_an_error_event_between_two_events() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(config(&mock)).await;
        let terms = KeyTerms { budgets: vec![budget(300, Unit::Tokens)], ..KeyTerms::default() };
        house.gateway.keys().set(vec![key("ci", terms)]);
        let socket = caller::send(house.addr, caller::posted(CHAT, &bearer(), STREAM.as_bytes())).await;
        let mut exchange = mock.next().await;
        let event = |text: &str| {
            format!(
                r#"data: {{"id":"x","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#
            ) + "\n\n"
        };
        exchange.begin_stream(&event("begin")).await;
        let mut reply = Reply::read(socket).await;
        assert!(matches!(reply.piece().await, Piece::Bytes(_)));
        // 500 words are more than 300 tokens by any estimate: the budget is used up with this event, which still passes whole.
        let long = event(&"word ".repeat(500));
        let (half, rest) = long.split_at(long.len() / 2);
        exchange.chunk(half).await;
        assert!(matches!(reply.piece().await, Piece::Bytes(_)));
        exchange.chunk(rest).await;
        assert_eq!(reply.piece().await, Piece::Bytes(rest.as_bytes().to_vec()));
        exchange.chunk(&event("never seen")[..20]).await;
        let both = &event("never seen")[20..];
        exchange.chunk(both).await;
        exchange.closed().await;
        let (tail, end) = reply.body().await;
        let tail = String::from_utf8(tail).unwrap();
        assert_eq!(end, Piece::End);
        assert!(tail.starts_with(&event("never seen")), "{tail}");
        let error = tail.strip_prefix(&event("never seen")).unwrap().strip_prefix("data: ").unwrap();
        let error: serde_json::Value = serde_json::from_str(error.trim_end()).unwrap();
        assert_eq!(error["error"]["type"], "insufficient_quota");
        let recorded = house.recorded(&reply.call_id());
        assert_eq!(recorded.failure.unwrap().kind, "refused");
        assert!(recorded.response.ends_with(tail.as_bytes()));
        // What had come is spent, and the next call finds the budget used up.
        assert_eq!(caller::post(house.addr, CHAT, &bearer(), STREAM).await.status, 429);
    });
}

#[test]
fn failed_calls_give_back_what_they_reserved() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(config(&mock)).await;
        let terms = KeyTerms { budgets: vec![budget(120, Unit::Tokens)], ..KeyTerms::default() };
        house.gateway.keys().set(vec![key("ci", terms)]);
        for _ in 0..3 {
            let socket = caller::send(house.addr, caller::posted(CHAT, &bearer(), REQUEST.as_bytes())).await;
            mock.next().await.whole("500 Oops", "", "{}").await;
            assert_eq!(Reply::read(socket).await.body().await.1, Piece::End);
        }
        assert_eq!(house.gateway.keys().take_spent(), []);
    });
}

#[test]
fn reachable_addresses_need_keys() {
    house::run(async {
        let mock = Mock::start().await;
        let open = vec![Listen::Plain("0.0.0.0:0".parse().unwrap())];
        let house = House::new(GatewayConfig { listen: open, require_keys: true, ..config(&mock) }).await;
        let port = house.addr.port();
        let reply = caller::post(([127, 0, 0, 1], port).into(), CHAT, "", REQUEST).await;
        assert_eq!(reply.status, 401);
    });
}

#[test]
fn ten_thousand_keys_are_told_apart() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(config(&mock)).await;
        let many = (0..10_000_u32).map(|number| {
            let secret = digest(&format!("fh-{number}"));
            let kept = KeySecret { digest: secret, prefix: String::new(), created_ms: 0, until_ms: None };
            Key { secrets: vec![kept], ..key(&format!("key-{number}"), KeyTerms::default()) }
        });
        house.gateway.keys().set(many.collect());
        for number in [0, 4_711, 9_999] {
            let headers = format!("x-api-key: fh-{number}\r\n");
            let socket = caller::send(house.addr, caller::posted(CHAT, &headers, REQUEST.as_bytes())).await;
            mock.next().await.whole("200 OK", "", ANSWER).await;
            let mut reply = Reply::read(socket).await;
            assert_eq!(reply.body().await.1, Piece::End);
            assert_eq!(house.recorded(&reply.call_id()).key, Some(format!("key-{number}")));
        }
        assert_eq!(caller::post(house.addr, CHAT, "x-api-key: fh-10000\r\n", REQUEST).await.status, 401);
    });
}

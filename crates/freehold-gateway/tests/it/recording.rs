//! What happens to answers whose record fails.

use freehold_gateway::OnRecordFailure;
use freehold_wire::Api;

use crate::caller::{self, Piece, Reply};
use crate::house::{self, House};
use crate::mock::Mock;

const CHAT: &str = "/v1/chat/completions";
const WHOLE: &str = r#"{"model":"gpt-4o","messages":[]}"#;
const STREAM: &str = r#"{"model":"gpt-4o","messages":[],"stream":true}"#;

/// Makes a gateway whose recorder takes nothing.
async fn unrecorded(on_record_failure: OnRecordFailure) -> (House, Mock) {
    let mock = Mock::start().await;
    let mut config = house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)]);
    config.on_record_failure = on_record_failure;
    let house = House::new(config).await;
    let recorder = house.recorder.clone();
    tokio::task::spawn_blocking(move || recorder.close()).await.unwrap();
    (house, mock)
}

async fn answer_both(house: &House, mock: &mut Mock) -> (Reply, (Vec<u8>, Piece)) {
    let socket = caller::send(house.addr, caller::posted(CHAT, "", WHOLE.as_bytes())).await;
    mock.next().await.whole("200 OK", "", "{}").await;
    let whole = Reply::read(socket).await;
    let socket = caller::send(house.addr, caller::posted(CHAT, "", STREAM.as_bytes())).await;
    let mut exchange = mock.next().await;
    exchange.begin_stream("data: {}\n\n").await;
    let mut streamed = Reply::read(socket).await;
    let first = streamed.piece().await;
    assert_eq!(first, Piece::Bytes(b"data: {}\n\n".to_vec()));
    exchange.chunk("data: [DONE]\n\n").await;
    exchange.end().await;
    (whole, streamed.body().await)
}

#[test]
fn answers_that_cannot_be_recorded_are_served_and_counted() {
    house::run(async {
        let (house, mut mock) = unrecorded(OnRecordFailure::Serve).await;
        let (mut whole, streamed) = answer_both(&house, &mut mock).await;
        assert_eq!((whole.status, whole.body().await), (200, (b"{}".to_vec(), Piece::End)));
        assert_eq!(streamed, (b"data: [DONE]\n\n".to_vec(), Piece::End));
        let health = caller::get(house.addr, "/healthz").await.json().await;
        let recorder = &health["recorder"];
        assert_eq!(recorder["dropped"], 2);
        let reasons = recorder["dropped_because"].as_object().unwrap();
        assert_eq!(reasons.values().filter_map(serde_json::Value::as_u64).sum::<u64>(), 2, "{reasons:?}");
        let none = ["recorded", "queued", "indexed", "index_lag_calls", "log_bytes_in_use", "sync_failures"];
        assert!(none.iter().all(|name| recorder[name] == 0), "{recorder}");
        assert!(recorder["log_bytes"].is_u64() && recorder["last_sync_us"].is_u64(), "{recorder}");
    });
}

#[test]
fn answers_that_cannot_be_recorded_are_refused_where_that_is_asked_for() {
    house::run(async {
        let (house, mut mock) = unrecorded(OnRecordFailure::Refuse).await;
        let (mut whole, streamed) = answer_both(&house, &mut mock).await;
        assert_eq!(whole.status, 503);
        assert!(whole.header("x-freehold-call").is_some());
        assert!(whole.json().await["error"]["message"].as_str().unwrap().contains("recorded"));
        assert_eq!(streamed, (Vec::new(), Piece::Broken));
    });
}

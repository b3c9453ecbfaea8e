//! The limit of a call as a whole: whatever keeps coming ends, in the caller's dialect, and the record says why.

use std::time::Duration;

use freehold_gateway::GatewayConfig;
use freehold_wire::{Api, stream};

use crate::caller::{self, Piece, Reply};
use crate::house::{self, House};
use crate::mock::Mock;

const CHAT_DRIP: &str =
    "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"drip\"}}]}\n\n";
const MESSAGES_DRIP: &str = "event: ping\r\ndata: {\"type\":\"ping\"}\r\n\r\n";
const RESPONSES_DRIP: &str =
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"drip\"}\n\n";

async fn limited(apis: &[Api], change: impl FnOnce(&mut GatewayConfig)) -> (House, Mock) {
    let mock = Mock::start().await;
    let mut config = house::config(vec![house::upstream("vendor", mock.addr, apis)]);
    config.call_timeout = Some(Duration::from_millis(300));
    change(&mut config);
    (House::new(config).await, mock)
}

fn asked(api: Api) -> Vec<u8> {
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    let (path, rest) = match api {
        Api::AnthropicMessages => ("/v1/messages", format!(r#""max_tokens":9,{messages}"#)),
        Api::OpenAiResponses => ("/v1/responses", r#""input":"hi","store":false"#.to_owned()),
        _ => ("/v1/chat/completions", messages.to_owned()),
    };
    caller::posted(path, "", format!(r#"{{"model":"m","stream":true,{rest}}}"#).as_bytes())
}

/// Has an upstream drip, one piece for each that the caller has read, until the answer ends; returns what came, and how it ended.
async fn dripped(house: &House, mock: &mut Mock, api: Api, drip: &str) -> (Vec<u8>, Piece, String) {
    let socket = caller::send(house.addr, asked(api)).await;
    let mut exchange = mock.next().await;
    exchange.begin_stream(drip).await;
    let mut reply = Reply::read(socket).await;
    let mut came = Vec::new();
    let end = loop {
        match reply.piece().await {
            Piece::Bytes(piece) => came.extend(piece),
            end => break end,
        }
        // The gateway may have gone already.
        exchange.try_chunk(drip).await.ok();
    };
    exchange.closed().await;
    (came, end, reply.call_id())
}

#[test]
fn stream_that_drips_for_ever_ends_in_an_error_of_the_callers_dialect() {
    house::run(async {
        let same = [
            (Api::OpenAiChat, CHAT_DRIP),
            (Api::AnthropicMessages, MESSAGES_DRIP),
            (Api::OpenAiResponses, RESPONSES_DRIP),
        ];
        let across = [(Api::AnthropicMessages, CHAT_DRIP), (Api::OpenAiResponses, CHAT_DRIP)];
        for (spoken, cases) in [(&Api::DIALECTS[..], &same[..]), (&[Api::OpenAiChat], &across)] {
            let (house, mut mock) = limited(spoken, |_| ()).await;
            for &(api, drip) in cases {
                let (came, end, id) = dripped(&house, &mut mock, api, drip).await;
                let told = String::from_utf8_lossy(&came).into_owned();
                assert_eq!(end, Piece::End, "{api}: {told}");
                let mut reader = stream::Reader::new(api);
                reader.push(&came);
                let outcome = reader.finish();
                assert!(!outcome.is_complete && outcome.error.is_some(), "{api}: {told}");
                assert!(told.matches("limit of 300 ms").count() == 1 && came.ends_with(b"\n\n"), "{api}: {told}");
                let call = house.recorded(&id);
                let failure = call.failure.unwrap();
                assert_eq!((failure.kind.as_str(), call.response == came), ("timeout", true), "{}", failure.message);
                assert!(failure.message.contains("300 ms"), "{}", failure.message);
            }
        }
    });
}

#[test]
fn stream_within_an_event_and_a_whole_answer_are_broken_off() {
    house::run(async {
        let (house, mut mock) = limited(&Api::DIALECTS, |config| config.hold_max = Duration::ZERO).await;
        let (came, end, id) = dripped(&house, &mut mock, Api::OpenAiChat, "data: {\"never\":\"ends").await;
        assert!(end == Piece::Broken && !String::from_utf8(came).unwrap().contains("error"));
        let socket = caller::send(house.addr, asked(Api::OpenAiChat)).await;
        let mut exchange = mock.next().await;
        exchange.send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{").await;
        let mut reply = Reply::read(socket).await;
        assert_eq!(reply.body().await, (b"{".to_vec(), Piece::Broken));
        exchange.closed().await;
        let ids = [id, reply.call_id()];
        let (store, _home) = house.stop(Duration::from_secs(30)).await;
        for id in ids {
            let failure = store.call(&id).unwrap().unwrap().failure.unwrap();
            assert_eq!(failure.kind, "timeout", "{}", failure.message);
        }
    });
}

#[test]
fn answer_that_has_not_begun_is_an_error_within_the_limit_whoever_is_still_to_be_asked() {
    house::run(async {
        let (house, mut mock) = limited(&Api::DIALECTS, |config| config.upstreams[0].retries_max = 9).await;
        let mut untouched = Mock::start().await;
        let mut with_another = house::config(vec![
            house::upstream("vendor", mock.addr, &Api::DIALECTS),
            house::upstream("other", untouched.addr, &Api::DIALECTS),
        ]);
        with_another.call_timeout = Some(Duration::from_millis(300));
        with_another.upstreams[0].fallback = vec!["other".into()];
        for waits_between in [true, false] {
            let socket = caller::send(house.addr, asked(Api::AnthropicMessages)).await;
            let exchange = mock.next().await;
            let waiting = if waits_between {
                // The next attempt would come after the limit.
                exchange.whole("503 Service Unavailable", "retry-after: 5\r\n", "{}").await;
                None
            } else {
                Some(exchange)
            };
            let mut reply = Reply::read(socket).await;
            let error = reply.json().await;
            assert_eq!((reply.status, error["type"].as_str()), (504, Some("error")), "{error}");
            assert!(error["error"]["message"].as_str().unwrap().contains("300 ms"), "{error}");
            assert_eq!(house.recorded(&reply.call_id()).failure.unwrap().kind, "timeout");
            if let Some(exchange) = waiting {
                exchange.closed().await;
            }
            house.gateway.reload(with_another.clone()).unwrap();
        }
        assert!(untouched.is_untouched(), "the time was the call's, and is up");
    });
}

#[test]
fn what_only_passes_has_the_limit_too() {
    house::run(async {
        let (house, mut mock) = limited(&Api::DIALECTS, |_| ()).await;
        let socket = caller::send(house.addr, caller::posted("/v1/files", "", b"bytes")).await;
        let exchange = mock.next().await;
        let mut reply = Reply::read(socket).await;
        assert!(reply.status == 504 && reply.json().await["error"]["message"].as_str().unwrap().contains("300 ms"));
        exchange.closed().await;
        let socket = caller::send(house.addr, caller::posted("/v1/files", "", b"bytes")).await;
        let mut exchange = mock.next().await;
        exchange.begin_stream(CHAT_DRIP).await;
        let mut reply = Reply::read(socket).await;
        assert_eq!(reply.body().await, (CHAT_DRIP.into(), Piece::Broken));
        exchange.closed().await;
    });
}

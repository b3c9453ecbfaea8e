//! Upstreams that fail: asked again, passed over, stood in for.

use std::net::SocketAddr;
use std::time::Duration;

use freehold_gateway::{Breaker, Upstream};
use freehold_wire::{Api, Call};

use crate::caller::{self, Piece, Reply};
use crate::house::{self, House};
use crate::mock::{Deserted, Mock};

const CHAT: &str = "/v1/chat/completions";
const REQUEST: &str = r#"{"model":"gpt-4o","messages":[]}"#;
const ANSWER: &str = r#"{"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;

fn vendor(name: &str, addr: SocketAddr, change: impl FnOnce(&mut Upstream)) -> Upstream {
    let mut upstream = house::upstream(name, addr, &Api::DIALECTS);
    change(&mut upstream);
    upstream
}

/// Who was asked in vain: upstream, model and kind of failure.
fn tried(call: &Call) -> Vec<(&str, Option<&str>, &str)> {
    let attempts = call.attempts.iter();
    attempts.map(|one| (one.upstream.as_str(), one.model.as_deref(), one.failure.kind.as_str())).collect()
}

async fn posted(house: &House) -> tokio::net::TcpStream {
    caller::send(house.addr, caller::posted(CHAT, "authorization: Bearer callers\r\n", REQUEST.as_bytes())).await
}

#[test]
fn upstream_is_asked_again_as_often_as_is_set_and_the_attempts_are_told() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![vendor("vendor", mock.addr, |vendor| vendor.retries_max = 2)])).await;
        let socket = posted(&house).await;
        mock.next().await.whole("503 Service Unavailable", "retry-after-ms: 1\r\n", "{}").await;
        // Breaking off before the answer begins is a failure of the exchange too.
        drop(mock.next().await);
        let last = mock.next().await;
        assert_eq!((last.body.as_slice(), last.header("authorization")), (REQUEST.as_bytes(), Some("Bearer callers")));
        last.whole("200 OK", "", ANSWER).await;
        let mut reply = Reply::read(socket).await;
        assert_eq!((reply.status, reply.header("x-freehold-attempts")), (200, Some("3")));
        reply.body().await;
        let call = house.recorded(&reply.call_id());
        assert_eq!(call.failure, None);
        assert_eq!(tried(&call), [("vendor", None, "upstream_status"), ("vendor", None, "cut")]);
        assert!(call.attempts[0].failure.message.contains("answered 503"), "{:?}", call.attempts);
        assert!(call.attempts[0].after_us <= call.attempts[1].after_us, "{:?}", call.attempts);
        assert!(call.attempts[1].after_us <= call.timings.total_us, "{:?}", call.attempts);

        let socket = posted(&house).await;
        for _ in 0..3 {
            mock.next().await.whole("503 Service Unavailable", "retry-after-ms: 1\r\n", "{\"busy\":1}").await;
        }
        let mut reply = Reply::read(socket).await;
        assert_eq!((reply.status, reply.body().await.0), (503, b"{\"busy\":1}".to_vec()));
        let message = house.recorded(&reply.call_id()).failure.unwrap().message;
        assert_eq!(message.matches("answered 503").count(), 3, "{message}");
        assert!(mock.is_untouched());
    });
}

#[test]
fn upstream_is_asked_once_where_nothing_is_set() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![vendor("vendor", mock.addr, |_| ())])).await;
        for status in ["503 Service Unavailable", "429 Too Many Requests", "400 Bad Request"] {
            let socket = posted(&house).await;
            mock.next().await.whole(status, "retry-after-ms: 1\r\n", "{}").await;
            let reply = Reply::read(socket).await;
            assert_eq!((&status[..3], reply.header("x-freehold-attempts")), (reply.status.to_string().as_str(), None));
        }
        let socket = posted(&house).await;
        drop(mock.next().await);
        assert_eq!(Reply::read(socket).await.status, 502);
        assert!(mock.is_untouched());
    });
}

#[test]
fn others_stand_in_for_one_that_fails_in_their_order() {
    house::run(async {
        let (mut first, gone, mut last) = (Mock::start().await, Deserted::new(), Mock::start().await);
        let upstreams = vec![
            vendor("first", first.addr, |vendor| vendor.fallback = vec!["gone".into(), "last/qwen".into()]),
            vendor("gone", gone.addr, |_| ()),
            vendor("last", last.addr, |_| ()),
        ];
        let house = House::new(house::config(upstreams)).await;
        let socket = posted(&house).await;
        first.next().await.whole("500 Internal Server Error", "", "{}").await;
        let exchange = last.next().await;
        assert_eq!(String::from_utf8_lossy(&exchange.body), REQUEST.replace("gpt-4o", "qwen"));
        assert_eq!(exchange.header("authorization"), None, "the key was for somebody else");
        exchange.whole("200 OK", "", "{}").await;
        let mut reply = Reply::read(socket).await;
        assert_eq!((reply.status, reply.header("x-freehold-served-by")), (200, Some("last/qwen")));
        // One answer, a connection that was tried three times, and the answer that counts.
        assert_eq!(reply.header("x-freehold-attempts"), Some("5"));
        reply.body().await;
        let call = house.recorded(&reply.call_id());
        assert_eq!((call.upstream.as_str(), call.served_model.as_deref()), ("last", Some("qwen")));
        let gone = ("gone", None, "connect");
        assert_eq!(tried(&call), [("first", None, "upstream_status"), gone, gone, gone]);

        // What the caller did wrong would be wrong everywhere.
        let socket = posted(&house).await;
        first.next().await.whole("400 Bad Request", "", "{}").await;
        let mut reply = Reply::read(socket).await;
        reply.body().await;
        assert_eq!((reply.status, house.recorded(&reply.call_id()).attempts), (400, vec![]));
        assert!(last.is_untouched());
    });
}

#[test]
fn answer_of_the_upstream_comes_back_where_nobody_can_stand_in() {
    house::run(async {
        let (mut mock, gone) = (Mock::start().await, Deserted::new());
        let upstreams = vec![
            vendor("vendor", mock.addr, |vendor| vendor.fallback = vec!["gone".into()]),
            vendor("gone", gone.addr, |_| ()),
        ];
        let house = House::new(house::config(upstreams)).await;
        let socket = posted(&house).await;
        mock.next().await.whole("429 Too Many Requests", "retry-after: 17\r\n", "{\"limit\":1}").await;
        let mut reply = Reply::read(socket).await;
        assert_eq!((reply.status, reply.header("retry-after")), (429, Some("17")));
        assert_eq!(reply.header("x-freehold-served-by"), Some("vendor/gpt-4o"));
        assert_eq!(reply.body().await, (b"{\"limit\":1}".to_vec(), Piece::End));
        let call = house.recorded(&reply.call_id());
        assert_eq!((call.upstream.as_str(), call.failure.unwrap().kind.as_str()), ("vendor", "upstream_status"));
    });
}

#[test]
fn moved_step_goes_back_to_its_incumbent_while_its_server_is_away() {
    house::run(async {
        let (mut mock, away) = (Mock::start().await, Deserted::new());
        let upstreams = vec![vendor("vendor", mock.addr, |_| ()), vendor("own", away.addr, |_| ())];
        let moves = [("triage", "own", "qwen"), ("reply", "engine", "absent")];
        let house = House::with_routes(house::config(upstreams), house::generation(1, &moves)).await;
        let headers = "x-freehold-step: triage\r\nauthorization: Bearer callers\r\n";
        let socket = caller::send(house.addr, caller::posted(CHAT, headers, REQUEST.as_bytes())).await;
        let exchange = mock.next().await;
        assert_eq!(
            (exchange.body.as_slice(), exchange.header("authorization")),
            (REQUEST.as_bytes(), Some("Bearer callers"))
        );
        exchange.whole("200 OK", "", "{}").await;
        let mut reply = Reply::read(socket).await;
        assert_eq!(reply.header("x-freehold-served-by"), Some("vendor/gpt-4o"));
        reply.body().await;
        assert_eq!(house.recorded(&reply.call_id()).served_model, None);
    });
}

#[test]
fn upstream_that_fails_in_a_row_rests_and_is_tried_by_one_call() {
    house::run(async {
        let (mut first, mut last) = (Mock::start().await, Mock::start().await);
        let breaker = Breaker { failures_max: 2, pause: Duration::from_millis(300) };
        let upstreams = vec![
            vendor("first", first.addr, |vendor| (vendor.fallback, vendor.breaker) = (vec!["last".into()], breaker)),
            vendor("last", last.addr, |_| ()),
        ];
        let house = House::new(house::config(upstreams)).await;
        for _ in 0..2 {
            let socket = posted(&house).await;
            first.next().await.whole("500 Internal Server Error", "", "{}").await;
            last.next().await.whole("200 OK", "", "{}").await;
            Reply::read(socket).await.body().await;
        }
        let health = caller::get(house.addr, "/healthz").await.json().await;
        assert_eq!(
            (&health["upstreams"][0]["breaker"], &health["upstreams"][1]["breaker"]),
            (&"open".into(), &"closed".into())
        );
        let socket = posted(&house).await;
        last.next().await.whole("200 OK", "", "{}").await;
        assert_eq!(Reply::read(socket).await.status, 200);
        assert!(first.is_untouched(), "it rests");
        while caller::get(house.addr, "/healthz").await.json().await["upstreams"][0]["breaker"] == "open" {
            tokio::task::yield_now().await;
        }
        let socket = posted(&house).await;
        first.next().await.whole("200 OK", "", "{}").await;
        Reply::read(socket).await.body().await;
        let health = caller::get(house.addr, "/healthz").await.json().await;
        assert_eq!(health["upstreams"][0]["breaker"], "closed");
    });
}

#[test]
fn upstream_that_keeps_callers_waiting_is_said_to_rest_where_there_is_nobody_else() {
    house::run(async {
        let mut mute = Mock::start().await;
        let breaker = Breaker { failures_max: 1, pause: Duration::from_secs(600) };
        let mut config = house::config(vec![vendor("mute", mute.addr, |vendor| vendor.breaker = breaker)]);
        config.first_byte_timeout = Duration::from_millis(50);
        let house = House::new(config).await;
        let waiting = posted(&house).await;
        let _unanswered = mute.next().await;
        assert_eq!(Reply::read(waiting).await.status, 504);
        let mut reply = Reply::read(posted(&house).await).await;
        assert_eq!(reply.status, 503);
        assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() > 500);
        let error = reply.json().await;
        assert!(error["error"]["message"].as_str().unwrap().contains("\"mute\""), "{error}");
    });
}

/// A vendor that was down serves again from the first call after it is back.
#[test]
fn upstream_that_refuses_connections_is_asked_all_the_same_where_there_is_nobody_else() {
    house::run(async {
        let breaker = Breaker { failures_max: 1, pause: Duration::from_secs(600) };
        let gone = Deserted::new();
        let vendor = vendor("gone", gone.addr, |vendor| vendor.breaker = breaker);
        let house = House::new(house::config(vec![vendor])).await;
        for _ in 0..3 {
            assert_eq!(Reply::read(posted(&house).await).await.status, 502);
        }
        let mut health = caller::get(house.addr, "/healthz").await;
        assert_eq!(health.json().await["upstreams"][0]["breaker"], "open");
    });
}

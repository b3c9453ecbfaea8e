//! Stopping in order: what is in flight may end, what does not end in time is cut and recorded as such.

use std::time::Duration;

use freehold_wire::Api;

use crate::caller::{self, Piece, Reply};
use crate::house::{self, House};
use crate::mock::Mock;

const REQUEST: &str = r#"{"model":"gpt-4o","messages":[]}"#;

#[test]
fn call_in_flight_ends_before_the_gateway_does() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)])).await;
        let addr = house.addr;
        let socket = caller::send(addr, caller::posted("/v1/chat/completions", "", REQUEST.as_bytes())).await;
        let exchange = mock.next().await;
        let finishing = async {
            // Nobody listens any more once the stop has begun.
            while tokio::net::TcpStream::connect(addr).await.is_ok() {
                tokio::task::yield_now().await;
            }
            exchange.whole("200 OK", "", "{}").await;
            Reply::read(socket).await.body().await
        };
        let (drained, (body, end)) = tokio::join!(house.serving.shutdown(Duration::from_secs(30)), finishing);
        assert_eq!((drained.calls_cut, body, end), (0, b"{}".to_vec(), Piece::End));
    });
}

#[test]
fn call_that_does_not_end_is_cut_and_recorded_as_cut() {
    house::run(async {
        let mut mock = Mock::start().await;
        let house = House::new(house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)])).await;
        let socket = caller::send(house.addr, caller::posted("/v1/chat/completions", "", REQUEST.as_bytes())).await;
        let mut exchange = mock.next().await;
        exchange.begin_stream("data: {}\n\n").await;
        let mut reply = Reply::read(socket).await;
        assert!(matches!(reply.piece().await, Piece::Bytes(_)));
        let (store, _home) = house.stop(Duration::from_millis(1)).await;
        assert_eq!(reply.piece().await, Piece::Broken);
        exchange.closed().await;
        let failure = store.call(&reply.call_id()).unwrap().unwrap().failure.unwrap();
        assert_eq!(failure.kind, "cut");
        assert!(failure.message.contains("gateway was stopped"), "{}", failure.message);
    });
}

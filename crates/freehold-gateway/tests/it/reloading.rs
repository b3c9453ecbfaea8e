//! Another configuration is put in force while calls are under way.

use std::time::Duration;

use freehold_wire::Api;

use crate::caller::{self, Reply};
use crate::house::{self, House};
use crate::mock::Mock;

const CHAT: &str = "/v1/chat/completions";
const REQUEST: &str = r#"{"model":"gpt-4o","messages":[]}"#;

#[test]
fn calls_in_flight_keep_their_configuration_and_the_next_ones_have_the_new() {
    house::run(async {
        let (mut old, mut new) = (Mock::start().await, Mock::start().await);
        let first = house::config(vec![house::upstream("old", old.addr, &Api::DIALECTS)]);
        let mut second = house::config(vec![house::upstream("new", new.addr, &Api::DIALECTS)]);
        second.body_bytes_max = 100;
        let house = House::new(first).await;
        let before = caller::send(house.addr, caller::posted(CHAT, "", REQUEST.as_bytes())).await;
        let in_flight = old.next().await;
        house.gateway.reload(second).unwrap();
        let after = caller::send(house.addr, caller::posted(CHAT, "", REQUEST.as_bytes())).await;
        new.next().await.whole("200 OK", "", "{}").await;
        in_flight.whole("200 OK", "", "{}").await;
        assert_eq!(Reply::read(before).await.header("x-freehold-served-by"), Some("old/gpt-4o"));
        assert_eq!(Reply::read(after).await.header("x-freehold-served-by"), Some("new/gpt-4o"));
        assert_eq!(caller::post(house.addr, CHAT, "", "x".repeat(101)).await.status, 413);
    });
}

#[test]
fn configuration_that_cannot_be_used_leaves_the_old_one_in_force() {
    house::run(async {
        let mut mock = Mock::start().await;
        let config = || house::config(vec![house::upstream("vendor", mock.addr, &Api::DIALECTS)]);
        let house = House::new(config()).await;
        let mut empty = config();
        empty.upstreams[0].apis.clear();
        let mut elsewhere = config();
        elsewhere.listen = vec![freehold_gateway::Listen::Plain("127.0.0.1:1".parse().unwrap())];
        let mut hurried = config();
        hurried.idle_timeout = Duration::ZERO;
        for (config, part) in [(empty, "apis is empty"), (elsewhere, "listen"), (hurried, "idle_timeout")] {
            let error = house.gateway.reload(config).unwrap_err();
            let told = format!("{error}: {}", std::error::Error::source(&error).unwrap());
            assert!(told.contains(part), "{told}");
        }
        let socket = caller::send(house.addr, caller::posted(CHAT, "", REQUEST.as_bytes())).await;
        mock.next().await.whole("200 OK", "", "{}").await;
        assert_eq!(Reply::read(socket).await.status, 200);
    });
}

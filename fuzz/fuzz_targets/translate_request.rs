//! Request bodies in other dialects: what is carried is a request there, and losses are the same in both ways of asking.

#![no_main]

use freehold_wire::translate::{OnLoss, request};
use freehold_wire::{Api, requests};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for from in Api::DIALECTS {
        let is_read = requests::read(from, body).is_ok();
        for to in Api::DIALECTS.into_iter().filter(|to| *to != from) {
            let accepted = request(from, to, body, "served", OnLoss::Accept);
            assert_eq!(accepted.is_ok(), is_read, "{from} to {to}");
            let Ok(accepted) = accepted else { continue };
            let refused = request(from, to, body, "served", OnLoss::Refuse);
            assert_eq!(refused.is_ok(), accepted.lost.is_empty(), "{from} to {to}");
            let read = requests::read(to, &accepted.body).expect("what is carried is a request");
            assert_eq!(read.model, "served");
            // A second way back and forth loses nothing more than the first way back.
            let back = request(to, from, &accepted.body, "served", OnLoss::Accept).expect("it is a request");
            request(from, to, &back.body, "served", OnLoss::Accept).expect("it is a request");
        }
    }
});

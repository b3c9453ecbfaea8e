//! What one slot has read serves another, and never changes an answer.

use freehold_engine::Event;

use crate::llama::{all, greedy, load, run};
use crate::shop::first_text;

const STORY: &str =
    "Lily and Tom went to the park. They saw a big dog and a small cat near the tree. The dog ran and ran.";

/// The prefix of a call that still runs is copied, also when that call is amid its answer.
#[tokio::test]
async fn prefix_of_a_busy_slot_is_copied() {
    for path in all() {
        let engine = load(&path, 2).await;
        let mut busy = engine.generate("m", &greedy(STORY)).await.unwrap();
        let first = first_text(&mut busy).await;
        let beside = run(&engine, &greedy(&format!("{STORY} Then"))).await;
        let cold = run(&load(&path, 1).await, &greedy(&format!("{STORY} Then"))).await;
        assert_eq!(beside.text, cold.text);
        let usage = beside.usage.unwrap();
        assert!(usage.cache_read > 32, "{usage:?}");

        // The slot that was copied from goes on as if nothing had happened.
        let mut whole = first;
        while let Some(event) = busy.next().await {
            match event {
                Event::Text(piece) => whole += &piece,
                Event::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
        assert_eq!(whole, run(&load(&path, 1).await, &greedy(STORY)).await.text);
    }
}

/// A conversation that grows by a turn finds all that was read of it, while others come and go in the other slots.
#[tokio::test]
async fn growing_conversation_is_read_once() {
    for path in all() {
        let engine = load(&path, 3).await;
        let mut text = String::from("Tim had a ball.");
        let mut before = 0;
        for turn in 0..4 {
            let other = greedy(&format!("Sue number {turn} found a red car"));
            let request = greedy(&text);
            let (answer, _) = tokio::join!(run(&engine, &request), run(&engine, &other));
            let usage = answer.usage.unwrap();
            assert!(usage.cache_read + 8 >= before, "turn {turn}: {usage:?} after {before}");
            assert_eq!(answer.text, run(&load(&path, 1).await, &request).await.text, "turn {turn}");
            before = usage.input;
            text += " He ran.";
        }
    }
}

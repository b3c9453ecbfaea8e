//! Whether an answer repeats itself: with a seed, and at temperature 0 among other requests.

use futures_util::future;

use super::Found;
use super::said::{Said, shown};
use super::talk::{Ask, Talk, Trouble};

const STORY: &str = "Tell me the beginning of a story about a lighthouse.";
const SEED: u64 = 7;
/// Requests of others that run beside.
const OTHERS: usize = 6;
/// Requests that must be answered alike.
const ALIKE: usize = 6;

/// Asks twice with one seed and once with each of two others, at temperature 1.
pub(super) async fn seed(talk: &Talk) -> Result<Found, Trouble> {
    let asked = |seed: u64| Ask::user(STORY).tokens(32).with("temperature", 1.0).with("seed", seed);
    let first = talk.ask(&asked(SEED)).await?;
    let second = talk.ask(&asked(SEED)).await?;
    if said(&first) != said(&second) {
        let (first, second) = (shown(&first.text), shown(&second.text));
        return Ok(Found::broken(format!("with one seed it said {first}, then {second}")));
    }
    for other in [SEED + 1, SEED + 2] {
        if said(&talk.ask(&asked(other)).await?) != said(&first) {
            return Ok(Found::kept("one seed gave the same answer twice, another gave another"));
        }
    }
    Ok(Found::cannot_tell("the answer is the same whatever the seed"))
}

/// Asks the same alone, and many times beside requests of others.
pub(super) async fn under_load(talk: &Talk) -> Result<Found, Trouble> {
    let asked = Ask::user(STORY).tokens(32);
    let alone = talk.ask(&asked).await?;
    let again = talk.ask(&asked).await?;
    if said(&alone).is_empty() {
        return Ok(Found::cannot_tell("the model says nothing that could be repeated"));
    }
    if said(&alone) != said(&again) {
        let (first, second) = (shown(&alone.text), shown(&again.text));
        return Ok(Found::broken(format!("at temperature 0 and alone it said {first}, then {second}")));
    }
    let others: Vec<Ask> = (0..OTHERS)
        .map(|other| {
            Ask::user(&format!("{} Name {other} towns by the sea.", "Be brief. ".repeat(4 * other))).tokens(32)
        })
        .collect();
    let beside = future::join_all(others.iter().map(|ask| talk.ask(ask)));
    let alike = future::join_all((0..ALIKE).map(|_| talk.ask(&asked)));
    let (alike, _beside) = future::join(alike, beside).await;
    let alike = alike.into_iter().collect::<Result<Vec<Said>, Trouble>>()?;
    let others: Vec<&Said> = alike.iter().filter(|answer| said(answer) != said(&alone)).collect();
    Ok(match others.first() {
        None => Found::kept(format!("{ALIKE} answers under load are those of one alone")),
        Some(other) => Found::broken(format!(
            "of {ALIKE} answers under load {} differ: {} beside {}",
            others.len(),
            shown(&other.text),
            shown(&alone.text)
        )),
    })
}

/// Returns all that was said, thinking included.
fn said(answer: &Said) -> String {
    format!("{}{}", answer.reasoning, answer.text)
}

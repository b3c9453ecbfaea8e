//! Where an answer ends: at the words of `stop`, and at `max_tokens`.

use super::Found;
use super::said::shown;
use super::talk::{Ask, Talk, Trouble};

const LONG: &str = "Count from 1 to 60 in words, separated by commas: one, two, three, and so on.";
/// The bound that is tried.
const TOKENS: u32 = 8;
/// How long an answer must be to be cut.
const CHARS_MIN: usize = 12;

/// Takes a piece out of the middle of an answer as the words to stop at, so that nothing hangs on what the model can do.
pub(super) async fn stop(talk: &Talk) -> Result<Found, Trouble> {
    let free = talk.ask(&Ask::user(LONG)).await?;
    let letters: Vec<char> = free.text.chars().collect();
    if letters.len() < CHARS_MIN {
        return Ok(Found::cannot_tell(format!("the model says too little to be stopped: {}", shown(&free.text))));
    }
    let middle = letters.len() / 2;
    let words: String = letters[middle - 2..middle + 3].iter().collect();
    let before = free.text.split(words.as_str()).next().unwrap_or_default();
    let said = talk.ask(&Ask::user(LONG).with("stop", vec![words.clone()])).await?;
    let seen = format!("asked to stop at {words:?}, it said {}", shown(&said.text));
    Ok(if said.text.contains(&words) {
        Found::broken(format!("{seen}, with the words in it"))
    } else if said.text.trim_end() == before.trim_end() {
        Found::kept(seen)
    } else {
        Found::cannot_tell(format!("{seen}, and without it {}", shown(&free.text)))
    })
}

/// Bounds an answer that would be longer.
pub(super) async fn max_tokens(talk: &Talk) -> Result<Found, Trouble> {
    if talk.thinks() {
        return thinking(talk).await;
    }
    let said = talk.ask(&Ask::user(LONG).tokens(TOKENS)).await?;
    let words = said.text.split_whitespace().count() as u64;
    let counted = said.completion_tokens();
    let seen = format!("bounded to {TOKENS} tokens, it said {}", shown(&said.text));
    // A token holds one word at most, so that more words than tokens are too many even where nobody counts.
    if counted.is_some_and(|counted| counted > u64::from(TOKENS)) || words > u64::from(TOKENS) {
        let counted = counted.map_or_else(|| format!("{words} words"), |counted| format!("{counted} tokens"));
        return Ok(Found::broken(format!("{seen}: {counted}")));
    }
    if said.is_cut() {
        return Ok(Found::kept(seen));
    }
    let free = talk.ask(&Ask::user(LONG)).await?;
    let goes_on = free.text.len() > said.text.len() && free.text.starts_with(said.text.trim_end());
    let finish = said.finish.as_deref().unwrap_or("nothing");
    Ok(if goes_on && !said.text.is_empty() && counted == Some(u64::from(TOKENS)) {
        Found::broken(format!("{seen}, cut, and finish_reason says {finish:?}"))
    } else {
        Found::cannot_tell(format!("{seen} and ended by itself"))
    })
}

/// A model that thinks spends the bound on thinking; that it is kept shows in the count alone.
async fn thinking(talk: &Talk) -> Result<Found, Trouble> {
    let said = talk.ask(&Ask::user(LONG).tokens(0)).await?;
    let counted = said.completion_tokens();
    Ok(match counted {
        Some(counted) if counted > talk.tokens_of(0) => {
            Found::broken(format!("bounded to {} tokens, it wrote {counted}", talk.tokens_of(0)))
        }
        Some(counted) if said.is_cut() => Found::kept(format!("it was cut after {counted} tokens, thinking included")),
        _ => Found::cannot_tell("the model ended before the bound, thinking included"),
    })
}

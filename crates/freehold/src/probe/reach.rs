//! Whether a long prompt is read whole: by the server's own count, and by a code word at its beginning.

use tokio::time::Instant;

use super::Found;
use super::said::Said;
use super::talk::{Ask, Talk, Trouble};

const CODE: &str = "MARLIN-4471";
const LINE: &str = "The harbour was quiet and the boats lay still in the morning.\n";
/// The lines of the two short prompts from which the tokens of a line are counted.
const SHORT_LINES: [u64; 2] = [8, 16];
/// The first length; each next one doubles it.
const FIRST_TOKENS: u64 = 2048;
/// A server that counts less than this share of a prompt has left some of it out.
const COUNTED_MIN: f64 = 0.9;
/// How a line is counted where the server does not count.
const LINE_TOKENS: f64 = 13.0;

/// What the short prompts told.
struct Measure {
    line_tokens: f64,
    /// The tokens of a prompt without lines, where the server counts.
    base: Option<f64>,
    finds: bool,
}

/// Asks for the code word at the beginning of prompts of growing length.
pub(super) async fn context(talk: &Talk, tokens_max: u64) -> Result<Found, Trouble> {
    let measure = measure(talk).await?;
    let (mut tokens, mut reached, mut lost) = (FIRST_TOKENS.min(tokens_max), 0, None);
    loop {
        let begun = Instant::now();
        let lines = (tokens as f64 / measure.line_tokens) as u64;
        let said = match talk.ask(&needle(lines)).await {
            Ok(said) => said,
            Err(Trouble::Refused { status, .. }) => return Ok(refused(reached, tokens, status.as_u16())),
            Err(Trouble::Failed(_)) if reached > 0 => return Ok(measure.verdict(reached, lost, "the next one failed")),
            Err(failed) => return Err(failed),
        };
        if let Some(found) = measure.cut(&said, lines) {
            return Ok(found);
        }
        if measure.finds && !said.text.contains(CODE) {
            lost.get_or_insert(tokens);
        }
        reached = tokens;
        // A prompt of twice the length takes up to four times as long.
        let has_time = Instant::now() + 4 * begun.elapsed() < talk.deadline();
        if tokens >= tokens_max || !has_time {
            let why = if has_time { "longer ones were not asked for" } else { "there was no time for longer ones" };
            return Ok(measure.verdict(reached, lost, why));
        }
        tokens = (2 * tokens).min(tokens_max);
    }
}

async fn measure(talk: &Talk) -> Result<Measure, Trouble> {
    let short = talk.ask(&needle(SHORT_LINES[0])).await?;
    let longer = talk.ask(&needle(SHORT_LINES[1])).await?;
    let finds = [&short, &longer].iter().all(|said| said.text.contains(CODE));
    let (Some(few), Some(more)) = (short.prompt_tokens(), longer.prompt_tokens()) else {
        return Ok(Measure { line_tokens: LINE_TOKENS, base: None, finds });
    };
    let line_tokens = more.saturating_sub(few) as f64 / (SHORT_LINES[1] - SHORT_LINES[0]) as f64;
    if line_tokens < 1.0 {
        return Ok(Measure { line_tokens: LINE_TOKENS, base: None, finds });
    }
    Ok(Measure { line_tokens, base: Some(few as f64 - SHORT_LINES[0] as f64 * line_tokens), finds })
}

fn needle(lines: u64) -> Ask {
    let lines = LINE.repeat(usize::try_from(lines).unwrap_or(usize::MAX));
    let question = "What is the code word? Answer with the code word and nothing else.";
    Ask::user(&format!("The code word is {CODE}. Remember it.\n{lines}{question}")).tokens(24)
}

fn refused(reached: u64, tokens: u64, status: u16) -> Found {
    Found::kept(format!("about {reached} tokens are read, about {tokens} are refused aloud with {status}"))
}

impl Measure {
    /// Returns what is found where the server counted less than was sent.
    fn cut(&self, said: &Said, lines: u64) -> Option<Found> {
        let sent = self.base? + lines as f64 * self.line_tokens;
        let counted = said.prompt_tokens()?;
        let finds = if said.text.contains(CODE) { "is" } else { "is not" };
        ((counted as f64) < COUNTED_MIN * sent).then(|| {
            Found::broken(format!(
                "of about {sent:.0} tokens the server read {counted} and said nothing; the code word at the beginning {finds} found"
            ))
        })
    }

    fn verdict(&self, reached: u64, lost: Option<u64>, why: &str) -> Found {
        match (self.base, self.finds, lost) {
            (Some(_), true, None) => Found::kept(format!(
                "about {reached} tokens are counted whole and the code word at the beginning found; {why}"
            )),
            (None, true, None) => {
                Found::kept(format!("the code word at the beginning of about {reached} tokens is found; {why}"))
            }
            (Some(_), false, _) => Found::kept(format!(
                "about {reached} tokens are counted whole; the model does not find a code word in short prompts either; {why}"
            )),
            (_, true, Some(lost)) => Found::cannot_tell(format!(
                "the code word at the beginning of about {lost} tokens is not found: cut, or beyond what the model can do; the server's count does not tell"
            )),
            (None, false, _) => Found::cannot_tell(
                "the server does not count its prompts, and the model does not find a code word in short ones either",
            ),
        }
    }
}

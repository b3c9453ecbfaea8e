//! Reads who answered and the tokens, and skips over all that an answer says.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::messages::UsageParts;
use super::{chat, responses};
use crate::json::Json;
use crate::{Answer, Api, Dialect};

/// The members that are looked at, of whichever dialect. One that comes twice is left to the full reader.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    model: Option<Json<'a>>,
    #[serde(borrow)]
    usage: Option<Json<'a>>,
    #[serde(borrow)]
    status: Option<Json<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Json<'a>>,
    choices: Option<Vec<Choice>>,
    content: Option<IgnoredAny>,
    output: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<IgnoredAny>,
}

/// Reads the model and the tokens of a whole answer, in a third of the time that reading all of it takes.
///
/// `None` where the answer does not tell its tokens or has an unusual form: then [`super::read`] says more.
pub fn outline(api: Api, body: &[u8]) -> Option<Answer> {
    let outline: Outline = serde_json::from_str(std::str::from_utf8(body).ok()?).ok()?;
    let is = |member: &Option<Json>, word: &str| member.as_ref().and_then(Json::as_str) == Some(word);
    let usage = outline.usage.as_ref();
    let usage = match api.dialect() {
        _ if !Api::DIALECTS.contains(&api) => None,
        Dialect::Chat => {
            outline.choices.as_ref()?.first()?.message.as_ref()?;
            usage.and_then(chat::usage)
        }
        Dialect::Responses => {
            outline.output.as_ref().filter(|_| !is(&outline.status, "failed"))?;
            usage.and_then(responses::usage)
        }
        Dialect::Messages => {
            outline.content.as_ref().filter(|_| !is(&outline.kind, "error"))?;
            let mut parts = UsageParts::default();
            parts.take(usage);
            parts.total()
        }
    };
    let model = outline.model.as_ref().and_then(Json::as_str).unwrap_or_default().to_owned();
    Some(Answer { model, usage: Some(usage?), ..Answer::default() })
}

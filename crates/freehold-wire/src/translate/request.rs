//! Requests: read as they are spelt, stripped of what the other dialect cannot say, and put together again there.

mod clean;
mod fields;
mod lines;
mod losses;
mod settings;
mod tools;
mod turns;

use self::losses::Losses;
use super::{Error, OnLoss, Translated};
use crate::requests::draft::{Draft, Members, Said, Shape};
use crate::{Api, requests};

pub(super) fn translate(from: Api, to: Api, body: &[u8], model: &str, on_loss: OnLoss) -> Result<Translated, Error> {
    // The reader finds fault with forms that the dialect does not have, and names them better than a loss would.
    requests::read(from, body)?;
    let draft = requests::parse(from, body)?;
    if !Api::DIALECTS.contains(&to) {
        return Err(requests::Error::Opaque.into());
    }
    let mut losses = Losses::new(from, to, on_loss);
    let draft = carry(draft, model, &mut losses)?;
    Ok(Translated { body: requests::write(draft), lost: losses.into_lost() })
}

fn carry(mut draft: Draft, model: &str, losses: &mut Losses) -> Result<Draft, Error> {
    let mut rest = Members::new();
    let tools = tools::carry(&mut draft, &mut rest, losses)?;
    settings::carry(&mut draft.rest, &mut rest, losses)?;
    let lines = lines::read(draft, losses)?;
    let (system, turns) = turns::spell(lines, losses)?;
    let system = (!system.is_empty()).then(|| Said { shape: turns::shape(&system), pieces: system });
    Ok(Draft { api: losses.to, model: Some(model.to_owned()), system, turns, turns_shape: Shape::List, tools, rest })
}

//! Makes requests of the Responses dialect whole where whoever answers keeps no earlier answers: they are in the record.

use bytes::Bytes;

use freehold_store::Recorder;
use freehold_wire::{Api, Call, requests};

use crate::calls::Arrived;
use crate::error::CallError;
use crate::identify::{self, References};
use crate::record::OpenRecord;
use crate::route::Hop;

use super::On;

/// Sees to it that a request brings all it refers to, for whoever is asked next.
///
/// A vendor who is asked in the dialect has its own memory, and gets the request as it came.
pub(super) async fn complete(
    on: On<'_>,
    hop: &Hop,
    arrived: &mut Arrived,
    record: &OpenRecord,
) -> Result<(), CallError> {
    let is_theirs = matches!(hop, Hop::Upstream { spoken: Api::OpenAiResponses, .. });
    if arrived.api != Api::OpenAiResponses || is_theirs || arrived.view.completed.is_some() {
        return Ok(());
    }
    let body = arrived.plain.as_ref().unwrap_or(&arrived.body);
    let Some(references) = identify::references(&arrived.view, body) else { return Ok(()) };
    if references == References::Conversation {
        return Err(CallError::NotKept { field: "conversation", by: record.call().upstream.clone() });
    }
    let earlier = Earlier { recorder: on.shared.keeper.recorder.clone(), key: record.call().key.clone() };
    let (body, bytes_max) = (body.clone(), on.current.config.body_bytes_max);
    let completing = on.shared.keeper.tracker.spawn_blocking(move || {
        let completed = requests::complete(&body, bytes_max, |id| earlier.find(id))?;
        let request = requests::read(Api::OpenAiResponses, &completed);
        Ok((Bytes::from(completed), request))
    });
    let outcome = completing.await.unwrap_or(Err(CallError::Internal("completing the request failed")));
    let (completed, request) = outcome?;
    arrived.view.completed = Some(completed);
    arrived.view.request = request;
    Ok(())
}

/// The calls that were made with one key.
struct Earlier {
    recorder: Recorder,
    key: Option<String>,
}

impl Earlier {
    fn find(&self, id: &str) -> Option<Call> {
        let found = self.recorder.find(id);
        let found = found.inspect_err(|error| tracing::warn!(%error, "an earlier call could not be looked for"));
        found.ok().flatten().filter(|call| call.key == self.key)
    }
}

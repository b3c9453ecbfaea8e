//! Adapts a replayed request to a server of open models: mechanically, visibly, and never what it says.
//! A model that is refused for the name of a role or a field of another vendor has not been tried.

use freehold_wire::Api;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cases::Chosen;
use crate::config::Upstream;

/// Whether recorded requests are adapted to the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adapting {
    /// Where the candidate's upstream says which engine it is.
    Mechanically,
    /// Not at all.
    AsIs,
}

/// One adaptation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adaptation {
    /// The developer's words are said as the system's.
    DeveloperAsSystem,
    /// Several system messages become the first, joined by empty lines.
    SystemMerged,
    /// The bound of the answer is called `max_tokens`.
    MaxTokensRenamed,
    /// Fields that only their vendor understands are left out.
    VendorFieldsDropped,
}

/// Changes a request; says whether there was anything to change.
type Step = fn(&mut Map<String, Value>) -> bool;

/// Members of a request that say how the vendor keeps, bills, caches or schedules it, and nothing to the model.
const VENDOR_FIELDS: [&str; 7] = [
    "store",
    "metadata",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "verbosity",
];

/// Returns which adaptations the cases take on this candidate; none where it is asked as is.
pub(super) fn of(adapting: Adapting, upstream: Option<&Upstream>, chosen: &Chosen) -> Vec<Adaptation> {
    if adapting == Adapting::AsIs || upstream.is_none_or(|upstream| upstream.engine.is_none()) {
        return Vec::new();
    }
    let chats = chosen.cases.iter().filter(|case| case.call.api == Api::OpenAiChat);
    let mut all: Vec<Adaptation> =
        chats.flat_map(|case| adapted(&case.call.request).map_or_else(Vec::new, |done| done.1)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Returns what a reader must know of it.
pub(super) fn told(adapted: &[Adaptation]) -> Option<String> {
    if adapted.is_empty() {
        return None;
    }
    let said = adapted.iter().map(|adaptation| match adaptation {
        Adaptation::DeveloperAsSystem => "the developer's words said as the system's",
        Adaptation::SystemMerged => "system messages merged into one at the beginning",
        Adaptation::MaxTokensRenamed => "max_completion_tokens called max_tokens",
        Adaptation::VendorFieldsDropped => "fields of the vendor alone left out",
    });
    let said = said.collect::<Vec<_>>().join(", ");
    Some(format!("requests were adapted to the candidate's engine: {said}; --as-is sends them as they were recorded"))
}

/// Returns an adapted request with what was done to it, or `None` where nothing is to be done.
pub(super) fn adapted(body: &[u8]) -> Option<(Vec<u8>, Vec<Adaptation>)> {
    let mut request: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let steps: [(Adaptation, Step); 4] = [
        (Adaptation::DeveloperAsSystem, developer_as_system),
        (Adaptation::SystemMerged, merge_system),
        (Adaptation::MaxTokensRenamed, rename_max_tokens),
        (Adaptation::VendorFieldsDropped, drop_vendor_fields),
    ];
    let done: Vec<Adaptation> =
        steps.into_iter().filter(|(_, step)| step(&mut request)).map(|(name, _)| name).collect();
    (!done.is_empty()).then(|| (Value::Object(request).to_string().into_bytes(), done))
}

fn turns(request: &mut Map<String, Value>) -> Option<&mut Vec<Value>> {
    request.get_mut("messages")?.as_array_mut()
}

fn developer_as_system(request: &mut Map<String, Value>) -> bool {
    let mut found = false;
    for turn in turns(request).into_iter().flatten().filter(|turn| turn["role"] == "developer") {
        turn["role"] = "system".into();
        found = true;
    }
    found
}

/// Merges where every system message is a plain text; parts of other kinds are left as they are.
fn merge_system(request: &mut Map<String, Value>) -> bool {
    let Some(turns) = turns(request) else { return false };
    let texts: Vec<&str> =
        turns.iter().filter(|turn| turn["role"] == "system").filter_map(|turn| turn["content"].as_str()).collect();
    let systems = turns.iter().filter(|turn| turn["role"] == "system").count();
    let is_first = turns.first().is_some_and(|turn| turn["role"] == "system");
    if systems == 0 || texts.len() != systems || (systems == 1 && is_first) {
        return false;
    }
    let merged = texts.join("\n\n");
    turns.retain(|turn| turn["role"] != "system");
    turns.insert(0, serde_json::json!({"role": "system", "content": merged}));
    true
}

fn rename_max_tokens(request: &mut Map<String, Value>) -> bool {
    if request.contains_key("max_tokens") {
        return request.remove("max_completion_tokens").is_some();
    }
    let Some(bound) = request.remove("max_completion_tokens") else { return false };
    request.insert("max_tokens".to_owned(), bound);
    true
}

fn drop_vendor_fields(request: &mut Map<String, Value>) -> bool {
    let before = request.len();
    request.retain(|name, _| !VENDOR_FIELDS.contains(&name.as_str()));
    request.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(request: &Value) -> (Value, Vec<Adaptation>) {
        let (body, done) = adapted(request.to_string().as_bytes()).expect("there is something to adapt");
        (serde_json::from_slice(&body).unwrap(), done)
    }

    #[test]
    fn roles_blocks_bounds_and_fields_are_adapted_and_the_rest_stays() {
        let request = serde_json::json!({"model": "m", "store": true, "max_completion_tokens": 9, "top_k": 4, "messages": [
            {"role": "developer", "content": "a"}, {"role": "user", "content": "b"}, {"role": "system", "content": "c"}]});
        let (adapted, done) = changed(&request);
        let expected = serde_json::json!({"model": "m", "top_k": 4, "messages": [
            {"role": "system", "content": "a\n\nc"}, {"role": "user", "content": "b"}], "max_tokens": 9});
        assert_eq!(adapted, expected);
        let all = [
            Adaptation::DeveloperAsSystem,
            Adaptation::SystemMerged,
            Adaptation::MaxTokensRenamed,
            Adaptation::VendorFieldsDropped,
        ];
        assert_eq!(done, all);
    }

    #[test]
    fn what_needs_nothing_is_left_byte_for_byte() {
        let plain = serde_json::json!({"model": "m", "max_tokens": 9, "messages": [
            {"role": "system", "content": "a"}, {"role": "user", "content": "b"}]});
        assert_eq!(adapted(plain.to_string().as_bytes()), None);
        assert_eq!(adapted(b"no JSON"), None);
    }

    #[test]
    fn system_messages_with_parts_are_not_merged() {
        let parts = serde_json::json!([{"type": "text", "text": "a"}]);
        let request = serde_json::json!({"messages": [
            {"role": "system", "content": parts}, {"role": "system", "content": "b"}, {"role": "user", "content": "c"}]});
        assert_eq!(adapted(request.to_string().as_bytes()), None);
    }
}

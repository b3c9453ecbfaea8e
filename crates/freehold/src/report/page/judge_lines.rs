//! A judge as its section of the page shows it: who it is, how it was examined, and what it was held against.

use serde_json::Value;

use crate::assess::result::AssessmentResult;
use crate::report::figures;

/// Returns each thing with what is to be said of it; nothing where no judge compared.
pub(super) fn of(result: &AssessmentResult) -> Vec<(&'static str, String)> {
    let Some(judge) = &result.judge else { return Vec::new() };
    let examined = &judge.examined;
    let shown = &examined.figures;
    let believed = match examined.refusals.as_slice() {
        [] => "yes".to_owned(),
        refusals => format!("no: {}", refusals.join("; ")),
    };
    let mut lines = vec![("judge", judge.judge.clone())];
    if let Some(lock) = &judge.lock {
        let weights = lock["weights_sha256"].as_str().map(str::to_owned);
        lines.push(("its identity", weights.unwrap_or_else(|| lock.to_string())));
    }
    lines.push(("words it was asked with", format!("version {}, {}", judge.prompt, judge.prompt_sha256)));
    lines.push(("is believed", believed));
    lines.push(("pairs", format!("{} in both orders, {} the same on both sides", shown["pairs"], examined.same)));
    let kappa = shown["people"]["kappa"].as_f64().map_or(String::new(), |kappa| format!(", kappa {kappa:.2}"));
    for (name, of, more) in [
        ("same answer in both orders", &shown["consistency"], ""),
        ("first place preferred", &shown["first_slot"], ""),
        ("agrees with people", &shown["people"]["share"], kappa.as_str()),
        ("says the same asked again", &shown["repeat"]["share"], ""),
        ("planted bad answers not told", &shown["canaries_missed"], ""),
    ] {
        lines.extend(share(of).map(|told| (name, told + more)));
    }
    let weight = examined.weight.map_or("the labels did not enter".to_owned(), |weight| format!("{weight:.2}"));
    lines.push((
        "labels",
        format!("{} by {} people, {} left out", examined.labels, examined.people, examined.labels_left_out),
    ));
    lines.push(("weight of the judge beside them", weight));
    lines.push(("digest of the labels", examined.labels_sha256.clone()));
    lines.push(("digest of its words", examined.words_sha256.clone()));
    lines.extend(result.certificate.clone().map(|digest| ("certificate", digest)));
    lines
}

/// Spells a share with its limits and of how many it is.
fn share(of: &Value) -> Option<String> {
    let figure = |member: &str| of[member].as_f64().map(figures::score);
    Some(format!("{} ({} to {}) of {}", figure("share")?, figure("lower")?, figure("upper")?, of["of"]))
}

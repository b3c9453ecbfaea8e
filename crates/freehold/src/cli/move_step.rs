//! `freehold move`: makes a generation in which a step is served by its candidate.

use freehold_store::{Assessment, Route, Store};

use super::step_lines;
use crate::assess::AssessmentResult;
use crate::assess::result::Subset;
use crate::certificate;
use crate::config::Settings;
use crate::exit::{Exit, Fault};
use crate::home::Place;
use crate::moves;
use crate::names::Target;
use crate::stdout;

/// Serve a step from a candidate from now on, such as `freehold move triage --to desk-l`.
///
/// Refused without an adequate verdict for that candidate, unless --despite says why; the reason is kept.
/// `freehold rollback` goes back.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The step, or the beginning of its name.
    step: String,
    /// Who is to serve it: a [[model]], or UPSTREAM/MODEL.
    #[arg(long, value_name = "CANDIDATE")]
    to: String,
    /// Move without an adequate verdict, for this reason.
    #[arg(long, value_name = "REASON")]
    despite: Option<String>,
    /// Print the new generation as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let settings = place.settings()?;
    let store = place.store()?;
    let step = step_lines::find(&store, &arguments.step)?;
    let target = Target::parse(&arguments.to, &settings)?;
    let assessment = store.latest_assessment(&step, Some(&arguments.to))?;
    refuse_without_verdict(&step, arguments, assessment.as_ref())?;
    let adapted = assessment.as_ref().and_then(|assessment| not_adapted(&step, arguments, assessment));
    let certificate = certificate_of(&store, assessment.as_ref(), arguments, (&target, &settings))?;
    let route = Route { certificate, ..route(&target, arguments, assessment) };
    let generation = moves::make(&store, &step, route)?;
    let told = if arguments.json { serde_json::to_string(&generation)? + "\n" } else { moves::shown(&generation) };
    stdout::block(told)?;
    moves::settle(place, &generation)?;
    if let Some(adapted) = adapted {
        eprintln!("{adapted}");
    }
    Ok(Exit::Done)
}

/// Says that a verdict is on requests that were adapted, where it is: the gateway passes on those that it is given.
fn not_adapted(step: &str, arguments: &Arguments, assessment: &Assessment) -> Option<String> {
    let adapted = assessment.result.as_ref()?.get("adapted")?.as_array()?;
    let names: Vec<&str> = adapted.iter().filter_map(serde_json::Value::as_str).collect();
    (!names.is_empty()).then(|| {
        format!(
            "its verdict is on adapted requests ({}), and the gateway adapts none: let the application send such ones, or judge them \
             as they are: freehold assess {step} --candidate {} --as-is",
            names.join(", "),
            arguments.to
        )
    })
}

fn route(target: &Target, arguments: &Arguments, assessment: Option<Assessment>) -> Route {
    Route {
        upstream: target.upstream.clone(),
        model: target.model.clone(),
        stage: "owned".to_owned(),
        assessment: assessment.map(|assessment| assessment.head.id),
        certificate: None,
        despite: arguments.despite.clone(),
    }
}

/// Returns the digest of the certificate that the step moves by; with a reason it may be one that is not good any more.
fn certificate_of(
    store: &Store,
    assessment: Option<&Assessment>,
    arguments: &Arguments,
    (target, settings): (&Target, &Settings),
) -> anyhow::Result<Option<String>> {
    let Some(assessment) = assessment else { return Ok(None) };
    if arguments.despite.is_some() {
        return Ok(store.certificate(&assessment.head.id)?.map(|kept| kept.sha256));
    }
    certificate::good_for_move(store, &assessment.head.id, (target, settings), jiff::Timestamp::now())
}

fn refuse_without_verdict(step: &str, arguments: &Arguments, assessment: Option<&Assessment>) -> Result<(), Fault> {
    let verdict = assessment
        .and_then(|assessment| assessment.result.as_ref())
        .and_then(|result| result.get("verdict"))
        .and_then(serde_json::Value::as_str);
    let failing = assessment.map(failing_subsets).unwrap_or_default();
    if arguments.despite.is_some() || (verdict == Some("adequate") && failing.is_empty()) {
        return Ok(());
    }
    let fault = assessment.and_then(|assessment| assessment.result.as_ref()?.get("serving_fault")?.as_str());
    if let Some(broken) = fault {
        let told = format!(
            "{} is not moved in: its server breaks what {step} needs ({broken}), so that nothing is known of the model",
            arguments.to
        );
        let hint = format!(
            "mend the server (`freehold probe {}` says how) and assess again, or add --despite REASON to move all the same",
            arguments.to
        );
        return Err(Fault::input(told).hint(hint));
    }
    let found = match verdict {
        Some("adequate") => format!("it is adequate for {step} on the whole, and not for {}", failing.join(", ")),
        Some(verdict) => format!("its verdict for {step} is {}", verdict.replace('_', " ")),
        None => format!("it was not assessed for {step}"),
    };
    Err(Fault::input(format!("{} is not moved in: {found}", arguments.to)).hint(format!(
        "freehold assess {step} --candidate {}, or add --despite REASON to move all the same",
        arguments.to
    )))
}

fn failing_subsets(assessment: &Assessment) -> Vec<String> {
    let result = assessment.result.clone().and_then(|result| serde_json::from_value::<AssessmentResult>(result).ok());
    let name = |subset: &Subset| format!("{} {}", subset.by, subset.value);
    result.map(|result| result.failing_subsets().map(name).collect()).unwrap_or_default()
}

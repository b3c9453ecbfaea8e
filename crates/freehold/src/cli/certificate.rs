//! `freehold certificate`: shows, hands out and verifies the records in which assessments end.

use std::path::{Path, PathBuf};

use freehold_store::{Certified, Store};
use freehold_vault::PublicKey;
use serde_json::Value;

use super::step_lines;
use crate::certificate::verify::{Beside, Signature, State, Trusted, Verification, verify};
use crate::certificate::{self, Certificate, Signer};
use crate::checks::Outside;
use crate::exit::{Exit, Fault};
use crate::home::Place;
use crate::stdout;

/// The signed record in which an assessment ends: show it, hand it out, verify it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: freehold certificate export triage --out triage.json, and elsewhere\n\
    freehold certificate verify triage.json --key their-key.pem\n\n\
    `verify` ends with 0 when the certificate holds, 1 when it does not, 2 when the file cannot be read.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the newest certificate of a step.
    Show {
        #[command(flatten)]
        which: Which,
        /// Print what was signed, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the newest certificate of a step, to a file or to stdout.
    Export {
        #[command(flatten)]
        which: Which,
        /// The file.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    Verify(Verify),
    /// Print the public key of this home, which others need to verify its certificates.
    Key,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The step, or the beginning of its name.
    step: String,
    /// The candidate [default: that of the newest assessment]
    #[arg(long, value_name = "CANDIDATE")]
    candidate: Option<String>,
}

/// Check the signature, the key and the expiry, and find every figure again that can be found again.
///
/// Beside the store of the assessment all answers are scored and all scores decided on again; elsewhere the scores in the
/// certificate are.
#[derive(Debug, clap::Args)]
struct Verify {
    /// The certificate.
    file: PathBuf,
    /// The public key, in PEM, of who should have signed it [default: that of this home]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.command {
        Command::Show { which, json } => {
            let kept = newest(&place.store()?, which)?;
            let read = Certificate::read(kept.text.as_bytes())
                .map_err(|error| Fault::internal("the stored certificate cannot be read").because(error))?;
            let told = if *json { format!("{}\n", read.body()) } else { told(&read) };
            stdout::block(told)?;
        }
        Command::Export { which, out } => {
            let kept = newest(&place.store()?, which)?;
            match out {
                Some(file) => write(file, &kept.text)?,
                None => stdout::block(&kept.text)?,
            }
        }
        Command::Verify(arguments) => return check(place, arguments),
        Command::Key => stdout::block(Signer::beside(&place.store()?)?.public().pem())?,
    }
    Ok(Exit::Done)
}

/// Writes a certificate to a file.
pub(super) fn write(file: &Path, text: &str) -> Result<(), Fault> {
    std::fs::write(file, text).map_err(|error| {
        Fault::input(format!("cannot write {}; the certificate is stored", file.display()))
            .because(error)
            .hint("freehold certificate export STEP --out FILE")
    })
}

fn newest(store: &Store, which: &Which) -> anyhow::Result<Certified> {
    let step = step_lines::find(store, &which.step)?;
    let of = which.candidate.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
    let candidate = which.candidate.as_deref().unwrap_or("CANDIDATE");
    let again = format!("freehold assess {step} --candidate {candidate}");
    let assessment = store
        .latest_assessment(&step, which.candidate.as_deref())?
        .ok_or_else(|| Fault::input(format!("no assessment{of} for {step} has come to an end")).hint(again.clone()))?;
    let kept = store.certificate(&assessment.head.id)?.ok_or_else(|| {
        Fault::input(format!("the newest assessment{of} for {step} ended in no certificate")).hint(again)
    })?;
    Ok(kept)
}

fn check(place: &Place, Verify { file, key, json }: &Verify) -> anyhow::Result<Exit> {
    let read = |file: &Path| {
        std::fs::read(file).map_err(|error| Fault::input(format!("cannot read {}", file.display())).because(error))
    };
    let certificate = Certificate::read(&read(file)?).map_err(|error| {
        Fault::input(format!("{} cannot be verified", file.display())).hint(hint(&error)).because(error)
    })?;
    let given = key.as_ref().map(|file| -> Result<PublicKey, Fault> {
        let text = String::from_utf8_lossy(&read(file)?).into_owned();
        PublicKey::from_pem(&text)
            .map_err(|error| Fault::input(format!("{} is no public key", file.display())).because(error))
    });
    let store = if place.has_store() { Some(place.store()?) } else { None };
    let home = store.as_ref().map(certificate::public_key).transpose()?.flatten();
    let trusted = Trusted { home, given: given.transpose()? };
    let (settings, program) = (place.settings()?, super::this_program()?);
    let outside = Outside { settings: &settings, program: &program };
    let beside = store.as_ref().map(|store| (store, outside));
    let found = verify(&certificate, &trusted, beside, jiff::Timestamp::now())?;
    let told = if *json { serde_json::to_string(&found)? + "\n" } else { told(&certificate) + &found_lines(&found) };
    stdout::block(told)?;
    Ok(if found.holds { Exit::Done } else { Exit::NotAdequate })
}

fn hint(error: &certificate::Error) -> &'static str {
    match error {
        certificate::Error::Newer { .. } => "verify it with the version of freehold that made it, or a newer one",
        _ => "fetch the file again; `freehold certificate export STEP` writes one",
    }
}

fn told(certificate: &Certificate) -> String {
    let head = &certificate.head;
    let figure = |member: &str| head.result[member].as_f64().map_or_else(|| "?".to_owned(), points);
    let text = |value: &Value| value.as_str().unwrap_or("?").replace('_', " ");
    let looks = certificate.body()["looks"].as_array().map_or(0, Vec::len);
    let judge = judge(&certificate.body()["judge"]);
    format!(
        "certificate  {}\n  says         {} for {}: {} at margin {}, {} ({} to {}) on {} cases, by {}\n{judge}  \
         tries        {} ({looks} looks at the step in its ledger)\n  made         {}\n  expires      {} ({})\n  \
         key          {}\n",
        certificate.sha256(),
        head.candidate,
        head.step,
        text(&head.result["verdict"]),
        figure("margin"),
        figure("difference"),
        figure("lower"),
        figure("upper"),
        head.result["n"],
        text(&head.result["method"]),
        head.result["tries"],
        head.made_at.0,
        head.expires_at.0,
        head.expires_because,
        certificate.public_key().fingerprint(),
    )
}

/// Says who judged and on how many labels; nothing where a check scored.
fn judge(judge: &Value) -> String {
    let (Some(who), examined) = (judge["who"].as_str(), &judge["examined"]) else { return String::new() };
    let believed = match examined["refusals"].as_array() {
        Some(refusals) if refusals.is_empty() => "believed",
        _ => "not believed",
    };
    format!("  judge        {who}, {believed}, {} labels by {} people\n", examined["labels"], examined["people"])
}

/// Spells a difference of scores in points.
fn points(value: f64) -> String {
    format!("{:.1}", value * 100.0)
}

fn found_lines(found: &Verification) -> String {
    let signature = match found.signature {
        Signature::Home => "good, by this home's key",
        Signature::Given => "good, by the key that was given",
        Signature::UnknownKey => {
            "good, by a key that nobody here knows; --key FILE gives the one that should have signed"
        }
        Signature::Wrong => "WRONG",
    };
    let from = match &found.recomputed {
        Beside::Store => "from what the store recorded".to_owned(),
        Beside::StoreInPart { cases_gone } => {
            format!("from what is left in the store, which no longer has {cases_gone} of the cases: only digests")
        }
        Beside::Itself => "from the scores in it; the store of the assessment is not here".to_owned(),
    };
    let count = |state: State| found.fields.iter().filter(|field| field.state == state).count();
    let mut lines = format!(
        "  signature    {signature}\n  recomputed   {from}\n  fields       {} agree, {} differ, {} were not checked\n",
        count(State::Agrees),
        count(State::Differs),
        count(State::NotChecked)
    );
    for field in &found.fields {
        let state = match field.state {
            State::Agrees => "agrees",
            State::Differs => "DIFFERS",
            State::NotChecked => "not checked",
        };
        lines.push_str(&format!("    {:<12} {}\n", state, field.field));
    }
    lines.push_str(if found.holds { "it holds\n" } else { "IT DOES NOT HOLD\n" });
    for fault in &found.faults {
        lines.push_str(&format!("  {fault}\n"));
    }
    lines
}

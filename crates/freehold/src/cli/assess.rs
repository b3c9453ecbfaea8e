//! `freehold assess`: is a candidate adequate for a step?

use std::io::IsTerminal;
use std::path::PathBuf;

use freehold_evidence::Rule;
use freehold_store::Store;
use freehold_wire::ReferenceKind;
use indicatif::{ProgressBar, ProgressStyle};

use super::{certificate, step_lines, verdict};
use crate::assess::{
    Adapting, AssessmentResult, Assessor, Correction, Divider, Family, Looks, Probing, Progress, Question, Rerun,
    Standing,
};
use crate::config::Settings;
use crate::exit::{Exit, Fault};
use crate::facts::PriceBook;
use crate::home::Place;
use crate::names::Target;
use crate::report;
use crate::stdout;

/// Replay a step's recorded calls on a candidate and say whether it is adequate, not adequate or undecided.
///
/// Tools are never executed. An assessment that was broken off goes on where it stopped when it is asked for again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  freehold assess triage --candidate desk-l --margin 0.05 --html report.html\n  \
    freehold assess triage --candidate desk-s --candidate desk-l --choose split\n  \
    freehold assess --all --candidate desk-l --across holm --fixed\n  \
    freehold assess mail --candidate desk-l --check judge:openai/gpt-4.1\n\n\
    Ends with 0 when adequate, 1 when not adequate, 3 when undecided, 4 when its server breaks what the step needs; with several steps, as the worst of them, and with several \
    candidates a step is adequate when one of them is.")]
pub(super) struct Arguments {
    /// The steps, or the beginnings of their names.
    #[arg(required_unless_present = "all", value_name = "STEP")]
    steps: Vec<String>,
    /// Assess every step.
    #[arg(long, conflicts_with = "steps")]
    all: bool,
    /// Who is proposed: a [[model]], or UPSTREAM/MODEL. Of several, name the safest first: each is tried at the full level, and the
    /// first that is not adequate ends it, so that together they err no more often than one.
    #[arg(long = "candidate", value_name = "CANDIDATE", required = true)]
    candidates: Vec<String>,
    /// How one of several candidates comes to be decided on: in the order given, or the best on one half of the cases.
    #[arg(long, value_name = "HOW", default_value = "sequence")]
    choose: Choose,
    /// How the verdicts of several steps are corrected for their number, where each is to be moved by itself; that all steps
    /// together are adequate needs none.
    #[arg(long, value_name = "HOW", default_value = "none")]
    across: Across,
    /// The largest loss of score that is accepted [default: assess.margin of the configuration, 0.05]
    #[arg(long)]
    margin: Option<f64>,
    /// The one-sided level of the decision [default: 0.95]
    #[arg(long)]
    confidence: Option<f64>,
    /// How answers are scored, such as fields, tool_call, numeric:1%, regex:PATTERN, command:PROGRAM or judge:WHO, a model that
    /// compares both answers (docs/checks.md, docs/labels.md) [default: `check` of the step's [[step]], else by its shape]
    #[arg(long)]
    check: Option<String>,
    /// What answers are compared with [default: label where half of the cases have one, else incumbent]
    #[arg(long, value_name = "KIND")]
    reference: Option<Reference>,
    /// The most cases [default: 400]
    #[arg(long, value_name = "N")]
    max_cases: Option<usize>,
    /// Who is to be beaten, as UPSTREAM/MODEL or a [[model]] of ours [default: who answered most calls]
    #[arg(long)]
    incumbent: Option<String>,
    /// Also decide apart what this divides: metadata:NAME, field:PATH, tool or length; may be given several times
    /// [default: the step's `subsets` of the configuration]
    #[arg(long = "subset", value_name = "DIVIDER")]
    subsets: Vec<Divider>,
    /// Do not ask the incumbent again; saves its calls, and leaves its own noise unknown.
    #[arg(long)]
    no_rerun: bool,
    /// Do not probe the server first for what the step needs (docs/probe.md).
    #[arg(long)]
    no_probe: bool,
    /// Which adaptations to the candidate the requests may take: all, none, or names (docs/assess.md) [default: `adapt` of the
    /// step's [[step]], else all]
    #[arg(long, value_name = "LIST")]
    adapt: Option<Adapting>,
    /// Send the requests as they were recorded: --adapt none.
    #[arg(long, conflicts_with = "adapt")]
    as_is: bool,
    /// Assess the requests as they were recorded too, and show both side by side; takes the candidate's calls twice.
    #[arg(long, conflicts_with = "as_is")]
    both_forms: bool,
    /// Decide once, when all cases are in, instead of after every case.
    #[arg(long)]
    fixed: bool,
    /// Look this many times, at numbers of cases that are fixed beforehand (2 to 20).
    #[arg(long, value_name = "K", conflicts_with = "fixed", value_parser = clap::value_parser!(u32).range(2..=20))]
    looks: Option<u32>,
    /// Seed of the sampling and of the order of cases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also write one self-contained page with the newest assessment of every step and candidate.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Also write the certificate in which the assessment ends.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Print each result as a line of JSON.
    #[arg(long)]
    json: bool,
}

/// Kinds of references, weakest first; one assessment uses one of them.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Reference {
    /// What the incumbent answered.
    Incumbent,
    /// What people said is right: imported with the calls, or given in `freehold label`.
    Label,
    /// What turned out to be right, imported with the calls.
    Outcome,
}

/// Ways to come from several candidates to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Choose {
    /// Each in the order given, up to the first that is not adequate.
    Sequence,
    /// The best on one random half of the cases, decided on the other half alone, at the full level.
    Split,
}

/// Ways to correct for the number of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Across {
    /// Each step at its own level.
    None,
    /// Holm: that any step is wrongly adequate is as rare as the level says; with --fixed.
    Holm,
    /// Benjamini-Hochberg: the expected share of wrong ones among those called adequate; with --fixed.
    Bh,
    /// e-BH: the same share, for steps that are looked at after every case.
    Ebh,
}

impl Across {
    fn correction(self) -> Option<Correction> {
        match self {
            Across::None => None,
            Across::Holm => Some(Correction::Holm),
            Across::Bh => Some(Correction::Bh),
            Across::Ebh => Some(Correction::Ebh),
        }
    }
}

impl From<Reference> for ReferenceKind {
    fn from(reference: Reference) -> Self {
        match reference {
            Reference::Incumbent => ReferenceKind::Incumbent,
            Reference::Label => ReferenceKind::Label,
            Reference::Outcome => ReferenceKind::Outcome,
        }
    }
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let settings = place.settings()?;
    let prices = PriceBook::load(settings.facts.path.as_deref(), settings.sellers())?;
    let store = place.store()?;
    let steps = steps(arguments, &store)?;
    for candidate in &arguments.candidates {
        Target::parse(candidate, &settings)?;
    }
    refuse_mixes(arguments, &settings, &steps)?;
    let ends = if arguments.choose == Choose::Split { 1 } else { arguments.candidates.len() };
    if arguments.certificate.is_some() && steps.len() * ends > 1 {
        return Err(Fault::input("--certificate takes the certificate of one step and one candidate")
            .hint(
                "leave it out, and write them with `freehold certificate export STEP --candidate CANDIDATE --out FILE`",
            )
            .into());
    }
    let assessor = Assessor { store: &store, settings: &settings, prices: &prices, program: super::this_program()? };
    let results = match arguments.across {
        Across::None => {
            let walks: Result<Vec<_>, _> = steps.iter().map(|step| walk(arguments, &assessor, step)).collect();
            walks?.concat()
        }
        _ => together(arguments, &assessor, &steps)?,
    };
    if let Some(file) = &arguments.html {
        let page = report::html(&step_lines::report_of(&store, &prices)?);
        std::fs::write(file, page).map_err(|error| {
            Fault::input(format!("cannot write {}; the assessment is stored", file.display())).because(error)
        })?;
        eprintln!("report: {}", file.display());
    }
    if let (Some(file), [result]) = (&arguments.certificate, &results[..])
        && let Some(kept) = store.certificate(&result.id)?
    {
        certificate::write(file, &kept.text)?;
        eprintln!("certificate: {}", file.display());
    }
    print(arguments, &results)?;
    Ok(steps.iter().map(|step| exit_of(step, &results)).max_by_key(|exit| weight(*exit)).unwrap_or(Exit::Done))
}

fn steps(arguments: &Arguments, store: &Store) -> anyhow::Result<Vec<String>> {
    if arguments.all {
        return Ok(store.steps()?.into_iter().map(|summary| summary.step).collect());
    }
    let mut steps: Vec<String> = Vec::new();
    for wanted in &arguments.steps {
        let step = step_lines::find(store, wanted)?;
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    Ok(steps)
}

/// Refuses what cannot be weighed together, before anything is asked.
fn refuse_mixes(arguments: &Arguments, settings: &Settings, steps: &[String]) -> Result<(), Fault> {
    let several = arguments.candidates.len() > 1;
    if arguments.choose == Choose::Split && !several {
        return Err(Fault::input("--choose split chooses among several candidates, and one is named")
            .hint("name the others with --candidate, or leave --choose out"));
    }
    if arguments.both_forms && (arguments.choose == Choose::Split || arguments.across.correction().is_some()) {
        return Err(Fault::input(
            "--both-forms decides each form by itself, beside neither other steps nor halves of the cases",
        )
        .hint("leave --choose split and --across out"));
    }
    let Some(correction) = arguments.across.correction() else { return Ok(()) };
    if several && arguments.choose == Choose::Sequence {
        return Err(Fault::input("--across corrects one claim a step, and a sequence of candidates makes several")
            .hint("name one candidate, or let one be chosen with --choose split"));
    }
    for step in steps.iter().filter(|_| correction == Correction::Ebh) {
        let check = question(arguments, settings, (step, &arguments.candidates[0]))?.check;
        if check.is_some_and(|check| check.starts_with("judge:")) {
            let told = format!("e-BH weighs the evidence of bets, and {step} is decided by a judge beside labels");
            return Err(Fault::input(told).hint("take --across holm or bh with --fixed, which weigh p-values"));
        }
    }
    match (correction, arguments.fixed) {
        (Correction::Ebh, true) => Err(Fault::input("e-BH weighs the evidence of bets, and --fixed lays none")
            .hint("leave --fixed out, or take --across holm or bh")),
        (Correction::Ebh, false) if arguments.looks.is_some() => {
            Err(Fault::input("e-BH weighs the evidence of bets, and planned looks lay none").hint("leave --looks out"))
        }
        (Correction::Holm | Correction::Bh, false) => Err(Fault::input(
            "Holm's and Benjamini-Hochberg's methods weigh p-values, which hold only where the number of cases is fixed beforehand",
        )
        .hint("add --fixed, or take --across ebh to look after every case")),
        _ => Ok(()),
    }
}

/// Decides every step by itself, corrects the verdicts for their number, and certifies them then.
fn together(arguments: &Arguments, assessor: &Assessor<'_>, steps: &[String]) -> anyhow::Result<Vec<AssessmentResult>> {
    let mut sorted = steps.to_vec();
    sorted.sort();
    let family = arguments.across.correction().map(|correction| Family { correction, steps: sorted });
    let runtime = runtime()?;
    let mut drafts = Vec::with_capacity(steps.len());
    for step in steps {
        let questions = questions(arguments, assessor.settings, (step, family.as_ref()))?;
        let asked = Asked::of(&questions[0]);
        drafts.push(match questions.as_slice() {
            [one] => asked.shown(|progress| runtime.block_on(assessor.draft(one, progress)))?,
            several => asked.shown(|progress| runtime.block_on(assessor.draft_of_best(several, progress)))?,
        });
    }
    assessor.correct(&mut drafts)?;
    drafts.into_iter().map(|draft| assessor.certify(draft)).collect()
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Tries the candidates of a step as they are to be chosen: the best of them, or in the order given up to the first that is
/// not adequate.
///
/// A fixed sequence: each is tested at the full level only if all before it passed, so that the chance of any wrong `adequate`
/// stays that of one (Maurer, Hothorn and Lehmacher 1995).
fn walk(arguments: &Arguments, assessor: &Assessor<'_>, step: &str) -> anyhow::Result<Vec<AssessmentResult>> {
    let runtime = runtime()?;
    let questions = questions(arguments, assessor.settings, (step, None))?;
    if arguments.choose == Choose::Split {
        let draft = Asked::of(&questions[0])
            .shown(|progress| runtime.block_on(assessor.draft_of_best(&questions, progress)))?;
        return Ok(vec![assessor.certify(draft)?]);
    }
    let mut results: Vec<AssessmentResult> = Vec::new();
    for question in &questions {
        if let Some(last) = results.last().filter(|last| last.row.verdict != "adequate") {
            let (before, verdict) = (&last.row.candidate, last.outcome());
            eprintln!("{step}: {} was not tried, because {before} before it is {verdict}", question.candidate);
            break;
        }
        results.push(Asked::of(question).shown(|progress| {
            runtime.block_on(async {
                match arguments.both_forms {
                    true => assessor.assess_both(question, progress).await,
                    false => assessor.assess(question, progress).await,
                }
            })
        })?);
    }
    Ok(results)
}

/// What is shown while a question is asked.
struct Asked {
    bar: ProgressBar,
}

impl Asked {
    fn of(question: &Question) -> Self {
        Asked { bar: bar(question) }
    }

    /// Does the asking, showing how far it is.
    fn shown<T>(self, asking: impl FnOnce(&Progress) -> T) -> T {
        let shown = self.bar.clone();
        let done = asking(&move |standing: &Standing| {
            shown.set_length(standing.cases);
            shown.set_position(standing.counted);
            shown.set_prefix(near(standing));
        });
        self.bar.finish_and_clear();
        done
    }
}

fn questions(
    arguments: &Arguments,
    settings: &Settings,
    (step, across): (&str, Option<&Family>),
) -> Result<Vec<Question>, Fault> {
    let of = |candidate: &String| question(arguments, settings, (step, candidate));
    let questions = arguments.candidates.iter().map(of);
    questions.map(|found| found.map(|question| Question { across: across.cloned(), ..question })).collect()
}

/// Returns how a step came out: adequate where any candidate is, else as the last that was tried.
fn exit_of(step: &str, results: &[AssessmentResult]) -> Exit {
    let own = || results.iter().filter(|result| result.row.step == step);
    match own().find(|result| result.row.verdict == "adequate").or_else(|| own().next_back()) {
        // What its server broke is nobody's verdict on the model.
        Some(result) if result.serving_fault.is_some() && result.row.verdict == "not_adequate" => Exit::Upstream,
        Some(result) => verdict::exit_of(&result.row),
        None => Exit::Undecided,
    }
}

/// Orders how steps came out: one that is not adequate outweighs one that is undecided.
fn weight(exit: Exit) -> u8 {
    match exit {
        Exit::Done => 0,
        Exit::Undecided => 1,
        _ => 2,
    }
}

fn question(arguments: &Arguments, settings: &Settings, (step, candidate): (&str, &str)) -> Result<Question, Fault> {
    let defaults = &settings.assess;
    let declared = settings.steps.iter().find(|declared| declared.name == step);
    let rule =
        Rule::new(arguments.margin.unwrap_or(defaults.margin), arguments.confidence.unwrap_or(defaults.confidence))
            .map_err(|error| Fault::input("the margin or the confidence cannot be used").because(error))?;
    let subsets = match declared {
        Some(declared) if arguments.subsets.is_empty() => declared.subsets.clone(),
        _ => arguments.subsets.clone(),
    };
    Ok(Question {
        step: step.to_owned(),
        candidate: candidate.to_owned(),
        incumbent: arguments.incumbent.clone(),
        rule,
        check: arguments.check.clone().or_else(|| declared.and_then(|declared| declared.check.clone())),
        reference: arguments.reference.map(ReferenceKind::from),
        cases_max: arguments.max_cases.unwrap_or(defaults.cases_max),
        concurrency: defaults.concurrency,
        looks: match arguments.looks {
            Some(looks) => Looks::Planned(looks),
            None if arguments.fixed => Looks::Once,
            None => Looks::Always,
        },
        seed: arguments.seed,
        rerun: if arguments.no_rerun { Rerun::Never } else { Rerun::WherePossible },
        subsets,
        probing: if arguments.no_probe { Probing::Never } else { Probing::First },
        adapting: match arguments.adapt {
            _ if arguments.as_is => Adapting::NONE,
            Some(adapting) => adapting,
            None => declared.and_then(|declared| declared.adapt).unwrap_or(Adapting::ALL),
        },
        half: None,
        across: None,
        beside: None,
    })
}

fn bar(question: &Question) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{msg} {wide_bar} {pos}/{len} cases  {prefix}";
    let style = ProgressStyle::with_template(template).expect("the template is right; every assessment shows it");
    ProgressBar::new(0).with_style(style).with_message(format!("{} on {}", question.step, question.candidate))
}

/// Says how near a decision is, where it is looked at on the way.
fn near(standing: &Standing) -> String {
    let Some(evidence) = standing.evidence else { return String::new() };
    let (share, word) = if evidence.adequate >= evidence.not_adequate {
        (evidence.adequate, "adequate")
    } else {
        (evidence.not_adequate, "not adequate")
    };
    format!("{:.0} % of the way to {word}", share * 100.0)
}

fn print(arguments: &Arguments, results: &[AssessmentResult]) -> anyhow::Result<()> {
    if arguments.json {
        for result in results {
            stdout::line(serde_json::to_string(result)?)?;
        }
        return Ok(());
    }
    stdout::block(report::results(results, report::Style::of_stdout()))?;
    for result in results {
        if results.len() > 1 {
            stdout::line(format_args!("\n{} on {}", result.row.step, result.row.candidate))?;
        }
        details(result)?;
    }
    if results.windows(2).any(|pair| pair[0].row.step != pair[1].row.step) {
        stdout::line(across_steps(arguments.across))?;
    }
    Ok(())
}

/// Returns what a reader of several steps must know.
fn across_steps(across: Across) -> String {
    let promise = match across.correction() {
        None => "Each step is decided at its own level; that none of them is wrongly adequate does not follow \
             (--across corrects for it)."
            .to_owned(),
        Some(correction) => format!("Corrected over the steps: {}.", correction.promise()),
    };
    format!("\n{promise} \"All of them are adequate\" holds at the level of one step without any correction.")
}

fn details(result: &AssessmentResult) -> anyhow::Result<()> {
    if !result.subsets.is_empty() {
        stdout::block(report::subsets(&result.row, &result.subsets))?;
    }
    if let Some(forms) = report::forms(result) {
        stdout::block(forms)?;
    }
    for note in &result.notes {
        stdout::line(format_args!("  {note}"))?;
    }
    for worst in result.disagreements.iter().take(3) {
        stdout::line(format_args!(
            "\n  {}\n    reference  {}\n    candidate  {}",
            worst.case,
            one_line(&worst.reference),
            one_line(&worst.candidate)
        ))?;
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.chars().take(160).collect()
}

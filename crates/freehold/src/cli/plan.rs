//! `freehold plan`: what an assessment would take, before anything is spent.

use freehold_evidence::Rule;

use super::step_lines;
use crate::assess::{Adapting, Assessor, Looks, Outlook, OutlookLine, Question, Rerun};
use crate::exit::{Exit, Fault};
use crate::facts::PriceBook;
use crate::home::Place;
use crate::names::Target;
use crate::report::{self, Align, figures};
use crate::stdout;

/// Say what an assessment of a step would take, before anything is spent: cases, calls of both models, money, time.
///
/// How often the two models differ decides. It is taken from an earlier assessment of the step, or else shown as a table.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: freehold plan triage --candidate desk-l --margin 0.02")]
pub(super) struct Arguments {
    /// The step, or the beginning of its name.
    step: String,
    /// Who is proposed: a [[model]], or UPSTREAM/MODEL; without one, what its calls take is not known.
    #[arg(long, value_name = "CANDIDATE")]
    candidate: Option<String>,
    /// The largest loss of score that is accepted [default: assess.margin of the configuration, 0.05]
    #[arg(long)]
    margin: Option<f64>,
    /// The one-sided level of the decision [default: 0.95]
    #[arg(long)]
    confidence: Option<f64>,
    /// As for `freehold assess` [default: by the step's shape]
    #[arg(long)]
    check: Option<String>,
    /// The most cases [default: 400]
    #[arg(long, value_name = "N")]
    max_cases: Option<usize>,
    /// Do not ask the incumbent again.
    #[arg(long)]
    no_rerun: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let settings = place.settings()?;
    let prices = PriceBook::load(settings.facts.path.as_deref(), settings.sellers())?;
    let store = place.store()?;
    let target = arguments.candidate.as_deref().map(|name| Target::parse(name, &settings)).transpose()?;
    let defaults = &settings.assess;
    let (margin, confidence) = (arguments.margin, arguments.confidence);
    let rule = Rule::new(margin.unwrap_or(defaults.margin), confidence.unwrap_or(defaults.confidence))
        .map_err(|error| Fault::input("the margin or the confidence cannot be used").because(error))?;
    let step = step_lines::find(&store, &arguments.step)?;
    let declared = settings.steps.iter().find(|declared| declared.name == step);
    let question = Question {
        check: arguments.check.clone().or_else(|| declared.and_then(|declared| declared.check.clone())),
        cases_max: arguments.max_cases.unwrap_or(defaults.cases_max),
        concurrency: defaults.concurrency,
        looks: Looks::Always,
        rerun: if arguments.no_rerun { Rerun::Never } else { Rerun::WherePossible },
        adapting: Adapting::ALL,
        ..Question::new(&step, arguments.candidate.as_deref().unwrap_or_default(), rule)
    };
    let assessor = Assessor { store: &store, settings: &settings, prices: &prices, program: super::this_program()? };
    let outlook = assessor.outlook(&question, target.as_ref())?;
    if arguments.json {
        stdout::line(serde_json::to_string(&outlook)?)?;
    } else {
        stdout::block(shown(&outlook))?;
    }
    Ok(Exit::Done)
}

fn shown(outlook: &Outlook) -> String {
    let candidate = outlook.candidate.as_deref().unwrap_or("any candidate");
    let arms = if outlook.arms > 1 { "the incumbent is asked again" } else { "the incumbent is not asked again" };
    let heads = [
        ("THEY DIFFER ON", Align::Right),
        ("LOOKING ONCE", Align::Right),
        ("AFTER EVERY CASE", Align::Right),
        ("IF MUCH WORSE", Align::Right),
        ("CALLS", Align::Right),
        ("COST", Align::Right),
        ("TIME", Align::Right),
    ];
    let rows: Vec<Vec<String>> = outlook.lines.iter().map(cells).collect();
    format!(
        "{}: {candidate} instead of {}, check {}, margin {}, {} cases; {arms}\n\n{}\n\
         cases until a verdict: looking once, with a chance of 80 % if the two are equal; looking after every case, the\n\
         median if they are equal, and if the candidate is three margins worse. Calls, cost and time are for the median if\n\
         equal, within the {} cases. Below {} cases nothing can be adequate ({} when looked at after every case).\n\
         discordance: {}\n",
        outlook.step,
        outlook.incumbent,
        outlook.check,
        figures::setting(outlook.margin),
        figures::count(outlook.cases),
        report::table(&heads, &rows),
        figures::count(outlook.cases),
        figures::count(outlook.floor_cases),
        figures::count(outlook.floor_cases_always),
        outlook.basis,
    )
}

fn cells(line: &OutlookLine) -> Vec<String> {
    let cases = |cases: Option<u64>| cases.map_or_else(|| "over 20,000".to_owned(), figures::count);
    vec![
        format!("{:.1} %", line.discordance * 100.0),
        figures::count(line.fixed),
        cases(line.equal),
        cases(line.worse),
        figures::count(line.calls),
        figures::usd(line.usd),
        line.seconds.map_or_else(|| "unknown".to_owned(), duration),
    ]
}

fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1.0 => "under 1 s".to_owned(),
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.0} h", seconds / 3_600.0),
    }
}

//! The chapters of the story, in order.

use std::collections::BTreeMap;
use std::path::PathBuf;

use freehold_evidence::Rule;
use freehold_store::Route;
use futures_util::StreamExt;

use super::stand::{MODELS, Stand, VENDOR};
use super::{Narrator, Options};
use crate::assess::result::Row;
use crate::assess::{Adapting, Assessor, Looks, Question, Rerun};
use crate::cli::step_lines;
use crate::moves;
use crate::names::ENGINE;
use crate::report;
use crate::sample::business::{self, Split};
use crate::sample::desk::{self, Served};
use crate::sample::vendor;

/// Tickets in flight at once: the desk's staff.
const STAFF: usize = 8;
/// Tickets after the moves, in the outage and after it.
const LATER_TICKETS: u64 = 25;
const CASES_MAX: usize = 500;
const MARGIN: f64 = 0.05;

pub(super) async fn a_morning(stand: &mut Stand, options: &Options, narrator: &Narrator) -> anyhow::Result<()> {
    narrator.chapter(2, "A morning at the support desk");
    let served = send(stand, options, narrator, 0..options.tickets).await;
    narrator.say(&format!(
        "{} tickets went through four steps: {} calls, every one recorded.",
        options.tickets,
        report::figures::count(served.len() as u64)
    ));
    stand.note(format!("{} tickets handled, all by the simulated vendor", options.tickets));
    Ok(())
}

pub(super) fn steps(stand: &Stand, narrator: &Narrator) -> anyhow::Result<()> {
    narrator.chapter(3, "freehold steps: what the traffic consists of");
    let lines = step_lines::lines(&stand.store, &stand.prices, jiff::Zoned::now().date())?;
    narrator.show(&step_lines::table(&lines));
    narrator.say("Nobody named these steps: they were found by the head of their requests.");
    Ok(())
}

pub(super) async fn judge(stand: &mut Stand, options: &Options, narrator: &Narrator) -> anyhow::Result<()> {
    narrator.chapter(4, "freehold assess: can an open model carry them?");
    narrator
        .say(&format!("Margin {MARGIN}, declared before the data is looked at. The vendor is asked again as well:"));
    narrator.say("how far it agrees with itself is the yardstick, not perfection.");
    narrator.say("The smallest adequate model will be taken; with three tried, luck has three chances of 5 % at most.");
    let assessor = Assessor {
        store: &stand.store,
        settings: &stand.settings,
        prices: &stand.prices,
        program: options.program.clone(),
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut saved = 0;
    for step in steps_by_traffic(stand)? {
        for (model, _, _) in MODELS {
            let bar = narrator.bar(0, &format!("{step:.18} {model}"));
            let shown = bar.clone();
            let question = question(&step, model, options.seed)?;
            let result = assessor
                .assess(&question, &move |standing| {
                    shown.set_length(standing.cases);
                    shown.set_position(standing.counted);
                })
                .await?;
            bar.finish_and_clear();
            saved += result.saved.as_ref().map_or(0, |saved| saved.calls);
            rows.push(result.row);
        }
    }
    narrator.show(&report::terminal(&rows, report::Style::of_stderr()));
    narrator.say(&saved_words(saved));
    stand.moved = cheapest_adequate(&rows);
    Ok(())
}

fn saved_words(calls: u64) -> String {
    format!("Stopping as soon as it was known saved {} calls.", report::figures::count(calls))
}

pub(super) async fn move_what_can_be(stand: &mut Stand, narrator: &Narrator) -> anyhow::Result<()> {
    narrator.chapter(5, "freehold move: what is adequate moves, the rest stays");
    for (step, model) in stand.moved.clone() {
        let assessment = stand.store.latest_assessment(&step, Some(&model))?.map(|assessment| assessment.head.id);
        let kept = assessment.as_deref().map(|id| stand.store.certificate(id)).transpose()?.flatten();
        let route = Route {
            upstream: ENGINE.to_owned(),
            model: model.clone(),
            stage: "owned".to_owned(),
            assessment,
            certificate: kept.map(|kept| kept.sha256),
            despite: None,
        };
        let generation = moves::make(&stand.store, &step, route)?;
        await_generation(stand, generation.number).await?;
        narrator.say(&format!("generation {}: {step} is served by {model}", generation.number));
        stand.note(format!("generation {}: {step} moved to {model}", generation.number));
    }
    if stand.moved.is_empty() {
        narrator.say("Nothing was adequate, so nothing moves. That is an answer, too.");
    }
    Ok(())
}

pub(super) async fn an_outage(stand: &mut Stand, options: &Options, narrator: &Narrator) -> anyhow::Result<()> {
    narrator.chapter(6, "More tickets, and then the vendor is gone");
    let served = send(stand, options, narrator, options.tickets..options.tickets + LATER_TICKETS).await;
    narrator.show(&who_served(&served));
    stand.vendor.stop().await;
    narrator.say("The vendor was stopped just now. The same desk, without it:");
    let from = options.tickets + LATER_TICKETS;
    let served = send(stand, options, narrator, from..from + LATER_TICKETS).await;
    narrator.show(&who_served(&served));
    let answered = served.iter().filter(|line| line.is_answered).count();
    let told = format!("vendor gone: {answered} of {} calls were still answered", served.len());
    stand.note(told);
    stand.vendor.resume().await?;
    narrator.say("The vendor is back.");
    stand.note("the vendor is back");
    Ok(())
}

pub(super) async fn back_again(stand: &mut Stand, options: &Options, narrator: &Narrator) -> anyhow::Result<()> {
    narrator.chapter(7, "freehold rollback: the way back");
    if !stand.moved.is_empty() {
        let generation = moves::back(&stand.store, None)?;
        await_generation(stand, generation.number).await?;
        narrator.say(&format!("generation {}: {}", generation.number, generation.reason));
        stand.note(format!("generation {}: {}", generation.number, generation.reason));
    }
    let from = options.tickets + 2 * LATER_TICKETS;
    let served = send(stand, options, narrator, from..from + LATER_TICKETS).await;
    narrator.show(&who_served(&served));
    Ok(())
}

pub(super) fn report(stand: &Stand) -> anyhow::Result<PathBuf> {
    let mut page = step_lines::report_of(&stand.store, &stand.prices)?;
    page.title = "Freehold demo: a support desk".to_owned();
    page.simulated_vendor = true;
    page.dependence.clone_from(&stand.events);
    let file = stand.folder.join("report.html");
    std::fs::write(&file, report::html(&page))?;
    Ok(file)
}

fn question(step: &str, model: &str, seed: u64) -> anyhow::Result<Question> {
    // No probe: the engine is this binary, whose own tests see to its promises.
    Ok(Question {
        incumbent: Some(format!("{VENDOR}/{}", vendor::MODEL)),
        cases_max: CASES_MAX,
        concurrency: STAFF,
        looks: Looks::Always,
        seed,
        rerun: Rerun::WherePossible,
        adapting: Adapting::ALL,
        ..Question::new(step, model, Rule::new(MARGIN, 0.95)?)
    })
}

fn steps_by_traffic(stand: &Stand) -> anyhow::Result<Vec<String>> {
    Ok(stand.store.steps()?.into_iter().map(|summary| summary.step).collect())
}

/// The first adequate model of each step, in the order fixed beforehand: smallest first.
fn cheapest_adequate(rows: &[Row]) -> Vec<(String, String)> {
    let mut chosen: Vec<(String, String)> = Vec::new();
    for row in rows {
        if row.verdict == "adequate" && chosen.iter().all(|(step, _)| *step != row.step) {
            chosen.push((row.step.clone(), row.candidate.clone()));
        }
    }
    chosen
}

async fn send(stand: &Stand, options: &Options, narrator: &Narrator, tickets: std::ops::Range<u64>) -> Vec<Served> {
    let bar = narrator.bar(tickets.end - tickets.start, "tickets");
    let tickets: Vec<_> = tickets.map(|index| business::ticket(options.seed, index, Split::Demo)).collect();
    stand.vendor.learn(tickets.iter().cloned());
    let served = futures_util::stream::iter(&tickets)
        .map(|ticket| desk::handle(&stand.client, &stand.gateway, ticket, vendor::MODEL))
        .buffer_unordered(STAFF)
        .inspect(|_| bar.inc(1))
        .collect::<Vec<_>>()
        .await;
    bar.finish_and_clear();
    served.into_iter().flatten().collect()
}

/// Returns a table: for each step of the business, who answered how many calls.
fn who_served(served: &[Served]) -> String {
    let mut counts: BTreeMap<(usize, String), u64> = BTreeMap::new();
    for line in served {
        let who = line.served_by.clone().unwrap_or_else(|| "nobody".to_owned());
        *counts.entry((line.step as usize, who)).or_default() += 1;
    }
    let name =
        |step: usize| served.iter().find(|line| line.step as usize == step).map_or("", |line| line.step.as_str());
    let rows: Vec<Vec<String>> = counts
        .iter()
        .map(|((step, who), count)| vec![name(*step).to_owned(), who.clone(), report::figures::count(*count)])
        .collect();
    report::table(
        &[("STEP", report::Align::Left), ("ANSWERED BY", report::Align::Left), ("CALLS", report::Align::Right)],
        &rows,
    )
}

async fn await_generation(stand: &Stand, number: u64) -> anyhow::Result<()> {
    loop {
        let health = stand.client.get(&format!("{}/healthz", stand.gateway)).await?;
        let health: serde_json::Value = serde_json::from_slice(&health.body)?;
        if health["generation"].as_u64().is_some_and(|served| served >= number) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

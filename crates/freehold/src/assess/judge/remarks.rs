//! What a reader must know of a judge and of the labels, in sentences.

use freehold_evidence::ppi::LABELS_FEW;
use freehold_evidence::proportion::Share;

use super::super::Trial;
use super::draw::Draw;
use super::found::Found;
use super::weigh::Weight;
use crate::names::Target;
use crate::report::figures::score as share;

/// Returns what must be known beside the decision; `name` is the judge's as the user gave it.
pub(super) fn of((who, name): (&Target, &str), trial: Trial<'_>, draw: Option<&Draw>, found: &Found) -> Vec<String> {
    let Trial { question, target, chosen } = trial;
    let mut notes = vec![told_figures(name, &found.weight)];
    let labels = found.counted.said.len();
    if labels < LABELS_FEW {
        notes.push(format!(
            "there are {labels} labels of people on cases drawn at random, and a judge makes a candidate adequate only \
             beside {LABELS_FEW}: freehold label {} --candidate {}",
            question.step, question.candidate
        ));
    }
    if draw.is_some_and(|draw| draw.is_of_a_part(chosen.cases.len())) {
        notes.push(
            "people were asked about cases of an assessment that stopped as soon as it was decided, which leans towards what \
             it found; one with --fixed does not"
                .to_owned(),
        );
    }
    if found.counted.left_out > 0 {
        notes.push(format!(
            "{} labels are left out: their cases were not drawn in the random order, or they are about other answers",
            found.counted.left_out
        ));
    }
    for (party, word) in [(target, "candidate"), (&chosen.incumbent, "incumbent")] {
        if let Some(family) = same_family(&who.model, &party.model) {
            notes.push(format!(
                "the judge and the {word} are both of the family {family}; judges favour their own family"
            ));
        }
    }
    notes
}

/// Returns the figures of a judge as a sentence.
fn told_figures(who: &str, weight: &Weight) -> String {
    let figures = &weight.figures;
    let percent = |name: &str, of: Option<Share>| {
        of.map_or(String::new(), |of| {
            format!(", {name} {} ({} to {})", share(of.share), share(of.lower), share(of.upper))
        })
    };
    let people = figures.people.map_or(String::new(), |people| {
        let kappa = people.kappa.map_or(String::new(), |kappa| format!(", kappa {kappa:.2}"));
        format!("{}{kappa}", percent("agreement with people", Some(people.share)))
    });
    let length = figures.length_adjusted.filter(|length| !length.is_extrapolated).map_or(String::new(), |length| {
        format!(
            "; its rate of wins for the candidate is {} as it came and {} at equal lengths",
            share(length.raw),
            share(length.rate)
        )
    });
    format!(
        "the judge {who} saw {} pairs in both orders, {} verdicts could not be read{}{}{}{}{people}{length}",
        figures.pairs,
        figures.unreadable,
        percent("same answer in both orders", figures.consistency),
        percent("first place preferred", figures.first_slot),
        percent("same word when asked again", figures.repeat.map(|repeat| repeat.share)),
        percent("planted bad answers not told", figures.canaries_missed)
    )
}

/// Returns the family that both models belong to, by the first word of their names.
fn same_family<'a>(one: &'a str, other: &str) -> Option<&'a str> {
    let found = family_of(one)?;
    (Some(found.to_lowercase()) == family_of(other).map(str::to_lowercase)).then_some(found)
}

fn family_of(name: &str) -> Option<&str> {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(|letter: char| !letter.is_alphabetic()).find(|word| !word.is_empty())
}

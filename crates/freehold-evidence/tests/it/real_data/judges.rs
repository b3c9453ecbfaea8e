//! Six judges on the comparisons of LLMBar: their figures as published or computed elsewhere, and who passes the gate.

use freehold_evidence::judge::{Choice, Comparison, Figures, Gate, Preference, Reason, Trial};

use super::real;

const ADVERSARIAL: [&str; 4] = ["neighbor", "gptinst", "gptout", "manual"];

/// What one judge said of the sets with one prompt, and the labels; the first output plays the candidate.
fn trial(judge: &str, sets: &[&str], prompt: &str) -> Option<(Vec<Comparison>, Vec<Option<Preference>>)> {
    let path = real("llmbar/judge.csv")?;
    let (mut comparisons, mut people) = (Vec::new(), Vec::new());
    for row in csv::Reader::from_path(path).expect("the file opens").records() {
        let row = row.expect("a row");
        if &row[2] != judge || !sets.contains(&&row[0]) || &row[3] != prompt {
            continue;
        }
        // Both columns name the output; in the second order output 2 was shown first.
        let choice = |winner: &str, first: &str| match winner {
            "" => None,
            "tie" => Some(Choice::Tie),
            winner if winner == first => Some(Choice::First),
            _ => Some(Choice::Second),
        };
        comparisons.push(Comparison { candidate_first: choice(&row[5], "1"), candidate_second: choice(&row[6], "2") });
        people.push(Some(if &row[4] == "1" { Preference::Candidate } else { Preference::Incumbent }));
    }
    Some((comparisons, people))
}

fn figures(judge: &str, sets: &[&str], prompt: &str) -> Option<Figures> {
    let (comparisons, people) = trial(judge, sets, prompt)?;
    let trial = Trial { comparisons: &comparisons, people: &people, ..Trial::default() };
    let figures = Figures::of(&trial, 0.95).expect("as many labels as comparisons");
    let kappa = figures.people.and_then(|people| people.kappa);
    println!(
        "{judge} on {sets:?}: consistent {:.3}, first slot {:.3} ({:.3} to {:.3}), kappa {kappa:.3?}",
        figures.consistency?.share, figures.first_slot?.share, figures.first_slot?.lower, figures.first_slot?.upper,
    );
    Some(figures)
}

/// Counts from the file; kappa by statsmodels 0.15 (`cohens_kappa`) on winners of both orders against labels.
#[test]
fn consistency_and_first_slot_rate_of_each_judge() {
    let plain = "Vanilla_NoRules";
    for (judge, sets, prompt, [pairs, consistent, first, verdicts, unreadable], kappa) in [
        ("ChatGPT", &["faireval"][..], plain, [66, 12, 120, 132, 0], 0.079_614_604_462_474_62),
        ("GPT-4", &["faireval"][..], plain, [66, 46, 82, 132, 0], 0.345_145_287_030_474_9),
        ("GPT-4", &["natural"], "Vanilla", [100, 95, 101, 200, 0], 0.863_547_758_284_600_5),
        ("GPT-4", &ADVERSARIAL, "Vanilla", [319, 294, 328, 638, 0], 0.574_953_912_424_480_4),
        ("ChatGPT", &ADVERSARIAL, "Vanilla", [319, 205, 421, 638, 0], -0.339_230_134_487_600_75),
        ("PaLM2", &["natural"], "Vanilla", [98, 78, 108, 196, 4], 0.565_756_823_821_340_1),
        ("LLaMA2", &["natural"], "Vanilla", [100, 79, 103, 200, 0], 0.495_459_132_189_707_33),
        ("Falcon", &["natural"], "Vanilla", [100, 52, 148, 200, 0], 0.316_939_890_710_382_6),
    ] {
        let Some(found) = figures(judge, sets, prompt) else { return };
        let (consistency, slot) = (found.consistency.expect("pairs"), found.first_slot.expect("verdicts"));
        assert_eq!((consistency.of, slot.of, found.unreadable), (pairs, verdicts, unreadable), "{judge}");
        assert!((consistency.share - consistent as f64 / pairs as f64).abs() < 1e-12, "{judge}: {consistency:?}");
        assert!((slot.share - first as f64 / verdicts as f64).abs() < 1e-12, "{judge}: {slot:?}");
        let people = found.people.and_then(|people| people.kappa).expect("labels of both kinds");
        assert!((people - kappa).abs() < 1e-8, "{judge}: {people} for {kappa}");
    }
}

/// On answers that look better than they are, a weak judge is right less often than chance.
#[test]
fn polished_wrong_answers_fool_the_weak_judge_as_published() {
    for (judge, right) in [("ChatGPT", 0.27), ("GPT-4", 0.81)] {
        let Some((comparisons, people)) = trial(judge, &ADVERSARIAL, "Vanilla") else { return };
        let for_label = |(comparison, person): (&Comparison, &Option<Preference>)| {
            comparison.score().map(|score| if *person == Some(Preference::Candidate) { score } else { 1.0 - score })
        };
        let scores: Vec<f64> = comparisons.iter().zip(&people).filter_map(for_label).collect();
        let share = scores.iter().sum::<f64>() / scores.len() as f64;
        assert!((share - right).abs() < 0.005, "{judge}: {share}");
    }
}

#[test]
fn only_the_judge_that_people_agree_with_passes_the_gate() {
    let gate = Gate::default();
    let Some(good) = figures("GPT-4", &["natural"], "Vanilla") else { return };
    assert_eq!(gate.refusals(&good, None), []);
    let refused = |judge: &str, sets: &[&str], prompt: &str| {
        figures(judge, sets, prompt).map(|figures| gate.refusals(&figures, None)).unwrap_or_default()
    };
    let placed = refused("ChatGPT", &["faireval"], "Vanilla_NoRules");
    assert!(
        matches!(
            placed[..],
            [Reason::Inconsistent { .. }, Reason::FavoursAPlace { .. }, Reason::DisagreesWithPeople { .. }]
        ),
        "{placed:?}"
    );
    assert_eq!(placed[0].to_string(), "it names the same answer in both orders in 18 % of pairs, below 80 %");
    // Consistent and fair to both places, and still not of people's mind on hard pairs.
    let hard = refused("GPT-4", &ADVERSARIAL, "Vanilla");
    assert!(matches!(hard[..], [Reason::DisagreesWithPeople { .. }]), "{hard:?}");
    for judge in ["ChatGPT", "PaLM2", "LLaMA2", "Falcon"] {
        assert!(!refused(judge, &["natural"], "Vanilla").is_empty(), "{judge}");
    }
}

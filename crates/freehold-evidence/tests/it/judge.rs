//! A model as a judge: reading its verdicts, its figures against independent computations, and what it may not decide.

use freehold_evidence::decision::{Pair, Rule, Verdict, decide};
use freehold_evidence::judge::{
    Choice, Comparison, Figures, Gate, Preference, Reason, Trial, admit, agreement, length_adjusted, repetition,
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FIRST: Option<Choice> = Some(Choice::First);
const SECOND: Option<Choice> = Some(Choice::Second);
const TIE: Option<Choice> = Some(Choice::Tie);

fn said(candidate_first: Option<Choice>, candidate_second: Option<Choice>) -> Comparison {
    Comparison { candidate_first, candidate_second }
}

/// A judge that prefers the candidate in both orders, or the incumbent.
fn wins() -> Comparison {
    said(FIRST, SECOND)
}

fn loses() -> Comparison {
    said(SECOND, FIRST)
}

fn figures(trial: &Trial<'_>) -> Figures {
    Figures::of(trial, 0.95).expect("lists of one length")
}

#[test]
fn stated_choices_are_read() {
    for (text, expected) in [
        (r#"{"winner": "1"}"#, FIRST),
        (r#"{"winner":2,"reason":"answer 1 is wrong"}"#, SECOND),
        (r#"{"reason": "both fine", "winner": "tie"}"#, TIE),
        ("The format is {\"winner\": \"1\"}.\n```json\n{\"winner\": \"B\"}\n```", SECOND),
        (r#"{"verdict": "answer a"}"#, FIRST),
        (r#"{"winner": {"winner": "Output (b)"}}"#, SECOND),
        ("I weigh {x} and [y].\nWinner: 2", SECOND),
        ("Answer 2 is worse.\n\n**Verdict: A**\n\n---\n", FIRST),
        ("[[A]]", FIRST),
        ("[[C]]", TIE),
        ("tie", TIE),
        ("a", FIRST),
        ("Output (b)", SECOND),
        ("Response B is better.", SECOND),
        ("The second answer is more helpful.", SECOND),
        ("They are equal.", TIE),
        ("model1", FIRST),
        ("1", FIRST),
    ] {
        assert_eq!(Choice::read(text), expected, "{text}");
    }
}

#[test]
fn what_states_no_one_choice_is_not_guessed_at() {
    for text in [
        "",
        "  \n---\n",
        "I cannot judge this.",
        "Answer 1 is better than answer 2.",
        "This is not a tie.",
        "A fine pair of answers.",
        "I answer a question.",
        "Answer 1: 8/10",
        "8/10",
        r#"{"winner": "neither 1 nor 2"}"#,
        r#"{"winner": 3}"#,
        r#"{"winner": null} 1"#,
        r#"{"winner": "3"} and so 1"#,
        "First, let me think.",
        &"answer 1 ".repeat(100),
        &"{".repeat(100_000),
    ] {
        assert_eq!(Choice::read(text), None, "{text}");
    }
}

#[test]
fn score_is_the_average_over_both_orders() {
    let cases = [
        (wins(), Some(1.0), Some(Preference::Candidate), Some(true)),
        (loses(), Some(0.0), Some(Preference::Incumbent), Some(true)),
        (said(FIRST, FIRST), Some(0.5), Some(Preference::Tie), Some(false)),
        (said(SECOND, SECOND), Some(0.5), Some(Preference::Tie), Some(false)),
        (said(TIE, TIE), Some(0.5), Some(Preference::Tie), Some(true)),
        (said(FIRST, TIE), Some(0.75), Some(Preference::Candidate), Some(false)),
        (said(TIE, FIRST), Some(0.25), Some(Preference::Incumbent), Some(false)),
        (said(None, SECOND), None, None, None),
        (said(FIRST, None), None, None, None),
    ];
    for (comparison, score, preference, consistent) in cases {
        let found = (comparison.score(), comparison.preference(), comparison.is_consistent());
        assert_eq!(found, (score, preference, consistent), "{comparison:?}");
    }
}

#[test]
fn figures_count_what_was_said() {
    let comparisons = [wins(), loses(), said(FIRST, FIRST), said(FIRST, None), said(TIE, TIE), said(None, None)];
    let found = figures(&Trial { comparisons: &comparisons, ..Trial::default() });
    assert_eq!((found.pairs, found.unreadable), (6, 3));
    let consistency = found.consistency.expect("four pairs with both verdicts");
    assert_eq!((consistency.share, consistency.of), (0.75, 4));
    // Of seven verdicts that are no tie, five name the first place.
    let first = found.first_slot.expect("verdicts");
    assert_eq!((first.share, first.of), (5.0 / 7.0, 7));
    assert_eq!(found.score.map(|score| (score.share, score.of)), Some((0.5, 4)));
    assert!(found.people.is_none() && found.repeat.is_none() && found.length_adjusted.is_none());

    let nothing = figures(&Trial { comparisons: &[said(None, None)], ..Trial::default() });
    assert!(nothing.score.is_none() && nothing.consistency.is_none() && nothing.first_slot.is_none());
    let none = figures(&Trial::default());
    assert!(none.score.is_none() && none.pairs == 0 && !Gate::default().refusals(&none, None).is_empty());
}

#[test]
fn lists_of_other_lengths_are_refused() {
    let comparisons = [wins(), loses()];
    let lengths = [(1.0, 2.0)];
    let error = Figures::of(&Trial { comparisons: &comparisons, lengths: &lengths, ..Trial::default() }, 0.95)
        .expect_err("one length for two comparisons");
    assert_eq!(error.to_string(), "1 lengths for 2 comparisons");
}

/// A judge that looks at the place only says the same thing twice on each pair: its verdicts count half as often.
#[test]
fn first_slot_limits_take_the_pair_as_one() {
    let comparisons: Vec<Comparison> =
        (0..100).map(|n| if n % 10 < 6 { said(FIRST, FIRST) } else { said(SECOND, SECOND) }).collect();
    let rate = figures(&Trial { comparisons: &comparisons, ..Trial::default() }).first_slot.expect("verdicts");
    // 100 independent pairs: 1.660391 * sqrt(0.24 / 99).
    let half = 1.660_391 * (0.24_f64 / 99.0).sqrt();
    assert!((rate.share - 0.6).abs() < 1e-12 && (rate.upper - 0.6 - half).abs() < 1e-6, "{rate:?}");
}

/// Kappa and its error of the same table by statsmodels 0.15 (`cohens_kappa`, `std_kappa`).
#[test]
fn kappa_matches_an_independent_computation() {
    let counts = [[44, 5, 1], [7, 20, 3], [9, 5, 6]];
    let kinds = [Preference::Candidate, Preference::Incumbent, Preference::Tie];
    let (mut one, mut other) = (vec![None, Some(Preference::Tie)], vec![Some(Preference::Tie), None]);
    for (row, counts) in counts.iter().enumerate() {
        for (column, count) in counts.iter().enumerate() {
            one.extend(std::iter::repeat_n(Some(kinds[row]), *count));
            other.extend(std::iter::repeat_n(Some(kinds[column]), *count));
        }
    }
    let found = agreement(&one, &other, 0.95).expect("a hundred pairs rated by both");
    assert_eq!((found.share.share, found.share.of), (0.7, 100));
    assert!((found.kappa.expect("defined") - 0.491_525_423_728_813_47).abs() < 1e-12, "{found:?}");
    assert!((found.kappa_error.expect("defined") - 0.072_127_459_293_340_68).abs() < 1e-12, "{found:?}");

    let alike = [Some(Preference::Tie); 5];
    let found = agreement(&alike, &alike, 0.95).expect("five pairs");
    assert_eq!((found.share.share, found.kappa), (1.0, None));
    assert!(agreement(&[None], &[Some(Preference::Tie)], 0.95).is_none());
}

/// The same fit by statsmodels 0.15: `GLM(..., Binomial()).fit(cov_type="HC0")` on tanh(d / d.std(ddof=1)).
#[test]
fn length_adjustment_matches_an_independent_fit() {
    let differences =
        [120.0, -40.0, 300.0, 80.0, -210.0, 15.0, 60.0, -90.0, 400.0, 33.0, -12.0, 150.0, -300.0, 220.0, 5.0];
    let scores = [1.0, 0.0, 1.0, 0.5, 0.0, 1.0, 0.5, 0.0, 1.0, 0.0, 1.0, 1.0, 0.5, 0.0, 1.0];
    let found = length_adjusted(&scores, &differences, 0.95).expect("it can be fitted");
    for (value, expected) in [
        (found.raw, 0.566_666_666_666_666_7),
        (found.rate, 0.510_488_530_832_490_5),
        (found.lower, 0.318_886_762_233_360_6),
        (found.upper, 0.699_057_349_865_095_6),
        (found.length_effect, 1.510_989_148_404_554),
        (found.length_difference, 48.733_333_333_333_334),
    ] {
        assert!((value - expected).abs() < 1e-8, "{value} for {expected}");
    }
    assert!(!found.is_extrapolated);
}

#[test]
fn length_that_decides_or_never_varies_cannot_be_taken_out() {
    let differences = [-2.0, -1.0, 1.0, 2.0];
    assert_eq!(length_adjusted(&[0.0, 0.0, 1.0, 1.0], &differences, 0.95), None);
    assert_eq!(length_adjusted(&[1.0; 4], &differences, 0.95), None);
    assert_eq!(length_adjusted(&[1.0, 0.0, 1.0, 0.0], &[3.0; 4], 0.95), None);
    assert_eq!(length_adjusted(&[], &[], 0.95), None);
    assert_eq!(length_adjusted(&[1.0], &[2.0, 3.0], 0.95), None);
    assert_eq!(length_adjusted(&[1.0, 0.0], &[f64::NAN, 3.0], 0.95), None);
}

/// A judge that pays for length alone: the raw rate calls the longer candidate better, the adjusted one does not.
#[test]
fn preference_for_length_is_taken_out() {
    let mut random = ChaCha8Rng::seed_from_u64(61);
    let differences: Vec<f64> = (0..4_000).map(|_| 60.0 + 200.0 * (2.0 * random.random::<f64>() - 1.0)).collect();
    let score = |difference: &f64| {
        let chance = 1.0 / (1.0 + (-1.5 * (difference / 115.0).tanh()).exp());
        f64::from(u8::from(random.random::<f64>() < chance))
    };
    let scores: Vec<f64> = differences.iter().map(score).collect();
    let found = length_adjusted(&scores, &differences, 0.95).expect("it can be fitted");
    assert!(found.raw > 0.55 && found.lower < 0.5 && found.upper > 0.5 && !found.is_extrapolated, "{found:?}");
    let far: Vec<f64> = differences.iter().map(|difference| difference + 130.0).collect();
    assert!(length_adjusted(&scores, &far, 0.95).expect("it can be fitted").is_extrapolated);
}

fn labelled(kinds: &[Comparison]) -> Vec<Option<Preference>> {
    kinds.iter().map(Comparison::preference).collect()
}

#[test]
fn good_judge_passes_the_gate() {
    let comparisons: Vec<Comparison> = (0..60).map(|n| if n % 2 == 0 { wins() } else { loses() }).collect();
    let people = labelled(&comparisons);
    let found = figures(&Trial { comparisons: &comparisons, people: &people, ..Trial::default() });
    assert_eq!(Gate::default().refusals(&found, None), []);
}

#[test]
fn gate_names_every_reason() {
    // Looks at the place in four pairs of ten, else disagrees with people as often as not.
    let comparisons: Vec<Comparison> = (0..60)
        .map(|n| match n % 10 {
            0..5 => said(FIRST, FIRST),
            5 => said(None, FIRST),
            6 | 7 => wins(),
            _ => loses(),
        })
        .collect();
    let people: Vec<_> = (0..60).map(|n| Some([Preference::Candidate, Preference::Incumbent][n % 2])).collect();
    let canaries = [wins(), loses(), said(None, FIRST)];
    let trial = Trial { comparisons: &comparisons, people: &people, canaries: &canaries, ..Trial::default() };
    let mut answers = vec!["the same"; 20];
    let honest: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let honest: Vec<&str> = honest.iter().map(String::as_str).collect();
    let repeated = repetition(&answers, &honest).expect("answers");
    let gate = Gate { unreadable_max: 0.01, ..Gate::default() };
    let reasons = gate.refusals(&figures(&trial), Some(&repeated));
    assert!(
        matches!(
            reasons[..],
            [
                Reason::Inconsistent { .. },
                Reason::FavoursAPlace { .. },
                Reason::Unreadable { .. },
                Reason::DisagreesWithPeople { .. },
                Reason::MissesCanaries { .. },
                Reason::Repetitive { .. },
            ]
        ),
        "{reasons:?}"
    );
    assert_eq!(reasons[0].to_string(), "it names the same answer in both orders in 44 % of pairs, below 80 %");

    let few = figures(&Trial { comparisons: &comparisons[..10], ..Trial::default() });
    let reasons = Gate::default().refusals(&few, None);
    assert!(matches!(reasons[0], Reason::FewPairs { pairs: 9, least: 30 }), "{reasons:?}");
    assert!(reasons.contains(&Reason::FewLabels { labels: 0, least: 30 }), "{reasons:?}");
    answers.truncate(9);
    assert!(!repetition(&answers, &honest).expect("answers").is_suspect);
}

#[test]
fn constant_answers_are_suspect_and_few_labels_are_not() {
    let honest: Vec<String> = (0..50).map(|n| format!("answer {n}")).collect();
    let constant = vec!["Structure\" is all you need ".to_owned(); 50];
    let found = repetition(&constant, &honest).expect("answers");
    assert!(found.is_suspect && found.most_frequent_share == 1.0 && found.distinct_ratio == 0.02, "{found:?}");
    let labels = |shift: usize| (0..50).map(|n| ["yes", "no", "maybe"][(n + shift) % 3].to_owned()).collect::<Vec<_>>();
    assert!(!repetition(&labels(1), &labels(0)).expect("answers").is_suspect);
    assert_eq!(repetition::<&str>(&[], &["a"]), None);
}

#[test]
fn judge_alone_never_makes_adequate() {
    let rule = Rule::new(0.05, 0.95).expect("legal");
    let decided = |score: f64| {
        let pair = |n: usize| Pair { case: n.to_string(), incumbent: 0.5, candidate: score, cluster: None };
        decide(&(0..200).map(pair).collect::<Vec<_>>(), &rule).expect("legal")
    };
    let (good, bad) = (decided(0.75), decided(0.1));
    assert_eq!((good.verdict, bad.verdict), (Verdict::Adequate, Verdict::NotAdequate));

    let alone = admit(good.clone(), &[], None);
    assert_eq!((alone.verdict, alone.more_needed), (Verdict::Undecided, None));
    assert!(alone.notes.last().is_some_and(|note| note.starts_with("a judge alone")), "{:?}", alone.notes);
    assert_eq!(admit(bad.clone(), &[], None), bad);
    assert_eq!(admit(good.clone(), &[], Some(Verdict::Adequate)), good);
    for other in [Verdict::Undecided, Verdict::NotAdequate] {
        assert_eq!(admit(good.clone(), &[], Some(other)).verdict, Verdict::Undecided);
    }
    // A judge that is not believed decides neither way.
    let refusal = Reason::Inconsistent { share: 0.5, least: 0.8 };
    for decision in [good, bad] {
        let refused = admit(decision, &[refusal], Some(Verdict::Adequate));
        assert_eq!(refused.verdict, Verdict::Undecided);
        assert!(refused.notes.last().is_some_and(|note| note.contains("50 % of pairs")), "{:?}", refused.notes);
    }
}

fn any_choice() -> impl Strategy<Value = Option<Choice>> {
    prop::sample::select(vec![FIRST, SECOND, TIE, None])
}

proptest! {
    #[test]
    fn any_text_is_read_without_harm(text in "\\PC*|[\\[\\]{}\":, \n12abAB]*|(winner|answer|tie|not|[12AB]|[ \n:]){0,12}") {
        let read = Choice::read(&text);
        prop_assert!(read.is_none() || text.contains(|character: char| character.is_alphanumeric()));
    }

    /// Exchanging the models mirrors the score and leaves the figures of the judge alone.
    #[test]
    fn exchanging_the_models_mirrors_the_score(said_each in prop::collection::vec((any_choice(), any_choice()), 1..60)) {
        let comparisons: Vec<_> = said_each.iter().map(|(one, other)| said(*one, *other)).collect();
        let mirrored: Vec<_> = said_each.iter().map(|(one, other)| said(*other, *one)).collect();
        for (one, other) in comparisons.iter().zip(&mirrored) {
            prop_assert_eq!(one.score().map(|score| 1.0 - score), other.score());
            prop_assert_eq!(one.is_consistent(), other.is_consistent());
        }
        let (one, other) = (
            figures(&Trial { comparisons: &comparisons, ..Trial::default() }),
            figures(&Trial { comparisons: &mirrored, ..Trial::default() }),
        );
        prop_assert_eq!((one.consistency, one.first_slot, one.unreadable), (other.consistency, other.first_slot, other.unreadable));
        for share in [one.consistency, one.first_slot, one.score].into_iter().flatten() {
            prop_assert!(0.0 <= share.lower && share.lower <= share.share + 1e-12);
            prop_assert!(share.share <= share.upper + 1e-12 && share.upper <= 1.0);
        }
    }

    /// Kappa does not depend on who is named first, and is 1 exactly where all agree and both kinds occur.
    #[test]
    fn kappa_is_symmetric(rated in prop::collection::vec((0_usize..3, 0_usize..3), 2..80)) {
        let kinds = [Preference::Candidate, Preference::Incumbent, Preference::Tie];
        let one: Vec<_> = rated.iter().map(|(one, _)| Some(kinds[*one])).collect();
        let other: Vec<_> = rated.iter().map(|(_, other)| Some(kinds[*other])).collect();
        let (there, back) = (agreement(&one, &other, 0.95), agreement(&other, &one, 0.95));
        let (there, back) = (there.expect("pairs"), back.expect("pairs"));
        prop_assert!((there.kappa.unwrap_or(1.0) - back.kappa.unwrap_or(1.0)).abs() < 1e-12);
        prop_assert!((there.kappa_error.unwrap_or(0.0) - back.kappa_error.unwrap_or(0.0)).abs() < 1e-9);
        prop_assert!(there.kappa.unwrap_or(1.0) <= 1.0 + 1e-12);
        let itself = agreement(&one, &one, 0.95).expect("pairs");
        prop_assert!((itself.kappa.unwrap_or(1.0) - 1.0).abs() < 1e-9);
    }
}

/// Asked again about some pairs only; the others say nothing of how constant it is.
#[test]
fn judge_that_contradicts_itself_when_asked_again_is_refused() {
    let comparisons = vec![wins(); 60];
    let people: Vec<_> = vec![Some(Preference::Candidate); 60];
    let repeated = |same: usize| -> Vec<Comparison> {
        (0..60)
            .map(|n| {
                if n < same {
                    wins()
                } else if n < 20 {
                    loses()
                } else {
                    said(None, None)
                }
            })
            .collect()
    };
    let refusals = |same: usize| {
        let repeat = repeated(same);
        let trial = Trial { comparisons: &comparisons, people: &people, repeat: &repeat, ..Trial::default() };
        let gate = Gate { kappa_min: 0.0, first_slot_distance_max: 1.0, ..Gate::default() };
        gate.refusals(&figures(&trial), None)
    };
    assert_eq!(refusals(16), [], "80 % of the twenty that were asked again");
    assert_eq!(refusals(15), [Reason::DisagreesWithItself { share: 0.75, least: 0.8 }]);
}

//! The generator's promises: disjoint splits, gold that follows from the text, and the same ticket every time.

use std::collections::HashSet;

use super::*;

const SPLITS: [Split; 3] = [Split::Train, Split::Tune, Split::Demo];

fn tickets(split: Split, count: u64) -> impl Iterator<Item = Ticket> {
    (0..count).map(move |index| ticket(11, index, split))
}

fn earlier(ticket: &Ticket) -> Earlier<'_> {
    Earlier { triage: &ticket.gold.triage, extract: &ticket.gold.extract, decision: &ticket.gold.decide }
}

#[test]
fn same_arguments_give_the_same_ticket() {
    for split in SPLITS {
        for index in 0..50 {
            assert_eq!(ticket(3, index, split), ticket(3, index, split));
        }
        assert_ne!(ticket(3, 0, split).text, ticket(4, 0, split).text);
    }
}

/// The committed models learned from such tickets, and were scored on such.
#[test]
fn tickets_are_those_that_the_models_were_made_with() {
    let digest = |split| {
        tickets(split, 100).fold(0, |digest, ticket| {
            mixed(digest ^ fnv1a(serde_json::to_string(&ticket).expect("a ticket is JSON").as_bytes()))
        })
    };
    assert_eq!(SPLITS.map(digest), [6_789_867_834_524_760_519, 14_488_970_723_456_358_954, 18_344_242_535_653_054_452]);
}

#[test]
fn splits_share_no_text() {
    let mut seen: HashSet<String> = HashSet::new();
    for (split, count) in [(Split::Train, 4500), (Split::Tune, 250), (Split::Demo, 250)] {
        let texts: HashSet<String> = tickets(split, count).map(|ticket| ticket.text).collect();
        assert!(texts.iter().all(|text| Split::of(text) == split));
        assert!(texts.is_disjoint(&seen));
        assert!(texts.len() as u64 * 100 > count * 99, "texts hardly repeat: {} of {count}", texts.len());
        seen.extend(texts);
    }
}

#[test]
fn held_out_phrases_reach_every_split_but_training() {
    let held_out = |text: &str| {
        ["hammock", "lantern", "Mirela", "Kowalski", "Seville", "solicitor"].iter().any(|word| text.contains(word))
    };
    assert!(!tickets(Split::Train, 1500).any(|ticket| held_out(&ticket.text)));
    assert!(tickets(Split::Demo, 250).filter(|ticket| held_out(&ticket.text)).count() > 5);
}

#[test]
fn every_extracted_value_stands_in_the_text() {
    for split in SPLITS {
        for ticket in tickets(split, 300) {
            for (field, value) in ticket.gold.extract.as_object().expect("an object") {
                let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                assert!(value.is_null() || ticket.text.contains(&written), "{field} {written} in {}", ticket.text);
            }
            let address = ticket.facts.address.as_ref();
            assert!(address.is_none_or(|address| ticket.text.contains(address)));
        }
    }
}

#[test]
fn gold_reply_holds_its_facts_in_every_wording() {
    use rand_chacha::ChaCha8Rng;
    for ticket in tickets(Split::Train, 500) {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for wording in [gold_answer(StepName::Reply, &ticket), paraphrase(StepName::Reply, &ticket, &mut rng)] {
            let Answer::Text(text) = wording else { panic!("a reply is text") };
            for fact in reply_facts(&ticket) {
                assert!(text.contains(&fact), "{fact} in {text}");
            }
            assert!(!text.contains(['{', '[', '~', '|']), "{text}");
        }
    }
}

#[test]
fn texts_hold_no_marks_of_the_notation() {
    for split in SPLITS {
        for ticket in tickets(split, 300) {
            assert!(!ticket.text.contains(['{', '}', '[', ']', '~', '|']), "{}", ticket.text);
        }
    }
}

#[test]
fn mistakes_differ_from_gold() {
    use rand_chacha::ChaCha8Rng;
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for ticket in tickets(Split::Demo, 200) {
        for step in [StepName::Triage, StepName::Extract, StepName::Decide] {
            assert_ne!(mistake(step, &ticket, &mut rng), gold_answer(step, &ticket), "{step:?} {}", ticket.text);
        }
        let Answer::Text(text) = mistake(StepName::Reply, &ticket, &mut rng) else { panic!("a reply is text") };
        let facts = reply_facts(&ticket);
        assert!(facts.is_empty() || facts.iter().any(|fact| !text.contains(fact)), "{facts:?} in {text}");
    }
}

#[test]
fn paraphrases_vary_the_reply_alone() {
    use rand_chacha::ChaCha8Rng;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let ticket = ticket(1, 0, Split::Demo);
    let wordings: HashSet<String> =
        (0..40).map(|_| format!("{:?}", paraphrase(StepName::Reply, &ticket, &mut rng))).collect();
    assert!(wordings.len() > 3);
    for step in [StepName::Triage, StepName::Extract, StepName::Decide] {
        assert_eq!(paraphrase(step, &ticket, &mut rng), gold_answer(step, &ticket));
    }
}

#[test]
fn requests_give_their_ticket_back() {
    for ticket in tickets(Split::Demo, 100) {
        for step in StepName::ALL {
            let request = request(step, &ticket, earlier(&ticket), "m");
            assert_eq!(ticket_text(&request), Some(ticket.text.as_str()));
        }
    }
    assert_eq!(ticket_text(&json!({"input": "x"})), None);
}

#[test]
fn policy_covers_every_tool() {
    let tools: HashSet<String> = tickets(Split::Train, 500)
        .map(|ticket| ticket.gold.decide["name"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(tools.len(), 6, "{tools:?}");
}

#[test]
fn all_categories_and_priorities_occur() {
    let triages: HashSet<String> = tickets(Split::Tune, 300).map(|ticket| ticket.gold.triage.to_string()).collect();
    for name in Category::ALL.map(Category::as_str).into_iter().chain(Priority::ALL.map(Priority::as_str)) {
        assert!(triages.iter().any(|triage| triage.contains(name)), "{name}");
    }
}

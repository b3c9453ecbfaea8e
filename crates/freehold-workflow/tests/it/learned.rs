//! Steps that are learned from traffic: how well, within which bounds, and what never changes.

use std::collections::{BTreeMap, BTreeSet};

use freehold_wire::{Message, Part, Request, Role};
use freehold_workflow::{Heads, Marks, StepBy, Steps, identify};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::steps::with_system;

#[path = "../../examples/identity/score.rs"]
mod score;
#[expect(dead_code, reason = "the list of what varies is for tables")]
#[path = "../../examples/identity/stream.rs"]
mod stream;
#[path = "../../examples/identity/words.rs"]
mod words;

use stream::{Change, Sent, Shape};

fn sent(shape: Shape, seed: u64) -> Vec<Sent> {
    stream::stream(shape, &mut ChaCha8Rng::seed_from_u64(seed))
}

/// Identifies and learns at once; returns the id and how it was found.
fn step(steps: &Steps, request: &Request) -> (String, StepBy) {
    let identity = steps.identify(request, Marks::default(), &mut Heads::default());
    steps.learn(usize::MAX);
    (identity.step, identity.by)
}

/// The measurement of `examples/identity`.
#[test]
fn calls_are_told_apart_by_step() {
    for seed in [1, 2] {
        let sent = sent(Shape { sites: 200, calls: 8_000 }, seed);
        let given = score::identified(&Steps::new(seed), &sent);
        let all = score::of_stream(&given.resolved, &sent, None);
        let passages = score::of_stream(&given.resolved, &sent, Some(Change::Passages));
        println!("{all:?}, passages {:.3}", passages.f1());
        assert!(all.precision >= 0.97 && all.recall >= 0.93, "seed {seed}: {all:?}");
        assert!(passages.f1() >= 0.8, "seed {seed}: {passages:?}");
        let at_once = score::of_stream(&given.at_once, &sent, None);
        assert!(at_once.precision >= 0.97, "seed {seed}: {at_once:?}");
    }
}

/// An id that became another name of a step is given to no call any more, and names no step of its own.
#[test]
fn aliases_end_in_steps() {
    let sent = sent(Shape { sites: 60, calls: 2_000 }, 4);
    let (steps, mut heads) = (Steps::new(4), Heads::default());
    let mut aliases = BTreeMap::new();
    for call in &sent {
        let id = steps.identify(&call.request, Marks::default(), &mut heads).step;
        assert!(!aliases.contains_key(&id), "{id} was an alias");
        steps.learn(usize::MAX);
        for alias in steps.take_aliases() {
            assert_ne!(alias.from, alias.to);
            assert_eq!(aliases.insert(alias.from.to_string(), alias.to.to_string()), None, "{}", alias.from);
        }
    }
    assert!(aliases.len() > 50, "{}", aliases.len());
    assert!(aliases.values().all(|step| !aliases.contains_key(step)));
}

/// What stores and routes know a static prompt by stays its id however often it comes.
#[test]
fn static_prompts_keep_the_id_of_their_head() {
    let steps = Steps::new(1);
    let prompts = ["You triage support tickets. Answer with one word.", "You write replies to customers. Be friendly."];
    for _ in 0..50 {
        for prompt in prompts {
            let request = with_system(prompt);
            assert_eq!(step(&steps, &request), (identify(&request, Marks::default()).step, StepBy::Head));
        }
    }
    assert_eq!(steps.take_aliases(), []);
}

/// Siblings that differ in a word, or in a small number, are steps of their own from the first call on.
#[test]
fn siblings_are_kept_apart() {
    let steps = Steps::new(1);
    let rest = "Read the question with care, look at the material that came with it, and answer in full sentences.\nNever guess.";
    let mut ids = BTreeSet::new();
    for _ in 0..40 {
        for of in ["a tutor for grade 5", "a tutor for grade 6", "a nurse for grade 6"] {
            ids.insert(step(&steps, &with_system(&format!("You are {of}.\n{rest}"))).0);
        }
    }
    assert_eq!(ids.len(), 3, "{ids:?}");
}

fn dated(day: usize) -> Request {
    with_system(&format!(
        "You plan the deliveries of a bakery.\nToday is {} May 2026, 10:{day}.\nNever plan two tours at once.",
        day % 28 + 1
    ))
}

#[test]
fn dates_and_ids_change_no_step() {
    let steps = Steps::new(1);
    let ids: BTreeSet<String> = (10..60).map(|day| step(&steps, &dated(day)).0).collect();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), [identify(&dated(10), Marks::default()).step]);
}

fn greeting(nth: usize) -> Request {
    let name = format!("{}{}", words::FIRST_NAMES[nth % 40], words::COMPANIES[nth / 40 % 40].to_lowercase());
    with_system(&format!("You help {name} with all questions about the contract.\nStay polite.\nName the clause."))
}

/// The calls that came before it was known are found by their aliases, and later ones at once.
#[test]
fn one_off_values_are_learned_to_be_variables() {
    let steps = Steps::new(1);
    let ids: Vec<String> = (0..80).map(|nth| step(&steps, &greeting(nth)).0).collect();
    assert!(ids[20..].iter().all(|id| *id == ids[20]), "{ids:?}");
    let aliases: BTreeSet<String> = steps.take_aliases().iter().map(|alias| alias.from.to_string()).collect();
    assert!(ids[..20].iter().all(|id| *id == ids[20] || aliases.contains(id)), "{ids:?} {aliases:?}");
}

#[test]
fn locked_ids_stay_whatever_is_learned() {
    let steps = Steps::new(1);
    let locked = identify(&greeting(3), Marks::default()).step;
    steps.lock([locked.as_str()]);
    let ids: Vec<String> = (0..80).map(|nth| step(&steps, &greeting(nth)).0).collect();
    assert_eq!(ids[3], locked);
    assert!(steps.take_aliases().iter().all(|alias| *alias.from != *locked));
    assert_eq!(step(&steps, &greeting(3)), (locked.clone(), StepBy::Head));
    assert_ne!(step(&steps, &greeting(90)).0, locked);
}

/// What was learned outlives the process: every call is found as it would have been without the break.
#[test]
fn learned_state_is_taken_up_again() {
    let sent = sent(Shape { sites: 60, calls: 3_000 }, 5);
    let (learned, calls) = sent.split_at(2_000);
    let steps = Steps::new(7);
    for call in learned {
        step(&steps, &call.request);
    }
    let state = steps.state();
    let restored = Steps::restored(&state).expect("what was written is read");
    let mut templates = 0;
    for call in calls {
        let found = |steps: &Steps| steps.identify(&call.request, Marks::default(), &mut Heads::default());
        let identity = found(&steps);
        templates += usize::from(identity.by == StepBy::Template);
        assert_eq!(found(&restored), identity);
    }
    assert!(templates > 100, "{templates}");
    for damaged in [&state[1..], &state[..state.len() - 1], &[], b"fhsteps1"] {
        assert!(Steps::restored(damaged).is_err());
    }
    let mut damaged = state;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    assert!(Steps::restored(&damaged).is_err());
}

#[test]
fn merged_steps_are_the_ones_they_were_merged_into() {
    let steps = Steps::new(1);
    let request = with_system("You triage support tickets. Answer with one word.");
    let id = identify(&request, Marks::default()).step;
    steps.merge([(id.clone(), "triage".to_owned()), ("sort".to_owned(), "triage".to_owned())].into());
    assert_eq!(step(&steps, &request).0, "triage");
    let named = Marks { step: Some("sort"), ..Marks::default() };
    assert_eq!(steps.identify(&request, named, &mut Heads::default()).step, "triage");
    steps.merge([].into());
    assert_eq!(step(&steps, &request).0, id);
}

/// Where the system text says nothing, what the first turns have in common tells the steps apart.
#[test]
fn first_turns_tell_steps_of_generic_prompts() {
    let steps = Steps::new(1);
    let asked = |task: &str, nth: usize| {
        let text = format!("{task}\n{}", words::SUBJECTS[nth % 20].repeat(nth + 1));
        let messages = vec![Message { role: Role::User, parts: vec![Part::Text(text)] }];
        Request { messages, ..with_system("You are a helpful assistant.") }
    };
    let tasks = ["Summarize the following message in one line.", "Translate the following message to Dutch, please."];
    let mut last = BTreeSet::new();
    for nth in 0..40 {
        last = tasks.iter().map(|task| step(&steps, &asked(task, nth)).0).collect();
    }
    assert_eq!(last.len(), 2, "{last:?}");
}

/// One-off prompts neither fill the memory nor make a step each for ever.
#[test]
fn one_off_prompts_are_bounded() {
    let steps = Steps::new(1);
    let mut ids = BTreeSet::new();
    for nth in 0..14_000_u64 {
        let word = |at: u64| char::from(b'a' + ((nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (5 * at)) % 26) as u8);
        let word: String = (0..12).map(word).collect();
        ids.insert(step(&steps, &with_system(&format!("The {word} of it."))).0);
    }
    assert!(ids.len() <= 10_001, "{}", ids.len());
    assert!(ids.contains("openai-chat-various-000000"));
    // One of those comes again, and so becomes a step.
    let again = with_system("Some other prompt that comes twice.");
    assert_eq!(step(&steps, &again).0, "openai-chat-various-000000");
    step(&steps, &again);
    assert_eq!(step(&steps, &again).0, identify(&again, Marks::default()).step);
}

#[test]
fn a_prompt_of_five_megabytes_is_cut() {
    let steps = Steps::new(1);
    let mut request = with_system(&"Some words of it. ".repeat(300_000));
    assert_eq!(step(&steps, &request).0, identify(&request, Marks::default()).step);
    assert!(steps.figures().edges < 1_000, "{:?}", steps.figures());
    request.system.push('x');
    assert_ne!(step(&steps, &request).0, identify(&with_system("Some words of it."), Marks::default()).step);
}

/// Many at once that are not learned from in time are counted.
#[test]
fn what_cannot_be_learned_is_counted() {
    let (steps, mut heads) = (Steps::new(1), Heads::default());
    let long: String = (0..190).map(|nth| format!("Line {} of it.\n", "x".repeat(nth + 1))).collect();
    for _ in 0..4_000 {
        steps.identify(&with_system(&long), Marks::default(), &mut heads);
    }
    assert!(steps.figures().unlearned > 0);
    assert_eq!(steps.figures().heads, 0);
    steps.learn(1);
    assert_eq!(steps.figures().heads, 1);
}

//! The screen without a terminal: what keys do, what is drawn at any size, and what recorded text cannot do.

use freehold_store::{AssessmentHead, Label, Preference, Replay, Said, Store};
use freehold_wire::Answer;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::draw::{Canvas, draw};
use super::keys::Key;
use super::queue::Queue;
use super::session::{Next, Session};
use crate::report::ColorChoice;

const STEP: &str = "mail";

/// A store with one call a text, in which the candidate answers the same text in capitals.
fn store(texts: &[&str]) -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let head = AssessmentHead {
        id: "one".to_owned(),
        at_ms: 1,
        step: STEP.to_owned(),
        candidate: "desk".to_owned(),
        incumbent: "import/large".to_owned(),
        plan: Value::Null,
    };
    store.begin_assessment(&head).unwrap();
    for (number, text) in texts.iter().enumerate() {
        let id = format!("c{number}");
        let message = json!({"role": "assistant", "content": text});
        let messages = json!([{"role": "system", "content": "You answer mail."}, {"role": "user", "content": format!("question {number}")}]);
        let line = json!({
            "id": id, "api": "openai.chat", "step": STEP,
            "request": {"model": "large", "messages": messages},
            "response": {"id": "x", "object": "chat.completion", "model": "large", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]},
        });
        store.import(&[crate::import::call_of(&line.to_string(), 7).unwrap()]).unwrap();
        let answer = Some(Answer { text: text.to_uppercase(), ..Answer::default() });
        let replay =
            Replay { case: id, arm: "candidate".to_owned(), answer, failure: None, total_us: 1, first_byte_us: None };
        store.add_replays("one", &[replay]).unwrap();
    }
    (home, store)
}

fn canvas(rows: usize, columns: usize) -> Canvas {
    Canvas { rows, columns, color: ColorChoice::Never }
}

fn said(store: &Store) -> Vec<Said> {
    store.labels(STEP).unwrap().into_iter().map(|label: Label| label.said).collect()
}

fn preference(said: &Said) -> Option<Preference> {
    match said {
        Said::Pair { preference, .. } => Some(*preference),
        _ => None,
    }
}

#[test]
fn each_key_stores_what_it_says_of_the_answer_in_that_place() {
    let texts: Vec<String> = (0..6).map(|number| format!("answer {number}")).collect();
    let (_home, store) = store(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let queue = Queue::newest(&store, (STEP, None), 1).unwrap();
    let mut session = Session::begin(&store, &queue, "ann".to_owned()).unwrap();
    let mut expected = Vec::new();
    for key in ['1', '2', '=', 'x', 's', '1'] {
        let item = session.item.clone().unwrap();
        let capitals = usize::from(item.answers[1].text.starts_with("ANSWER"));
        expected.push(match key {
            '1' => Some([Preference::Candidate, Preference::Incumbent][capitals]),
            '2' => Some([Preference::Incumbent, Preference::Candidate][capitals]),
            '=' => Some(Preference::BothFine),
            'x' => Some(Preference::BothWrong),
            _ => None,
        });
        assert_eq!(session.press(Key::Letter(key), 5).unwrap(), Next::Draw);
        assert_eq!(said(&store).len(), expected.len(), "it is stored before the next case is shown");
    }
    assert_eq!(said(&store).iter().map(preference).collect::<Vec<_>>(), expected);
    assert!(session.item.is_none() && session.labelled() == 5);
    assert_eq!(session.press(Key::Letter('1'), 6).unwrap(), Next::Draw);
    assert_eq!(said(&store).len(), 6, "there is nothing left to say");
}

#[test]
fn undo_goes_back_case_by_case_and_no_further() {
    let (_home, store) = store(&["a", "b", "c"]);
    let queue = Queue::newest(&store, (STEP, None), 1).unwrap();
    let mut session = Session::begin(&store, &queue, "ann".to_owned()).unwrap();
    let shown = |session: &Session<'_>| session.item.as_ref().map(|item| item.case.clone());
    let first = shown(&session);
    for key in ['1', 's', '='] {
        session.press(Key::Letter(key), 5).unwrap();
    }
    assert_eq!(shown(&session), None);
    for left in [2, 1, 0] {
        session.press(Key::Letter('u'), 6).unwrap();
        assert_eq!(said(&store).len(), left);
    }
    assert_eq!((shown(&session), session.labelled()), (first.clone(), 0));
    session.press(Key::Letter('u'), 6).unwrap();
    assert_eq!((shown(&session), session.message.as_str()), (first, "nothing was said in this session"));
    for key in ['x', 'x', 'x'] {
        session.press(Key::Letter(key), 7).unwrap();
    }
    assert_eq!((session.labelled(), said(&store).len()), (3, 3), "none is lost and none comes twice");
}

#[test]
fn right_answer_is_kept_beside_the_pair_and_taken_back_alone() {
    let (_home, store) = store(&["a", "b"]);
    let queue = Queue::newest(&store, (STEP, None), 1).unwrap();
    let mut session = Session::begin(&store, &queue, "ann".to_owned()).unwrap();
    let case = session.item.clone().unwrap();
    assert_eq!(session.press(Key::Letter('e'), 5).unwrap(), Next::Edit(case.answers[0].text.clone()));
    session.wrote("  \n", 5).unwrap();
    assert!(said(&store).is_empty(), "an empty file says nothing");
    session.wrote("the right one\n", 5).unwrap();
    assert_eq!(session.item.as_ref(), Some(&case), "the pair is open still");
    session.wrote("{\"tool_calls\":[{\"name\":\"refund\",\"arguments\":{\"n\":1}}]}", 6).unwrap();
    let calls = json!({"tool_calls": [{"name": "refund", "arguments": {"n": 1}}]});
    assert_eq!(said(&store), [Said::Gold(json!("the right one")), Said::Gold(calls)]);
    session.press(Key::Letter('u'), 7).unwrap();
    assert_eq!((said(&store), session.item.as_ref()), (vec![Said::Gold(json!("the right one"))], Some(&case)));
    assert!(store.labels(STEP).unwrap()[0].assessment.is_none(), "a right answer is of the case, not of two answers");
}

#[test]
fn another_session_goes_on_where_this_one_ended() {
    let (_home, store) = store(&["a", "b", "c", "d"]);
    let queue = Queue::newest(&store, (STEP, Some("desk")), 1).unwrap();
    let mut session = Session::begin(&store, &queue, "ann".to_owned()).unwrap();
    session.press(Key::Letter('1'), 5).unwrap();
    session.press(Key::Letter('s'), 5).unwrap();
    let next = session.item.clone();
    let session = Session::begin(&store, &queue, "bob".to_owned()).unwrap();
    assert_eq!((session.item.clone(), session.labelled()), (next, 1));
}

#[test]
fn every_size_is_filled_exactly_and_nothing_is_wider_than_the_terminal() {
    let long = "Dear customer, 亲爱的顾客, your parcel is on its way. ".repeat(60) + "\n\n\tend";
    let unbroken = "x".repeat(3_000);
    let (_home, store) = store(&[&long, &unbroken]);
    let queue = Queue::newest(&store, (STEP, None), 1).unwrap();
    for (rows, columns) in [(24, 80), (60, 200), (12, 40), (30, 41), (5, 20), (2, 5)] {
        let mut session = Session::begin(&store, &queue, "ann".to_owned()).unwrap();
        for _ in 0..3 {
            let lines = draw(&mut session, canvas(rows, columns));
            assert_eq!(lines.len(), rows, "{rows} x {columns}");
            assert!(lines.iter().all(|line| line.width() <= columns), "{rows} x {columns}: {lines:#?}");
            session.press(Key::Letter('='), 5).unwrap();
        }
        for _ in 0..2 {
            session.press(Key::Letter('u'), 6).unwrap();
        }
    }
}

#[test]
fn answers_scroll_to_their_end_and_not_beyond() {
    let text: String = (0..100).map(|number| format!("line {number}\n")).collect();
    let (_home, store) = store(&[&text]);
    let queue = Queue::newest(&store, (STEP, None), 1).unwrap();
    let mut session = Session::begin(&store, &queue, "ann".to_owned()).unwrap();
    let screen = |session: &mut Session<'_>| draw(session, canvas(24, 80)).join("\n");
    assert!(screen(&mut session).contains("line 0"));
    for _ in 0..50 {
        session.press(Key::PageDown, 5).unwrap();
    }
    assert!(screen(&mut session).contains("line 99"));
    session.press(Key::PageUp, 5).unwrap();
    let above = screen(&mut session);
    assert!(!above.contains("line 99") && above.contains("line 94"), "one page up is at once one page up:\n{above}");
    for _ in 0..50 {
        session.press(Key::PageUp, 5).unwrap();
    }
    assert!(screen(&mut session).contains("line 0"));
}

/// Text that would clear the screen, move the cursor, set a title or turn the writing round.
#[test]
fn recorded_text_cannot_steer_the_terminal() {
    let (_home, store) = store(&["a\x1b[2Jb\x07c\u{9b}31md\u{202e}e\rf\x1b]0;title\x07"]);
    let queue = Queue::newest(&store, (STEP, None), 1).unwrap();
    let mut session = Session::begin(&store, &queue, "ann".to_owned()).unwrap();
    let screen = draw(&mut session, canvas(24, 80)).concat();
    assert!(!screen.chars().any(|letter| letter.is_control() || letter == '\u{202e}'), "{screen:?}");
    assert!(screen.contains("[2Jb"), "what it says stays to be seen: {screen}");
}

#[test]
fn nothing_on_the_screen_says_whose_answers_they_are() {
    let (_home, store) = store(&["yes, tomorrow"]);
    let queue = Queue::newest(&store, (STEP, None), 1).unwrap();
    let mut session = Session::begin(&store, &queue, "ann".to_owned()).unwrap();
    insta::assert_snapshot!(draw(&mut session, canvas(24, 80)).join("\n"));
    let marked = Canvas { color: ColorChoice::Always, ..canvas(24, 80) };
    assert!(draw(&mut session, marked)[0].starts_with("\x1b[7m"));
}

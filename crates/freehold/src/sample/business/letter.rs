//! Writes a customer's message from facts: sentences in varying order, with typing errors and distractors.

use rand::Rng;
use rand::seq::SliceRandom;

use super::Split;
use super::facts::{self, Category, Facts};
use super::pen::{Care, Pen};
use super::phrases::{details, problems, values};

/// Where a message names its order: in the words for the product, or in a sentence of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OrderPlace {
    Inline,
    Apart,
}

/// Writes the message.
pub(super) fn write<R: Rng>(rng: &mut R, split: Split, facts: &Facts) -> String {
    let mut pen = Pen::new(rng, split);
    fill_slots(&mut pen, facts);
    pen.care = match pen.rng.random_range(0..20) {
        0..3 => Care::Typos,
        3..5 => Care::LowerCase,
        _ => Care::Neat,
    };
    let place = if facts.order.is_some() && pen.rng.random_bool(0.35) { OrderPlace::Inline } else { OrderPlace::Apart };
    name_the_thing(&mut pen, facts, place);
    let problem = pen.write(problems::of(facts.category));
    let place = if mentions(&problem, facts) { place } else { OrderPlace::Apart };
    let mut sentences = surroundings(&mut pen, facts, place);
    if sentences.iter().all(|sentence| !shows_product(sentence, facts)) && !shows_product(&problem, facts) {
        sentences.push(pen.write(&["It is about the {p}.", "The product: {p}.", "Product: {p}.", "I mean the {p}."]));
    }
    sentences.shuffle(pen.rng);
    let at = if pen.rng.random_bool(0.75) { 0 } else { pen.rng.random_range(0..=sentences.len()) };
    sentences.insert(at, capitalised(&problem, pen.care));
    frame(&mut pen, facts, sentences)
}

fn mentions(problem: &str, facts: &Facts) -> bool {
    facts.order.as_ref().is_some_and(|order| problem.contains(order.as_str()))
}

fn shows_product(sentence: &str, facts: &Facts) -> bool {
    facts.product.as_ref().is_none_or(|product| sentence.contains(product.as_str()))
}

fn fill_slots<R: Rng>(pen: &mut Pen<'_, R>, facts: &Facts) {
    let money = facts.amount_cents.map(|cents| money_of(pen, cents)).unwrap_or_default();
    let other_cents = facts::amount(pen.rng);
    let other_product = loop {
        let other = facts::product(pen);
        if facts.product.as_ref() != Some(&other) {
            break other;
        }
    };
    let phone = format!("{:04} {:06}", pen.rng.random_range(100..1000), pen.rng.random_range(100_000..1_000_000));
    pen.slots = vec![
        ("{o}", facts.order.clone().unwrap_or_default()),
        ("{d}", facts.date.clone().unwrap_or_default()),
        ("{m}", money),
        ("{a}", facts.address.clone().unwrap_or_default()),
        ("{name}", facts.name.clone().unwrap_or_default()),
        ("{other}", other_product),
        ("{xo}", facts::order(pen)),
        ("{xd}", facts::date(pen)),
        ("{xm}", money_of(pen, other_cents)),
        ("{xn}", pen.choose(values::FIRST_NAMES).to_owned()),
        ("{phone}", phone),
        ("{invoice}", pen.rng.random_range(1000..10_000).to_string()),
        ("{p}", facts.product.clone().unwrap_or_default()),
    ];
}

fn money_of<R: Rng>(pen: &mut Pen<'_, R>, cents: u32) -> String {
    pen.choose(details::MONEY).replace("{n}", &facts::amount_text(cents))
}

/// Sets the slots `{it}`, `{It}` and `{the}` to words for the product or, where it is not named, for the order.
fn name_the_thing<R: Rng>(pen: &mut Pen<'_, R>, facts: &Facts, place: OrderPlace) {
    let pool = match (facts.product.is_some(), place) {
        (true, OrderPlace::Inline) => details::PRODUCT_WITH_ORDER,
        (true, OrderPlace::Apart) => details::PRODUCT,
        (false, OrderPlace::Inline) => details::NO_PRODUCT_WITH_ORDER,
        (false, OrderPlace::Apart) => details::NO_PRODUCT,
    };
    let it = pen.write(pool);
    let the = match (&facts.product, facts.category) {
        (Some(product), _) => format!("{} {product}", pen.choose(&["the", "your", "this"])),
        (None, Category::Question) => pen.choose(&["the one on your front page", "your newest model"]).to_owned(),
        (None, _) => it.clone(),
    };
    let capital = capitalised(&it, pen.care);
    pen.slots.splice(0..0, [("{it}", it), ("{It}", capital), ("{the}", the)]);
}

fn surroundings<R: Rng>(pen: &mut Pen<'_, R>, facts: &Facts, place: OrderPlace) -> Vec<String> {
    let mut pools: Vec<&[&str]> = Vec::new();
    if facts.order.is_some() && place == OrderPlace::Apart {
        pools.push(details::ORDER);
    }
    if facts.date.is_some() {
        pools.push(details::DATE);
    }
    if facts.amount_cents.is_some() {
        pools.push(details::AMOUNT);
    }
    if let Some(payment) = facts.payment {
        pools.push(details::payment(payment));
    }
    if let Some(index) = facts.side_question {
        pools.push(values::SIDE_QUESTIONS[index].asked);
    }
    pools.push(details::pressure(facts.pressure));
    if pen.rng.random_bool(0.4) {
        pools.push(details::DISTRACTORS);
    }
    if pen.rng.random_bool(0.08) {
        pools.push(details::ASIDES);
    }
    pools.into_iter().filter(|pool| !pool.is_empty()).map(|pool| pen.write(pool)).collect()
}

fn frame<R: Rng>(pen: &mut Pen<'_, R>, facts: &Facts, sentences: Vec<String>) -> String {
    let mut parts = Vec::new();
    if pen.rng.random_bool(0.6) {
        parts.push(pen.write(details::GREETINGS));
    }
    parts.extend(sentences);
    if facts.name.is_some() {
        let signature = pen.write(details::SIGNATURES);
        let at = if signature.starts_with(['M', 'I', 'm', 'i']) {
            pen.rng.random_range(0..=parts.len())
        } else {
            parts.len()
        };
        parts.insert(at, signature);
    } else if pen.rng.random_bool(0.4) {
        parts.push(pen.write(details::CLOSINGS));
    }
    let mut text = parts.join(" ");
    if pen.rng.random_bool(0.1) {
        text.push('\n');
        text.push_str(&pen.write(details::QUOTES));
    }
    text
}

fn capitalised(text: &str, care: Care) -> String {
    if care == Care::LowerCase {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |initial| initial.to_uppercase().chain(letters).collect())
}

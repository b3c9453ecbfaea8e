//! Everything around the problem: greetings, order, date, price, pressure, distractors and signatures.

use super::super::facts::{Payment, Pressure};

pub(crate) const GREETINGS: &[&str] = &[
    "Hi,",
    "Hello,",
    "Hello there,",
    "Dear team,",
    "Good morning,",
    "Hey,",
    "Dear support,",
    "Hi there,",
    "Good day,",
    "To whom it may concern,",
    "~Greetings,",
];

pub(crate) const PRODUCT: &[&str] =
    &["[my|the|this|my new] {p}", "the {p}", "my {p}", "the {p} [I bought|I ordered|from your shop]"];

pub(crate) const PRODUCT_WITH_ORDER: &[&str] =
    &["[my|the] {p} (order {o})", "the {p} from order {o}", "the {p}, order [number|no.] {o},", "[my|the] {p} (#{o})"];

pub(crate) const NO_PRODUCT: &[&str] =
    &["my order", "the parcel", "my parcel", "the item", "the thing I bought", "my purchase"];

pub(crate) const NO_PRODUCT_WITH_ORDER: &[&str] =
    &["my order {o}", "order {o}", "my order #{o}", "order number {o}", "the item from order {o}", "my parcel ({o})"];

pub(crate) const ORDER: &[&str] = &[
    "[My order number is|The order number is|Order number:|Order:|Order no.] {o}.",
    "[It is|This is|It concerns|This is about] order [#|number |no. |]{o}.",
    "[Order|Ref|Reference|My order]: {o}.",
    "(Order {o})",
    "The number of my order is {o}.",
    "Order #{o}.",
    "You will find it under {o}.",
    "~The purchase carries the number {o}.",
];

pub(crate) const DATE: &[&str] = &[
    "I [bought|ordered|got] it on {d}.",
    "[Bought|Ordered|Order date]: {d}.",
    "I placed the order on {d}.",
    "It was ordered on {d}.",
    "[The purchase was|That was] on {d}.",
    "I [paid|ordered] on {d}.",
    "Date of purchase: {d}.",
    "~The deal was struck on {d}.",
];

pub(crate) const AMOUNT: &[&str] = &[
    "I paid {m}.",
    "It cost [me |]{m}.",
    "The price was {m}.",
    "[Amount|Price|Total|Sum]: {m}.",
    "The total was {m}.",
    "That was {m}.",
    "I [spent|gave you] {m}.",
    "We talk about {m} here.",
    "~It set me back {m}.",
];

/// Money in the spellings of customers; `{n}` is the number.
pub(crate) const MONEY: &[&str] = &["${n}", "{n} dollars", "{n} EUR", "EUR {n}", "{n} euros", "{n} USD", "~USD {n}"];

pub(crate) const SIGNATURES: &[&str] = &[
    "[Thanks|Thank you|Regards|Best regards|Best|Cheers|Kind regards|Yours], {name}",
    "{name}",
    "My name is {name}.",
    "- {name}",
    "[Greetings|Best wishes] from {name}",
    "I am {name}, by the way.",
    "[Sincerely|Many thanks],\n{name}",
    "~Faithfully yours, {name}",
];

pub(crate) const CLOSINGS: &[&str] =
    &["Thanks!", "Thank you.", "Please help.", "Best regards", "Waiting for your answer.", "Cheers"];

pub(crate) fn pressure(pressure: Pressure) -> &'static [&'static str] {
    match pressure {
        Pressure::None => &[],
        Pressure::Patient => PATIENT,
        Pressure::Deadline => DEADLINE,
        Pressure::Repeated => REPEATED,
        Pressure::Safety => SAFETY,
        Pressure::Legal => LEGAL,
    }
}

const PATIENT: &[&str] = &[
    "[There is no|No] [hurry|rush].",
    "Take your time.",
    "[Whenever|When] you [have time|get to it].",
    "This is not [urgent|pressing].",
    "[Next week|Some day next month] is fine too.",
    "It can wait.",
    "No need to [hurry|rush].",
    "~I can hold on for as long as you need.",
];

const DEADLINE: &[&str] = &[
    "I need [it|this|this solved] by [tomorrow|Friday|Monday|the weekend|tonight].",
    "My [daughter|son|mother|friend] has [her|a] birthday [tomorrow|on Saturday|this week].",
    "We [leave|travel|move] [tomorrow|on Sunday|in two days], so please be quick.",
    "[Please hurry|Be quick please], the party is [tomorrow|on Friday|this weekend].",
    "It must be solved [before Friday|today|this week].",
    "I have only [one day|two days] left.",
    "~Time is short, the wedding is on Saturday.",
];

const REPEATED: &[&str] = &[
    "This is the [second|third|fourth] time I [write|ask|contact you].",
    "I [wrote|called|mailed] [twice|three times] [already|before] and [got no answer|nobody answered].",
    "Nobody [answers|replies|reacts] to my mails.",
    "I am [tired|sick] of asking again and again.",
    "[Still|Again] no answer to my [last|first|earlier] mail.",
    "Why do you [ignore|not answer] my messages?",
    "~My previous five messages went into a black hole.",
];

const SAFETY: &[&str] = &[
    "It [gave off|produced] [smoke|sparks] when I plugged it in.",
    "I [cut|burned|hurt] my hand on it.",
    "There was a smell of [burning|gas|smoke].",
    "My [child|son|daughter] got hurt by it.",
    "It [caught fire|got burning hot|gave me an electric shock].",
    "It is [dangerous|not safe], it nearly started a fire.",
    "~Flames came out of the back.",
];

const LEGAL: &[&str] = &[
    "[Otherwise|If not,] I will [call|talk to] my lawyer.",
    "My lawyer [will write to you|is informed].",
    "I will [go to court|take legal action|sue you].",
    "I shall report you to the consumer [office|protection].",
    "Next you hear from my [attorney|lawyer].",
    "~I have asked a solicitor to look into this.",
];

pub(crate) fn payment(payment: Payment) -> &'static [&'static str] {
    match payment {
        Payment::Card => &["I paid by [card|credit card].", "Paid with my [Visa|card].", "It was a card payment."],
        Payment::Paypal => &["I paid [by|with|via] PayPal.", "It went through PayPal.", "PayPal was used."],
        Payment::Transfer => &["I paid by bank transfer.", "I sent a bank transfer.", "It was a bank transfer."],
    }
}

/// Sentences with numbers, products and dates that are not the ones asked for; `{x*}` are other values.
pub(crate) const DISTRACTORS: &[&str] = &[
    "My [phone|number|mobile] is {phone}.",
    "[You can call|Call] me [on|at|under] {phone}.",
    "My [earlier|last|previous|old] order {xo} was [fine|no problem|perfect].",
    "[This is not about|Not to be confused with] order {xo}.",
    "[Order|My other order] {xo} [came|arrived] without trouble.",
    "My customer number is {invoice}.",
    "The {other} I [bought|got] [last year|before] is great.",
    "My [neighbour|sister|brother] {xn} has one too.",
    "I spoke with {xn} [on the phone|from your team] [yesterday|last week].",
    "Your colleague {xn} told me to write.",
    "[Delivery|Shipping] was {xm} extra.",
    "I saw it for {xm} [elsewhere|in another shop].",
    "I am [away|on holiday] until {xd}.",
    "On {xd} I will be back home.",
    "The invoice is number {invoice}.",
    "~Ask {xn}, who took my call.",
    "~Quote {invoice} when you ring.",
];

/// A second, smaller trouble that must not decide the category.
pub(crate) const ASIDES: &[&str] = &[
    "The delivery was late too, but never mind.",
    "The box was a bit dented, but that does not matter.",
    "The login was slow, but I got in.",
    "I nearly cancelled, but never mind.",
    "At first I typed a wrong address, that is solved.",
    "The invoice looked odd at first, that is settled.",
    "Otherwise I am happy with your shop.",
    "The last refund went well, thanks for that.",
    "~Your site asked me for a password reset, done.",
];

/// What customers leave below their text from an older mail.
pub(crate) const QUOTES: &[&str] = &[
    "> Your order {xo} has [shipped|been sent].",
    "> Thank you for your order {xo} of {xd}.",
    "> We received {xm} for order {xo}.",
    "> Dear {xn}, your {other} is on its way.",
    "> Order {xo}: {other}, {xm}",
];

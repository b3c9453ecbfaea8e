//! What a ticket is made from: category, circumstances, and the values a customer may mention.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

use super::Split;
use super::pen::Pen;
use super::phrases::values;

/// What a ticket is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Wants to send something back for money.
    Refund,
    /// Arrived broken.
    Damaged,
    /// Not what was ordered.
    WrongItem,
    /// Has not arrived yet.
    Late,
    /// Marked as delivered, but not there.
    Missing,
    /// Deliver to another address.
    Address,
    /// Wants to stop an order.
    Cancel,
    /// Charged more than once or too much.
    Billing,
    /// A question before buying.
    Question,
    /// Cannot get into the account.
    Login,
    /// Stopped working after some time.
    Warranty,
    /// Praise or criticism that asks for nothing.
    Feedback,
}

impl Category {
    /// All categories in the order of the triage prompt.
    pub const ALL: [Self; 12] = [
        Self::Refund,
        Self::Damaged,
        Self::WrongItem,
        Self::Late,
        Self::Missing,
        Self::Address,
        Self::Cancel,
        Self::Billing,
        Self::Question,
        Self::Login,
        Self::Warranty,
        Self::Feedback,
    ];

    /// Returns the category's name as it is written in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::Damaged => "damaged",
            Self::WrongItem => "wrong_item",
            Self::Late => "late",
            Self::Missing => "missing",
            Self::Address => "address",
            Self::Cancel => "cancel",
            Self::Billing => "billing",
            Self::Question => "question",
            Self::Login => "login",
            Self::Warranty => "warranty",
            Self::Feedback => "feedback",
        }
    }

    /// Returns whether the desk acts on an order in this category.
    #[must_use]
    pub fn needs_order(self) -> bool {
        !matches!(self, Self::Question | Self::Login | Self::Feedback)
    }

    /// Returns whether the desk gives money back in this category.
    #[must_use]
    pub fn pays_back(self) -> bool {
        matches!(self, Self::Refund | Self::Cancel | Self::Billing)
    }
}

/// How soon a ticket must be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Whenever there is time.
    Low,
    /// In turn.
    Normal,
    /// Before the others.
    High,
    /// At once.
    Urgent,
}

impl Priority {
    /// All priorities from the least to the most pressing.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Urgent];

    /// Returns the priority's name as it is written in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

/// What presses a customer, if anything; it decides the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pressure {
    /// Nothing said.
    None,
    /// Says that there is no hurry.
    Patient,
    /// Needs it by a near day.
    Deadline,
    /// Has written before without an answer.
    Repeated,
    /// Smoke, sparks, an injury.
    Safety,
    /// Threatens with a lawyer or an authority.
    Legal,
}

/// How the customer paid, which decides how long a refund takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Payment {
    /// Credit or debit card: five days.
    Card,
    /// `PayPal`: two days.
    Paypal,
    /// Bank transfer: seven days.
    Transfer,
}

impl Payment {
    /// Returns the days until money is back.
    #[must_use]
    pub fn refund_days(self) -> u32 {
        match self {
            Self::Card => 5,
            Self::Paypal => 2,
            Self::Transfer => 7,
        }
    }
}

/// Everything a ticket's text and its gold answers are made from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facts {
    /// What it is about.
    pub category: Category,
    /// What presses the customer.
    pub pressure: Pressure,
    /// Order number, digits only.
    pub order: Option<String>,
    /// The product as the customer writes it.
    pub product: Option<String>,
    /// Price in cents.
    #[serde(rename = "amount", serialize_with = "as_amount")]
    pub amount_cents: Option<u32>,
    /// The date as the customer writes it.
    pub date: Option<String>,
    /// The customer's name as written.
    pub name: Option<String>,
    /// The new address, in category [`Category::Address`] only.
    pub address: Option<String>,
    /// How it was paid, where the customer says so.
    pub payment: Option<Payment>,
    /// Index of a second question, where the customer asks one.
    pub side_question: Option<usize>,
}

impl Facts {
    /// Returns the priority that the desk's rules give.
    #[must_use]
    pub fn priority(&self) -> Priority {
        match self.pressure {
            Pressure::Safety | Pressure::Legal => Priority::Urgent,
            Pressure::Deadline | Pressure::Repeated => Priority::High,
            Pressure::Patient => Priority::Low,
            Pressure::None if matches!(self.category, Category::Question | Category::Feedback) => Priority::Low,
            Pressure::None => Priority::Normal,
        }
    }
}

/// Draws the facts of one ticket; held-out values stay out of the training split.
pub(super) fn draw<R: Rng>(rng: &mut R, split: Split) -> Facts {
    let category = Category::ALL.choose(rng).copied().unwrap_or(Category::Refund);
    let acts = category.needs_order();
    let mut pen = Pen::new(rng, split);
    let product_share = if matches!(category, Category::Login) { 0.1 } else { 0.85 };
    let amount_share = if category.pays_back() { 0.85 } else { 0.3 };
    let pressure = pressure(pen.rng, category);
    Facts {
        category,
        pressure,
        order: maybe(&mut pen, if acts { 0.9 } else { 0.2 }, order),
        product: maybe(&mut pen, product_share, product),
        amount_cents: maybe(&mut pen, amount_share, |pen| amount(pen.rng)),
        date: maybe(&mut pen, if acts { 0.6 } else { 0.15 }, date),
        name: maybe(&mut pen, 0.8, name),
        address: (category == Category::Address).then(|| address(&mut pen)),
        payment: maybe(&mut pen, if category.pays_back() { 0.6 } else { 0.0 }, payment),
        side_question: maybe(&mut pen, 0.15, |pen| pen.rng.random_range(0..values::SIDE_QUESTIONS.len())),
    }
}

fn maybe<'a, R: Rng, T>(pen: &mut Pen<'a, R>, share: f64, make: impl FnOnce(&mut Pen<'a, R>) -> T) -> Option<T> {
    pen.rng.random_bool(share).then(|| make(pen))
}

fn pressure<R: Rng>(rng: &mut R, category: Category) -> Pressure {
    let can_hurt = matches!(category, Category::Damaged | Category::Warranty | Category::Refund);
    match rng.random_range(0..100) {
        0..50 => Pressure::None,
        50..64 => Pressure::Patient,
        64..76 => Pressure::Deadline,
        76..87 => Pressure::Repeated,
        _ if category == Category::Feedback => Pressure::None,
        87..94 if can_hurt => Pressure::Safety,
        _ => Pressure::Legal,
    }
}

/// An order number of five digits, sometimes six.
pub(super) fn order<R: Rng>(pen: &mut Pen<'_, R>) -> String {
    let number = if pen.rng.random_bool(0.8) {
        pen.rng.random_range(10_000..100_000)
    } else {
        pen.rng.random_range(100_000..1_000_000)
    };
    number.to_string()
}

/// A product: a noun with an adjective, a made-up brand, or both.
pub(super) fn product<R: Rng>(pen: &mut Pen<'_, R>) -> String {
    let noun = pen.choose(values::NOUNS);
    match pen.rng.random_range(0..10) {
        0..6 => format!("{} {noun}", pen.choose(values::ADJECTIVES)),
        6..8 => format!("{} {noun}", made_up(pen, 2)),
        8 => format!("{} {} {noun}", made_up(pen, 2), pen.choose(values::ADJECTIVES)),
        _ => noun.to_owned(),
    }
}

/// A price of 5 to 900; the last cent is never zero unless all cents are, so that numbers print as written.
pub(super) fn amount<R: Rng>(rng: &mut R) -> u32 {
    let whole = if rng.random_bool(0.65) { rng.random_range(5..200) } else { rng.random_range(200..900) };
    let cents = match rng.random_range(0..3) {
        0 => 0,
        1 => [95, 99, 49].choose(rng).copied().unwrap_or(99),
        _ => rng.random_range(0..10) * 10 + rng.random_range(1..10),
    };
    whole * 100 + cents
}

/// The amount as a JSON number: whole where it has no cents.
pub(super) fn amount_value(cents: u32) -> Value {
    if cents.is_multiple_of(100) {
        return Value::from(cents / 100);
    }
    Number::from_f64(f64::from(cents) / 100.0).map_or(Value::Null, Value::Number)
}

/// The amount as it is written in text.
pub(super) fn amount_text(cents: u32) -> String {
    amount_value(cents).to_string()
}

/// A date in one of six spellings.
pub(super) fn date<R: Rng>(pen: &mut Pen<'_, R>) -> String {
    let day: u32 = pen.rng.random_range(1..29);
    let month: usize = pen.rng.random_range(0..12);
    let name = values::MONTHS[month];
    let number = month + 1;
    match pen.rng.random_range(0..6) {
        0 | 1 => format!("{day} {name}"),
        2 => format!("{name} {day}"),
        3 => format!("{}-{number:02}-{day:02}", pen.rng.random_range(2023..2027)),
        4 => format!("{day:02}/{number:02}"),
        _ => format!("{} {day}", &name[..3]),
    }
}

/// A name: listed or made up, with or without a surname.
pub(super) fn name<R: Rng>(pen: &mut Pen<'_, R>) -> String {
    let first = match pen.rng.random_range(0..10) {
        0..7 => pen.choose(values::FIRST_NAMES).to_owned(),
        _ => made_up(pen, 2),
    };
    match pen.rng.random_range(0..10) {
        0..4 => first,
        4..8 => format!("{first} {}", pen.choose(values::SURNAMES)),
        _ => format!("{first} {}", made_up(pen, 3)),
    }
}

fn address<R: Rng>(pen: &mut Pen<'_, R>) -> String {
    let number = pen.rng.random_range(1..200);
    let street = match pen.rng.random_range(0..3) {
        0 => made_up(pen, 2),
        _ => pen.choose(values::STREETS).to_owned(),
    };
    format!("{number} {street} {}, {}", pen.choose(values::WAYS), pen.choose(values::TOWNS))
}

fn payment<R: Rng>(pen: &mut Pen<'_, R>) -> Payment {
    [Payment::Card, Payment::Paypal, Payment::Transfer].choose(pen.rng).copied().unwrap_or(Payment::Card)
}

/// A capitalised word of one syllable up to `syllables_max`, then an ending.
fn made_up<R: Rng>(pen: &mut Pen<'_, R>, syllables_max: usize) -> String {
    let count = pen.rng.random_range(1..=syllables_max);
    let mut word: String = (0..count).map(|_| pen.choose(values::SYLLABLES)).collect();
    word.push_str(pen.choose(values::ENDINGS));
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |initial| initial.to_uppercase().chain(letters).collect())
}

#[expect(clippy::ref_option, reason = "the signature is set by serde")]
fn as_amount<S: Serializer>(cents: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    cents.map(amount_value).serialize(serializer)
}

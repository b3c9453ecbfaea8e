//! How the desk words its replies; every sentence carries the facts that its decision needs.

pub(crate) const HELLO_NAME: &[&str] = &["Dear {name},", "Hello {name},", "Hi {name},"];
pub(crate) const HELLO: &[&str] = &["Hello,", "Dear customer,", "Hi,"];

pub(crate) const REFUNDED: &[&str] = &[
    "[we are refunding|we have refunded|you are getting back] {m} for order {o}.",
    "your refund of {m} for order {o} is [on its way|confirmed|approved].",
    "we [return|send back|pay back] the {m} of order {o}.",
];
pub(crate) const REFUND_DAYS: &[&str] = &[
    "The money will be [with you|back] in {days} days.",
    "Please allow {days} days for it to arrive.",
    "You will see it on your account within {days} days.",
];
pub(crate) const REPLACED: &[&str] = &[
    "[we are sorry about|we apologise for] the trouble with {thing} and [send|ship] a new one for order {o}.",
    "a replacement for {thing} from order {o} is [on its way|being packed].",
    "we replace {thing} of order {o} [free of charge|at no cost].",
];
pub(crate) const REPLACED_NEXT: &[&str] = &[
    "It [leaves us today|ships today|goes out today], and you may keep or recycle the old one.",
    "You need not send the first one back.",
    "It will reach you in 4 days.",
];
pub(crate) const TRACKED: &[&str] = &[
    "we are [tracing|looking for|tracking] the parcel of order {o} with {thing}.",
    "the carrier is [searching|looking] for {thing}, order {o}.",
    "we have opened a search for {thing} from order {o}.",
];
pub(crate) const TRACKED_NEXT: &[&str] = &[
    "You will hear from us [within|in] 2 days.",
    "We write again as soon as we know more, in 2 days at the latest.",
    "Should it not turn up in 2 days, we send another.",
];
pub(crate) const READDRESSED: &[&str] = &[
    "order {o} now goes to {a}.",
    "we have changed the address of order {o} to {a}.",
    "{thing} of order {o} will be delivered to {a}.",
];
pub(crate) const READDRESSED_NEXT: &[&str] =
    &["Nothing else is needed from you.", "The old address is removed.", "The delivery day stays the same."];
pub(crate) const URGENT: &[&str] = &[
    "we take [this|what you write about {thing}] very seriously, and a [senior|lead] colleague will [call|contact] you today.",
    "your case about {thing} is now with our [manager|head of service], who will answer today.",
];
pub(crate) const NO_ORDER: &[&str] = &[
    "[could you|please] send us the order number [of|for] {thing}, so that we can help?",
    "we cannot find {thing} without the order number, please send it.",
];
pub(crate) const NO_AMOUNT: &[&str] =
    &["please tell us how much you paid for order {o}.", "to refund order {o} we need the amount you paid."];
pub(crate) const OVER_LIMIT: &[&str] = &[
    "a refund of {m} for order {o} must be approved by a manager.",
    "our manager has to confirm the {m} of order {o} first.",
];
pub(crate) const NO_PRODUCT: &[&str] =
    &["which product of order {o} is it about?", "please tell us which item of order {o} you mean."];
pub(crate) const ESCALATED_NEXT: &[&str] =
    &["You will have an answer [tomorrow|within a day].", "We get back to you within a day.", "We then act at once."];
pub(crate) const QUESTION: &[&str] = &[
    "thank you for asking about {thing}, all details are on its page.",
    "you find the data of {thing} on the product page.",
];
pub(crate) const LOGIN: &[&str] =
    &["we have sent you a new link to set your password.", "please use the fresh reset link that we just mailed you."];
pub(crate) const FEEDBACK: &[&str] =
    &["thank you for your kind words about {thing}.", "we passed on what you wrote about {thing} to the team."];
pub(crate) const CLOSED_NEXT: &[&str] = &["Have a nice day!", "Write to us any time.", "We are glad to help."];

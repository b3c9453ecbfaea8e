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
    "+Hello support team,",
    "+Dear Sir or Madam,",
    "+Good evening,",
    "+Good afternoon,",
    "+Hi all,",
    "+Hi team,",
    "+Dear customer service,",
    "+Hello everyone,",
    "+Greetings,",
    "+Dear shop,",
    "+Hello support,",
    "+Morning,",
    "+Dear all,",
    "+Hello [again|once more],",
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
    "+[Number|Order ID|Order code|Purchase no.]: {o}.",
    "+[My|The] order has the number {o}.",
    "+[See|Look at|Check] order {o}.",
    "+[Regarding|About|Concerning] order {o}.",
    "+On the receipt it says order {o}.",
    "+I [ordered|bought] under {o}.",
    "+The confirmation [shows|says|names] {o}.",
    "+{o} is [my|the] order number.",
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
    "+[I bought|We bought|I got] it on {d}.",
    "+The [order|purchase] [dates from|is from] {d}.",
    "+My order [went in|was placed|was made] on {d}.",
    "+[On|It was on] {d} I [ordered|paid].",
    "+[According to the receipt|The receipt says] it was {d}.",
    "+{d} was the [day of the order|day I ordered].",
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
    "+[I was asked|They asked] {m} for it.",
    "+[The bill|My receipt|The invoice] says {m}.",
    "+[Paid|Cost|Value]: {m}.",
    "+I handed over {m}.",
    "+[It is about|We speak of] {m}.",
    "+{m} is what I paid.",
    "+I [transferred|paid you] {m} [for it|in total].",
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
    "+[All the best|Take care|Yours truly|Warmly|Bye],\n{name}",
    "+[Yours sincerely|Thanks in advance|Greetings|Cheers]\n{name}",
    "+[Signed|From|Sent by] {name}",
    "+{name} here.",
    "+/ {name}",
    "+My name: {name}.",
];

pub(crate) const CLOSINGS: &[&str] = &[
    "Thanks!",
    "Thank you.",
    "Please help.",
    "Best regards",
    "Waiting for your answer.",
    "Cheers",
    "+[Looking|I look] forward to [hearing from you|your reply].",
    "+Thanks in advance.",
    "+[Kind|Warm|Best] regards",
    "+Yours faithfully",
    "+[Many|A thousand] thanks!",
    "+Please [let me know|write back|get in touch].",
    "+[Bye|Bye for now]",
    "+Have a [nice|good] day.",
    "+Greetings",
    "+[Hope|I hope] you can help.",
    "+Let me know.",
];

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
    "+[I am|We are] in no hurry.",
    "+[Answer|Reply] when [it suits you|you can|you find a moment].",
    "+[No stress|No pressure|Easy does it], [I can wait|we have time].",
    "+It does not have to be [today|now|this week].",
    "+I [can|am happy to] wait [a while|a bit|some days].",
    "+Any time [this month|in the coming weeks] [will do|is okay].",
    "+[Get back to me|Come back to me] [at some point|some time].",
    "+It is not [a big deal|important], so [relax|no haste].",
    "+[I have|We have] plenty of time.",
    "+There is time [until summer|until next month|enough].",
    "+[Other people|Others] may [come first|go first].",
    "+[Handle|Do] the [pressing|harder] cases first.",
    "+If it takes [a few weeks|longer], [fine|that is okay with me].",
    "+[Sometime|One day] is [soon enough|early enough].",
    "+[Please do not rush|Do not rush] [on my account|for me].",
];

const DEADLINE: &[&str] = &[
    "I need [it|this|this solved] by [tomorrow|Friday|Monday|the weekend|tonight].",
    "My [daughter|son|mother|friend] has [her|a] birthday [tomorrow|on Saturday|this week].",
    "We [leave|travel|move] [tomorrow|on Sunday|in two days], so please be quick.",
    "[Please hurry|Be quick please], the party is [tomorrow|on Friday|this weekend].",
    "It must be solved [before Friday|today|this week].",
    "I have only [one day|two days] left.",
    "~Time is short, the wedding is on Saturday.",
    "+[Needed|I need it|It is needed] [by tomorrow|by Thursday|before the weekend|by noon].",
    "+It has to [be here|arrive|be done] [by Friday|before Sunday|by tomorrow evening].",
    "+[As soon as possible|As fast as you can|ASAP], [I leave on Friday|we fly on Monday|time is short].",
    "+My [exam|interview|presentation] is [tomorrow|on Monday|the day after tomorrow].",
    "+The [gift|present] is for [Saturday|this Sunday|tomorrow].",
    "+[Time is running out|The clock is ticking], [guests come on Friday|I travel tomorrow].",
    "+Please [answer|act|deal with it] [today|within a day|within the hour].",
    "+We [have guests|expect visitors] [tomorrow|this weekend|on Sunday].",
    "+It [must not|can not] wait [until next week|any longer], [we leave soon|I need it on Friday].",
    "+[The day after tomorrow|By the end of the week] is the [last day|latest] for me.",
    "+[Quick|Fast] help please, my [flight|train] goes [tonight|tomorrow].",
    "+The [deadline|last date] is [tomorrow|this Friday|Tuesday].",
    "+Can you [manage|make] it [by Saturday|until tomorrow|before the weekend]?",
    "+[Christmas|Easter|Her birthday] is [in two days|next Tuesday|almost here].",
];

const REPEATED: &[&str] = &[
    "This is the [second|third|fourth] time I [write|ask|contact you].",
    "I [wrote|called|mailed] [twice|three times] [already|before] and [got no answer|nobody answered].",
    "Nobody [answers|replies|reacts] to my mails.",
    "I am [tired|sick] of asking again and again.",
    "[Still|Again] no answer to my [last|first|earlier] mail.",
    "Why do you [ignore|not answer] my messages?",
    "~My previous five messages went into a black hole.",
    "+[I have asked|I asked] [twice|three times|several times] [now|before].",
    "+My [two|three] [earlier|previous] [mails|calls|messages] [went unanswered|were ignored].",
    "+[Once more|Again]: [I wrote last week|I already wrote].",
    "+I am [still waiting|waiting in vain] for a [reply|response] to my [letter|first message].",
    "+I [called|phoned|rang] [four|three|two] times and [always hung in the queue|was cut off].",
    "+As I [said|wrote] in my [last|first] [two|three] [mails|messages]...",
    "+[Yet another|Another] mail from me, [as no one reacts|because nobody gets back to me].",
    "+[No one|Not one person] has [got back to|called] me [so far|since my first mail].",
    "+[Do you read|Does anybody read] your mail? I [have written|wrote] [twice|before].",
    "+I [filled in|used] your contact form [twice|two weeks ago], [no reaction|not a word from you].",
    "+[A reminder|This is a reminder]: my [question|mail] [is unanswered|was never answered].",
    "+[Third|Second|Fourth] [mail|attempt|message] about the same [thing|matter].",
    "+I [get|got] only [automatic|standard] replies to my [complaints|mails].",
    "+[My ticket|The case] is [open|unanswered] for weeks.",
];

const SAFETY: &[&str] = &[
    "It [gave off|produced] [smoke|sparks] when I plugged it in.",
    "I [cut|burned|hurt] my hand on it.",
    "There was a smell of [burning|gas|smoke].",
    "My [child|son|daughter] got hurt by it.",
    "It [caught fire|got burning hot|gave me an electric shock].",
    "It is [dangerous|not safe], it nearly started a fire.",
    "~Flames came out of the back.",
    "+It [started to smoke|began to smoke|smoked|sparked] when [I used it|it was on|switched on].",
    "+[Somebody|My wife|My father] was [injured|hurt|burned] by it.",
    "+I [had to go|went] to [the doctor|hospital] because of it.",
    "+It [exploded|blew up|melted].",
    "+[There were|I saw] sparks [flying|coming out of it].",
    "+A sharp [edge|piece] [cut|sliced] my [finger|daughter|leg].",
    "+It [smells|smelled] [burnt|like burning plastic|of fire].",
    "+The [plug|cable] [got so hot that it melted|glowed|melted].",
    "+It [fell on|collapsed on|hit] my [foot|child|head], I was [bleeding|bruised].",
    "+[This is a fire hazard|It is a hazard], [smoke came out|it overheated badly].",
    "+My [little one|baby|dog] nearly [choked on a loose part|swallowed a part of it].",
    "+[The fire brigade|The fire service] had to come.",
    "+It [tripped the fuse with a bang|made a bang and black smoke].",
    "+[I was burned|I burnt myself] [on it|when touching it].",
];

const LEGAL: &[&str] = &[
    "[Otherwise|If not,] I will [call|talk to] my lawyer.",
    "My lawyer [will write to you|is informed].",
    "I will [go to court|take legal action|sue you].",
    "I shall report you to the consumer [office|protection].",
    "Next you hear from my [attorney|lawyer].",
    "~I have asked a solicitor to look into this.",
    "+[We will meet|See you] in court.",
    "+I [am going|will go] to [the police|the ombudsman|a consumer association].",
    "+My [legal insurance|law firm] [is informed|will handle this].",
    "+[This has legal consequences|There will be legal consequences].",
    "+[You will hear|Expect to hear] from my lawyer.",
    "+I [reserve|keep] the right to [sue|take legal steps].",
    "+[The next step is|Next comes] [a court|my lawyer|a lawsuit].",
    "+I will [hand this over|pass this on] to [my lawyer|the courts|a legal adviser].",
    "+[My advocate|My barrister] [says you must pay|has the papers].",
    "+I am [preparing|considering] [a claim in court|legal action|a lawsuit].",
    "+That is [against the law|illegal], I will [report you|have you prosecuted].",
    "+The [trading standards office|consumer agency] [will hear of this|gets a copy].",
    "+[I set a legal deadline|I set a final deadline], after that [a lawyer takes over|I sue].",
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
    "+[Reach|Ring|Phone] me [at|on] {phone} [if needed|after six].",
    "+My [daughter|flatmate|uncle] {xn} [told me about|likes] your shop.",
    "+I [still have|once had] a {other} [from you|of yours], [no trouble with that|all fine].",
    "+In my account I also see [order|number] {xo}, [ignore that|that one is done].",
    "+[My file|The case] number [with you|on the letter] is {invoice}.",
    "+{xn} [in your shop|at the counter] was [friendly|no help].",
    "+[Together with|Besides] it I looked at a {other} [for|at] {xm}.",
    "+[Next time|Perhaps later] I will [buy|take] the {other}.",
    "+A voucher of {xm} [is still open|is in my account].",
    "+[From|After] {xd} I [work|am] [in the city|at home again].",
    "+My [member|bonus] number is {invoice}.",
    "+[I have been|We are] a customer since [years|the beginning].",
    "+[My English is not perfect|Excuse my English].",
    "+I [write|am writing] from my phone.",
    "+I usually [like|enjoy] shopping with you.",
    "+My {other} [of|from] {xd} [is fine|still works].",
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
    "+[The parcel was late as well|It came late too], [that is forgiven|not a problem].",
    "+The wrapping was torn, [no harm done|I do not mind].",
    "+I [once|first] thought of a refund, [not any more|but no].",
    "+Your site [logged me out once|was slow], [no matter|it works again].",
    "+[One|A] scratch is on the box, [only the box|I can live with it].",
    "+I had [asked|written] about stock before, [that was answered|that is done].",
    "+[At first|Once] I saw two charges, [one was reversed|one is gone].",
    "+My last order [was cancelled in time|went to my old home], [all sorted|that is settled].",
    "+[I like your shop by the way|Nice shop, by the way].",
];

/// What customers leave below their text from an older mail.
pub(crate) const QUOTES: &[&str] = &[
    "> Your order {xo} has [shipped|been sent].",
    "> Thank you for your order {xo} of {xd}.",
    "> We received {xm} for order {xo}.",
    "> Dear {xn}, your {other} is on its way.",
    "> Order {xo}: {other}, {xm}",
];

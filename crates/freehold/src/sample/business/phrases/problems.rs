//! How customers state their problem, by category; `{it}` is the product or a word for it.

use super::super::facts::Category;

pub(crate) fn of(category: Category) -> &'static [&'static str] {
    match category {
        Category::Refund => REFUND,
        Category::Damaged => DAMAGED,
        Category::WrongItem => WRONG_ITEM,
        Category::Late => LATE,
        Category::Missing => MISSING,
        Category::Address => ADDRESS,
        Category::Cancel => CANCEL,
        Category::Billing => BILLING,
        Category::Question => QUESTION,
        Category::Login => LOGIN,
        Category::Warranty => WARRANTY,
        Category::Feedback => FEEDBACK,
    }
}

const REFUND: &[&str] = &[
    "I [want|would like|need] to [return|send back|give back] {it} and get my money back.",
    "[Please|Kindly] refund {it}, it [does not suit me|is not for me|does not fit|is too big for us].",
    "I am [not happy|unhappy|not satisfied] with {it} and [want|ask for|would like] a refund.",
    "Can I [return|send back] {it}? I [changed my mind|do not need it any more|found a better one].",
    "{It} is [not what I hoped for|not as nice as in the photos|a disappointment], so I [want my money back|would like a refund].",
    "How do I get [a refund|my money back] for {it}? I [never used it|have not opened it].",
    "I [sent back|returned] {it} [two weeks ago|last week] and [still wait for|have not seen] my refund.",
    "My [wife|husband|son|mother] does not like {it}. [Please take it back and refund me|I would like to return it].",
    "~I regret buying {it}, please reimburse me.",
];

const DAMAGED: &[&str] = &[
    "{It} [arrived|came|turned up|was delivered|~reached me] [broken|smashed|cracked|in pieces|badly dented|scratched all over|~shattered].",
    "When I [opened|unpacked] the [box|parcel|package], {it} was [broken|cracked|dented|in two pieces|bent].",
    "{It} has a [big crack|deep scratch|broken leg|dent|hole|~torn seam] [right out of the box|from the start|on arrival].",
    "The [box|parcel|package] was [crushed|soaked|torn open] and {it} inside is [damaged|broken|ruined].",
    "I [received|got] {it} [today|yesterday|this morning] and it is [damaged|cracked|broken|chipped].",
    "The courier must have dropped {it}: it [arrived damaged|came broken|is in pieces].",
    "[Unpacked|Opened] {it} and found it [smashed|damaged|cracked]. [Very disappointing|What a pity].",
    "~Transport ruined {it}, the whole side is caved in.",
];

const WRONG_ITEM: &[&str] = &[
    "I ordered {it} but [got|received|was sent] [a different one|something else|the wrong thing|a {other}].",
    "You [sent|shipped|delivered] [the wrong item|the wrong product|something I did not order] [instead of|and not] {it}.",
    "Instead of {it} there was [a {other}|another thing|a completely different product] in the [box|parcel].",
    "[Wrong|Incorrect] [colour|size|model|~version] of {it} was [sent|delivered], I ordered another.",
    "There is a mix-up: {it} is what I ordered, what came is [a {other}|not it].",
    "The [box|parcel] I opened held [a {other}|the wrong item], while I paid for {it}.",
    "This is not what I ordered! I [wanted|asked for|chose] {it} and [got|received] [a {other}|the wrong one].",
    "~Somebody packed a {other} where {it} should have been.",
];

const LATE: &[&str] = &[
    "{It} has [still not|not yet] [arrived|come|been delivered|shown up].",
    "[Where is|Any news about|What happened to] {it}? I am still waiting.",
    "I [have been waiting|wait] for {it} for [two|three|four] weeks now.",
    "{It} was [supposed|due|meant] to [arrive|be here|come] [last week|days ago], [nothing yet|still nothing].",
    "The delivery of {it} is [late|delayed|overdue].",
    "[When will|When does] {it} [arrive|get here|come]? The promised day has passed.",
    "The tracking of {it} has not [moved|changed] for [days|a week].",
    "My delivery is [very late|overdue]: {it} should be here by now.",
    "~I keep looking out of the window, but no sign of {it}.",
];

const MISSING: &[&str] = &[
    "The tracking [says|claims|shows] {it} was delivered, but [I have nothing|nothing is here|I never got it].",
    "{It} is marked as delivered, [yet|but] [it is not here|there was no parcel|I did not receive it].",
    "Your [courier|driver] [says|claims] that {it} was [handed over|left at my door], [but nothing was there|which is not true].",
    "According to your mail {it} was delivered. [It was not|Nobody got it|The doorstep is empty].",
    "I think {it} was [stolen|lost]: status delivered, [no parcel anywhere|but no box at the door].",
    "[Shown as|Status is] delivered, but {it} is nowhere. I [asked the neighbours|looked everywhere].",
    "I got a message that {it} was dropped off, [but there is nothing|and yet nothing is here].",
    "~{It} vanished between your van and my door, although signed off as handed over.",
];

const ADDRESS: &[&str] = &[
    "[Please|Could you|Can you] [send|deliver|ship] {it} to {a} [instead|from now on].",
    "I [moved|have moved|am moving]: my new address is {a}. It is about {it}.",
    "[Please change|Can you change|I need to change] the [delivery|shipping] address of {it} to {a}.",
    "I [gave|typed|entered] the wrong address for {it}. [The right one is|It should go to|Correct is] {a}.",
    "{It} must go to {a}, not to [my old flat|the old address|the office].",
    "The address for {it} is wrong, [please use|it must be] {a}.",
    "~Kindly redirect {it} to {a}.",
];

const CANCEL: &[&str] = &[
    "[Please cancel|I want to cancel|Cancel|I need to cancel] [my order of|the order for] {it}.",
    "I ordered {it} [by mistake|by accident|twice by mistake], please [stop|cancel] it before it ships.",
    "Is it [still possible|too late] to cancel {it}? It has not shipped yet.",
    "[Please do not|Do not] send {it}, I [no longer want it|changed my plans|bought it elsewhere].",
    "I would like to [cancel|call off|withdraw] my order for {it}.",
    "[Stop|Please stop] the order of {it} [right away|before it goes out].",
    "~Scrap my purchase of {it} before it leaves your warehouse.",
];

const BILLING: &[&str] = &[
    "I was [charged|billed] [twice|two times|double] for {it}.",
    "My [card|account|bank statement] shows [two|three] [charges|payments] for {it}.",
    "You [took|charged|debited] the money for {it} [twice|two times].",
    "There is a [double|second|wrong] charge for {it} on my [statement|account].",
    "The [bill|invoice] for {it} is wrong, I was [overcharged|charged too much|billed twice].",
    "Why was [the payment for|the price of] {it} [taken|charged|debited] twice?",
    "I [paid|have paid] for {it} once, but [two payments|a second payment] left my account.",
    "~My bank reports duplicate debits for {it}.",
];

const QUESTION: &[&str] = &[
    "[Does|Will] {the} [fit|work with|go with] [a small flat|my old model|a standard socket|a 3 m room]?",
    "[Can you tell me|I would like to know|Do you know] [how heavy|how big|how loud|how wide] {the} is?",
    "Is {the} [in stock|available] [in green|in another size|in your shop]?",
    "[What is|Which is] the [size|weight|material|power] of {the}?",
    "I am [thinking of|thinking about] buying {the}. [Is it easy to clean|Does it need batteries|Is it waterproof]?",
    "Before I buy {the}: [is it suitable for children|does it come with a manual|how long does it last]?",
    "[Do you have|Do you stock|Will you get] {the} in [other colours|a larger size]?",
    "~Could somebody explain what {the} is made of?",
];

const LOGIN: &[&str] = &[
    "I [cannot|can not|am unable to] [log in|sign in|get into my account] [any more|since yesterday|today].",
    "My password [does not work|is not accepted|was rejected], [please reset it|how do I reset it]?",
    "I [forgot|lost] my password and the reset [mail|link] [never comes|does not work].",
    "[Your site|The website|The app] says my account is [locked|blocked|unknown].",
    "Every time I try to [log in|sign in] I get [an error|a blank page|thrown out].",
    "The [login|sign-in] code [never arrives|is always wrong].",
    "~Access to my profile is denied whatever I type.",
];

const WARRANTY: &[&str] = &[
    "{It} [stopped working|broke down|died|gave up] after [two months|half a year|three weeks|a year].",
    "After [a few months|ten weeks|a year] {it} [does not turn on|no longer works|makes a terrible noise].",
    "{It} worked [fine|well] [for months|until last week], now it [is dead|does nothing|fails all the time].",
    "Is {it} [still under warranty|covered by the guarantee]? It [broke|failed|stopped working].",
    "I have had {it} for [half a year|eight months] and now it [is broken|does not start].",
    "I claim the warranty for {it}: it [no longer works|failed after a year|lost all its power].",
    "~{It} packed in well before the guarantee ran out.",
];

const FEEDBACK: &[&str] = &[
    "I just [want|wanted] to say [thank you|thanks] for {it}, [we love it|it is great|it works very well].",
    "[Great|Lovely|Wonderful|Fast] service! {It} is [perfect|just right|better than expected].",
    "I am [very happy|really pleased|delighted] with {it}. [Keep it up|Well done].",
    "[Just a remark|A small remark|Some feedback]: the [box|manual|wrapping] of {it} [uses too much plastic|is hard to open|could be nicer].",
    "No need to answer, but {it} [made my day|is really good|is well made].",
    "[Compliments|Thanks] to your [team|driver|staff]: {it} came [quickly|fast] and [well packed|in perfect shape].",
    "~Five stars for {it}, I shall tell my friends.",
];

//! What addresses, numbers and keys look like, and which of those that look so are none.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memchr_iter;
use regex::Regex;

use super::Kind;

type Found = Vec<Range<usize>>;

static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    // International; French and the like by pairs; with an area code that begins with 0; North American.
    regex(
        r"(?x) (?:\+|\b00[1-9][0-9]{0,2}[\ /-])[1-9](?:[\ ./-]?\(?[0-9]\)?){6,14} | \b0[1-9](?:[\ .][0-9][0-9]){4}
        | \b0[1-9][0-9]{1,4}[\ /-][0-9]{3,9}(?:[\ -][0-9]{2,6}){0,3} | \(0[0-9]{2,5}\)[\ ]?[0-9]{3,9}(?:[\ -][0-9]{2,6}){0,3}
        | (?:\b1[\ .-])?(?:\([2-9][0-9][0-9]\)\ ?|\b[2-9][0-9][0-9][\ .-])[2-9][0-9][0-9][\ .-][0-9]{4}",
    )
});
static CARD: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"[2-6][0-9]{3}([ -]?)[0-9]{4}([ -]?)[0-9]{4}([ -]?)[0-9]{1,7}|3[47][0-9][0-9]([ -])[0-9]{6}([ -])[0-9]{5}|3[0-9]{3}([ -])[0-9]{6}([ -])[0-9]{4}|[2-6][0-9]{12,18}",
    )
});
static IBAN: LazyLock<Regex> = LazyLock::new(|| regex(r"[A-Z]{2}[0-9][0-9](?:[ ]?[A-Z0-9]){11,30}"));
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?xs) \bsk-[A-Za-z0-9_-]{20,} | \bgh[pousr]_[A-Za-z0-9]{36,} | \bgithub_pat_[A-Za-z0-9_]{22,}
        | \bA(?:KIA|SIA)[0-9A-Z]{16}\b | \bxox[abeprs]-[A-Za-z0-9-]{10,} | \bAIza[0-9A-Za-z_-]{35}
        | \bglpat-[A-Za-z0-9_-]{20,} | \bhf_[A-Za-z0-9]{30,} | \b[spr]k_(?:live|test)_[0-9A-Za-z]{16,}
        | \beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
        | -----BEGIN\ [A-Z0-9\ ]{0,40}PRIVATE\ KEY-----.*?(?:-----END\ [A-Z0-9\ ]{0,40}PRIVATE\ KEY-----|\z)",
    )
});

/// Endings of files that follow an `@` in their names, such as `icon@2x.png`.
const IMAGES: &[&str] = &["png", "jpg", "jpeg", "gif", "svg", "webp", "avif"];
const LOCAL_LETTERS_MAX: usize = 64;
const DOMAIN_LETTERS_MAX: usize = 253;
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;
/// Each country with the length of its account numbers (the SWIFT registry, release 99).
const IBAN_LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 \
    DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 \
    IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 \
    PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 \
    VG24 XK20 YE30";

/// Returns where texts of a kind are.
pub(super) fn find(kind: Kind, text: &str) -> Found {
    match kind {
        Kind::Email => memchr_iter(b'@', text.as_bytes()).filter_map(|at| email(text, at)).collect(),
        Kind::Phone => confirmed(&PHONE, text, |range| phone(text, range)),
        Kind::Card => confirmed(&CARD, text, |range| card(text, range)),
        Kind::Iban => confirmed(&IBAN, text, |range| iban(text, range)),
        Kind::Key => KEY.find_iter(text).map(|found| found.range()).collect(),
    }
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is right; a test uses each")
}

/// Returns the address around an `@`.
fn email(text: &str, at: usize) -> Option<Range<usize>> {
    let is_local = |letter: &char| letter.is_alphanumeric() || "._%+'-".contains(*letter);
    let is_domain = |letter: &char| letter.is_alphanumeric() || matches!(letter, '.' | '-');
    let local: usize = text[..at].chars().rev().take(LOCAL_LETTERS_MAX).take_while(is_local).map(char::len_utf8).sum();
    let domain: usize = text[at + 1..].chars().take(DOMAIN_LETTERS_MAX).take_while(is_domain).map(char::len_utf8).sum();
    let local = text[at - local..at].trim_start_matches(['.', '\'']);
    let domain = text[at + 1..at + 1 + domain].trim_end_matches(['.', '-']);
    let (name, ending) = domain.rsplit_once('.')?;
    let is_ending = ending.chars().count() > 1 && ending.chars().all(char::is_alphabetic) && !IMAGES.contains(&ending);
    let is_name = name.split('.').all(|label| !label.is_empty());
    (!local.is_empty() && is_ending && is_name).then(|| at - local.len()..at + 1 + domain.len())
}

/// Returns what a regular expression finds and a check confirms. After a candidate that is none, the search goes on one byte
/// further: the next number may begin within it. Every candidate begins with an ASCII letter.
fn confirmed(regex: &Regex, text: &str, check: impl Fn(Range<usize>) -> Option<Range<usize>>) -> Found {
    let mut found = Found::new();
    let mut at = 0;
    while let Some(candidate) = regex.find_at(text, at) {
        at = candidate.start() + 1;
        if let Some(range) = check(candidate.range()) {
            at = range.end;
            found.push(range);
        }
    }
    found
}

/// Returns the phone number that a candidate begins with: other numbers may follow after a separator.
fn phone(text: &str, mut range: Range<usize>) -> Option<Range<usize>> {
    loop {
        let candidate = &text[range.clone()];
        let digits = candidate.bytes().filter(u8::is_ascii_digit).count();
        if PHONE_DIGITS.contains(&digits) && stands_alone(text, &range) {
            return Some(range);
        }
        range.end = range.start + candidate.rfind([' ', '.', '/', '-'])?;
    }
}

fn card(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let digits: Vec<u32> = text[range.clone()].chars().filter_map(|letter| letter.to_digit(10)).collect();
    (has_brand(&digits) && passes_luhn(&digits) && stands_alone(text, &range)).then_some(range)
}

/// Returns whether nothing before or after the stretch makes it part of a longer number or name.
fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let joins = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '#');
    let mut before = text[..range.start].chars().rev();
    let mut after = text[range.end..].chars();
    let is_joined_before = match before.next() {
        Some('-' | '.' | '/' | '+') => before.next().is_some_and(char::is_alphanumeric),
        Some(letter) => joins(letter),
        None => false,
    };
    let is_joined_after = match after.next() {
        Some('-' | '.' | '/' | ':') => after.next().is_some_and(char::is_alphanumeric),
        Some(letter) => joins(letter),
        None => false,
    };
    !is_joined_before && !is_joined_after
}

/// Returns whether a brand gives cards that begin so and have that length.
fn has_brand(digits: &[u32]) -> bool {
    let first = |count: usize| digits.iter().take(count).fold(0, |number, digit| number * 10 + digit);
    match digits.len() {
        13 => first(1) == 4,
        14 => matches!(first(2), 36 | 38) || (300..=305).contains(&first(3)),
        15 => matches!(first(2), 34 | 37),
        16 => {
            first(1) == 4
                || (51..=55).contains(&first(2))
                || (2221..=2720).contains(&first(4))
                || (3528..=3589).contains(&first(4))
                || is_discover_or_union_pay(first(4))
        }
        17 | 18 => is_discover_or_union_pay(first(4)),
        19 => first(1) == 4 || is_discover_or_union_pay(first(4)),
        _ => false,
    }
}

fn is_discover_or_union_pay(first: u32) -> bool {
    matches!(first, 6011 | 6440..=6599 | 6200..=6299 | 5018 | 5020 | 5038 | 6304 | 6759 | 6761..=6763)
}

/// ISO/IEC 7812-1, annex B.
fn passes_luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(at, digit)| if at % 2 == 1 { doubled(*digit) } else { *digit }).sum();
    sum.is_multiple_of(10)
}

fn iban(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let range = range.start..range.start + iban_end(&text[range.clone()])?;
    stands_alone(text, &range).then_some(range)
}

/// Returns how long the account number is that a candidate begins with, spaces included.
fn iban_end(candidate: &str) -> Option<usize> {
    let entry = IBAN_LENGTHS.split(' ').find(|entry| candidate.starts_with(&entry[..2]))?;
    let length: usize = entry[2..].parse().ok()?;
    let (end, _) = candidate.bytes().enumerate().filter(|(_, byte)| *byte != b' ').nth(length - 1)?;
    let number: Vec<u8> = candidate.bytes().take(end + 1).filter(|byte| *byte != b' ').collect();
    // ISO 13616-1: the first four letters go to the end, letters count from 10.
    let rotated = number[4..].iter().chain(&number[..4]);
    let remainder = rotated.fold(0_u32, |remainder, byte| {
        let value = char::from(*byte).to_digit(36).unwrap_or(0);
        (remainder * if value > 9 { 100 } else { 10 } + value) % 97
    });
    (remainder == 1).then_some(end + 1)
}

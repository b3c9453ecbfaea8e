//! A stream of calls whose sites are known: about 200 call sites with Zipf traffic and what varies in prompts of production.

use freehold_wire::{Api, Message, Part, Request, ResponseFormat, Role, Sampling, Tool, ToolChoice};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::words;

/// What varies in the calls of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// Nothing.
    Static,
    /// A line with the date and the session.
    Date,
    /// A person and a company in the first sentence.
    Name,
    /// One to three retrieved passages.
    Passages,
    /// Two of a pool of examples.
    Examples,
    /// The tools offered.
    Tools,
}

/// All of them, in the order of tables.
pub(crate) const CHANGES: [Change; 6] =
    [Change::Static, Change::Date, Change::Name, Change::Passages, Change::Examples, Change::Tools];

/// The shape of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Its call sites.
    pub(crate) sites: usize,
    /// Its calls.
    pub(crate) calls: usize,
}

/// A call with the site it came from.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// The site.
    pub(crate) site: usize,
    /// What varies in the site's calls.
    pub(crate) change: Change,
    /// The request.
    pub(crate) request: Request,
}

/// How a site marks its passages. Two of the seven are fences that say nothing of passages, one is none at all.
#[derive(Debug, Clone, Copy)]
enum Marked {
    Tag,
    Heading,
    Rule,
    Code,
    Numbered,
    OwnTag,
    Bare,
}

const MARKED: [Marked; 7] =
    [Marked::Tag, Marked::Heading, Marked::Rule, Marked::Code, Marked::Numbered, Marked::OwnTag, Marked::Bare];

/// One call site.
struct Site {
    change: Change,
    role: String,
    place: &'static str,
    lines: Vec<String>,
    marked: Marked,
    pool: Vec<String>,
    tools: Vec<Tool>,
}

/// Makes a stream; a fifth of the sites differ from another one only in the role.
pub(crate) fn stream(shape: Shape, rng: &mut ChaCha8Rng) -> Vec<Sent> {
    let mut sites: Vec<Site> = Vec::with_capacity(shape.sites);
    for at in 0..shape.sites {
        let site = if at % 5 == 4 { sibling(&sites, rng) } else { site(change(at), at, rng) };
        sites.push(site);
    }
    let mut weights: Vec<f64> = (1..=shape.sites).map(|rank| 1.0 / rank as f64).collect();
    // Which site is how busy has nothing to do with what varies in it.
    for at in (1..weights.len()).rev() {
        weights.swap(at, rng.random_range(0..=at));
    }
    let total: f64 = weights.iter().sum();
    (0..shape.calls)
        .map(|_| {
            let mut draw = rng.random::<f64>() * total;
            let drawn = weights.iter().position(|weight| {
                draw -= weight;
                draw < 0.0
            });
            let at = drawn.unwrap_or(0);
            Sent { site: at, change: sites[at].change, request: sites[at].call(rng) }
        })
        .collect()
}

/// Returns what varies in the nth site: of 100 sites 38 are static, 19 dated, 14 named, 14 with passages, 10 with examples and
/// 5 with changing tools.
fn change(nth: usize) -> Change {
    match (nth * 37) % 100 {
        0..38 => Change::Static,
        38..57 => Change::Date,
        57..71 => Change::Name,
        71..85 => Change::Passages,
        85..95 => Change::Examples,
        _ => Change::Tools,
    }
}

fn pick<const N: usize>(from: &[&'static str; N], rng: &mut ChaCha8Rng) -> &'static str {
    from[rng.random_range(0..N)]
}

fn site(change: Change, at: usize, rng: &mut ChaCha8Rng) -> Site {
    let mut lines = vec![pick(&words::TASKS, rng).to_owned()];
    let rules = rng.random_range(2..7);
    lines.extend(words::RULES.choose_multiple(rng, rules).map(|rule| format!("- {rule}")));
    let scaffold = rng.random_range(1..4);
    lines.extend(words::SCAFFOLD.choose_multiple(rng, scaffold).map(|line| (*line).to_owned()));
    lines.push(pick(&words::FORMATS, rng).to_owned());
    let pool = (0..30).map(|_| passage(rng)).collect();
    let tools = (0..6).map(|nth| tool(at, nth)).collect();
    let marked = MARKED[rng.random_range(0..MARKED.len())];
    let role = pick(&words::ROLES, rng).to_owned();
    Site { change, role, place: pick(&words::PLACES, rng), lines, marked, pool, tools }
}

/// Makes a site that differs from an earlier one only in its role; what varies in its calls comes from the same pools.
fn sibling(sites: &[Site], rng: &mut ChaCha8Rng) -> Site {
    let of = &sites[rng.random_range(0..sites.len())];
    let taken: Vec<&str> = sites
        .iter()
        .filter(|site| site.lines == of.lines && site.place == of.place)
        .map(|site| site.role.as_str())
        .collect();
    let free: Vec<&&str> = words::ROLES.iter().filter(|role| !taken.contains(*role)).collect();
    let role = free[rng.random_range(0..free.len())];
    Site { role: (*role).to_owned(), lines: of.lines.clone(), pool: of.pool.clone(), tools: of.tools.clone(), ..*of }
}

/// Makes a passage of one to three sentences.
fn passage(rng: &mut ChaCha8Rng) -> String {
    let shape = rng.random_range(0..3);
    let mut sentence = || format!("{} {}.", pick(&words::SUBJECTS, rng), pick(&words::CLAUSES, rng));
    let first = sentence();
    match shape {
        0 => first,
        1 => format!("{first} {}", sentence()),
        _ => format!("{first} {}\n{}", sentence(), sentence()),
    }
}

fn tool(site: usize, nth: usize) -> Tool {
    let name = format!("{}_{site}_{nth}", ["find", "open", "close", "list", "send", "note"][nth]);
    let parameters = serde_json::json!({"type": "object", "properties": {"id": {"type": "string"}}});
    Tool { name, description: "Does what its name says.".to_owned(), parameters }
}

impl Site {
    fn call(&self, rng: &mut ChaCha8Rng) -> Request {
        let mut text = vec![format!("You are {} at {}.", self.role, self.place)];
        match self.change {
            Change::Name => {
                let (person, last) = (pick(&words::FIRST_NAMES, rng), pick(&words::COMPANIES, rng));
                let company = pick(&words::COMPANIES, rng);
                text[0] =
                    format!("You are {} at {} and assist {person} {last} of {company} Ltd.", self.role, self.place);
            }
            Change::Date => text.push(format!(
                "Today is {}, {} {}, 2026. Session {:08x}-{:04x}.",
                pick(&["Monday", "Tuesday", "Friday"], rng),
                pick(&["May", "June", "October"], rng),
                rng.random_range(1..29),
                rng.random::<u32>() | 0x1000,
                rng.random::<u16>()
            )),
            _ => {}
        }
        let (head, tail) = self.lines.split_at(self.lines.len() / 2);
        text.extend_from_slice(head);
        match self.change {
            Change::Passages => text.extend(self.passages(rng)),
            Change::Examples => {
                for example in self.pool.choose_multiple(rng, 2) {
                    text.push("Example:".to_owned());
                    text.extend(example.lines().map(str::to_owned));
                }
            }
            _ => {}
        }
        text.extend_from_slice(tail);
        request(text.join("\n"), self.offered(rng), rng)
    }

    fn passages(&self, rng: &mut ChaCha8Rng) -> Vec<String> {
        let count = rng.random_range(1..4);
        let chosen: Vec<&String> = self.pool.choose_multiple(rng, count).collect();
        let joined = || chosen.iter().map(|passage| (*passage).clone());
        let between = |before: &str, after: &str| {
            let mut lines = vec![before.to_owned()];
            lines.extend(joined());
            lines.push(after.to_owned());
            lines
        };
        match self.marked {
            Marked::Tag => between("<context>", "</context>"),
            Marked::Heading => between("# Context", "# How to answer"),
            Marked::Rule => between("Retrieved passages:\n---", "---"),
            Marked::Code => between("Search results:\n```", "```"),
            Marked::Numbered => {
                joined().enumerate().map(|(nth, text)| format!("[{}] {}", nth + 1, text.replace('\n', " "))).collect()
            }
            Marked::OwnTag => between("<handbook>", "</handbook>"),
            Marked::Bare => joined().collect(),
        }
    }

    fn offered(&self, rng: &mut ChaCha8Rng) -> Vec<Tool> {
        if self.change != Change::Tools {
            return Vec::new();
        }
        let count = rng.random_range(3..6);
        self.tools.choose_multiple(rng, count).cloned().collect()
    }
}

fn request(system: String, tools: Vec<Tool>, rng: &mut ChaCha8Rng) -> Request {
    let asked = format!("{} {}?", pick(&words::SUBJECTS, rng), pick(&words::CLAUSES, rng));
    Request {
        api: Api::OpenAiChat,
        model: "m".to_owned(),
        system,
        messages: vec![Message { role: Role::User, parts: vec![Part::Text(asked)] }],
        tools,
        tool_choice: ToolChoice::Auto,
        response_format: ResponseFormat::Text,
        sampling: Sampling::default(),
        stream: false,
        stream_usage: false,
        metadata: Vec::new(),
        one_tool_call: false,
    }
}

//! Steps found in recorded requests, where the folder with them is at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use freehold_wire::{Api, Request, requests};
use freehold_workflow::{Heads, Marks, Steps, identify};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Line<'a> {
    path: &'a str,
    fw: &'a str,
    #[serde(borrow)]
    request: &'a RawValue,
}

/// Returns the recorded requests with the framework that sent them; `None` where the folder is not there.
fn recorded() -> Option<Vec<(String, Request)>> {
    let folder = PathBuf::from(std::env::var_os("FREEHOLD_REAL_DATA").unwrap_or_default());
    let path = folder.join("wire_cassettes/calls.jsonl");
    let Ok(file) = std::fs::File::open(&path) else {
        println!("skipped: {} is not there (set FREEHOLD_REAL_DATA)", path.display());
        return None;
    };
    let mut found = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.expect("the file is readable");
        let line: Line<'_> = serde_json::from_str(&line).expect("every line is a call");
        let Some(api) = Api::DIALECTS.into_iter().find(|api| api.path() == line.path) else { continue };
        let request = requests::read(api, line.request.get().as_bytes()).expect("recorded requests are read");
        found.push((line.fw.to_owned(), request));
    }
    Some(found)
}

/// Returns the agent's role and goal, which this framework puts into a fixed sentence of the system text.
fn role_goal(system: &str) -> Option<(&str, &str)> {
    let (role, rest) = system.split_once("You are ")?.1.split_once(". ")?;
    let goal = rest.split_once("Your personal goal is: ")?.1;
    Some((role, goal.split('\n').next().unwrap_or_default()))
}

/// B-cubed precision and recall (Bagga and Baldwin, 1998) of pairs of a found and a true step.
fn b_cubed<T: Ord>(pairs: &[(String, T)]) -> (f64, f64) {
    let mut found: BTreeMap<&String, f64> = BTreeMap::new();
    let mut truth: BTreeMap<&T, f64> = BTreeMap::new();
    let mut both: BTreeMap<(&String, &T), f64> = BTreeMap::new();
    for (step, site) in pairs {
        *found.entry(step).or_default() += 1.0;
        *truth.entry(site).or_default() += 1.0;
        *both.entry((step, site)).or_default() += 1.0;
    }
    let (mut precision, mut recall) = (0.0, 0.0);
    for ((step, site), count) in &both {
        precision += count * count / found[step];
        recall += count * count / truth[site];
    }
    (precision / pairs.len() as f64, recall / pairs.len() as f64)
}

#[test]
fn recorded_requests_fall_into_steps() {
    let Some(recorded) = recorded() else { return };
    let mut steps: BTreeMap<Api, BTreeSet<String>> = BTreeMap::new();
    let mut sites = Vec::new();
    let mut heads: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for (framework, request) in &recorded {
        let step = identify(request, Marks::default()).step;
        steps.entry(request.api).or_default().insert(step.clone());
        // Two heads under one id would be a wrong merge by the short hash.
        let tools = request.tools.len();
        let (system, count) = heads.entry(step.clone()).or_insert_with(|| (request.system.clone(), tools));
        assert_eq!((system.as_str(), *count), (request.system.as_str(), tools), "{step}");
        if framework == "crewai"
            && let Some((role, goal)) = role_goal(&request.system)
        {
            sites.push((step, (role.to_owned(), goal.to_owned())));
        }
    }
    let counts: BTreeMap<Api, usize> = steps.iter().map(|(api, steps)| (*api, steps.len())).collect();
    let (precision, recall) = b_cubed(&sites);
    println!("{} requests, steps {counts:?}", recorded.len());
    println!("{} requests of agents with a role and a goal: precision {precision:.3}, recall {recall:.3}", sites.len());
    assert!(sites.len() > 500, "{}", sites.len());
    assert!(precision > 0.99, "{precision}");
    // One agent called with other tools, formats or repeated system turns is several steps here, so recall is low.
    assert!(recall > 0.5, "{recall}");
}

/// What is learned joins no two agents, and finds no fewer calls of one than the exact head does.
#[test]
fn recorded_agents_are_learned() {
    let Some(recorded) = recorded() else { return };
    let (steps, mut heads) = (Steps::new(1), Heads::default());
    let (mut exact, mut learned, mut aliases) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (framework, request) in &recorded {
        let id = steps.identify(request, Marks::default(), &mut heads).step;
        steps.learn(usize::MAX);
        aliases.extend(steps.take_aliases().into_iter().map(|alias| (alias.from.to_string(), alias.to.to_string())));
        if framework == "crewai"
            && let Some((role, goal)) = role_goal(&request.system)
        {
            let site = (role.to_owned(), goal.to_owned());
            exact.push((identify(request, Marks::default()).step, site.clone()));
            learned.push((id, site));
        }
    }
    for (id, _) in &mut learned {
        if let Some(step) = aliases.get(id) {
            id.clone_from(step);
        }
    }
    let ((precision, recall), (_, recall_exact)) = (b_cubed(&learned), b_cubed(&exact));
    println!("{} requests: precision {precision:.3}, recall {recall:.3} ({recall_exact:.3} exact)", learned.len());
    assert!(precision >= 0.99 && recall >= recall_exact, "{precision} {recall} {recall_exact}");
}

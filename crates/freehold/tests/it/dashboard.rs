//! The dashboard, the page about metrics and the metrics themselves speak of the same names.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use serde_json::Value;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn names(text: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(freehold|process)_[a-z_]+\b").unwrap();
    let base = |name: &str| match name.rsplit_once('_') {
        Some((base, "bucket" | "sum" | "count")) if base.ends_with("_seconds") => base.to_owned(),
        _ => name.to_owned(),
    };
    name.find_iter(text).map(|found| base(found.as_str())).collect()
}

/// Returns every expression of the dashboard's panels, variables and annotations.
fn expressions(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for key in ["expr", "definition"] {
                out.extend(map.get(key).and_then(Value::as_str).map(str::to_owned));
            }
            map.values().for_each(|value| expressions(value, out));
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, out)),
        _ => {}
    }
}

#[test]
fn every_metric_is_documented_and_the_dashboard_uses_no_other() {
    let made: BTreeSet<String> = ["metrics.rs", "observe.rs"]
        .iter()
        .flat_map(|file| names(&text(&format!("crates/freehold-gateway/src/{file}"))))
        .filter(|name| *name != "freehold_wire" && *name != "freehold_gateway")
        .collect();
    let documented = names(&text("docs/observe.md"));
    let missing: Vec<_> = made.difference(&documented).collect();
    assert!(missing.is_empty() && made.len() > 15, "not in docs/observe.md: {missing:?}");
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/freehold.json")).unwrap();
    let mut used = Vec::new();
    expressions(&dashboard, &mut used);
    let used = names(&used.join("\n"));
    let unknown: Vec<_> = used.difference(&made).collect();
    assert!(unknown.is_empty() && used.len() > 10, "the dashboard asks for what nobody makes: {unknown:?}");
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/freehold.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{} covers another panel", panel["title"]);
            }
        }
    }
}

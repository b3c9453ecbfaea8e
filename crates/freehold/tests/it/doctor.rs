//! `freehold doctor`: what it finds is tried, not assumed.

use std::fs;

use serde_json::Value;

use crate::running::run;

fn finding<'a>(report: &'a Value, topic: &str, name: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["topic"] == topic && finding["name"] == name).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn what_holds_a_worker_is_asked_of_a_worker() {
    let home = tempfile::tempdir().unwrap();
    let shown = run(home.path(), &["doctor", "--json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let report: Value = serde_json::from_str(&shown.stdout).unwrap();
    for layer in ["files", "system calls", "memory", "privileges", "core dumps"] {
        assert_eq!(finding(&report, "isolation", layer)["state"], "ok", "{report}");
    }
    assert_eq!(finding(&report, "isolation", "processor")["state"], "absent");
    assert_eq!(finding(&report, "home", "folder")["state"], "ok");
    assert_eq!(finding(&report, "engine", "crashes")["detail"], "no worker has died");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left in the home");
}

#[cfg(target_os = "linux")]
#[test]
fn isolation_that_is_turned_off_is_said() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("freehold.toml"), "[engine]\nisolation = \"off\"\nnice = 3\n").unwrap();
    let shown = run(home.path(), &["doctor", "--json"]);
    let report: Value = serde_json::from_str(&shown.stdout).unwrap();
    let files = finding(&report, "isolation", "files");
    assert_eq!((&files["state"], &files["detail"]), (&"absent".into(), &"turned off by the settings".into()));
    assert_eq!(finding(&report, "isolation", "processor")["detail"], "nice 3");
}

#[test]
fn wrong_configuration_is_bad_and_the_rest_is_told_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("freehold.toml"), "[engine]\nnice = 30\n").unwrap();
    let shown = run(home.path(), &["doctor"]);
    assert_eq!(shown.code, 2, "{}", shown.stdout);
    assert!(shown.stdout.contains("BAD  configuration"), "{}", shown.stdout);
    assert!(shown.stdout.contains("isolation\n"), "{}", shown.stdout);
}

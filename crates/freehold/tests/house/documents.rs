//! The documents: what they link to exists, and what a contributor looks for first is there.

use crate::repository::{files, root};

/// Returns the targets of the links in a text that point into the repository.
fn local_links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let local =
        targets.filter(|target| !target.contains("://") && !target.starts_with('#') && !target.starts_with("mailto:"));
    local.map(|target| target.split('#').next().unwrap_or(target)).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut findings = Vec::new();
    for file in files().iter().filter(|f| f.path.ends_with(".md")) {
        let folder = root().join(&file.path).parent().unwrap().to_owned();
        let text = file.text().unwrap_or_default();
        for target in local_links(text).into_iter().filter(|target| !folder.join(target).exists()) {
            findings.push(format!(
                "{} links to {target}, which does not exist: follow the file, or drop the link",
                file.path
            ));
        }
    }
    crate::expect_none("dead links", &findings);
}

#[test]
fn documents_of_the_house_are_there() {
    let files = files();
    for path in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE"] {
        let found = files.iter().find(|f| f.path == path);
        assert!(found.is_some_and(|f| f.text().is_some_and(|text| text.len() > 300)), "{path} is missing or empty");
    }
}

#[test]
fn links_are_told_from_addresses() {
    let text = "[a](b/c.md) [d](https://e.org) [f](#g) [h](i.md#j)";
    assert_eq!(local_links(text), ["b/c.md", "i.md"]);
}

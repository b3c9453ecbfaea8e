//! What the methods named in the rows are, in plain words, with their sources.

use serde::Serialize;

use crate::assess::result::AssessmentResult;

/// One method as the page explains it.
#[derive(Serialize)]
pub(super) struct Method {
    name: &'static str,
    words: &'static str,
    source: &'static str,
}

const METHODS: [Method; 6] = [
    Method {
        name: "tango_score",
        words: "Answers are right or wrong. Which differences between the two sides are compatible with the cases on which they disagree? \
                The interval keeps its level with few cases and few disagreements, where simpler ones do not.",
        source: "Tango 1998, Statistics in Medicine 17:891",
    },
    Method {
        name: "paired_t",
        words: "Answers are graded. Both sides are compared on each case, and the spread of these differences gives the interval; \
                it is never narrower than unseen cases would allow.",
        source: "Student 1908, Biometrika 6:1; floor after Wilson 1927, JASA 22:209",
    },
    Method {
        name: "betting_sequence",
        words: "The cases were looked at one by one, and the replay ended when they sufficed. A bet against each claim grows while the cases speak \
                against it; that it ever grows twentyfold (at 0.95) though the claim is true has a chance of one in twenty, however often one looks.",
        source: "Waudby-Smith and Ramdas 2024, JRSS-B 86:1; Ville 1939",
    },
    Method {
        name: "asymptotic_sequence",
        words: "Graded answers looked at one by one: an interval for the mean difference that holds at all times at once, for samples that are not small.",
        source: "Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, Annals of Statistics 52:2613",
    },
    Method {
        name: "planned_looks",
        words: "The cases were looked at a number of times that was fixed beforehand; early looks demand more, so that all together keep the level.",
        source: "Lan and DeMets 1983, Biometrika 70:659",
    },
    Method {
        name: "ppi_plus_plus",
        words: "A model judged all cases and people labelled a random part; the labels measure and remove the judge’s error.",
        source: "Angelopoulos, Duchi and Zrnic 2023, PPI++",
    },
];

const CLUSTERED: Method = Method {
    name: "clustered",
    words: "Cases of one run resemble each other. The error is computed between runs, and never made smaller by it.",
    source: "Miller 2024, Adding Error Bars to Evals; Rao and Scott 1992, Biometrics 48:577",
};

/// Returns the methods that the results rest on, in the order of the list.
pub(super) fn of(results: &[AssessmentResult]) -> Vec<&'static Method> {
    let is_used = |method: &&Method| results.iter().any(|result| result.row.method.starts_with(method.name));
    let is_clustered = results.iter().any(|result| result.row.method.ends_with(CLUSTERED.name));
    METHODS.iter().filter(is_used).chain(is_clustered.then_some(&CLUSTERED)).collect()
}

//! The report's page and tables: whole, escaped, self-contained, and honest about what is not known.

mod samples;

use freehold::report::{self, Align, ColorChoice, Report, Style};

fn rows() -> Vec<freehold::assess::result::Row> {
    samples::report().results.into_iter().map(|result| result.row).collect()
}

/// Checks that tags nest and close; returns how often each was opened.
fn nesting(page: &str) -> std::collections::BTreeMap<String, usize> {
    const VOID: [&str; 4] = ["meta", "!DOCTYPE", "br", "link"];
    let mut open: Vec<&str> = Vec::new();
    let mut opened = std::collections::BTreeMap::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag ends");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().expect("a split has a first part");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closing tag out of order near {}", &part[..part.len().min(60)]);
        } else {
            *opened.entry(name.to_owned()).or_default() += 1;
            if !VOID.contains(&name) && !tag.ends_with('/') {
                open.push(name);
            }
        }
    }
    assert_eq!(open, Vec::<&str>::new(), "every tag is closed");
    opened
}

#[test]
fn page_nests_and_shows_every_result() {
    let report = samples::report();
    let page = report::html(&report);
    std::fs::write(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.html"), &page).unwrap();
    let opened = nesting(&page);
    assert_eq!(opened["article"], report.results.len());
    for (index, result) in report.results.iter().enumerate() {
        assert!(page.contains(&format!("<article id=\"r{}\"", index + 1)), "section of {}", result.id);
        assert!(page.contains(&format!("href=\"#r{}\"", index + 1)), "table row of {}", result.id);
        assert!(page.contains(&format!("<dd>{}</dd>", result.id)), "facts of {}", result.id);
    }
    for event in &report.dependence {
        assert!(page.contains(&event.text.replace('&', "&amp;").replace('/', "&#x2f;")), "{}", event.text);
    }
    assert!(page.matches("<span class=\"badge\">").count() > report.results.len());
}

#[test]
fn page_needs_nothing_from_outside_and_runs_nothing() {
    let page = report::html(&samples::report());
    for outside in ["http://", "https://", "src=", "@import", "url(", "<link", "<script", "<iframe", "<b>today"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)"), "hostile names are shown as text");
    assert!(page.contains("&lt;&#x2f;pre&gt;&lt;script&gt;alert(2)"), "hostile answers are shown as text");
}

#[test]
fn unknown_is_said_and_never_nan_or_zero_money() {
    let page = report::html(&samples::report());
    for wrong in ["NaN", "inf<", "inf ", "$0.00", "undefined"] {
        let body = page.split_once("</style>").unwrap().1;
        assert!(!body.contains(wrong), "{wrong}");
    }
    assert!(page.contains("<dt>Candidate per 1,000 calls</dt><dd>unknown</dd>"));
    assert!(page.contains("No case of reply could be scored"));
    assert!(page.contains("no interval"));
}

#[test]
fn only_the_words_that_differ_are_marked() {
    let page = report::html(&samples::report());
    assert!(page.contains("<mark>normal</mark>"));
    assert!(page.contains("<mark>Friday</mark>"));
    assert!(!page.contains("<mark>billing</mark>"));
}

#[test]
fn a_page_without_results_says_so() {
    let report = Report { results: Vec::new(), dependence: Vec::new(), steps: Vec::new(), ..samples::report() };
    let page = report::html(&Report { simulated_vendor: false, ..report });
    nesting(&page);
    assert!(page.contains("Nothing has been assessed yet."));
    assert!(!page.contains("<svg") && !page.contains("class=\"badge\""));
}

/// A row that says nothing finite still makes a page and a line.
#[test]
fn a_row_without_one_finite_number_is_drawn_as_unknown() {
    let mut report = samples::report();
    report.results.truncate(1);
    let row = &mut report.results[0].row;
    (row.difference, row.lower, row.upper) = (f64::NAN, f64::NEG_INFINITY, f64::INFINITY);
    (row.margin, row.confidence) = (f64::NAN, f64::NAN);
    report.results[0].cases.iter_mut().for_each(|case| case.candidate = f64::NAN);
    report.results[0].arms.rerun = Some(f64::NAN);
    let page = report::html(&report);
    nesting(&page);
    let line = report::terminal(&[report.results[0].row.clone()], Style { color: ColorChoice::Never, width: 120 });
    for text in [page.split_once("</style>").expect("the page has a style").1, &line] {
        assert!(!text.contains("NaN") && !text.contains("inf\"") && !text.contains("inf "), "{text}");
        assert!(text.contains("unknown"));
    }
}

#[test]
fn a_failing_subset_is_said_first_and_at_its_verdict() {
    let page = report::html(&samples::report());
    let first = page.split_once("id=\"first\"").expect("the page begins with what speaks against it").1;
    assert!(first.trim_start_matches(|c| c != '<').contains("<li>desk-m is adequate for triage only on the whole"));
    assert_eq!(page.matches("adequate, not for all").count(), 5, "two plots with their descriptions, and the table");
    assert!(page.contains("not adequate for metadata:language pt &amp; &lt;br&gt;"));
}

#[test]
fn looks_at_the_same_claim_are_told_and_listed() {
    let page = report::html(&samples::report());
    assert!(page.contains("likelier than the stated confidence says: desk-l for triage (3 times)."));
    assert_eq!((page.matches("(same claim)").count(), page.matches("(this one)").count()), (2, 1));
    assert!(page.contains("<summary>Looks at this step (4)</summary>") && page.contains("broken off"));
}

#[test]
fn what_would_change_a_verdict_follows_from_its_interval() {
    let mut report = samples::report();
    report.results.truncate(1);
    for (limits, verdict, wanted) in [
        (
            (-0.021, 0.03),
            "adequate",
            "adequate down to a margin of 0.021. With 7 more of the 240\u{a0}cases wholly lost",
        ),
        ((0.01, 0.03), "adequate", "adequate at any margin."),
        ((-0.2, -0.1), "not_adequate", "accepts a loss above 0.2 could call it adequate; below 0.1 it stays"),
        ((-0.08, -0.02), "undecided", "adequate at a margin above 0.08 and not adequate below 0.02"),
        ((-0.08, 0.02), "undecided", "adequate at a margin above 0.08; no margin makes it"),
    ] {
        let row = &mut report.results[0].row;
        (row.lower, row.upper, row.verdict) = (limits.0, limits.1, verdict.to_owned());
        let page = report::html(&report);
        assert!(page.contains(wanted), "{wanted}");
    }
}

/// The interval lies wholly above minus the margin, and still nothing may be claimed.
#[test]
fn what_no_margin_makes_up_for_is_said_instead_of_a_margin() {
    let judge = |refusals: &[&str], weight: Option<f64>| {
        serde_json::json!({
            "judge": "other/large", "lock": null, "prompt": 1, "prompt_sha256": "", "figures": {}, "refusals": refusals,
            "same": 0, "labels": 3, "labels_left_out": 0, "people": 1, "labels_seed": 1, "weight": weight, "asked": 0,
            "resumed": 0, "failures": 0, "input_tokens": 0, "output_tokens": 0, "usd": null,
        })
    };
    let across = serde_json::json!({"correction": "holm", "level": 0.05, "verdict_alone": "adequate", "claims": []});
    let nothing = serde_json::Value::Null;
    for (judge, across, wanted) in [
        (&judge(&[], None), &nothing, "At least 50 labels of people"),
        (&judge(&["it guesses"], None), &nothing, "A judge that is believed"),
        (&judge(&[], Some(0.5)), &across, "by itself it is adequate at this margin"),
        (&judge(&[], Some(0.5)), &nothing, "adequate at a margin above 0.017"),
    ] {
        let mut report = samples::report();
        report.results.truncate(1);
        let result = &mut report.results[0];
        result.judge = serde_json::from_value(judge.clone()).unwrap();
        result.across = serde_json::from_value(across.clone()).unwrap();
        (result.row.lower, result.row.upper, result.row.verdict) = (-0.017, 0.017, "undecided".to_owned());
        let page = report::html(&report);
        assert!(page.contains(wanted), "{wanted}");
        assert_eq!(page.contains("would be adequate at a margin"), wanted.contains("0.017"), "{wanted}");
    }
}

#[test]
fn methods_on_the_page_are_explained_with_their_sources() {
    let page = report::html(&samples::report());
    assert!(page.contains("<dt>tango_score</dt>") && page.contains("<dt>clustered</dt>"));
    assert!(!page.contains("<dt>betting_sequence</dt>"));
}

#[test]
fn labels_and_outcomes_are_named_as_the_reference() {
    let mut report = samples::report();
    report.results[0].row.reference = "label".to_owned();
    report.results[1].row.reference = "outcome".to_owned();
    report.results[1].arms.rerun = None;
    let page = report::html(&report);
    assert!(page.contains("Reference: human labels. Noise floor: sim&#x2f;frontier scored 1.000 as recorded and"));
    assert!(page.contains("Reference: business outcomes. Noise floor: not measured"));
    assert!(page.contains("<th scope=\"col\" class=\"\">reference</th>"), "a column that differs is in the table");
}

#[test]
fn a_single_result_is_its_own_headline() {
    let mut report = samples::report();
    report.results.drain(..2);
    report.results.truncate(1);
    let page = report::html(&report);
    nesting(&page);
    assert!(page.contains("<p class=\"lede\">desk-l is adequate for triage at margin 0.05: difference "));
}

#[test]
fn terminal_table_reads_without_colour() {
    let table = report::terminal(&rows(), Style { color: ColorChoice::Never, width: 120 });
    insta::assert_snapshot!(table, @r"
    STEP     CANDIDATE                 VERDICT                    DIFF        INTERVAL    N  worse                     0
    triage   desk-s                    not adequate              −17.1  −21.5 to −12.6  240         ├───◆───┤      ┊   │
             desk-m                    adequate                   −1.2    −4.8 to +2.3  160                        ├──●┼─┤
             desk-l                    adequate                   +1.7    −1.6 to +4.9  240                        ┊ ├─┼●──┤
    extract  desk-s                    not adequate              −34.6  −40.1 to −29.1  240  ◂┤                    ┊   │
             desk-m                    undecided (1,310 more)     −2.1    −5.6 to +1.5  240                       ├┼─○─┼┤
             desk-l                    adequate                   +0.8    −1.7 to +3.4  240                        ┊ ├─┼●─┤
    decide   desk-s                    not adequate              −54.6  −60.6 to −48.6  240  ◂                     ┊   │
             desk-m                    not adequate               −9.6   −13.4 to −5.8  240                ├───◆──┤┊   │
             desk-l                    undecided                   0.0         unknown    1                        ┊   │
    reply    desk-s                    not adequate              −56.9  −59.3 to −54.6  240  ◂                     ┊   │
             desk-m                    not adequate              −43.0  −45.4 to −40.6  240  ◂                     ┊   │
             <script>alert(1)</scrip…  undecided               unknown         unknown    0                        ┊   │

    candidate minus incumbent in points; 90 % intervals; margin 0.05
    ┊ minus the margin   │ no difference   ● adequate   ◆ not adequate   ○ undecided
    ");
}

#[test]
fn narrow_terminal_drops_the_plot_and_colour_is_only_added() {
    let narrow = report::terminal(&rows()[..2], Style { color: ColorChoice::Never, width: 70 });
    insta::assert_snapshot!(narrow, @r"
    STEP    CANDIDATE  VERDICT        DIFF        INTERVAL    N
    triage  desk-s     not adequate  −17.1  −21.5 to −12.6  240
            desk-m     adequate       −1.2    −4.8 to +2.3  160

    candidate minus incumbent in points; 90 % intervals; margin 0.05
    ");
    let coloured = report::terminal(&rows()[..2], Style { color: ColorChoice::Always, width: 70 });
    let plain = coloured.replace("\u{1b}[31m", "").replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
    assert_eq!(plain, narrow);
    assert_ne!(coloured, narrow);
    assert_eq!(report::terminal(&[], Style { color: ColorChoice::Always, width: 80 }), "no assessments yet\n");
}

#[test]
fn tables_align_wide_letters_and_clean_control_characters() {
    let cell = ToOwned::to_owned;
    let rows = [["東京".to_owned(), cell("12")].to_vec(), ["a\u{1b}[2Jb".to_owned(), cell("3,456")].to_vec()];
    let table = report::table(&[("step", Align::Left), ("calls", Align::Right)], &rows);
    insta::assert_snapshot!(table, @r"
    step    calls
    東京       12
    a [2Jb  3,456
    ");
}

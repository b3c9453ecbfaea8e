//! Prints, as Markdown, how often the methods err and how many cases they take: the tables of `docs/statistics.md`.
//!
//! Usage: `calibration [SECTION]` with SECTION one of tango, sequential, cases, graded, rollback, drift, steps, best, bootstrap, time.

use std::env;
use std::time::Instant;

use freehold_evidence::bootstrap::{self, Resampling};
use freehold_evidence::decision::Rule;
use freehold_evidence::drift::{Change, Method, Watched};
use freehold_evidence::multiplicity;
use freehold_evidence::sequential::Sequence;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

mod figures;

use figures::{Setting, Truth};

const SECTIONS: [(&str, fn()); 10] = [
    ("tango", tango),
    ("sequential", sequential),
    ("cases", cases),
    ("graded", graded),
    ("rollback", rollback),
    ("drift", drift),
    ("steps", steps),
    ("best", best),
    ("bootstrap", resampled),
    ("time", time),
];

fn main() {
    let wanted = env::args().nth(1);
    for (name, print) in SECTIONS {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            print();
            println!();
        }
    }
}

fn rule(margin: f64) -> Rule {
    Rule::new(margin, 0.95).expect("legal")
}

fn tango() {
    println!(
        "| margin | discordance | n = 50 | 100 | 200 | 500 | 1,000 | 2,000 |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for margin in [0.02, 0.05, 0.1] {
        for discordance in [0.02, 0.05, 0.1, 0.2, 0.4] {
            if discordance < margin {
                continue;
            }
            let truth = Truth { discordance, difference: -margin };
            let levels = [50, 100, 200, 500, 1_000, 2_000]
                .map(|cases| format!("{:.2}", 100.0 * figures::tango_adequate(cases, truth, &rule(margin))));
            println!("| {margin} | {:.0} % | {} |", discordance * 100.0, levels.join(" | "));
        }
    }
    println!("\n| margin | worst where the candidate never gains | worst elsewhere |\n| --- | --- | --- |");
    for margin in [0.02, 0.05, 0.1] {
        let cells = worst_tango(margin)
            .map(|(level, cases, percent)| format!("{:.2} (n = {cases}, discordance {percent} %)", level * 100.0));
        println!("| {margin} | {} |", cells.join(" | "));
    }
}

/// Returns the highest level over a fine grid, with the cases and the discordance where it lies: first where the discordance
/// is the margin itself, so that the candidate never gains, then where it is larger.
fn worst_tango(margin: f64) -> [(f64, usize, u32); 2] {
    let mut worst = [(0.0, 0, 0); 2];
    for cases in (50..=2_000).step_by(10) {
        for percent in 2..=40 {
            let discordance = f64::from(percent) / 100.0;
            if discordance < margin {
                continue;
            }
            let level = figures::tango_adequate(cases, Truth { discordance, difference: -margin }, &rule(margin));
            let place = &mut worst[usize::from(discordance > margin)];
            if level > place.0 {
                *place = (level, cases, percent);
            }
        }
    }
    worst
}

fn sequential() {
    println!(
        "| margin | discordance | bets | bets, pilot of 100 | asymptotic, pilot of 100 |\n| --- | --- | --- | --- | --- |"
    );
    for (margin, discordance) in [(0.02, 0.02), (0.02, 0.1), (0.05, 0.05), (0.05, 0.1), (0.05, 0.25), (0.1, 0.15)] {
        let truth = Truth { discordance, difference: -margin };
        let cells =
            [(Sequence::Betting, 0), (Sequence::Betting, 100), (Sequence::Asymptotic, 100)].map(|(sequence, pilot)| {
                let setting = Setting { sequence, rule: rule(margin), pilot, cases_max: 2_000, streams: 4_000 };
                let streams = figures::watch_streams(&setting, 71, |random| truth.draw(random));
                format!("{:.1} / {:.1}", 100.0 * streams.adequate, 100.0 * streams.not_adequate)
            });
        println!("| {margin} | {:.0} % | {} |", discordance * 100.0, cells.join(" | "));
    }
    for (name, margin, deviation, failures) in [
        ("graded, deviation 0.14", 0.05, 0.25, 0.0),
        ("graded, deviation 0.01, and 2 % failures", 0.02, 0.02, 0.02),
        ("graded, deviation 0.01, and 5 % failures", 0.05, 0.02, 0.05),
    ] {
        let graded = |random: &mut ChaCha8Rng| {
            let spread = deviation * (2.0 * random.random::<f64>() - 1.0);
            if random.random::<f64>() < failures { -1.0 } else { (failures - margin) / (1.0 - failures) + spread }
        };
        let cells =
            [(Sequence::Betting, 0), (Sequence::Betting, 100), (Sequence::Asymptotic, 100)].map(|(sequence, pilot)| {
                let setting = Setting { sequence, rule: rule(margin), pilot, cases_max: 2_000, streams: 4_000 };
                let streams = figures::watch_streams(&setting, 72, graded);
                format!("{:.1} / {:.1}", 100.0 * streams.adequate, 100.0 * streams.not_adequate)
            });
        println!("| {margin} | {name} | {} |", cells.join(" | "));
    }
}

fn cases() {
    println!(
        "| margin | discordance | fixed | prior | difference 0 | +1 margin | +2 margins | -3 margins |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for (margin, discordance) in
        [(0.05, 0.05), (0.05, 0.1), (0.05, 0.15), (0.05, 0.25), (0.02, 0.05), (0.02, 0.1), (0.02, 0.25)]
    {
        let fixed = figures::fixed_cases(discordance, &rule(margin));
        for (name, pilot) in [("none", 0), ("pilot of 50", 50), ("pilot of 100", 100)] {
            let cells = [0.0, 1.0, 2.0, -3.0].map(|margins: f64| {
                let truth = Truth { discordance, difference: margins * margin };
                if truth.difference.abs() > discordance {
                    return "-".to_owned();
                }
                let (sequence, cases_max) = (Sequence::Betting, fixed * 4);
                let setting = Setting { sequence, rule: rule(margin), pilot, cases_max, streams: 2_000 };
                let streams = figures::watch_streams(&setting, 73, |random| truth.draw(random));
                let share = |stop: u64| 100.0 * stop as f64 / fixed as f64;
                format!("{} ({:.0} %; {:.0} %)", streams.stop(0.5), share(streams.stop(0.5)), share(streams.stop(0.8)))
            });
            println!("| {margin} | {:.0} % | {fixed} | {name} | {} |", discordance * 100.0, cells.join(" | "));
        }
    }
}

fn graded() {
    println!("| margin | differences | bets | asymptotic |\n| --- | --- | --- | --- |");
    for (name, spread, rare) in [
        ("deviation 0.14 on every case", 0.25, 0.0),
        ("deviation 0.05 on every case", 0.087, 0.0),
        ("a loss or gain of 0.5 on 5 % of the cases", 0.0, 0.05),
        ("a loss or gain of 0.5 on 20 % of the cases", 0.0, 0.2),
    ] {
        for margin in [0.02, 0.05] {
            let draw = |random: &mut ChaCha8Rng| {
                let differs = rare == 0.0 || random.random::<f64>() < rare;
                let sign = 2.0 * random.random::<f64>() - 1.0;
                match differs {
                    true if rare > 0.0 => 0.5 * sign.signum(),
                    true => spread * sign,
                    false => 0.0,
                }
            };
            let cells = [Sequence::Betting, Sequence::Asymptotic].map(|sequence| {
                let setting = Setting { sequence, rule: rule(margin), pilot: 50, cases_max: 5_000, streams: 1_000 };
                let streams = figures::watch_streams(&setting, 79, draw);
                format!("{} ({})", streams.stop(0.5), streams.stop(0.8))
            });
            println!("| {margin} | {name} | {} |", cells.join(" | "));
        }
    }
}

fn rollback() {
    println!(
        "| truth | discordance | rolled back at 0.05 | at 0.10 | median cases at 0.10 |\n| --- | --- | --- | --- | --- |"
    );
    for (name, difference) in
        [("equal (A/A)", 0.0), ("on the margin", -0.05), ("-0.1", -0.1), ("-0.2", -0.2), ("-0.4", -0.4)]
    {
        for discordance in [0.05, 0.1, 0.25, 0.5] {
            let truth = Truth { discordance, difference };
            if -difference > discordance {
                continue;
            }
            let run = |alpha| figures::rollbacks(truth, 0.05, alpha, (2_000, 2_000, 74));
            let ((strict, _), (usual, median)) = (run(0.05), run(0.1));
            let median = median.map_or("-".to_owned(), |cases| cases.to_string());
            println!(
                "| {name} | {:.0} % | {:.1} | {:.1} | {median} |",
                discordance * 100.0,
                strict * 100.0,
                usual * 100.0
            );
        }
    }
}

fn drift() {
    println!("| baseline | mean after | method | scores until the alarm, mean |\n| --- | --- | --- | --- |");
    for (baseline, after) in [(0.95, 0.9), (0.95, 0.8), (0.95, 0.5), (0.95, 0.05), (0.7, 0.65), (0.7, 0.5), (0.7, 0.2)]
    {
        for method in [Method::ShiryaevRoberts, Method::Cusum] {
            let watched = Watched { method, change: Change::Fall, baseline, tolerance: 0.05, run_length: 1_000.0 };
            let (mean, sounded) = figures::alarms(watched, [after; 2], 0, (400, 20_000, 75));
            let name = if method == Method::Cusum { "e-CUSUM" } else { "e-SR" };
            let at_least = if sounded < 1.0 { "over " } else { "" };
            println!("| {baseline} | {after} | {name} | {at_least}{mean:.0} |");
        }
    }
}

fn steps() {
    println!("| adjusted by | any wrong claim | wrong among the claims | claims of 14 |\n| --- | --- | --- | --- |");
    let names = ["nothing", "Holm", "Hochberg", "Benjamini-Hochberg", "Benjamini-Yekutieli"];
    let ways: [figures::Adjust; 5] = [
        |p_values| Ok(p_values.to_vec()),
        multiplicity::holm,
        multiplicity::hochberg,
        multiplicity::benjamini_hochberg,
        multiplicity::benjamini_yekutieli,
    ];
    for (name, claims) in names.into_iter().zip(figures::several_steps(ways, &rule(0.05), 4_000, 76)) {
        println!(
            "| {name} | {:.1} | {:.1} | {:.2} |",
            claims.any_wrong * 100.0,
            claims.share_wrong * 100.0,
            claims.made
        );
    }
    for cases_max in [400, 800] {
        let claims = figures::several_steps_by_bets(&rule(0.05), cases_max, 1_000, 79);
        println!(
            "| e-BH, bets on up to {cases_max} cases | {:.1} | {:.1} | {:.2} |",
            claims.any_wrong * 100.0,
            claims.share_wrong * 100.0,
            claims.made
        );
    }
}

fn best() {
    println!(
        "| candidates | chosen on one half, tested on the other | chosen and tested on all |\n| --- | --- | --- |"
    );
    for candidates in [2, 3, 5, 10] {
        let truth = Truth { discordance: 0.15, difference: -0.05 };
        let [split, all] = figures::best_of(candidates, 400, truth, (20_000, 80));
        println!("| {candidates} | {:.1} | {:.1} |", split * 100.0, all * 100.0);
    }
}

fn resampled() {
    println!("| n | discordance | percentile | corrected (BCa) | Tango |\n| --- | --- | --- | --- | --- |");
    for (cases, discordance) in [(50, 0.1), (50, 0.2), (100, 0.1), (100, 0.2)] {
        let truth = Truth { discordance, difference: -0.05 };
        let [plain, corrected] = figures::bootstrap_adequate(cases, truth, &rule(0.05), (2_000, 1_000, 77));
        let exact = figures::tango_adequate(cases, truth, &rule(0.05));
        let [plain, corrected, exact] = [plain, corrected, exact].map(|share| format!("{:.1}", share * 100.0));
        println!("| {cases} | {:.0} % | {plain} | {corrected} | {exact} |", discordance * 100.0);
    }
}

fn time() {
    let values: Vec<f64> = (0..10_000).map(|number| f64::from(number % 3 - 1)).collect();
    let begun = Instant::now();
    let limits = bootstrap::bca(&values, &Resampling { seed: 78, resamples: 10_000 }, 0.95).expect("values");
    println!("10,000 resamples of 10,000 values, limits {limits:?}: {:.2} s", begun.elapsed().as_secs_f64());
}

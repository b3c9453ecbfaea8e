//! Means, their clustered errors and t intervals against sums done by hand.

use freehold_evidence::paired;

#[test]
fn t_interval_matches_a_worked_example() {
    // Mean 0.02, variance 0.0016, n = 5, t(4, 0.95) = 2.131847.
    let summary = paired::summarise(&[0.0, 0.05, -0.03, 0.07, 0.01]);
    assert!((summary.mean - 0.02).abs() < 1e-12);
    assert!((summary.variance - 0.0016).abs() < 1e-12, "{}", summary.variance);
    let (lower, upper) = paired::t_interval(summary.mean, summary.error_squared().sqrt(), 4.0, 0.95);
    let half = 2.131_846_8 * (0.0016_f64 / 5.0).sqrt();
    assert!((lower - (0.02 - half)).abs() < 1e-8 && (upper - (0.02 + half)).abs() < 1e-8, "{lower} {upper}");
}

#[test]
fn clusters_of_one_give_the_independent_error() {
    let differences = [0.0, 0.5, -0.25, 1.0, 0.0, -1.0];
    let summary = paired::summarise(&differences);
    let clustered = paired::cluster_robust(&differences, &[0, 1, 2, 3, 4, 5]);
    assert!((clustered.error_squared - summary.error_squared()).abs() < 1e-15);
    assert!((clustered.design_effect(&summary) - 1.0).abs() < 1e-12);
}

#[test]
fn repeats_that_tell_the_same_count_once() {
    // Four distinct cases, each three times over: the error is that of four cases, not of twelve.
    let distinct = [0.0, -1.0, 1.0, 0.0];
    let repeated: Vec<f64> = distinct.iter().flat_map(|difference| [*difference; 3]).collect();
    let clusters: Vec<usize> = (0..12).map(|case| case / 3).collect();
    let clustered = paired::cluster_robust(&repeated, &clusters);
    assert!((clustered.error_squared - paired::summarise(&distinct).error_squared()).abs() < 1e-12);
    assert!((clustered.worst_design_effect - 3.0).abs() < 1e-12);
    // 3 * (11/12) / (3/4): the small-sample factors of the two errors differ.
    let expected = 3.0 * (11.0 / 12.0) / (3.0 / 4.0);
    assert!((clustered.design_effect(&paired::summarise(&repeated)) - expected).abs() < 1e-12);
}

#[test]
fn clusters_never_narrow_and_missing_variation_takes_the_worst_case() {
    // Within each pair the differences cancel: the clustered error is 0, far below the independent one.
    let cancelling = [1.0, -1.0, 1.0, -1.0];
    let clustered = paired::cluster_robust(&cancelling, &[0, 0, 1, 1]);
    assert!(clustered.error_squared.abs() < 1e-15);
    assert!((clustered.design_effect(&paired::summarise(&cancelling)) - 1.0).abs() < 1e-15);

    let equal = [0.1; 10];
    let in_two = paired::cluster_robust(&equal, &[0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    assert!((in_two.design_effect(&paired::summarise(&equal)) - 5.0).abs() < 1e-12);
    let varied = [0.0, 1.0, 0.0, 0.5];
    let in_one = paired::cluster_robust(&varied, &[0; 4]);
    assert!((in_one.design_effect(&paired::summarise(&varied)) - 4.0).abs() < 1e-12);
}

#[test]
fn no_cases_and_one_case_have_no_variance() {
    assert_eq!(paired::summarise(&[]).error_squared(), 0.0);
    assert_eq!(paired::summarise(&[0.3]).variance, 0.0);
    let (lower, upper) = paired::t_interval(0.3, 0.0, 0.0, 0.95);
    assert!(lower.is_infinite() && upper.is_infinite());
}

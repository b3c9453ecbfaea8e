//! What a thousand such calls cost on either side. An unknown cost stays unknown.

use freehold_wire::Usage;

use super::Assessor;
use super::ask::{Arms, Asked};
use super::cases::Chosen;
use super::replay::Replays;
use super::result::{Cost, Saved};
use crate::facts::Tariff;

/// Works out time and money of both sides.
pub(super) fn cost(assessor: &Assessor<'_>, chosen: &Chosen, arms: &Arms, replays: &Replays) -> Cost {
    let recorded: Vec<Usage> = chosen.cases.iter().filter_map(|case| case.recorded.usage.or(case.call.usage)).collect();
    let answered: Vec<Usage> = replays.candidate_answers().filter_map(|answer| answer.usage).collect();
    let prices = assessor.prices;
    let incumbent = usd_per_1k(prices.current(&chosen.incumbent.upstream, &chosen.incumbent.model), &recorded);
    let (candidate, engine_s, basis) = match &arms.candidate {
        Asked::Engine { .. } => {
            let wall = replays.candidate_busy.map(|(wall, cases)| wall.as_secs_f64() / cases as f64 * 1e3);
            (None, wall, "our own engine costs machine time, which has no price here")
        }
        Asked::Upstream { upstream, model, .. } => {
            (usd_per_1k(prices.current(&upstream.name, model), &answered), None, "list prices of both models")
        }
    };
    let facts = prices.facts().compiled_on();
    let basis = match (incumbent, recorded.is_empty()) {
        (Some(_), _) => format!("{basis}; vendor prices as of {facts}"),
        (None, true) => format!("{basis}; the recorded calls do not say their tokens"),
        (None, false) => format!("{basis}; the price of {} is not known", chosen.incumbent.model),
    };
    let mean = |value: &dyn Fn(&Usage) -> u64| {
        (!recorded.is_empty())
            .then(|| recorded.iter().map(|usage| value(usage) as f64).sum::<f64>() / recorded.len() as f64)
    };
    Cost {
        incumbent_usd_per_1k: incumbent,
        candidate_usd_per_1k: candidate,
        candidate_engine_s_per_1k: engine_s,
        basis,
        input_tokens_mean: mean(&|usage| usage.input),
        output_tokens_mean: mean(&|usage| usage.output),
    }
}

/// Returns what was not asked because it was decided before; `None` where everything was.
pub(super) fn saved(chosen: &Chosen, arms: &Arms, replays: &Replays, cost: &Cost) -> Option<Saved> {
    let cases = chosen.cases.len() as u64;
    let left = |arm: usize| cases.saturating_sub(replays.asked[arm] + replays.resumed[arm]);
    let (candidate, rerun) = (left(0), if arms.rerun.is_some() { left(1) } else { 0 });
    if candidate + rerun == 0 {
        return None;
    }
    let usd = |calls: u64, per_1k: Option<f64>| if calls == 0 { Some(0.0) } else { Some(per_1k? * calls as f64 / 1e3) };
    let of_candidate = match &arms.candidate {
        Asked::Engine { .. } => Some(0.0),
        Asked::Upstream { .. } => usd(candidate, cost.candidate_usd_per_1k),
    };
    let total = of_candidate.zip(usd(rerun, cost.incumbent_usd_per_1k)).map(|(candidate, rerun)| candidate + rerun);
    Some(Saved { cases_max: cases, calls: candidate + rerun, usd: total.filter(|usd| *usd > 0.0) })
}

pub(super) fn usd_per_1k(tariff: Option<Tariff>, usages: &[Usage]) -> Option<f64> {
    let tariff = tariff?;
    let costs: Option<Vec<u64>> = usages.iter().map(|usage| tariff.cost_microusd(usage)).collect();
    let costs = costs.filter(|costs| !costs.is_empty())?;
    Some(costs.iter().sum::<u64>() as f64 / costs.len() as f64 / 1e3)
}

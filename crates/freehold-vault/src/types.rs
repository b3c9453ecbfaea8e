//! What is stored in which type: tensors, weights and bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What of a model is stored in one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeShare {
    /// The type, such as `Q4_K` or `BF16`.
    pub name: String,
    /// How many tensors.
    pub tensors: u64,
    /// How many weights.
    pub parameters: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Sums by storage type.
#[derive(Debug, Default)]
pub(crate) struct Types {
    sums: BTreeMap<&'static str, (u64, u64, u64)>,
}

impl Types {
    /// Counts a tensor; the caller has seen that sums over all types do not overflow.
    pub(crate) fn add(&mut self, name: &'static str, parameters: u64, bytes: u64) {
        let sum = self.sums.entry(name).or_default();
        *sum = (sum.0 + 1, sum.1.saturating_add(parameters), sum.2.saturating_add(bytes));
    }

    /// Takes up the sums of another part of the same model.
    pub(crate) fn join(&mut self, other: &Types) {
        for (name, (tensors, parameters, bytes)) in &other.sums {
            let sum = self.sums.entry(name).or_default();
            *sum = (sum.0.saturating_add(*tensors), sum.1.saturating_add(*parameters), sum.2.saturating_add(*bytes));
        }
    }

    /// Returns the type that holds most weights; the empty text when there is none.
    pub(crate) fn main(&self) -> &'static str {
        self.sums.iter().max_by_key(|(_, sum)| sum.1).map_or("", |(name, _)| name)
    }

    /// Returns all types, that with the most bytes first.
    pub(crate) fn shares(&self) -> Vec<TypeShare> {
        let mut shares: Vec<TypeShare> = self
            .sums
            .iter()
            .map(|(name, sum)| TypeShare { name: (*name).to_owned(), tensors: sum.0, parameters: sum.1, bytes: sum.2 })
            .collect();
        shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
        shares
    }
}

//! What people said of cases: which of two answers is better, or what the right one is. Each is written at once and kept.

use std::collections::HashMap;

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::seal::Purpose;
use crate::store::Store;

/// What one person said of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who.
    pub who: String,
    /// The step.
    pub step: String,
    /// The id of the call that is the case.
    pub case: String,
    /// The assessment whose answer of the candidate was shown, where answers were.
    pub assessment: Option<String>,
    /// The seed of the random order in which the case was drawn, where it was.
    pub seed: Option<u64>,
    /// What was said.
    pub said: Said,
}

/// What can be said of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Which of two answers is better. It holds for these two answers, which their digests name, and for no others.
    Pair {
        /// The judgement.
        preference: Preference,
        /// SHA-256 of the incumbent's answer, as hexadecimal digits.
        incumbent_sha256: String,
        /// SHA-256 of the candidate's answer, as hexadecimal digits.
        candidate_sha256: String,
    },
    /// The right answer of the case, in the spelling of an imported reference.
    Gold(Value),
    /// Nothing: the case was shown and passed over.
    Skipped,
}

/// A judgement of two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preference {
    /// The incumbent's answer is better.
    Incumbent,
    /// The candidate's answer is better.
    Candidate,
    /// Both are fine.
    BothFine,
    /// Both are wrong.
    BothWrong,
}

const INSERT: &str = "INSERT INTO label (at_ms, who, step, \"case\", assessment, seed, said, sealed_said) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const UNDO: &str = "UPDATE label SET undone_ms = ?2 WHERE row = ?1 AND undone_ms IS NULL";
const SELECT: &str = "SELECT at_ms, who, step, \"case\", assessment, seed, said, sealed_said FROM label \
    WHERE step = ?1 AND at_ms <= ?2 AND (undone_ms IS NULL OR undone_ms > ?2) ORDER BY row";

impl Store {
    /// Stores a label before it returns, and returns the number by which it can be taken back.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn add_label(&self, label: &Label) -> Result<i64, Error> {
        let doing = "add a label";
        let text = serde_json::to_string(&label.said).map_err(|source| Error::Json { what: "a label", source })?;
        let (said, sealed) = match self.seal() {
            Some(seal) => (None, Some(seal.seal(Purpose::Label, text.as_bytes())?)),
            None => (Some(text), None),
        };
        let seed = label.seed.map(u64::cast_signed);
        self.write(doing, |transaction| {
            let Label { at_ms, who, step, case, assessment, .. } = label;
            let values = params![at_ms, who, step, case, assessment, seed, said, sealed];
            transaction.execute(INSERT, values).map_err(Error::sql(doing))?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// Takes a label back; it stays in the file and counts no more. Returns whether it counted until now.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn undo_label(&self, number: i64, at_ms: i64) -> Result<bool, Error> {
        let doing = "take a label back";
        self.write(doing, |transaction| {
            transaction.execute(UNDO, params![number, at_ms]).map(|changed| changed > 0).map_err(Error::sql(doing))
        })
    }

    /// Returns the labels of a step that were not taken back, oldest first.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn labels(&self, step: &str) -> Result<Vec<Label>, Error> {
        self.labels_at(step, i64::MAX)
    }

    /// Returns the labels of a step as they stood at a moment, in milliseconds since the Unix epoch: what was said later is left
    /// out, and what was taken back later is in.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn labels_at(&self, step: &str, at_ms: i64) -> Result<Vec<Label>, Error> {
        let doing = "read the labels of a step";
        let stored = self.read(|connection| {
            let read = || -> rusqlite::Result<Vec<(Label, SaidColumns)>> {
                connection.prepare_cached(SELECT)?.query_map(params![step, at_ms], columns)?.collect()
            };
            read().map_err(Error::sql(doing))
        })?;
        stored.into_iter().map(|(label, said)| Ok(Label { said: self.said(said)?, ..label })).collect()
    }

    /// Returns the right answers that people gave to cases of a step, the newest of each case.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn gold_answers(&self, step: &str) -> Result<HashMap<String, Value>, Error> {
        self.gold_answers_at(step, i64::MAX)
    }

    /// Returns the right answers as they stood at a moment, in milliseconds since the Unix epoch: what was said later is left
    /// out, and what was taken back later is in.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn gold_answers_at(&self, step: &str, at_ms: i64) -> Result<HashMap<String, Value>, Error> {
        let gold = self.labels_at(step, at_ms)?.into_iter().filter_map(|label| match label.said {
            Said::Gold(value) => Some((label.case, value)),
            Said::Pair { .. } | Said::Skipped => None,
        });
        Ok(gold.collect())
    }

    fn said(&self, (text, sealed): SaidColumns) -> Result<Said, Error> {
        let text = match (sealed, self.seal()) {
            (Some(sealed), Some(seal)) => {
                Some(String::from_utf8_lossy(&seal.open(Purpose::Label, &sealed)?).into_owned())
            }
            _ => text,
        };
        serde_json::from_str(text.as_deref().unwrap_or_default())
            .map_err(|error| Error::Unreadable { what: "a label", found: error.to_string() })
    }
}

/// What was said as text, or sealed.
type SaidColumns = (Option<String>, Option<Vec<u8>>);

fn columns(row: &Row<'_>) -> rusqlite::Result<(Label, SaidColumns)> {
    let seed: Option<i64> = row.get(5)?;
    let label = Label {
        at_ms: row.get(0)?,
        who: row.get(1)?,
        step: row.get(2)?,
        case: row.get(3)?,
        assessment: row.get(4)?,
        seed: seed.map(i64::cast_unsigned),
        said: Said::Skipped,
    };
    Ok((label, (row.get(6)?, row.get(7)?)))
}

//! Looks at the cases of a step: every assessment that was begun, finished or not, and which cases it had asked.

use std::collections::HashMap;

use rusqlite::{Row, params};
use serde_json::Value;

use crate::assessment::AssessmentHead;
use crate::calls::count;
use crate::error::Error;
use crate::store::Store;

/// One look: an assessment that was begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// What was declared before anything was asked.
    pub head: AssessmentHead,
    /// The cases that the candidate was asked.
    pub asked: u64,
    /// The verdict; `None` where the assessment is not finished.
    pub verdict: Option<String>,
    /// When it was finished, in milliseconds since the Unix epoch.
    pub finished_ms: Option<i64>,
}

const SELECT: &str = "SELECT a.id, a.at_ms, a.step, a.candidate, a.incumbent, a.plan, \
    (SELECT count(*) FROM replay r WHERE r.assessment = a.row AND r.arm = 'candidate'), \
    json_extract(a.result, '$.verdict'), a.finished_ms \
    FROM assessment a WHERE a.step = ?1 ORDER BY a.row";
const SELECT_SEEN: &str = "SELECT DISTINCT a.id, r.\"case\" FROM json_each(?2) mine \
    JOIN replay r ON r.\"case\" = mine.value JOIN assessment a ON a.row = r.assessment \
    WHERE r.arm = 'candidate' AND a.step = ?1";

impl Store {
    /// Returns every look at a step, the first first.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn looks(&self, step: &str) -> Result<Vec<Look>, Error> {
        let stored = self.read(|connection| {
            let read = || -> rusqlite::Result<Vec<(Look, String)>> {
                connection.prepare_cached(SELECT)?.query_map([step], columns)?.collect()
            };
            read().map_err(Error::sql("read the looks at a step"))
        })?;
        let parse = |(mut look, plan): (Look, String)| {
            let plan = serde_json::from_str(&plan);
            look.head.plan = plan.map_err(|error| Error::Unreadable { what: "a plan", found: error.to_string() })?;
            Ok(look)
        };
        stored.into_iter().map(parse).collect()
    }

    /// Returns which of these cases each assessment of the step has asked its candidate; those that asked none are left out.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn asked_before(&self, step: &str, cases: &[&str]) -> Result<HashMap<String, Vec<String>>, Error> {
        let doing = "read which cases were asked before";
        let cases = Value::from(cases).to_string();
        let rows = self.read(|connection| {
            let read = || -> rusqlite::Result<Vec<(String, String)>> {
                let mut statement = connection.prepare_cached(SELECT_SEEN)?;
                let rows = statement.query_map(params![step, cases], |row| Ok((row.get(0)?, row.get(1)?)))?;
                rows.collect()
            };
            read().map_err(Error::sql(doing))
        })?;
        let mut asked: HashMap<String, Vec<String>> = HashMap::new();
        for (assessment, case) in rows {
            asked.entry(assessment).or_default().push(case);
        }
        Ok(asked)
    }
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(Look, String)> {
    let head = AssessmentHead {
        id: row.get(0)?,
        at_ms: row.get(1)?,
        step: row.get(2)?,
        candidate: row.get(3)?,
        incumbent: row.get(4)?,
        plan: Value::Null,
    };
    Ok((Look { head, asked: count(row, 6)?, verdict: row.get(7)?, finished_ms: row.get(8)? }, row.get(5)?))
}

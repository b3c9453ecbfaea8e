//! The calls of a step that can be cases: those with a whole, successful answer.

use freehold_wire::ReferenceKind;

use crate::calls::reference_kind;
use crate::error::Error;
use crate::store::Store;

/// A call that can be a case, without its bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseKey {
    /// The call's id.
    pub id: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The run it belongs to, where known.
    pub run: Option<String>,
    /// Who answered.
    pub upstream: String,
    /// The model that answered.
    pub model: String,
    /// The kind of its reference, where one was given beside the incumbent's answer.
    pub reference: Option<ReferenceKind>,
}

const SELECT_CASES: &str = "SELECT c.id, c.at_ms, c.run, c.reference_kind, upstream.text, \
    coalesce(served.text, model.text) FROM (SELECT call AS row FROM step_call \
    WHERE step IN (SELECT id FROM step WHERE name = ?1 UNION ALL SELECT s.id FROM step t JOIN step s ON s.belongs = t.id \
    WHERE t.name = ?1) UNION ALL SELECT row FROM call WHERE row > (SELECT call FROM step_call_entered) \
    AND step IN (SELECT id FROM step WHERE name = ?1 UNION ALL SELECT s.id FROM step t JOIN step s ON s.belongs = t.id \
    WHERE t.name = ?1)) k \
    CROSS JOIN call c ON c.row = k.row JOIN name upstream ON upstream.id = c.upstream \
    JOIN name model ON model.id = c.model LEFT JOIN name served ON served.id = c.served_model \
    WHERE c.kept = 0 AND c.answered = 1 ORDER BY c.at_ms, c.id";

impl Store {
    /// Returns the calls of a step that have a whole, successful answer, by time and id; none for an unknown step.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn cases(&self, step: &str) -> Result<Vec<CaseKey>, Error> {
        let sql = || Error::sql("read the cases of a step");
        self.read(|connection| {
            let mut statement = connection.prepare_cached(SELECT_CASES).map_err(sql())?;
            let mut rows = statement.query([step]).map_err(sql())?;
            let mut cases = Vec::new();
            while let Some(row) = rows.next().map_err(sql())? {
                let number: Option<i64> = row.get(3).map_err(sql())?;
                let reference = number.map(reference_kind).transpose()?;
                let key = || -> rusqlite::Result<CaseKey> {
                    let (upstream, model) = (row.get(4)?, row.get(5)?);
                    Ok(CaseKey { id: row.get(0)?, at_ms: row.get(1)?, run: row.get(2)?, upstream, model, reference })
                };
                cases.push(key().map_err(sql())?);
            }
            Ok(cases)
        })
    }
}

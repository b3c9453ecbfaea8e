//! The certificates in which assessments ended, kept as they were signed.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;

use crate::error::Error;
use crate::store::Store;

/// A certificate as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// The SHA-256 of what was signed, in hexadecimal.
    pub sha256: String,
    /// When it expires, in milliseconds since the Unix epoch.
    pub expires_ms: i64,
    /// The signed text.
    pub text: String,
}

const FINISH: &str = "UPDATE assessment SET result = ?2, finished_ms = ?3 WHERE id = ?1";
const INSERT: &str = "INSERT INTO certificate (assessment, sha256, expires_ms, text) \
    SELECT row, ?2, ?3, ?4 FROM assessment WHERE id = ?1";
const SELECT: &str = "SELECT sha256, expires_ms, text FROM certificate \
    WHERE assessment = (SELECT row FROM assessment WHERE id = ?1)";

impl Store {
    /// Stores the result of an assessment and its certificate, both or neither.
    ///
    /// # Errors
    /// Fails when there is no such assessment, when it has a certificate, or when the store cannot be written.
    pub fn certify_assessment(
        &self,
        id: &str,
        at_ms: i64,
        result: &Value,
        certificate: &Certified,
    ) -> Result<(), Error> {
        let doing = "finish an assessment with its certificate";
        self.write(doing, |transaction| {
            finish(transaction, (id, at_ms), result, doing)?;
            let Certified { sha256, expires_ms, text } = certificate;
            transaction.execute(INSERT, params![id, sha256, expires_ms, text]).map_err(Error::sql(doing))?;
            Ok(())
        })
    }

    /// Returns the certificate of an assessment, where it ended in one.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn certificate(&self, assessment: &str) -> Result<Option<Certified>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(SELECT)
                .and_then(|mut statement| {
                    let read = |row: &rusqlite::Row<'_>| {
                        Ok(Certified { sha256: row.get(0)?, expires_ms: row.get(1)?, text: row.get(2)? })
                    };
                    statement.query_row([assessment], read).optional()
                })
                .map_err(Error::sql("read a certificate"))
        })
    }
}

/// Stores the result of an assessment in a transaction.
pub(crate) fn finish(
    transaction: &Transaction<'_>,
    (id, at_ms): (&str, i64),
    result: &Value,
    doing: &'static str,
) -> Result<(), Error> {
    let values = params![id, result.to_string(), at_ms];
    match transaction.execute(FINISH, values).map_err(Error::sql(doing))? {
        0 => Err(Error::UnknownAssessment(id.to_owned())),
        _ => Ok(()),
    }
}

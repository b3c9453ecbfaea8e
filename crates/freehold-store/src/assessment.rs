//! Assessments and their replays, kept one by one so that a broken-off assessment goes on where it stopped.

use freehold_wire::Answer;
use rusqlite::{Connection, Row, params};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::calls::{count, integer};
use crate::certificate;
use crate::error::Error;
use crate::seal::{Purpose, Seal};
use crate::store::Store;

/// What an assessment compares, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct AssessmentHead {
    /// Unique id.
    pub id: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The step.
    pub step: String,
    /// What is proposed for it.
    pub candidate: String,
    /// What serves it.
    pub incumbent: String,
    /// Everything that decides about cases, checks and margin; equal plans can go on with each other's replays.
    pub plan: Value,
}

/// An assessment with its result, once it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// What it compares.
    pub head: AssessmentHead,
    /// The result, once finished.
    pub result: Option<Value>,
    /// When it finished, in milliseconds since the Unix epoch.
    pub finished_ms: Option<i64>,
}

/// One case replayed once.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// The id of the call that is the case.
    pub case: String,
    /// Who was asked: `candidate`, or `rerun` for the incumbent again.
    pub arm: String,
    /// The answer, where there was one.
    pub answer: Option<Answer>,
    /// What went wrong, where something did.
    pub failure: Option<String>,
    /// Until the last byte of the answer, in microseconds.
    pub total_us: u64,
    /// Until its first byte, in microseconds, where it is known.
    pub first_byte_us: Option<u64>,
}

const INSERT_HEAD: &str = "INSERT INTO assessment (id, at_ms, step, candidate, incumbent, plan) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const SELECT: &str = "SELECT id, at_ms, step, candidate, incumbent, plan, result, finished_ms FROM assessment";
const UPSERT_REPLAY: &str = "INSERT INTO replay (assessment, \"case\", arm, answer, failure, total_us, first_byte_us, \
    sealed_answer) SELECT row, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM assessment WHERE id = ?1 \
    ON CONFLICT (assessment, arm, \"case\") DO UPDATE SET answer = excluded.answer, failure = excluded.failure, \
    total_us = excluded.total_us, first_byte_us = excluded.first_byte_us, sealed_answer = excluded.sealed_answer";
const SELECT_REPLAYS: &str = "SELECT \"case\", arm, answer, failure, total_us, first_byte_us, sealed_answer FROM replay \
    WHERE assessment = (SELECT row FROM assessment WHERE id = ?1) ORDER BY row";

impl Store {
    /// Stores the head of an assessment that begins.
    ///
    /// # Errors
    /// Fails when the id is taken or the store cannot be written.
    pub fn begin_assessment(&self, head: &AssessmentHead) -> Result<(), Error> {
        let doing = "begin an assessment";
        let values = params![head.id, head.at_ms, head.step, head.candidate, head.incumbent, head.plan.to_string()];
        self.write(doing, |transaction| transaction.execute(INSERT_HEAD, values).map_err(Error::sql(doing)))?;
        Ok(())
    }

    /// Returns the newest assessment of that step, candidate and plan that has no result.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn unfinished_assessment(
        &self,
        step: &str,
        candidate: &str,
        plan: &Value,
    ) -> Result<Option<AssessmentHead>, Error> {
        // Both plans pass through text, so that a number is equal to itself whatever rounding its spelling suffers.
        let plan = json::<Value>("a plan", &plan.to_string())?;
        let sql = format!("{SELECT} WHERE step = ?1 AND candidate = ?2 AND result IS NULL ORDER BY row DESC");
        let open = self.read(|connection| select(connection, &sql, &[step, candidate]))?;
        Ok(open.into_iter().map(|assessment| assessment.head).find(|head| head.plan == plan))
    }

    /// Stores replays of an assessment in one transaction; a replay of the same case and arm is replaced.
    ///
    /// # Errors
    /// Fails when there is no such assessment or the store cannot be written.
    pub fn add_replays(&self, assessment: &str, replays: &[Replay]) -> Result<(), Error> {
        let doing = "add replays";
        let answers = replays.iter().map(|replay| answer_columns(replay, self.seal()));
        let answers = answers.collect::<Result<Vec<AnswerColumns>, Error>>()?;
        let is_known = self.write(doing, |transaction| {
            let mut statement = transaction.prepare_cached(UPSERT_REPLAY).map_err(Error::sql(doing))?;
            let mut is_known = true;
            for (replay, (answer, sealed)) in replays.iter().zip(&answers) {
                let (total_us, first_byte_us) = (integer(replay.total_us), replay.first_byte_us.map(integer));
                let (case, arm, failure) = (&replay.case, &replay.arm, &replay.failure);
                let values = params![assessment, case, arm, answer, failure, total_us, first_byte_us, sealed];
                is_known &= statement.execute(values).map_err(Error::sql(doing))? > 0;
            }
            Ok(is_known)
        })?;
        if is_known { Ok(()) } else { Err(Error::UnknownAssessment(assessment.to_owned())) }
    }

    /// Returns the replays of an assessment in the order in which they were first stored.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn replays(&self, assessment: &str) -> Result<Vec<Replay>, Error> {
        let doing = "read the replays of an assessment";
        let stored = self.read(|connection| {
            let read = || -> rusqlite::Result<Vec<(Replay, AnswerColumns)>> {
                connection.prepare_cached(SELECT_REPLAYS)?.query_map([assessment], replay_columns)?.collect()
            };
            read().map_err(Error::sql(doing))
        })?;
        let parse = |(replay, answer): (Replay, AnswerColumns)| {
            let answer = opened(answer, self.seal())?.map(|text| json("an answer", &text)).transpose()?;
            Ok(Replay { answer, ..replay })
        };
        stored.into_iter().map(parse).collect()
    }

    /// Stores the result of an assessment.
    ///
    /// # Errors
    /// Fails when there is no such assessment or the store cannot be written.
    pub fn finish_assessment(&self, id: &str, at_ms: i64, result: &Value) -> Result<(), Error> {
        let doing = "finish an assessment";
        self.write(doing, |transaction| certificate::finish(transaction, (id, at_ms), result, doing))
    }

    /// Returns all assessments, the one begun last first.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn assessments(&self) -> Result<Vec<Assessment>, Error> {
        self.read(|connection| select(connection, &format!("{SELECT} ORDER BY row DESC"), &[]))
    }

    /// Returns the assessment with that id.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn assessment(&self, id: &str) -> Result<Option<Assessment>, Error> {
        let found = self.read(|connection| select(connection, &format!("{SELECT} WHERE id = ?1"), &[id]))?;
        Ok(found.into_iter().next())
    }

    /// Returns the finished assessment of a step that was begun last, of one candidate or of any. What only chose among
    /// candidates, on half of the cases, decided nothing and is left out.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub fn latest_assessment(&self, step: &str, candidate: Option<&str>) -> Result<Option<Assessment>, Error> {
        let newest = "result IS NOT NULL AND plan ->> '$.half.half' IS NOT 'choosing' ORDER BY row DESC LIMIT 1";
        let found = self.read(|connection| match candidate {
            Some(name) => {
                select(connection, &format!("{SELECT} WHERE step = ?1 AND candidate = ?2 AND {newest}"), &[step, name])
            }
            None => select(connection, &format!("{SELECT} WHERE step = ?1 AND {newest}"), &[step]),
        })?;
        Ok(found.into_iter().next())
    }
}

/// An answer as text, or sealed.
type AnswerColumns = (Option<String>, Option<Vec<u8>>);

fn answer_columns(replay: &Replay, seal: Option<&Seal>) -> Result<AnswerColumns, Error> {
    let text = replay.answer.as_ref().map(serde_json::to_string).transpose();
    let text = text.map_err(|source| Error::Json { what: "an answer", source })?;
    match (text, seal) {
        (Some(text), Some(seal)) => Ok((None, Some(seal.seal(Purpose::Replay, text.as_bytes())?))),
        (text, _) => Ok((text, None)),
    }
}

fn opened((text, sealed): AnswerColumns, seal: Option<&Seal>) -> Result<Option<String>, Error> {
    let (Some(sealed), Some(seal)) = (sealed, seal) else { return Ok(text) };
    let opened = String::from_utf8(seal.open(Purpose::Replay, &sealed)?);
    opened.map(Some).map_err(|error| Error::Unreadable { what: "an answer", found: error.to_string() })
}

fn select(connection: &Connection, sql: &str, values: &[&str]) -> Result<Vec<Assessment>, Error> {
    let doing = "read the assessments";
    let read = || -> rusqlite::Result<Vec<(Assessment, String, Option<String>)>> {
        connection.prepare_cached(sql)?.query_map(rusqlite::params_from_iter(values), columns)?.collect()
    };
    read().map_err(Error::sql(doing))?.into_iter().map(parse).collect()
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(Assessment, String, Option<String>)> {
    let head = AssessmentHead {
        id: row.get(0)?,
        at_ms: row.get(1)?,
        step: row.get(2)?,
        candidate: row.get(3)?,
        incumbent: row.get(4)?,
        plan: Value::Null,
    };
    Ok((Assessment { head, result: None, finished_ms: row.get(7)? }, row.get(5)?, row.get(6)?))
}

fn parse((mut assessment, plan, result): (Assessment, String, Option<String>)) -> Result<Assessment, Error> {
    assessment.head.plan = json("a plan", &plan)?;
    assessment.result = result.map(|text| json("a result", &text)).transpose()?;
    Ok(assessment)
}

fn replay_columns(row: &Row<'_>) -> rusqlite::Result<(Replay, AnswerColumns)> {
    let first_byte_us: Option<i64> = row.get(5)?;
    let replay = Replay {
        case: row.get(0)?,
        arm: row.get(1)?,
        answer: None,
        failure: row.get(3)?,
        total_us: count(row, 4)?,
        first_byte_us: first_byte_us.map(|us| u64::try_from(us).unwrap_or(0)),
    };
    Ok((replay, (row.get(2)?, row.get(6)?)))
}

fn json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Unreadable { what, found: error.to_string() })
}

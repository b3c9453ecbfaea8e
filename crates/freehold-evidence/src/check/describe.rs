//! What a report has to say of a check: its version, how it normalises, and what to beware of.

use super::Check;

impl Check {
    /// Returns the version of the scoring: it rises whenever an answer may come to another score than before.
    #[must_use]
    pub fn version(&self) -> u32 {
        match self {
            Self::Exact(_)
            | Self::Regex(_)
            | Self::Numeric(_)
            | Self::Json(_)
            | Self::Schema(_)
            | Self::Fields(..)
            | Self::Field { .. }
            | Self::ToolCall
            | Self::Refusal
            | Self::Answered
            | Self::RougeL
            | Self::Chrf => 1,
        }
    }

    /// Returns every difference between two answers that the check looks past, for the reader of a report.
    #[must_use]
    pub fn normalisations(&self) -> Vec<String> {
        let all = || super::Normalisation::all().meanings().into_iter().map(str::to_owned).collect::<Vec<_>>();
        let json = "json: the first balanced object or array counts, outside code fences before inside, where the whole is no JSON";
        let leaves = |mut steps: Vec<String>| {
            steps.push(json.to_owned());
            steps.push("null: a null is the same as a field left out".to_owned());
            steps.push("numbers: equal to one part in 10^9, however written, unless a tolerance is given".to_owned());
            steps
        };
        match self {
            Self::Exact(normalisation) => normalisation.meanings().into_iter().map(str::to_owned).collect(),
            Self::Regex(pattern) if pattern.captures() => all(),
            Self::Numeric(_) => lines(&[
                "last: the last number of a text counts",
                "marks: currency signs, separators of thousands, decimal comma or point, accounting brackets",
                "fractions: 3/4 and 1 1/2 are their values",
                "percent: 12 % is 12, or 0.12 where only one side has the mark",
            ]),
            Self::Json(_) | Self::Schema(_) => vec![json.to_owned()],
            Self::Fields(_, rules) => {
                let mut steps = leaves(all());
                if !rules.names().is_empty() {
                    steps.push(format!("rules: {}", rules.names()));
                }
                steps
            }
            Self::Field { .. } => leaves(all()),
            Self::ToolCall => lines(&[
                "names: dots may be written as underscores",
                "strings: lower case, without blanks and , . / - _ * ^, with one kind of quotes",
                "numbers: an integer is accepted for a float",
                "order: calls may come in any order",
            ]),
            Self::RougeL => lines(&["words: runs of letters and digits in lower case (NFKC), all else goes"]),
            Self::Chrf => lines(&["blanks: blanks go"]),
            Self::Regex(_) | Self::Refusal | Self::Answered => Vec::new(),
        }
    }

    /// Returns what a reader must know before such a score decides anything.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        match self {
            Self::RougeL => vec![
                "text (ROUGE-L) sees likeness of wording, not of meaning: a changed number or a dropped `not` hardly lowers it, and a \
                 good answer in other words scores low; let it describe, and decide by a sharper check or a judge",
            ],
            Self::Chrf => vec![
                "chrf2 sees likeness of spelling, not of meaning: a changed number or a dropped `not` hardly lowers it; let it \
                 describe, and decide by a sharper check or a judge",
            ],
            Self::Refusal | Self::Answered => {
                vec!["a refusal is told by its wording: one in other words, or an evasion, passes unseen"]
            }
            Self::Json(_) | Self::Schema(_) => {
                vec!["the form is checked and not the content: a well-formed wrong answer scores 1"]
            }
            Self::Regex(pattern) if !pattern.captures() => {
                vec!["the pattern is looked for in the answer; what the reference says plays no part"]
            }
            _ => Vec::new(),
        }
    }
}

fn lines(steps: &[&str]) -> Vec<String> {
    steps.iter().map(|step| (*step).to_owned()).collect()
}

//! How families of models write tool calls and reasoning: one table, read by the parser and by the grammar alike.
//!
//! A family is recognised by its chat template. Each row follows the template that the family's makers published.

/// How one family writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Family {
    /// Its name, for reports.
    pub(crate) name: &'static str,
    /// What only templates of this family contain, all of them.
    signs: &'static [&'static str],
    /// What stands before the first call of an answer.
    pub(crate) lead: &'static str,
    /// What stands before each call; where it is empty, an answer that begins with a brace is a call.
    pub(crate) open: &'static str,
    /// What a call is made of.
    pub(crate) body: Body,
    /// What stands after each call.
    pub(crate) close: &'static str,
    /// What stands after the last call of an answer.
    pub(crate) tail: &'static str,
}

/// What a tool call is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// A JSON object with the name and the arguments, under these members.
    Object(Members),
    /// A JSON array of such objects.
    List(Members),
    /// The name, a separator, and the arguments as a JSON object.
    Named {
        /// What stands before the name.
        prefix: &'static str,
        /// What stands between name and arguments.
        separator: &'static str,
    },
}

/// The members of a call's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Members {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static str,
}

const ARGUMENTS: Members = Members { name: "name", arguments: "arguments" };
const PARAMETERS: Members = Members { name: "name", arguments: "parameters" };

/// Hermes, Qwen and all that follow them; also what the scripted model writes.
pub(crate) const HERMES: Family = Family {
    name: "hermes",
    signs: &["<tool_call>", "</tool_call>"],
    lead: "",
    open: "<tool_call>",
    body: Body::Object(ARGUMENTS),
    close: "</tool_call>",
    tail: "",
};

/// The families, the more particular ones first.
const FAMILIES: [Family; 10] = [
    Family {
        name: "deepseek",
        signs: &["<｜tool▁call▁begin｜>", "```json"],
        lead: "<｜tool▁calls▁begin｜>",
        open: "<｜tool▁call▁begin｜>",
        body: Body::Named { prefix: "function<｜tool▁sep｜>", separator: "\n```json\n" },
        close: "\n```<｜tool▁call▁end｜>",
        tail: "<｜tool▁calls▁end｜>",
    },
    Family {
        name: "deepseek-v3.1",
        signs: &["<｜tool▁call▁begin｜>"],
        lead: "<｜tool▁calls▁begin｜>",
        open: "<｜tool▁call▁begin｜>",
        body: Body::Named { prefix: "", separator: "<｜tool▁sep｜>" },
        close: "<｜tool▁call▁end｜>",
        tail: "<｜tool▁calls▁end｜>",
    },
    Family {
        name: "mistral-args",
        signs: &["[TOOL_CALLS]", "[ARGS]"],
        lead: "",
        open: "[TOOL_CALLS]",
        body: Body::Named { prefix: "", separator: "[ARGS]" },
        close: "",
        tail: "",
    },
    Family {
        name: "mistral",
        signs: &["[TOOL_CALLS]"],
        lead: "",
        open: "[TOOL_CALLS]",
        body: Body::List(ARGUMENTS),
        close: "",
        tail: "",
    },
    Family {
        name: "command-r7b",
        signs: &["<|START_ACTION|>"],
        lead: "",
        open: "<|START_ACTION|>",
        body: Body::List(Members { name: "tool_name", arguments: "parameters" }),
        close: "<|END_ACTION|>",
        tail: "",
    },
    Family {
        name: "functionary",
        signs: &["<function=", "</function>"],
        lead: "",
        open: "<function=",
        body: Body::Named { prefix: "", separator: ">" },
        close: "</function>",
        tail: "",
    },
    Family {
        name: "phi-4",
        signs: &["<|tool_call|>", "<|/tool_call|>"],
        lead: "",
        open: "<|tool_call|>",
        body: Body::List(ARGUMENTS),
        close: "<|/tool_call|>",
        tail: "",
    },
    Family {
        name: "granite",
        signs: &["<|tool_call|>"],
        lead: "",
        open: "<|tool_call|>",
        body: Body::List(ARGUMENTS),
        close: "",
        tail: "",
    },
    HERMES,
    Family {
        name: "llama-3",
        signs: &["<|python_tag|>"],
        lead: "<|python_tag|>",
        open: "",
        body: Body::Object(PARAMETERS),
        close: "",
        tail: "",
    },
];

/// Templates that speak of parameters, with no marker of their own.
const GENERIC_PARAMETERS: Family = Family {
    name: "generic-parameters",
    signs: &[],
    lead: "",
    open: "",
    body: Body::Object(PARAMETERS),
    close: "",
    tail: "",
};

/// All others: a bare object.
const GENERIC: Family = Family { name: "generic", body: Body::Object(ARGUMENTS), ..GENERIC_PARAMETERS };

/// What opens and closes reasoning.
const THOUGHTS: [(&str, &str); 6] = [
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
];

/// What opens and closes the reasoning of most families.
pub(crate) const THINK: (&str, &str) = THOUGHTS[0];

impl Family {
    /// Returns the family that a chat template was written for.
    pub(crate) fn of_template(template: &str) -> Family {
        let known = FAMILIES.iter().find(|family| family.signs.iter().all(|sign| template.contains(sign)));
        match known {
            Some(family) => *family,
            None if template.contains("\"parameters\"") && !template.contains("\"arguments\"") => GENERIC_PARAMETERS,
            None => GENERIC,
        }
    }

    /// Returns the markers that are no content, wherever they stand around calls.
    pub(crate) fn brackets(&self) -> impl Iterator<Item = &'static str> {
        [self.lead, self.close.trim(), self.tail].into_iter().filter(|marker| !marker.is_empty())
    }

    /// Returns all texts that a control token of the vocabulary may stand for.
    pub(crate) fn markers(&self) -> impl Iterator<Item = &'static str> {
        let inner = match self.body {
            Body::Named { prefix, separator } => [prefix, separator],
            Body::Object(_) | Body::List(_) => [""; 2],
        };
        [self.lead, self.open, inner[0], inner[1], self.close, self.tail]
            .into_iter()
            .filter(|marker| !marker.is_empty())
    }
}

/// Returns what opens and closes reasoning in the family of a chat template.
pub(crate) fn thoughts_of_template(template: &str) -> (&'static str, &'static str) {
    THOUGHTS.into_iter().find(|(_, close)| template.contains(close)).unwrap_or(THINK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_give_their_family_away() {
        for (template, name) in [
            ("{{ '<tool_call>' ~ x ~ '</tool_call>' }}", "hermes"),
            ("{{ '[TOOL_CALLS]' ~ x }}", "mistral"),
            ("{{ '[TOOL_CALLS]' ~ name ~ '[ARGS]' ~ x }}", "mistral-args"),
            ("{{ '<｜tool▁call▁begin｜>' + type + '<｜tool▁sep｜>' + name + '\\n```json' }}", "deepseek"),
            ("{{ '<｜tool▁call▁begin｜>' + name + '<｜tool▁sep｜>' }}", "deepseek-v3.1"),
            ("{{ '<function=' ~ name ~ '>' ~ x ~ '</function>' }}", "functionary"),
            ("{{ '<|python_tag|>' }}", "llama-3"),
            ("{{ '{\"name\": x, \"parameters\": y}' }}", "generic-parameters"),
            ("{{ tools | tojson }}", "generic"),
        ] {
            assert_eq!(Family::of_template(template).name, name, "{template}");
        }
        assert_eq!(HERMES.markers().collect::<Vec<_>>(), ["<tool_call>", "</tool_call>"]);
        assert_eq!(thoughts_of_template("[THINK]x[/THINK]").0, "[THINK]");
        assert_eq!(thoughts_of_template("plain"), THINK);
    }
}

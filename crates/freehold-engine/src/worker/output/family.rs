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
    /// What opens and closes reasoning, where that is not told by the template alone.
    thoughts: Option<(&'static str, &'static str)>,
    /// What stands around text and is no part of it.
    pub(crate) silent: &'static [&'static str],
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
        /// What may stand between the name and the separator; nothing where it is empty.
        aside: &'static str,
    },
}

/// The members of a call's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Members {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static str,
}

/// A family that writes a bare object and nothing around it.
const BARE: Family = Family {
    name: "generic",
    signs: &[],
    lead: "",
    open: "",
    body: Body::Object(ARGUMENTS),
    close: "",
    tail: "",
    thoughts: None,
    silent: &[],
};

const ARGUMENTS: Members = Members { name: "name", arguments: "arguments" };
const PARAMETERS: Members = Members { name: "name", arguments: "parameters" };

/// Hermes, Qwen and all that follow them; also what the scripted model writes.
pub(crate) const HERMES: Family = Family {
    name: "hermes",
    signs: &["<tool_call>", "</tool_call>"],
    open: "<tool_call>",
    body: Body::Object(ARGUMENTS),
    close: "</tool_call>",
    ..BARE
};

/// The families, the more particular ones first.
const FAMILIES: [Family; 11] = [
    Family {
        name: "gpt-oss",
        signs: &["<|channel|>analysis<|message|>", "<|constrain|>"],
        open: "<|channel|>commentary to=functions.",
        body: Body::Named { prefix: "", separator: "<|message|>", aside: "<|constrain|>json" },
        close: "<|call|>",
        thoughts: Some(("<|channel|>analysis<|message|>", "<|end|>")),
        silent: &["<|start|>assistant", "<|channel|>final<|message|>", "<|channel|>commentary<|message|>", "<|end|>"],
        ..BARE
    },
    Family {
        name: "deepseek",
        signs: &["<｜tool▁call▁begin｜>", "```json"],
        lead: "<｜tool▁calls▁begin｜>",
        open: "<｜tool▁call▁begin｜>",
        body: Body::Named { prefix: "function<｜tool▁sep｜>", separator: "\n```json\n", aside: "" },
        close: "\n```<｜tool▁call▁end｜>",
        tail: "<｜tool▁calls▁end｜>",
        ..BARE
    },
    Family {
        name: "deepseek-v3.1",
        signs: &["<｜tool▁call▁begin｜>"],
        lead: "<｜tool▁calls▁begin｜>",
        open: "<｜tool▁call▁begin｜>",
        body: Body::Named { prefix: "", separator: "<｜tool▁sep｜>", aside: "" },
        close: "<｜tool▁call▁end｜>",
        tail: "<｜tool▁calls▁end｜>",
        ..BARE
    },
    Family {
        name: "mistral-args",
        signs: &["[TOOL_CALLS]", "[ARGS]"],
        open: "[TOOL_CALLS]",
        body: Body::Named { prefix: "", separator: "[ARGS]", aside: "" },
        ..BARE
    },
    Family { name: "mistral", signs: &["[TOOL_CALLS]"], open: "[TOOL_CALLS]", body: Body::List(ARGUMENTS), ..BARE },
    Family {
        name: "command-r7b",
        signs: &["<|START_ACTION|>"],
        open: "<|START_ACTION|>",
        body: Body::List(Members { name: "tool_name", arguments: "parameters" }),
        close: "<|END_ACTION|>",
        ..BARE
    },
    // Many that write parameters as tags take the object too, once the grammar asks for it.
    HERMES,
    Family {
        name: "functionary",
        signs: &["<function=", "</function>"],
        open: "<function=",
        body: Body::Named { prefix: "", separator: ">", aside: "" },
        close: "</function>",
        ..BARE
    },
    Family {
        name: "phi-4",
        signs: &["<|tool_call|>", "<|/tool_call|>"],
        open: "<|tool_call|>",
        body: Body::List(ARGUMENTS),
        close: "<|/tool_call|>",
        ..BARE
    },
    Family { name: "granite", signs: &["<|tool_call|>"], open: "<|tool_call|>", body: Body::List(ARGUMENTS), ..BARE },
    Family {
        name: "llama-3",
        signs: &["<|python_tag|>"],
        lead: "<|python_tag|>",
        body: Body::Object(PARAMETERS),
        ..BARE
    },
];

/// Templates that speak of parameters, with no marker of their own.
const GENERIC_PARAMETERS: Family = Family { name: "generic-parameters", body: Body::Object(PARAMETERS), ..BARE };

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
            None => BARE,
        }
    }

    /// Returns the markers that are no content, wherever they stand around calls.
    pub(crate) fn brackets(&self) -> impl Iterator<Item = &'static str> {
        [self.lead, self.close.trim(), self.tail].into_iter().filter(|marker| !marker.is_empty())
    }

    /// Returns all texts that a control token of the vocabulary may stand for.
    pub(crate) fn markers(&self) -> impl Iterator<Item = &'static str> {
        let inner = match self.body {
            Body::Named { prefix, separator, aside } => [prefix, separator, aside],
            Body::Object(_) | Body::List(_) => [""; 3],
        };
        [self.lead, self.open, inner[0], inner[1], inner[2], self.close, self.tail]
            .into_iter()
            .chain(self.silent.iter().copied())
            .filter(|marker| !marker.is_empty())
    }
}

/// Returns what opens and closes reasoning in the family of a chat template.
pub(crate) fn thoughts_of_template(template: &str) -> (&'static str, &'static str) {
    let own = Family::of_template(template).thoughts;
    own.or_else(|| THOUGHTS.into_iter().find(|(_, close)| template.contains(close))).unwrap_or(THINK)
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
            ("{{ '<tool_call>\n<function=' ~ name ~ '</function></tool_call>' }}", "hermes"),
            ("{{ '<|channel|>analysis<|message|>' ~ x ~ '<|constrain|>json' }}", "gpt-oss"),
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

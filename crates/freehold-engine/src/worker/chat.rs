//! From a conversation to the text of a prompt, by the model's own chat template.
//!
//! Templates are code from a stranger: they get fuel, a bounded output, no files and no clock of their own. The environment
//! is that of the Hugging Face library, for which templates are written.

mod conversation;
mod json_text;

use jiff::Timestamp;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, ErrorKind, Value};

use freehold_wire::Request;

use self::conversation::Form;
use crate::worker::output::Manner;

/// Instructions that a template may execute.
const FUEL: u64 = 20_000_000;
/// The longest template, in bytes.
const TEMPLATE_BYTES_MAX: usize = 1 << 20;
/// The longest prompt that a template may make, in bytes.
const PROMPT_BYTES_MAX: usize = 64 << 20;

/// A compiled chat template.
pub(crate) struct Template {
    environment: Environment<'static>,
    knows_tools: bool,
    manner: Manner,
    bos: String,
    eos: String,
}

impl Template {
    /// Compiles a template for a model whose text begins and ends with the given tokens.
    pub(crate) fn new(source: &str, bos: String, eos: String) -> Result<Template, String> {
        if source.len() > TEMPLATE_BYTES_MAX {
            return Err(format!("the chat template is {} bytes long, the limit is {TEMPLATE_BYTES_MAX}", source.len()));
        }
        let knows_tools = source.contains("tools");
        let manner = Manner::of_template(source);
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the usual delimiters are valid"));
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", json_text::tojson);
        // As in Python, where nothing can be gone through but nothing has no items.
        environment.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
        environment.add_function("raise_exception", |what: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, what))
        });
        environment
            .add_template_owned("chat", without_generation_marks(source))
            .map_err(|error| format!("the chat template does not compile: {}", explain(&error)))?;
        Ok(Template { environment, knows_tools, manner, bos, eos })
    }

    /// Returns how a model that this template was written for writes.
    pub(crate) fn manner(&self) -> Manner {
        self.manner
    }

    /// Returns the prompt for `request`, ending where the model is to go on; in the first form that the template takes.
    ///
    /// `at_ms` is the time that the template may print.
    pub(crate) fn render(&self, request: &Request, at_ms: i64) -> Result<String, String> {
        if !request.tools.is_empty() && !self.knows_tools {
            return Err("it offers tools, for which the model's chat template has no place".to_owned());
        }
        let mut first = None;
        for form in Form::ALL {
            match self.render_in(form, request, at_ms) {
                Ok(prompt) => return Ok(prompt),
                Err(Refusal::Spent(what)) => return Err(what),
                Err(Refusal::Form(what)) => first = first.or(Some(what)),
            }
        }
        Err(first.unwrap_or_default())
    }

    fn render_in(&self, form: Form, request: &Request, at_ms: i64) -> Result<String, Refusal> {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let strftime_now = Value::from_function(move |format: String, _more: Rest<Value>, _named: Kwargs| {
            jiff::fmt::strtime::format(&format, &at.to_zoned(jiff::tz::TimeZone::UTC))
                .map_err(|error| minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string()))
        });
        let context = minijinja::context! {
            messages => conversation::messages(request, form).map_err(Refusal::Spent)?,
            tools => conversation::tools(request),
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
            strftime_now => strftime_now,
        };
        let template = self.environment.get_template("chat").map_err(|error| Refusal::Spent(explain(&error)))?;
        let mut prompt = Bounded::default();
        template.render_captured_to(context, &mut prompt).map_err(|error| {
            let told = format!("the model's chat template does not take it: {}", explain(&error));
            match error.kind() {
                ErrorKind::OutOfFuel | ErrorKind::WriteFailure => Refusal::Spent(told),
                _ => Refusal::Form(told),
            }
        })?;
        String::from_utf8(prompt.bytes).map_err(|_| Refusal::Spent("the chat template made no text".to_owned()))
    }
}

/// Why there is no prompt.
enum Refusal {
    /// The template does not take the request in this form, and may take it in another.
    Form(String),
    /// No form will do.
    Spent(String),
}

/// Takes out the marks of what a model is trained on (`{% generation %}`), which mean nothing to a prompt.
fn without_generation_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{%") {
        let Some((statement, tail)) = after.split_once("%}") else { break };
        let word = statement.trim_matches(|letter: char| letter.is_whitespace() || matches!(letter, '-' | '+'));
        let statement = match word {
            "generation" => statement.replace("generation", " if true "),
            "endgeneration" => statement.replace("endgeneration", " endif "),
            _ => statement.to_owned(),
        };
        out.extend([before, "{%", &statement, "%}"]);
        rest = tail;
    }
    out + rest
}

/// Output that refuses to grow without end.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > PROMPT_BYTES_MAX {
            return Err(std::io::Error::other("the prompt is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns an error's own words, without the template's source or the values at hand, which hold prompt text.
fn explain(error: &minijinja::Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("{what} (line {line})"),
        None => what,
    }
}

/// Returns all texts joined by line ends, for a model that has no template.
pub(crate) fn plain(request: &Request) -> Result<String, String> {
    if !request.tools.is_empty() {
        return Err("it offers tools, and the model has no chat template".to_owned());
    }
    let mut texts = vec![request.system.clone()];
    for message in &request.messages {
        conversation::refuse_other_parts(message)?;
        texts.push(message.text());
    }
    texts.retain(|text| !text.is_empty());
    Ok(texts.join("\n"))
}

#[cfg(test)]
mod tests;

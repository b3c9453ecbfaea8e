//! Templates of several families, and hostile ones.

use freehold_wire::{Api, Message, Part, Request, ResponseFormat, Role, Sampling, Tool, ToolCall, ToolChoice};
use serde_json::json;

use super::{Template, plain};

/// 2026-03-01 in UTC.
const AT_MS: i64 = 1_772_323_200_000;

fn request(turns: &[(Role, Part)]) -> Request {
    Request {
        api: Api::OpenAiChat,
        model: String::new(),
        system: "Be brief.".into(),
        messages: turns.iter().map(|(role, part)| Message { role: *role, parts: vec![part.clone()] }).collect(),
        tools: Vec::new(),
        tool_choice: ToolChoice::Auto,
        response_format: ResponseFormat::Text,
        sampling: Sampling::default(),
        stream: false,
        stream_usage: false,
        metadata: Vec::new(),
        one_tool_call: false,
    }
}

fn render(source: &str, request: &Request) -> Result<String, String> {
    Template::new(source, "<s>".into(), "</s>".into())?.render(request, AT_MS)
}

const CHATML: &str = "{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}";

#[test]
fn template_tells_how_its_model_calls_tools() {
    let template = Template::new("{{ tools }}[TOOL_CALLS]", String::new(), String::new()).unwrap();
    assert_eq!(template.manner().family.name, "mistral");
}

#[test]
fn chatml_is_rendered() {
    let asked = request(&[(Role::User, Part::Text("Hi <b> & 'you'".into()))]);
    assert_eq!(
        render(CHATML, &asked).unwrap(),
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <b> & 'you'<|im_end|>\n<|im_start|>assistant\n"
    );
}

/// The form of Hermes and Qwen: tools as JSON lines, arguments as objects, results as user turns.
#[test]
fn tools_and_their_results_are_rendered_as_python_would() {
    let source = "{%- for tool in tools %}{{ tool | tojson }}\n{% endfor -%}
{%- for message in messages if message.role != 'system' %}
{%- if message.tool_calls %}
{%- for call in message.tool_calls %}{{- '<tool_call>' ~ {'name': call.function.name, 'arguments': call.function.arguments} | tojson ~ '</tool_call>' }}{%- endfor %}
{%- else %}{{- '[' ~ message.role ~ ' ' ~ message.name | default('-') ~ '] ' ~ message.content.strip() }}{%- endif %}
{%- endfor %}";
    let call = ToolCall { id: "c1".into(), name: "find".into(), arguments: "{\"q\":\"<é>\",\"n\":[1,2]}".into() };
    let mut asked = request(&[
        (Role::User, Part::Text("  where?  ".into())),
        (Role::Assistant, Part::ToolCall(call)),
        (Role::Tool, Part::ToolResult { id: "c1".into(), text: "there".into() }),
    ]);
    asked.tools =
        vec![Tool { name: "find".into(), description: "Finds.".into(), parameters: json!({"type": "object"}) }];
    assert_eq!(
        render(source, &asked).unwrap(),
        "{\"type\": \"function\", \"function\": {\"name\": \"find\", \"description\": \"Finds.\", \"parameters\": \
         {\"type\": \"object\"}}}\n[user -] where?<tool_call>{\"name\": \"find\", \"arguments\": {\"q\": \"<é>\", \"n\": \
         [1, 2]}}</tool_call>[tool find] there"
    );
}

#[test]
fn indented_json_time_and_tokens_are_given() {
    let source = "{{ bos_token }}{{ {'a': [1]} | tojson(indent=2) }} {{ strftime_now('%d %b %Y') }}{{ eos_token }}";
    assert_eq!(render(source, &request(&[])).unwrap(), "<s>{\n  \"a\": [\n    1\n  ]\n} 01 Mar 2026</s>");
}

#[test]
fn absent_tools_are_none_as_templates_test_for_it() {
    let source =
        "{% if tools is none %}a{% endif %}{% if not tools %}b{% endif %}{% if tools is defined %}c{% endif %}";
    assert_eq!(render(source, &request(&[])).unwrap(), "abc");
}

#[test]
fn blocks_are_trimmed_as_in_python() {
    let source = "  {% if true %}\nx\n  {% endif %}\ny\n";
    assert_eq!(render(source, &request(&[])).unwrap(), "x\ny");
}

#[test]
fn template_refuses_in_its_own_words() {
    let error = render("{{ raise_exception('roles must alternate') }}", &request(&[])).unwrap_err();
    assert!(error.contains("roles must alternate"), "{error}");
}

#[test]
fn endless_and_huge_templates_end() {
    let endless = "{% for a in range(9000) %}{% for b in range(9000) %}{% for c in range(9000) %}{% endfor %}{% endfor %}{% endfor %}";
    assert!(render(endless, &request(&[])).unwrap_err().contains("fuel"));
    let huge = "{% for a in range(100000) %}{{ 'x' * 10000 }}{% endfor %}";
    assert!(render(huge, &request(&[])).is_err());
}

#[test]
fn templates_reach_no_files() {
    assert!(render("{% include '/etc/passwd' %}", &request(&[])).is_err());
    assert!(render("{% import 'x' as y %}", &request(&[])).is_err());
}

#[test]
fn what_cannot_be_carried_is_refused() {
    let image = request(&[(Role::User, Part::Other(json!({"type": "image_url"})))]);
    for error in [render(CHATML, &image).unwrap_err(), plain(&image).unwrap_err()] {
        assert!(error.contains("image_url"), "{error}");
    }
    let mut tools = request(&[]);
    tools.tools = vec![Tool { name: "find".into(), description: String::new(), parameters: json!({}) }];
    for error in [render(CHATML, &tools).unwrap_err(), plain(&tools).unwrap_err()] {
        assert!(error.contains("tools"), "{error}");
    }
}

#[test]
fn base_models_continue_the_texts() {
    let asked = request(&[(Role::User, Part::Text("Once upon".into()))]);
    assert_eq!(plain(&asked).unwrap(), "Be brief.\nOnce upon");
}

/// A call with its result, after which the model is to go on.
fn called() -> Request {
    let call = ToolCall { id: "call_7f3a9".into(), name: "find".into(), arguments: "{\"q\": 1}".into() };
    let result = Part::ToolResult { id: "call_7f3a9".into(), text: "here".into() };
    request(&[(Role::User, Part::Text("Hi".into())), (Role::Assistant, Part::ToolCall(call)), (Role::Tool, result)])
}

#[test]
fn what_a_template_demands_otherwise_is_spelt_so() {
    let ids = "{% for turn in messages %}{% for call in turn.tool_calls or [] %}{% if call.id | length != 9 %}\
               {{ raise_exception('ids of length 9') }}{% endif %}{{ call.id }}{% endfor %}{{ turn.tool_call_id }}{% endfor %}";
    assert_eq!(render(ids, &called()).unwrap(), "call00000call00000", "the result is still that of the call");
    let text = "{% for turn in messages %}{% for call in turn.tool_calls or [] %}{{ '>' + call.function.arguments }}{% endfor %}{% endfor %}";
    assert_eq!(render(text, &called()).unwrap(), ">{\"q\": 1}");
    let roles = "{% for turn in messages %}{% if turn.role == 'system' %}{{ raise_exception('no system') }}{% endif %}\
                 {{ turn.role }}: {{ turn.content }};{% endfor %}";
    let asked = request(&[(Role::User, Part::Text("Hi".into())), (Role::User, Part::Text("So?".into()))]);
    assert_eq!(render(roles, &asked).unwrap(), "user: Be brief.\n\nHi;user: So?;");
    let none = "{{ raise_exception('nothing will do') }}";
    assert!(render(none, &called()).unwrap_err().contains("nothing will do"));
}

/// As Hugging Face has it: marks of what is trained on, and a test that nothing fails.
#[test]
fn statements_and_tests_of_their_library_are_known() {
    let marked = "{%- for turn in messages %}{%- generation -%} {{ turn.content }}{%- endgeneration -%}{% endfor %}";
    assert_eq!(render(marked, &request(&[])).unwrap(), "Be brief.");
    let tested = "{% if tools is iterable and tools | length > 0 %}tools{% elif messages is iterable %}none{% endif %}";
    assert_eq!(render(tested, &request(&[])).unwrap(), "none");
}

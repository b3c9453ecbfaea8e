//! Tests of the reconciliation against exports in each known form; the causes always add up to the gap.

use freehold_wire::Usage;

use super::*;
use crate::costs::invoice;
use crate::costs::tests::{book, day, traffic};

fn against(export: &str, days: &[DayTraffic]) -> Reconciliation {
    scoped(export, days, &Scope::default())
}

fn scoped(export: &str, days: &[DayTraffic], scope: &Scope) -> Reconciliation {
    let invoice = invoice::parse(export).unwrap_or_else(|error| panic!("{error}"));
    let found = reconcile(&invoice, days, &[], scope, &book());
    for row in &found.rows {
        let gap = row.invoiced - row.recorded;
        assert_eq!(row.causes.iter().map(|cause| cause.amount).sum::<Money>(), gap, "{row:#?}");
    }
    assert_eq!(found.causes.iter().map(|cause| cause.amount).sum::<Money>(), found.gap());
    found
}

fn usd(text: &str) -> Money {
    Money::parse_usd(text).unwrap()
}

fn whys(found: &Reconciliation) -> Vec<Why> {
    found.causes.iter().map(|cause| cause.why).collect()
}

fn sonnet(input: u64, cache_read: u64, cache_write: u64, output: u64) -> Usage {
    Usage { input, cache_read, cache_write, output, reasoning: 0 }
}

const CLAUDE: &str = "claude-sonnet-4-5-20250929";

#[test]
fn anthropic_token_table_that_agrees_leaves_no_gap() {
    let export = "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
        usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,\
        usage_output_tokens,web_search_count,inference_geo,speed\n\
        2026-11-02,claude-sonnet-4-5-20250929,production,Default,standard,≤ 200k,1000,400,0,600,500,0,global,\n";
    let found = against(export, &[traffic("2026-11-02", CLAUDE, 3, sonnet(2000, 600, 400, 500))]);
    assert_eq!((found.gap(), whys(&found)), (Money::default(), vec![]));
    assert!(!found.has_amounts);
    assert_eq!(found.invoiced, usd("0.01218"), "1000 at 3, 400 at 3.75, 600 at 0.30, 500 at 15");
}

#[test]
fn cache_that_nobody_counted_here_is_told_from_calls_that_nobody_recorded() {
    let export = "usage_date_utc,model_version,usage_input_tokens_no_cache,usage_input_tokens_cache_read,usage_output_tokens\n\
        2026-11-02,claude-sonnet-4-5-20250929,1000000,9000000,100000\n";
    let blind = [traffic("2026-11-02", CLAUDE, 50, sonnet(10_000_000, 0, 0, 100_000))];
    let found = against(export, &blind);
    assert_eq!((found.gap(), whys(&found)), (usd("-24.3"), vec![Why::Cache]));
    let half = [traffic("2026-11-02", CLAUDE, 25, sonnet(5_000_000, 4_500_000, 0, 50_000))];
    let found = against(export, &half);
    assert_eq!((found.gap(), whys(&found)), (usd("3.6"), vec![Why::NotRecorded]));
}

#[test]
fn anthropic_cost_table_is_matched_by_the_names_that_it_shows() {
    let export = "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type\n\
        2026-11-02,Claude Sonnet 4.5,Default,production,message,≤ 200k,input_no_cache,3.00,3.00,token\n\
        2026-11-02,Claude Sonnet 4.5,Default,production,message,≤ 200k,output,1.50,1.50,token\n\
        2026-11-02,Claude Sonnet 4.5,Default,laptop,message,≤ 200k,output,7.50,7.50,token\n\
        2026-11-02,,Default,production,web_search,,,0.25,0.25,web_search\n";
    let days = [traffic("2026-11-02", CLAUDE, 9, sonnet(1_000_000, 0, 0, 100_000))];
    let found = against(export, &days);
    assert_eq!(found.gap(), usd("7.75"));
    assert_eq!(whys(&found), [Why::NotRecorded, Why::NotTokens]);
    assert_eq!((found.vendor_keys[0].key.as_str(), found.vendor_keys[0].invoiced), ("laptop", usd("7.5")));
    let scope = Scope { vendor_keys: vec!["production".into()], ..Scope::default() };
    let found = scoped(export, &days, &scope);
    assert_eq!((found.gap(), whys(&found)), (usd("0.25"), vec![Why::NotTokens]));
    assert!(found.vendor_keys.iter().any(|key| key.key == "laptop" && key.is_left_out));
}

#[test]
fn anthropic_reports_are_read_in_cents() {
    let export = r#"{"data":[{"starting_at":"2026-11-02T00:00:00Z","ending_at":"2026-11-03T00:00:00Z","results":[
        {"currency":"USD","amount":"300.000","description":"Claude Sonnet 4.5 Usage - Input Tokens","cost_type":"tokens",
         "model":"claude-sonnet-4-5-20250929","token_type":"uncached_input_tokens","service_tier":"standard"}]}],
        "has_more":false,"next_page":null}"#;
    let found = against(export, &[traffic("2026-11-02", CLAUDE, 9, sonnet(1_000_000, 0, 0, 0))]);
    assert_eq!((found.invoiced, found.gap()), (usd("3"), Money::default()));
    let usage = r#"{"data":[{"starting_at":"2026-11-02T00:00:00Z","ending_at":"2026-11-03T00:00:00Z","results":[
        {"uncached_input_tokens":400,"cache_creation":{"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":100},
         "cache_read_input_tokens":500,"output_tokens":10,"api_key_id":"apikey_1","model":"claude-sonnet-4-5-20250929"}]}],
        "has_more":true}"#;
    let found = against(usage, &[traffic("2026-11-02", CLAUDE, 1, sonnet(1000, 500, 100, 10))]);
    assert_eq!((found.gap(), found.has_more), (Money::default(), true));
}

#[test]
fn openai_reports_and_tables_agree_with_each_other() {
    let json = r#"{"object":"page","data":[{"object":"bucket","start_time":1793577600,"end_time":1793664000,"results":[
        {"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":500,"input_cached_tokens":800,
         "num_model_requests":5,"project_id":null,"api_key_id":"key_1","model":"gpt-4o-2024-08-06","batch":null}]}],
        "has_more":false,"next_page":null}"#;
    let table = "start_time\tend_time\tstart_time_iso\tend_time_iso\tproject_id\tnum_model_requests\tapi_key_id\tmodel\t\
        input_tokens\toutput_tokens\tinput_cached_tokens\n\
        1793577600\t1793664000\t2026-11-02T00:00:00+00:00\t\tproj\t5.0\tkey_1\tgpt-4o-2024-08-06\t1000\t500\t800\n\
        1793664000\t1793750400\t2026-11-03T00:00:00+00:00\t\t\t\t\t\t\t\t\n";
    let days = [traffic("2026-11-02", "gpt-4o-2024-08-06", 4, sonnet(900, 720, 0, 400))];
    for export in [json, table] {
        let found = against(export, &days);
        assert_eq!(whys(&found), [Why::NotRecorded], "{found:#?}");
        assert!(
            found.rows[0].causes[0].text.contains("5\u{a0}requests there, 4\u{a0}calls here"),
            "{:?}",
            found.rows[0]
        );
    }
    assert_eq!(against(table, &days).days.1, "2026-11-03", "an empty bucket is a day of the invoice");
}

#[test]
fn openai_costs_by_line_item_show_a_discount_as_a_price_and_without_items_only_days() {
    let table = "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id\n\
        1793577600,1793664000,,,2.5,usd,\"gpt-4o-2024-08-06, input\",proj\n\
        1793577600,1793664000,,,1.25,usd,\"gpt-4o-2024-08-06, cached input\",proj\n\
        1793577600,1793664000,,,10,usd,\"gpt-4o-2024-08-06, output\",proj\n";
    let days = [traffic("2026-11-02", "gpt-4o-2024-08-06", 4, sonnet(2_000_000, 1_000_000, 0, 1_000_000))];
    assert_eq!(against(table, &days).gap(), Money::default());
    let plain = r#"{"object":"page","data":[{"object":"bucket","start_time":1793577600,"end_time":1793664000,"results":[
        {"object":"organization.costs.result","amount":{"value":20.0,"currency":"usd"},"line_item":null}]}],"has_more":false}"#;
    let found = against(plain, &days);
    assert_eq!((found.gap(), whys(&found)), (usd("6.25"), vec![Why::Unexplained]));
    assert_eq!(found.rows[0].model, None);
}

#[test]
fn plain_table_tells_price_from_volume_and_rounding() {
    let row = |amount: &str| {
        format!(
            "date,model,input_tokens,cached_tokens,output_tokens,amount,currency\n2026-11-02,gpt-4o,1000000,0,100000,{amount},USD\n"
        )
    };
    let days = [traffic("2026-11-02", "gpt-4o", 4, sonnet(1_000_000, 0, 0, 100_000))];
    assert_eq!(whys(&against(&row("3.50"), &days)), []);
    assert_eq!(whys(&against(&row("3.5049"), &days)), [Why::Rounding]);
    assert_eq!(whys(&against(&row("1.75"), &days)), [Why::Price]);
    let more = [traffic("2026-11-02", "gpt-4o", 8, sonnet(2_000_000, 0, 0, 200_000))];
    assert_eq!(whys(&against(&row("3.50"), &more)), [Why::NotInvoiced]);
}

#[test]
fn models_without_a_price_days_without_an_invoice_and_silent_calls_are_named() {
    let export = "date,model,amount\n2026-11-02,my-model,5.00\n2026-11-03,gpt-4o,2.50\n2026-11-04,gpt-4o,9.00\n";
    let mut mute = traffic("2026-11-03", "gpt-4o", 3, Usage::default());
    mute.usage_calls = 0;
    let days = [
        traffic("2026-11-02", "my-model", 4, sonnet(10, 0, 0, 0)),
        mute,
        traffic("2026-11-02", "gpt-4o", 4, sonnet(4_000_000, 0, 0, 0)),
    ];
    let found = against(export, &days);
    let why = |day: &str, model: &str| {
        let row = found.rows.iter().find(|row| row.day == day && row.model.as_deref() == Some(model)).unwrap();
        (row.causes[0].why, row.causes[0].text.clone())
    };
    assert_eq!(why("2026-11-02", "my-model").0, Why::UnknownPrice);
    assert_eq!(why("2026-11-02", "gpt-4o").0, Why::NotInvoiced);
    assert_eq!(why("2026-11-04", "gpt-4o").0, Why::NotRecorded);
    let silent = why("2026-11-03", "gpt-4o");
    assert!(silent.0 == Why::Unexplained && silent.1.contains("3 recorded calls do not"), "{silent:?}");
}

#[test]
fn calls_that_were_lost_are_mentioned_where_they_are_missing() {
    let at = i64::from(day("2026-11-02")) * 86_400_000 + 5;
    let gap = Gap { from_ms: at, to_ms: at, calls: 12, reason: "power".to_owned() };
    let invoice = invoice::parse("date,model,amount\n2026-11-02,gpt-4o,5.00\n").unwrap();
    let found = reconcile(&invoice, &[], &[gap], &Scope::default(), &book());
    assert_eq!(found.lost_calls, 12);
    assert!(found.rows[0].causes[0].text.starts_with("12\u{a0}calls that day could not be recorded"));
}

#[test]
fn files_that_are_no_invoice_say_what_they_are() {
    let table = [
        ("a,b\n1,2\n", "columns a, b"),
        ("{\"items\":[]}", "without the list `data`"),
        ("{\"data\":[]}", "without a single result"),
        ("{\"data\": ", "JSON with a fault"),
        ("date,model,amount\nsoon,m,1\n", "line 2 of the invoice: date is \"soon\""),
        ("date,model,amount\n2026-11-02,m,lots\n", "amount is \"lots\""),
        ("date,model,amount,currency\n2026-11-02,m,1,EUR\n", "only US dollars"),
        ("", "a table with the columns"),
    ];
    for (text, part) in table {
        let error = invoice::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?} gave {error}");
    }
}

#[test]
fn own_machines_and_other_vendors_stay_out() {
    let export = "usage_date_utc,model_version,usage_input_tokens_no_cache,usage_output_tokens\n2026-11-02,claude-sonnet-4-5-20250929,1000,0\n";
    let mut own = traffic("2026-11-02", "desk", 4, sonnet(10, 0, 0, 0));
    own.upstream = "engine".into();
    let days = [
        own,
        traffic("2026-11-02", "gpt-4o", 4, sonnet(10_000_000, 0, 0, 0)),
        traffic("2026-11-02", CLAUDE, 1, sonnet(1000, 0, 0, 0)),
    ];
    let found = against(export, &days);
    assert_eq!((found.rows.len(), found.gap()), (1, Money::default()));
}

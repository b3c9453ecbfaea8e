//! The desk's rules: which one tool call a ticket's facts ask for.

use serde_json::{Value, json};

use super::facts::{self, Category, Facts, Pressure};

/// Refunds above this need a manager.
const REFUND_CENTS_MAX: u32 = 20_000;

/// Returns `{"name","arguments"}` of the right call.
pub(super) fn decide(facts: &Facts) -> Value {
    match facts.pressure {
        Pressure::Safety => return escalate("safety"),
        Pressure::Legal => return escalate("legal"),
        Pressure::None | Pressure::Patient | Pressure::Deadline | Pressure::Repeated => {}
    }
    if !facts.category.needs_order() {
        return call("close_ticket", &json!({"reason": facts.category.as_str()}));
    }
    let Some(order) = &facts.order else {
        return escalate("no order");
    };
    match facts.category {
        Category::Late | Category::Missing => call("track_parcel", &json!({"order": order})),
        Category::Address => call("update_address", &json!({"order": order, "address": facts.address})),
        Category::Damaged | Category::WrongItem | Category::Warranty => match &facts.product {
            Some(product) => call("replace_item", &json!({"order": order, "product": product})),
            None => escalate("no product"),
        },
        _ => match facts.amount_cents {
            None => escalate("no amount"),
            Some(cents) if cents > REFUND_CENTS_MAX => escalate("over limit"),
            Some(cents) => call("refund_order", &json!({"order": order, "amount": facts::amount_value(cents)})),
        },
    }
}

pub(super) fn escalate(reason: &str) -> Value {
    call("escalate", &json!({"reason": reason}))
}

pub(super) fn call(name: &str, arguments: &Value) -> Value {
    json!({"name": name, "arguments": arguments})
}

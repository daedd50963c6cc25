//! PostHog's own events that the snippet has too: their names, and the props that the catalogue's
//! schemas require.
//!
//! An event without them keeps a name of its own, since it would fail its schema.

use serde_json::{Map, Value};

use crate::pipeline::decode::protocols::translation::ObjectFields;

/// The properties of `$web_vitals`, and the props of `web_vitals` in whole milliseconds.
const WEB_VITALS: [(&str, &str); 3] = [
    ("$web_vitals_LCP_value", "lcp_ms"),
    ("$web_vitals_INP_value", "inp_ms"),
    ("$web_vitals_FCP_value", "fcp_ms"),
];

/// Returns the name that `event` has in all protocols, and sets the props that go with it.
pub fn built_in(event: &str, properties: &mut Map<String, Value>) -> Option<&'static str> {
    match event {
        "$pageview" => Some("page_view"),
        "$pageleave" => page_leave(properties),
        "$autocapture" => click(properties),
        "$identify" => Some("identify"),
        "$create_alias" => Some("alias"),
        "$groupidentify" => Some("group"),
        "$screen" => Some("screen_view"),
        "$web_vitals" => {
            web_vitals(properties);
            None
        }
        _ => None,
    }
}

/// PostHog counts the whole time of a view, also that out of sight.
fn page_leave(properties: &mut Map<String, Value>) -> Option<&'static str> {
    let number = |name: &str| properties.get(name).and_then(Value::as_f64);
    let seen = number("$prev_pageview_max_content_percentage")?;
    let seconds = number("$prev_pageview_duration")?;
    properties.put("depth", whole((seen * 100.0).min(100.0)));
    properties.put("engaged_ms", whole(seconds * 1_000.0));
    Some("page_leave")
}

/// A change of a field and a sent form are captured too; they are no clicks.
fn click(properties: &mut Map<String, Value>) -> Option<&'static str> {
    const MAX_TARGET_CHARS: usize = 128;
    const MAX_TEXT_CHARS: usize = 200;
    if properties.get("$event_type").is_some_and(|kind| kind != "click") {
        return None;
    }
    let chain = properties.text("$elements_chain");
    // The first element comes first: its tag and classes, then its attributes.
    let in_chain = chain.and_then(|chain| chain.split([':', ';']).next());
    let first = properties.get("$elements").and_then(|elements| elements.get(0));
    let tag = || first.and_then(|element| element.get("tag_name")).and_then(Value::as_str);
    let target = in_chain.or_else(tag).filter(|target| !target.is_empty())?;
    let target: String = target.chars().take(MAX_TARGET_CHARS).collect();
    let text = properties.text("$el_text");
    let text = text.filter(|text| text.chars().count() <= MAX_TEXT_CHARS).map(Value::from);
    properties.put_text("target", &target);
    properties.put_some("text", text);
    Some("click")
}

fn web_vitals(properties: &mut Map<String, Value>) {
    for (property, name) in WEB_VITALS {
        if let Some(milliseconds) = properties.get(property).and_then(Value::as_f64) {
            properties.put(name, whole(milliseconds));
        }
    }
    properties.put_some("cls", properties.get("$web_vitals_CLS_value").cloned());
}

/// Returns the nearest whole number, from 0 on.
fn whole(number: f64) -> Value {
    Value::from(number.round() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn built(event: &str, properties: Value) -> (Option<&'static str>, Value) {
        let Value::Object(mut properties) = properties else { panic!("no object") };
        let name = built_in(event, &mut properties);
        properties.retain(|name, _| !name.starts_with('$'));
        (name, Value::Object(properties))
    }

    #[test]
    fn a_leave_has_its_depth_and_time() {
        let seen = "$prev_pageview_max_content_percentage";
        let lasted = "$prev_pageview_duration";
        for (properties, props) in [
            (json!({seen: 0.238_726, lasted: 4.535}), json!({"depth": 24, "engaged_ms": 4_535})),
            (json!({seen: 1.02, lasted: 0}), json!({"depth": 100, "engaged_ms": 0})),
            (json!({seen: -1, lasted: -0.1}), json!({"depth": 0, "engaged_ms": 0})),
        ] {
            assert_eq!(built("$pageleave", properties), (Some("page_leave"), props));
        }
        for properties in [json!({}), json!({seen: 1}), json!({lasted: "4", seen: 1})] {
            assert_eq!(built("$pageleave", properties), (None, json!({})));
        }
    }

    #[test]
    fn a_click_has_its_target() {
        let chain =
            r#"button.buy.primary:text="Buy"nth-child="1"nth-of-type="1";div:nth-child="2""#;
        let elements = json!([{"tag_name": "a", "$el_text": "Cart"}, {"tag_name": "div"}]);
        for (properties, props) in [
            (
                json!({"$event_type": "click", "$elements_chain": chain, "$el_text": "Buy"}),
                json!({"target": "button.buy.primary", "text": "Buy"}),
            ),
            (json!({"$elements": elements}), json!({"target": "a"})),
            (
                json!({"$elements_chain": "ä".repeat(200), "$el_text": "x".repeat(201)}),
                json!({"target": "ä".repeat(128)}),
            ),
        ] {
            assert_eq!(built("$autocapture", properties), (Some("click"), props));
        }
        for properties in [
            json!({}),
            json!({"$elements": []}),
            json!({"$elements_chain": ""}),
            json!({"$event_type": "submit", "$elements_chain": "form"}),
            json!({"$event_type": "change", "$elements_chain": "input"}),
        ] {
            assert_eq!(built("$autocapture", properties), (None, json!({})));
        }
    }

    #[test]
    fn vitals_have_whole_milliseconds() {
        let properties = json!({
            "$web_vitals_LCP_value": 1_840.4, "$web_vitals_INP_value": 96,
            "$web_vitals_FCP_value": 909.5, "$web_vitals_CLS_value": 0.0312,
        });
        let props = json!({"lcp_ms": 1_840, "inp_ms": 96, "fcp_ms": 910, "cls": 0.0312});
        assert_eq!(built("$web_vitals", properties), (None, props));
    }
}

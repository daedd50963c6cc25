//! The hits of gtag: an event in a query, or one in each line of the body.
//!
//! An item is the object of its parameters, all of them texts.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::REPEAT;
use crate::model::beacon::Limits;
use crate::pipeline::decode::ProtocolError;
use crate::pipeline::decode::protocols::cut::ItemTexts;
use crate::pipeline::decode::protocols::parts::{missing, numeric, read_numbers};
use crate::pipeline::decode::protocols::request::{ProtocolItems, ProtocolRequest};
use crate::pipeline::decode::protocols::translation::{
    BoxedViolation, Draft, ObjectFields, Translation, move_fields, object_of,
};

/// The short names of a product's fields, and their names in reports.
const PRODUCT: [(&str, &str); 17] = [
    ("id", "item_id"),
    ("nm", "item_name"),
    ("br", "item_brand"),
    ("va", "item_variant"),
    ("ca", "item_category"),
    ("c2", "item_category2"),
    ("c3", "item_category3"),
    ("c4", "item_category4"),
    ("c5", "item_category5"),
    ("ln", "item_list_name"),
    ("li", "item_list_id"),
    ("lp", "index"),
    ("pr", "price"),
    ("qt", "quantity"),
    ("ds", "discount"),
    ("cp", "coupon"),
    ("af", "affiliation"),
];

/// Cuts a request. The write key is the measurement id.
pub fn items<'a>(
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let common = parameters_of(request.query);
    let mut texts = ItemTexts::new(limits);
    for line in request.text()?.lines().map(str::trim).filter(|line| !line.is_empty()) {
        texts.push(written(&common, line), 0)?;
    }
    if texts.is_empty() {
        texts.push(written(&common, ""), 0)?;
    }
    let write_key = request.parameter("tid").map(Cow::into_owned);
    Ok(ProtocolItems { write_key, ..texts.numbered() })
}

/// Returns the parameters of a query or a line, all of them texts.
fn parameters_of(text: &str) -> Map<String, Value> {
    let parameters = form_urlencoded::parse(text.as_bytes());
    let mut texts =
        parameters.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
    object_of(&mut texts)
}

/// Writes the parameters of a hit: those of its line, and the common ones that it does not have.
fn written(common: &Map<String, Value>, line: &str) -> String {
    let mut hit = parameters_of(line);
    hit.put_all_absent(common.clone());
    Value::Object(hit).to_string()
}

/// Translates an item into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    let Draft { item, beacon, props, metadata, .. } = draft;
    let name = match item.take_field("en") {
        Some(Value::String(name)) if !name.is_empty() => name,
        _ => return Err(missing("en")),
    };
    translation.set_name(beacon, &name, None);
    set_id(beacon, item, &name, translation);
    move_fields(
        item,
        beacon,
        "cid: device_id, uid: user_id, sid: session_id, dl: url, dr: referrer, \
            dt: title, ul: language, sr: screen, _uip: ip",
    );
    if let Some(consent) = consent(item) {
        beacon.put_text("consent", consent);
    }
    separate(std::mem::take(item), props, metadata);
    // The catalogue's event of this name requires it.
    if name == "scroll"
        && let Some(depth) = props.take_field("percent_scrolled")
    {
        props.put_absent("depth", depth);
    }
    Ok(())
}

/// Sets an id from what makes a hit one of its page. A hit without it has none.
fn set_id(
    beacon: &mut Map<String, Value>,
    item: &Map<String, Value>,
    name: &str,
    translation: &Translation<'_>,
) {
    let (Some(page), Some(hit)) = (item.text("_p"), item.text("_s")) else { return };
    let repeat = item.get(REPEAT).map(Value::to_string).unwrap_or_default();
    let measurement = item.text("tid").unwrap_or_default();
    let client = item.text("cid").unwrap_or_default();
    translation.set_hashed_id(beacon, &[measurement, client, page, hit, name, &repeat]);
}

/// Reads the consent to analytics from `gcs`: `G1`, then a digit for ads and one for analytics.
fn consent(item: &Map<String, Value>) -> Option<&'static str> {
    match item.text("gcs")?.as_bytes() {
        [b'G', b'1', _, b'1'] => Some("granted"),
        [b'G', b'1', _, b'0'] => Some("denied"),
        _ => None,
    }
}

/// Separates the event's parameters, the user's properties, and the rest.
fn separate(
    item: Map<String, Value>,
    props: &mut Map<String, Value>,
    metadata: &mut Map<String, Value>,
) {
    let (mut user, mut rest, mut products) = (Map::new(), Map::new(), Map::new());
    for (name, value) in item {
        let (kind, inner) = name.split_once('.').unwrap_or((&name, ""));
        // As many digits as the largest has, so that 2 is before 10.
        let number = name.strip_prefix("pr").and_then(|digits| digits.parse::<u16>().ok());
        if let (Some(number), Value::String(text)) = (number, &value) {
            products.put(&format!("{number:05}"), product(text));
            continue;
        }
        let (fields, field) = match kind {
            REPEAT => continue,
            "ep" | "epn" => (&mut *props, inner),
            "up" | "upn" => (&mut user, inner),
            "_et" => (&mut *props, "engagement_time_msec"),
            "cu" => (&mut *props, "currency"),
            _ => (&mut rest, name.as_str()),
        };
        let is_number = matches!(kind, "epn" | "upn" | "_et");
        fields.put(field, if is_number { numeric(value) } else { value });
    }
    if !products.is_empty() {
        props.put("items", Value::Array(products.into_values().collect()));
    }
    metadata.put_object("user_properties", user);
    metadata.put_object("ga4", rest);
}

/// Reads a product such as `idSKU~nmName~pr19.9`, in which `~~` is a tilde. A field of its own is a
/// pair, such as `k0color~v0red`.
fn product(text: &str) -> Value {
    /// No sent character; it stands for a tilde that separates no fields.
    const TILDE: &str = "\u{0}";
    const NUMBERS: [&str; 4] = ["index", "price", "quantity", "discount"];
    let (mut product, mut own) = (Map::new(), Map::new());
    for field in text.replace("~~", TILDE).split('~').filter(|field| !field.is_empty()) {
        let field = field.replace(TILDE, "~");
        let (short, value) = field.split_at_checked(2).unwrap_or((&field, ""));
        let known = PRODUCT.iter().find(|(name, _)| *name == short);
        match (short.split_at_checked(1), known) {
            (_, Some((_, name))) => product.put_text(name, value),
            (Some(("k", place)), None) => own.put_text(place, value),
            (Some(("v", place)), None) if own.contains_key(place) => {
                let name = own.take_field(place).unwrap_or_default();
                product.put_absent(name.as_str().unwrap_or_default(), Value::from(value));
            }
            _ => product.put_text(short, value),
        }
    }
    read_numbers(&mut product, &NUMBERS);
    Value::Object(product)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::protocol::Protocol;
    use crate::model::violation::{Code, Violation};

    fn translated(text: &str) -> Result<Value, Violation> {
        let (names, limits) = ([], Limits::default());
        let translation = Translation {
            protocol: Protocol::Ga4,
            tenant: "shop",
            names: &names,
            limits: &limits,
            heartbeat_s: None,
        };
        crate::pipeline::decode::protocols::translated(
            serde_json::from_str(text).unwrap(),
            &translation,
        )
        .map(Value::Object)
    }

    fn of(query: &str, body: &str) -> Vec<Result<Value, Violation>> {
        let request =
            ProtocolRequest { query, body: body.as_bytes(), ..ProtocolRequest::default() };
        let items = items(&request, &Limits::default()).unwrap();
        assert_eq!(items.write_key.as_deref(), request.parameter("tid").as_deref());
        items.texts.iter().map(|text| translated(text)).collect()
    }

    #[test]
    fn each_parameter_of_a_hit_has_its_place() {
        let query = "v=2&tid=G-X&_p=59&_s=3&cid=1.2&uid=u-7&sid=17&sct=1&seg=1&ul=de-ch&sr=1280x720\
            &dl=https%3A%2F%2Fshop.example%2F&dr=https%3A%2F%2Fwww.google.com%2F&dt=My+Start\
            &en=purchase&ep.plan=team&epn.value=19.90&epn.odd=x&_et=4887&cu=CHF&up.role=admin\
            &upn.age=7&gcs=G101&gcd=13l3l&_uip=203.0.113.7\
            &pr10=idB~pr2&pr2=idSKU-1~nmA~~B~pr19.9~qt2~k0color~v0red~zz1";
        let mut beacon = of(query, "").remove(0).unwrap();
        let id = beacon.as_object_mut().unwrap().remove("id").unwrap();
        assert!(crate::model::event::EventId::parse(id.as_str().unwrap()).is_some());
        let expected = json!({
            "name": "purchase", "device_id": "1.2", "user_id": "u-7", "session_id": "17",
            "url": "https://shop.example/", "referrer": "https://www.google.com/",
            "title": "My Start", "language": "de-ch", "screen": "1280x720", "consent": "granted",
            "ip": "203.0.113.7",
            "props": {
                "plan": "team", "value": serde_json::from_str::<Value>("19.90").unwrap(),
                "odd": "x", "engagement_time_msec": 4887, "currency": "CHF",
                "items": [
                    {"item_id": "SKU-1", "item_name": "A~B", "price": 19.9, "quantity": 2,
                     "color": "red", "zz": "1"},
                    {"item_id": "B", "price": 2},
                ],
            },
            "metadata": {
                "user_properties": {"role": "admin", "age": 7},
                "ga4": {
                    "v": "2", "tid": "G-X", "_p": "59", "_s": "3", "sct": "1", "seg": "1",
                    "gcs": "G101", "gcd": "13l3l",
                },
            },
        });
        assert_eq!(beacon, expected);
    }

    #[test]
    fn a_number_that_a_double_cannot_hold_stays_a_text() {
        for sent in ["1e999", "-1e999", "1 ", "NaN", ""] {
            let text: String = form_urlencoded::byte_serialize(sent.as_bytes()).collect();
            let beacon =
                of(&format!("en=a&epn.value={text}&upn.age={text}"), "").remove(0).unwrap();
            assert_eq!(beacon["props"], json!({"value": sent}));
            assert_eq!(beacon["metadata"]["user_properties"], json!({"age": sent}));
        }
    }

    #[test]
    fn a_scroll_has_the_depth_that_its_schema_requires() {
        let beacon = of("en=scroll&epn.percent_scrolled=90", "").remove(0).unwrap();
        assert_eq!(beacon["props"], json!({"depth": 90}));
        let beacon = of("en=read&epn.percent_scrolled=90", "").remove(0).unwrap();
        assert_eq!(beacon["props"], json!({"percent_scrolled": 90}));
    }

    #[test]
    fn each_line_is_an_event_with_the_common_parameters() {
        let query = "v=2&tid=G-X&cid=1.2&_p=59&_s=1&en=common";
        let lines = "en=a&ep.k=x\r\n\nen=b&_s=2\nen=a&ep.k=x\n_et=1";
        let beacons: Vec<Value> = of(query, lines).into_iter().map(Result::unwrap).collect();
        let names: Vec<&Value> = beacons.iter().map(|beacon| &beacon["name"]).collect();
        assert_eq!(names, ["a", "b", "a", "common"]);
        assert_eq!(beacons[0]["props"], json!({"k": "x"}));
        let ids: std::collections::BTreeSet<&str> =
            beacons.iter().map(|beacon| beacon["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 4);
        assert_eq!(of(query, lines).into_iter().map(Result::unwrap).collect::<Vec<_>>(), beacons);
    }

    #[test]
    fn a_hit_that_does_not_name_its_page_has_no_id() {
        for query in ["en=a&cid=1&_p=5", "en=a&cid=1&_s=5"] {
            assert_eq!(of(query, "").remove(0).unwrap().get("id"), None, "{query}");
        }
    }

    #[test]
    fn consent_is_that_to_analytics() {
        for (gcs, consent) in [
            ("G111", Some("granted")),
            ("G110", Some("denied")),
            ("G100", Some("denied")),
            ("G101", Some("granted")),
            ("G1--", None),
            ("", None),
            ("x", None),
        ] {
            let beacon = of(&format!("en=a&gcs={gcs}"), "").remove(0).unwrap();
            assert_eq!(beacon.get("consent").and_then(Value::as_str), consent, "{gcs}");
        }
    }

    #[test]
    fn a_hit_without_a_name_is_refused() {
        for query in ["", "v=2&tid=G-X", "en="] {
            let violation = of(query, "").remove(0).unwrap_err();
            let pointer = violation.pointer.as_str();
            assert_eq!((violation.code, pointer), (Code::MissingField, "/en"));
        }
        let request = ProtocolRequest { body: b"\xff", ..ProtocolRequest::default() };
        let error = items(&request, &Limits::default()).unwrap_err();
        assert!(matches!(error, ProtocolError::Undecodable(_)));
    }
}

//! Snowplow's tracker protocol, version 2: a `POST` of a list of events, or one event in the query
//! of a `GET`. All values of an event are texts.
//!
//! Sources: <https://docs.snowplow.io/docs/events/going-deeper/event-parameters/>,
//! <https://docs.snowplow.io/docs/events/going-deeper/http-requests/>

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::request::{ProtocolItems, ProtocolRequest};
use super::translation::{
    BoxedViolation, Draft, ObjectFields, Translation, is_stated, move_field, move_fields,
};
use super::{cut, parts};
use crate::model::beacon::Limits;
use crate::model::violation::Code;
use crate::pipeline::decode::{ProtocolError, native};

mod engagement;
mod schemas;

use engagement::Engagement;
use schemas::{Contexts, SelfDescribing};

/// The query parameter of our own write key.
const WRITE_KEY: &str = "key";

/// The member of `metadata` that identifies a browser, over all sites of a domain.
pub const NETWORK_ID: &str = "network_userid";

/// The parameters that are fields of a beacon or of a server.
const FIELDS: &str = "ttm: time, duid: device_id, sid: session_id, uid: user_id, url: url, page: title, \
    refr: referrer, lang: language, res: screen, vp: viewport, ip: ip, ua: user_agent, \
    tz: timezone";

/// The parameters of each kind of event, and their names in `props`.
const PAGE_PING: &str = "pp_mix: x_offset_min, pp_max: x_offset_max, pp_miy: y_offset_min, \
    pp_may: y_offset_max";

/// Old trackers write `ev_`.
const STRUCTURED: &str = "se_ca: category, se_ac: action, se_la: label, se_pr: property, se_va: value, \
    ev_ca: category, ev_ac: action, ev_la: label, ev_pr: property, ev_va: value";

const TRANSACTION: &str = "tr_id: order_id, tr_af: affiliation, tr_tt: total, tr_tx: tax, tr_sh: shipping, \
    tr_ci: city, tr_st: state, tr_co: country, tr_cu: currency";

const TRANSACTION_ITEM: &str = "ti_id: order_id, ti_sk: sku, ti_nm: name, ti_na: name, ti_ca: category, \
    ti_pr: price, ti_qu: quantity, ti_cu: currency";

const AD: &str = "ad_ba: banner_id, ad_ca: campaign_id, ad_ad: advertiser_id, ad_uid: ad_user_id";

/// The props that are numbers, whatever the kind of event.
const NUMBERS: [&str; 10] = [
    "x_offset_min",
    "x_offset_max",
    "y_offset_min",
    "y_offset_max",
    "value",
    "total",
    "tax",
    "shipping",
    "price",
    "quantity",
];

/// Cuts a request into its items.
pub fn items<'a>(
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let text = request.text()?;
    let texts = match text.is_empty() {
        true => vec![Cow::Owned(item_of_query(request.query))],
        false => {
            let data = parts::fields(text)?.get("data").map(|data| data.get());
            let Some(data) = data.filter(|data| data.starts_with('[')) else {
                let message = "data must be an array of events";
                return Err(native::undecodable_field(Code::WrongType, "data", message));
            };
            cut::items(data, "data", limits)?
        }
    };
    // A tracker sends its events at one time, and those of one app.
    let of_first = |name| parts::string(&parts::fields(texts.first()?).ok()?, name);
    let sent_at = of_first("stm").map(|text| parts::numeric(Value::String(text)));
    let write_key = of_first("aid");
    Ok(ProtocolItems { texts, sent_at, write_key, ..ProtocolItems::default() })
}

/// Adds the network id `id` to each item that has none.
pub fn with_network_id<'a>(items: ProtocolItems<'a>, id: &str) -> ProtocolItems<'a> {
    let member = format!("\"nuid\":{}", cut::quoted(id));
    let has_own = |text: &str| match parts::fields(text) {
        Ok(fields) => ["nuid", "tnuid"].iter().any(|name| fields.get(name).is_some()),
        // It fails with its own bytes.
        Err(_) => true,
    };
    let texts = items.texts.into_iter().map(|text| match text {
        text if has_own(&text) => text,
        Cow::Borrowed(text) => parts::with_members(text, &member),
        Cow::Owned(text) => Cow::Owned(parts::with_members(&text, &member).into_owned()),
    });
    ProtocolItems { texts: texts.collect(), ..items }
}

/// Returns a query as a JSON object, without our own write key. The first of equal parameters
/// counts.
fn item_of_query(query: &str) -> String {
    let mut item = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != WRITE_KEY {
            item.entry(name).or_insert_with(|| Value::String(value.into_owned()));
        }
    }
    Value::Object(item).to_string()
}

/// Translates an item into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    let Draft { item, beacon, props, metadata, .. } = draft;
    let kind = kind(item)?;
    match (kind.as_str(), Engagement::of(&kind, item, translation)) {
        ("ue", _) => {
            let event = SelfDescribing::take(item, translation)?;
            *props = event.describe(beacon, metadata, translation);
        }
        (kind, Some(engagement)) => {
            translation.set_name(beacon, kind, Some(Engagement::NAME));
            engagement.set_props(props);
        }
        (kind, None) => {
            let [name, params] = built_in(kind)?;
            translation.set_name(beacon, kind, Some(name));
            move_fields(item, props, params);
            parts::read_numbers(props, &NUMBERS);
        }
    }
    props.keep_fields(&|_, value| !value.is_null());
    set_fields(item, beacon, translation);
    set_metadata(item, metadata);
    Contexts::take(item, translation)?.lift(beacon, metadata);
    item.keep_fields(&|_, value| is_stated(value));
    metadata.put_object("snowplow", std::mem::take(item));
    Ok(())
}

/// Removes the kind of event.
fn kind(item: &mut Map<String, Value>) -> Result<String, BoxedViolation> {
    match item.take_field("e") {
        Some(Value::String(kind)) if !kind.is_empty() => Ok(kind),
        None | Some(Value::Null | Value::String(_)) => {
            let message = "e is missing; it states the kind of the event, such as pv";
            Err(parts::violation(Code::MissingField, "e", message))
        }
        Some(_) => Err(parts::violation(Code::WrongType, "e", "e must be a string")),
    }
}

/// Returns the name and the parameters of a kind of event.
fn built_in(kind: &str) -> Result<[&'static str; 2], BoxedViolation> {
    match kind {
        "pv" => Ok(["page_view", ""]),
        "pp" => Ok(["page_ping", PAGE_PING]),
        "se" => Ok(["struct_event", STRUCTURED]),
        "tr" => Ok(["transaction", TRANSACTION]),
        "ti" => Ok(["transaction_item", TRANSACTION_ITEM]),
        "ad" => Ok(["ad", AD]),
        _ => {
            let message = "e must be one of pv, pp, ue, se, tr, ti, ad";
            Err(parts::violation(Code::NotAllowed, "e", message))
        }
    }
}

fn set_fields(
    item: &mut Map<String, Value>,
    beacon: &mut Map<String, Value>,
    translation: &Translation<'_>,
) {
    parts::set_id(item.take_field("eid"), "", beacon, translation);
    move_fields(item, beacon, FIELDS);
    if !beacon.contains_key("time") {
        move_field(item, "dtm", beacon, "time");
    }
    parts::read_numbers(beacon, &["time"]);
    // The request has it.
    item.leave_out(&["stm"]);
    // No tracker sends it; an import of old events does.
    if item.take_field("historical") == Some(Value::Bool(true)) {
        beacon.put("historical", Value::Bool(true));
    }
}

fn set_metadata(item: &mut Map<String, Value>, metadata: &mut Map<String, Value>) {
    // What the tracker states comes before what a cookie stated.
    move_field(item, "tnuid", metadata, NETWORK_ID);
    move_field(item, "nuid", metadata, NETWORK_ID);
    move_field(item, "vid", metadata, "session_index");
    parts::read_numbers(metadata, &["session_index"]);
}

#[cfg(test)]
mod tests;

//! The native protocol: bodies by content type, pixels, and the whole recipe with planted texts.

use headwater::pipeline::decode::body::RequestBody;
use serde_json::Value;

use super::harness;
use super::laws::{self, Sent, Streams};
use super::replay;
use super::settings::{self, CARD, MARK, Recipe, STATED_ADDRESS, Setting};

const CONTENT_TYPES: [Option<&str>; 12] = [
    None,
    Some("text/plain;charset=UTF-8"),
    Some("application/json"),
    Some("application/x-ndjson"),
    Some("application/x-www-form-urlencoded"),
    Some("application/json; charset=utf-16"),
    Some("text/plain; charset=iso-8859-1"),
    Some("application/jsonl; charset=windows-1252"),
    Some("application/vnd.api+json"),
    Some("application/json; charset=utf-16be"),
    Some("text/html"),
    Some(";charset=\"utf-8"),
];
const ENCODINGS: [Option<&str>; 4] = [None, Some("gzip"), Some("identity, x-gzip"), Some("br")];

/// A body: a byte for the configuration, one for the request, one for the content type, and the text.
pub fn bodies(data: &[u8]) {
    let [selector, flags, form, text @ ..] = data else { return };
    let recipe = settings::recipe(*selector);
    let kind = usize::from(*form) % CONTENT_TYPES.len();
    let zipped = match flags & 0b11000 {
        0 => None,
        0b01000 => Some(harness::gzip(text)),
        // Two members, and one that is cut.
        0b10000 => Some(harness::gzip(text).repeat(2)),
        _ => harness::gzip(text).split_last_chunk::<4>().map(|(start, _)| start.to_vec()),
    };
    let stated = ENCODINGS[usize::from(flags >> 6)];
    let is_plain = flags & 0b10000 == 0 && (zipped.is_some() || stated.is_none());
    let is_json = matches!(kind, 0..=2 | 8);
    let body = RequestBody {
        content_type: CONTENT_TYPES[kind],
        content_encoding: stated,
        bytes: zipped.as_deref().unwrap_or(text),
    };
    let beacons = (is_plain && is_json && stated != Some("br")).then(|| count(text)).flatten();
    let streams = Streams::of_flags(*flags);
    post(*flags, &body, &Sent { recipe, bytes: text, beacons, planted: &[], streams });
}

/// Returns a body that begins with what the configuration removes and goes on with any bytes, and the
/// texts that must be in no record.
fn planted_body(data: &[u8]) -> Option<(Vec<u8>, &'static [&'static str])> {
    let [selector, flags, rest @ ..] = data else { return None };
    let prefix = match settings::recipe(*selector).setting {
        Setting::Strip | Setting::Drop => format!(
            r#""device_id":"{MARK}-d","user_id":"{MARK}-u","session_id":"{MARK}-s","url":"https://shop.example/?gclid={MARK}","referrer":"https://a.example/?a=1&fbclid={MARK}","#
        ),
        Setting::Cookieless => {
            format!(r#""device_id":"{MARK}","url":"https://shop.example/?token={MARK}","#)
        }
        Setting::Scrub => format!(
            r#""title":"by {MARK}@mail.example","url":"https://shop.example/?q={MARK}@mail.example","props":{{"a":["mail {MARK}@mail.example","{CARD}"],"b":"card {CARD}","#
        ),
        Setting::HashedAddress | Setting::Originals => format!(
            r#""url":"https://shop.example/?a=1&token={MARK}&b=2","referrer":"https://{MARK}:{MARK}@a.example/","#
        ),
        Setting::ServerKey => {
            format!(r#""ip":"{STATED_ADDRESS}","url":"https://shop.example/?token={MARK}","#)
        }
    };
    let name = if flags & 8 == 0 { r#""name":"page_view","# } else { "" };
    let start = if flags & 16 == 0 { "{" } else { "[{" };
    if settings::has_planted(rest) {
        return None;
    }
    let planted: &[&str] = match settings::recipe(*selector).setting {
        Setting::Scrub => &[MARK, CARD, "4111111111111111"],
        Setting::ServerKey => &[MARK, STATED_ADDRESS],
        _ => &[MARK],
    };
    Some(([start.as_bytes(), name.as_bytes(), prefix.as_bytes(), rest].concat(), planted))
}

/// The whole recipe: a byte for the configuration, one for the request, and the rest of a body.
pub fn whole_recipe(data: &[u8]) {
    let Some((text, planted)) = planted_body(data) else { return };
    let [selector, flags, ..] = data else { return };
    let recipe = settings::recipe(*selector);
    let zipped = (flags & 32 != 0).then(|| harness::gzip(&text));
    let content_type = (flags & 64 != 0).then_some("application/x-ndjson");
    let bytes = zipped.as_deref().unwrap_or(&text);
    let body = RequestBody { content_type, content_encoding: None, bytes };
    let streams = Streams::of_flags(*flags);
    post(*flags, &body, &Sent { recipe, bytes: &text, beacons: None, planted, streams });
}

fn post(flags: u8, body: &RequestBody<'_>, sent: &Sent<'_>) {
    let Recipe { config, .. } = sent.recipe;
    match harness::post_body(config, &sent.recipe.context(flags), body) {
        Ok(mut batch) => {
            for record in laws::check(&mut batch, sent) {
                replay::check_again(&record, sent);
            }
        }
        Err(error) => laws::check_refused(&error, sent),
    }
}

/// A pixel: a byte for the configuration, one for the request, and the query.
pub fn pixel(data: &[u8]) {
    let [selector, flags, rest @ ..] = data else { return };
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    let recipe = settings::recipe(*selector);
    let prefix = match recipe.setting {
        _ if flags & 8 == 0 || settings::has_planted(rest.as_bytes()) => String::new(),
        Setting::Strip | Setting::Drop => format!(
            "name=page_view&device_id={MARK}&user_id={MARK}&session_id={MARK}&url=https%3A%2F%2Fshop.example%2F%3Fgclid%3D{MARK}&"
        ),
        Setting::Cookieless => format!("name=page_view&device_id={MARK}&"),
        Setting::Scrub => {
            format!("title=by+{MARK}%40mail.example&props.a=mail+{MARK}@mail.example&")
        }
        _ => format!("name=a&url=https%3A%2F%2Fshop.example%2F%3Ftoken%3D{MARK}&"),
    };
    let query = format!("{prefix}{rest}");
    let planted: &[&str] = if prefix.is_empty() { &[] } else { &[MARK] };
    let context = recipe.context(*flags);
    let mut batch =
        harness::pixel(&recipe.config, &context, &query).expect("LAW: no pixel is refused");
    let streams = Streams::of_flags(*flags);
    let sent = Sent { recipe, bytes: query.as_bytes(), beacons: Some(1), planted, streams };
    for record in laws::check(&mut batch, &sent) {
        replay::check_again(&record, &sent);
    }
}

/// Returns how many beacons a text has, by another parser; none if that is in doubt.
fn count(text: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?;
    if text.matches("events").count() > 1 || text.contains('\\') {
        return None;
    }
    match serde_json::from_str::<Value>(text).ok()? {
        Value::Array(items) => Some(items.len()),
        Value::Object(fields) => match fields.get("events") {
            Some(Value::Array(items)) => Some(items.len()),
            Some(_) => None,
            None => Some(1),
        },
        _ => None,
    }
}

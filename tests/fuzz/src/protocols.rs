//! Other collectors' protocols: a request of an SDK is cut, translated, processed and answered, as
//! the worker does it.

use super::laws::{self, Sent, Streams};
use super::settings::{self, CARD, MARK, Recipe, STATED_ADDRESS, Setting};
use super::{harness, replay};
use headwater::ingest;
use headwater::ingest::dialects::{self, DialectAnswer, DialectEndpoint, DialectRequest};
use headwater::ingest::error::IngestError;
use headwater::model::outcome::OutcomeKind;
use headwater::model::protocol::Protocol;
use headwater::pipeline::decode::body::{self, RequestBody};
use headwater::pipeline::decode::protocols::{self, ProtocolRequest, Translation};
use headwater::pipeline::decode::{ProtocolError, ValueBudget, beacon};

/// A request, as its head and its body are in an input: `POST /path?query`, a line for each header,
/// an empty line, the body.
#[derive(Debug, Default)]
struct Request {
    is_post: bool,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = match end {
            Some(end) => (&bytes[..end], &bytes[end + 2..]),
            None => (bytes, &[][..]),
        };
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default();
        let (method, target) = first.split_once(' ').unwrap_or(("POST", first));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        };
        Self {
            is_post: method != "GET",
            // As the worker gives it to a protocol.
            path: path.trim_end_matches('/').to_owned(),
            query: query.to_owned(),
            headers: lines.filter_map(header).collect(),
            body: body.to_vec(),
        }
    }

    fn content_type(&self) -> Option<&str> {
        let found = self.headers.iter().find(|(name, _)| name == "content-type");
        found.map(|(_, value)| value.as_str())
    }
}

/// Bytes for the configuration and the request, and a request.
pub fn run(protocol: Protocol, data: &[u8]) {
    let [selector, flags, rest @ ..] = data else { return };
    let recipe = settings::recipe(*selector);
    let is_planted = flags & 8 != 0 && !settings::has_planted(rest);
    let planted = is_planted.then(|| planted(protocol, recipe.setting, rest));
    let (mut request, planted) = planted.unwrap_or_else(|| (Request::parse(rest), Vec::new()));
    if !request.is_post {
        request.body.clear();
    }
    if flags & 16 != 0 {
        request.body = harness::gzip(&request.body);
    }
    process(protocol, recipe, *flags, &request, &planted);
}

fn process(protocol: Protocol, recipe: &Recipe, flags: u8, request: &Request, planted: &[&str]) {
    let limits = &recipe.config.larger_limits;
    let content_type = request.content_type();
    let by = DialectRequest {
        is_post: request.is_post,
        path: &request.path,
        query: &request.query,
        content_type: content_type.unwrap_or_default(),
        host: "https://events.shop.example",
    };
    if let Some(DialectEndpoint::Answer(answer)) = dialects::endpoint(protocol, by) {
        check_dialect(&answer);
    }
    let body = RequestBody { content_type, content_encoding: None, bytes: &request.body };
    let inflated = body::inflated(&request.body, limits);
    let items = inflated.as_deref().map_err(Clone::clone).and_then(|body| {
        let cut = ProtocolRequest {
            path: by.path,
            query: by.query,
            content_type: by.content_type,
            headers: &request.headers,
            body,
        };
        let items = protocols::items(protocol, &cut, limits)?;
        for text in &items.texts {
            check_item(protocol, recipe, text);
        }
        Ok(items)
    });
    let beacons = match &items {
        Ok(items) => Some(items.texts.len()),
        Err(ProtocolError::Undecodable(_)) => Some(1),
        Err(_) => None,
    };
    let mut context = recipe.context(flags);
    context.other_keys.extend(ingest::other_keys(&context, by.query));
    context.other_keys.extend(items.iter().filter_map(|items| items.write_key.clone()));
    let head: String =
        request.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let read = inflated.as_deref().ok();
    let content = read.unwrap_or(&request.body);
    let bytes = [by.path.as_bytes(), by.query.as_bytes(), head.as_bytes(), content].concat();
    let sent = Sent { recipe, bytes: &bytes, beacons, planted, streams: Streams::of_flags(flags) };
    match post(items, protocol, &body, read, recipe, &context) {
        Err(error) => {
            laws::check_refused(&error, &sent);
            let answer = dialects::answer(protocol, Err(&error), by);
            assert!(answer.status < 500, "LAW: no client makes the worker seem down");
            check_dialect(&answer);
        }
        Ok(mut batch) => {
            for record in laws::check(&mut batch, &sent) {
                replay::check_again(&record, &sent);
            }
            let outcomes = batch.settled().expect("LAW: all have a status").outcomes();
            let answer = dialects::answer(protocol, outcomes, by);
            check_dialect(&answer);
            let is_good = |kind: OutcomeKind| kind.is_good();
            if outcomes.is_ok_and(|all| all.iter().all(|(_, outcome)| is_good(outcome.kind()))) {
                assert!(answer.status < 300, "LAW: no SDK repeats what was accepted: {answer:?}");
            }
            assert!(answer.status < 500, "LAW: what is durable needs no repeat: {answer:?}");
        }
    }
}

fn post<'c>(
    items: Result<protocols::ProtocolItems<'_>, ProtocolError>,
    protocol: Protocol,
    body: &RequestBody<'_>,
    inflated: Option<&[u8]>,
    recipe: &'c Recipe,
    context: &headwater::model::request::RequestContext,
) -> Result<ingest::IngestBatch<'c>, IngestError> {
    let request = ingest::authorize(context, None, &recipe.config, None).request?;
    ingest::items(items, protocol, body, inflated, &request, &mut harness::ids(context))
}

/// Checks that an item is an object that is translated the same each time.
fn check_item(protocol: Protocol, recipe: &Recipe, text: &str) {
    let (names, limits) = ([], &recipe.config.larger_limits);
    let translation =
        Translation { protocol, tenant: "shop", names: &names, limits, heartbeat_s: None };
    let translate = || protocols::beacon(text, &translation, limits, &mut ValueBudget::unlimited());
    let first = translate();
    assert_eq!(first, translate(), "LAW: an item is translated the same again: {text}");
    if let Ok(fields) = first {
        assert!(fields.fields.contains_key("name"), "LAW: a beacon has a name: {text}");
        let read = beacon(text, limits);
        assert!(read.is_ok(), "LAW: what is translated is an object: {text}");
    }
}

fn check_dialect(answer: &DialectAnswer) {
    assert!((200..600).contains(&answer.status), "LAW: an answer has a status: {answer:?}");
    if answer.content_type == "application/json" && !answer.body.is_empty() {
        let read = serde_json::from_slice::<serde_json::Value>(&answer.body);
        assert!(read.is_ok(), "LAW: an answer is JSON: {answer:?}");
    }
}

/// Returns a request that begins with what the configuration removes and ends with `rest`, and the
/// texts that must be in no record.
fn planted(protocol: Protocol, setting: Setting, rest: &[u8]) -> (Request, Vec<&'static str>) {
    let strips = matches!(setting, Setting::Strip | Setting::Drop);
    let device = if strips || setting == Setting::Cookieless { MARK } else { "d" };
    let user = if strips { MARK } else { "u" };
    let url = match setting {
        Setting::Strip | Setting::Drop => format!("https://shop.example/?gclid={MARK}"),
        Setting::Scrub => format!("https://shop.example/?q={MARK}@mail.example"),
        _ => format!("https://shop.example/?token={MARK}&a=1"),
    };
    let note = match setting {
        Setting::Scrub => format!("mail {MARK}@mail.example, card {CARD}"),
        _ => "a".to_owned(),
    };
    let ip = STATED_ADDRESS;
    let attribute = |key: &str, value: &str| {
        format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
    };
    let (path, content_type, start) = match protocol {
        Protocol::Segment => (
            "/v1/track",
            "application/json",
            format!(
                r#"{{"type":"track","event":"a","messageId":"m","anonymousId":"{device}","userId":"{user}","properties":{{"note":"{note}"}},"context":{{"ip":"{ip}","page":{{"url":"{url}"}}}},"#
            ),
        ),
        Protocol::Snowplow => (
            "/com.snowplowanalytics.snowplow/tp2",
            "application/json",
            format!(
                r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[{{"e":"pv","duid":"{device}","uid":"{user}","ip":"{ip}","page":"{note}","url":"{url}","#
            ),
        ),
        Protocol::Posthog => (
            "/e",
            "application/json",
            format!(
                r#"{{"event":"a","distinct_id":"{user}","properties":{{"$device_id":"{device}","$user_id":"{user}","$ip":"{ip}","$current_url":"{url}","note":"{note}"}},"#
            ),
        ),
        Protocol::CloudEvents => (
            "/v1/cloudevents",
            "application/cloudevents+json",
            format!(
                r#"{{"specversion":"1.0","id":"1","source":"/a","type":"a","deviceid":"{device}","userid":"{user}","data":{{"note":"{note}"}},"#
            ),
        ),
        Protocol::Otlp => {
            let attributes = [
                ("device.id", device),
                ("user.id", user),
                ("url.full", &url),
                ("client.address", ip),
                ("note", &note),
            ];
            let attributes = attributes.map(|(key, value)| attribute(key, value)).join(",");
            (
                "/v1/logs",
                "application/json",
                format!(
                    r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"eventName":"a","timeUnixNano":"1795000000123000000","attributes":[{attributes}],"#
                ),
            )
        }
        Protocol::Plausible => (
            "/api/event",
            "text/plain",
            format!(r#"{{"n":"pageview","d":"shop.example","u":"{url}","p":{{"note":"{note}"}},"#),
        ),
        Protocol::Umami => (
            "/api/send",
            "application/json",
            format!(
                r#"{{"type":"event","payload":{{"website":"w","id":"{user}","ip":"{ip}","url":"{url}","data":{{"note":"{note}"}},"#
            ),
        ),
        Protocol::Ga4 => (
            "/mp/collect",
            "application/json",
            format!(
                r#"{{"client_id":"{device}","user_id":"{user}","events":[{{"name":"a","params":{{"page_location":"{url}","note":"{note}","#
            ),
        ),
        Protocol::Amplitude => (
            "/2/httpapi",
            "application/json",
            format!(
                r#"{{"api_key":"pk_shop","events":[{{"event_type":"a","device_id":"{device}","user_id":"{user}","ip":"{ip}","event_properties":{{"note":"{note}"}},"#
            ),
        ),
    };
    let request = Request {
        is_post: true,
        path: path.to_owned(),
        query: String::new(),
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body: [start.as_bytes(), rest].concat(),
    };
    let mut hidden = vec![MARK, STATED_ADDRESS];
    if setting == Setting::Scrub {
        hidden.extend([CARD, "4111111111111111"]);
    }
    (request, hidden)
}

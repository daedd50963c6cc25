//! Moves the members of a message's `context` that are fields of a beacon.

use serde_json::{Map, Number, Value};

use crate::model::campaign::{Campaign, campaign};
use crate::pipeline::decode::protocols::parts;
use crate::pipeline::decode::protocols::translation::{ObjectFields, move_field, move_fields};

/// The parts of a page's address that are in its URL, too.
const OF_URL: [&str; 4] = ["path", "search", "hash", "tab_url"];

/// Moves what `context` has of the beacon's fields. The rest stays in it.
pub fn apply(context: &mut Map<String, Value>, beacon: &mut Map<String, Value>) {
    move_fields(
        context,
        beacon,
        "locale: language, sessionId: session_id, ip: ip, userAgent: user_agent, \
            timezone: timezone",
    );
    if let Some(page) = context.object("page") {
        apply_page(page, beacon);
    }
    apply_screen(context, beacon);
    apply_app(context, beacon);
    apply_consent(context, beacon);
    apply_campaign(context, beacon);
    context.keep_fields(&|_, value| !value.as_object().is_some_and(Map::is_empty));
}

/// Moves the address, the title and the referrer of a page. A member that repeats what the beacon
/// has is removed.
pub fn apply_page(page: &mut Map<String, Value>, beacon: &mut Map<String, Value>) {
    for field in ["url", "title", "referrer"] {
        match (beacon.get(field), page.get(field)) {
            (Some(known), Some(value)) if known == value || value == "" || value.is_null() => {
                page.leave_out(&[field]);
            }
            (Some(_), _) => {}
            (None, _) => move_field(page, field, beacon, field),
        }
    }
    parts::remove_parts_of_url(page, &OF_URL, beacon);
}

fn apply_screen(context: &mut Map<String, Value>, beacon: &mut Map<String, Value>) {
    let Some(screen) = context.object("screen") else { return };
    for (width, height, field) in
        [("width", "height", "screen"), ("innerWidth", "innerHeight", "viewport")]
    {
        let size = match (pixels(screen, width), pixels(screen, height)) {
            (Some(width), Some(height)) => format!("{width}x{height}"),
            _ => continue,
        };
        screen.leave_out(&[width, height]);
        beacon.put_text(field, &size);
    }
}

/// Returns a side that has any pixels.
fn pixels(screen: &Map<String, Value>, side: &str) -> Option<String> {
    let has_any = |number: &&Number| number.as_f64().is_some_and(|pixels| pixels > 0.0);
    match screen.get(side)? {
        Value::Number(number) => Some(number).filter(has_any).map(Number::to_string),
        // A pixel's parameters are texts.
        Value::String(text) => {
            let number: Number = text.parse().ok()?;
            Some(&number).filter(has_any).map(Number::to_string)
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Moves the app's version. RudderStack's browser SDK names itself as the app.
fn apply_app(context: &mut Map<String, Value>, beacon: &mut Map<String, Value>) {
    let library = context.get("library").and_then(|library| library.get("name")).cloned();
    if let Some(app) = context.object("app")
        && (library.is_none() || app.get("name") != library.as_ref())
    {
        move_field(app, "version", beacon, "build");
    }
}

/// Sets the consent by the choices of a consent manager, which stay in the context: by those for
/// analytics, or by all if they are the same. Of others it can't be known.
fn apply_consent(context: &Map<String, Value>, beacon: &mut Map<String, Value>) {
    const ANALYTICS: [&str; 4] = ["analytic", "performance", "statistic", "measurement"];
    let categories = context.get("consent").and_then(|consent| consent.get("categoryPreferences"));
    let Some(Value::Object(categories)) = categories else { return };
    let choices = || categories.iter().filter_map(|(name, choice)| Some((name, choice.as_bool()?)));
    let is_for_analytics = |name: &str| {
        let name = name.to_ascii_lowercase();
        ANALYTICS.iter().any(|word| name.contains(word))
    };
    let mut of_analytics = choices().filter(|(name, _)| is_for_analytics(name)).peekable();
    let granted = match of_analytics.peek() {
        Some(_) => Some(of_analytics.all(|(_, given)| given)),
        None => {
            let given = choices().filter(|(_, given)| *given).count();
            let all = choices().count();
            (all > 0 && (given == 0 || given == all)).then_some(given > 0)
        }
    };
    if let Some(granted) = granted {
        beacon.put_text("consent", if granted { "granted" } else { "denied" });
    }
}

/// Adds the campaign to the URL if that names none, since its columns are read from there.
fn apply_campaign(context: &mut Map<String, Value>, beacon: &mut Map<String, Value>) {
    /// Members of `campaign`, and their parameters.
    const PARAMETERS: [(&str, &str); 6] = [
        ("source", "utm_source"),
        ("medium", "utm_medium"),
        ("name", "utm_campaign"),
        ("term", "utm_term"),
        ("content", "utm_content"),
        ("id", "utm_id"),
    ];
    let Some(Value::String(url)) = beacon.get_mut("url") else { return };
    let Some(sent) = context.object("campaign") else { return };
    let is_named = names_campaign(url);
    let mut parameters = form_urlencoded::Serializer::new(String::new());
    for (member, parameter) in PARAMETERS {
        if let Some(value) = sent.text(member) {
            parameters.append_pair(parameter, value);
            sent.leave_out(&[member]);
        }
    }
    let parameters = parameters.finish();
    if !is_named && !parameters.is_empty() {
        let (page, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
        let sign = if page.contains('?') { '&' } else { '?' };
        *url = format!("{page}{sign}{parameters}{fragment}");
    }
}

/// Whether the query or the fragment of `url` names a campaign; a click id alone is none.
fn names_campaign(url: &str) -> bool {
    let parts = url.split(['?', '#']).skip(1);
    let Campaign { source, medium, campaign, term, content, id, click_id: _ } = campaign(parts);
    [source, medium, campaign, term, content, id].iter().any(Option::is_some)
}

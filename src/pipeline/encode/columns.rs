//! Writes the columns of an event's record, in their order.
//!
//! Flat snake_case; an absent value is left out. `www/docs/record-columns.md` lists them for
//! analysts: a column changes together with its line there.

use chrono::Timelike;
use serde_json::Value;

use crate::model::consent::PrivacySignal;
use crate::model::event::{DeviceId, Event};
use crate::model::geo::Geo;
use crate::model::record::VERSION;
use crate::model::record::line::JsonLineWriter;
use crate::model::sampling::SampleRate;
use crate::pipeline::enrich::{EnrichedEvent, RequestFacts};

/// Writes the columns of `enriched`. `sample` is the share of devices that its route keeps.
pub(super) fn of_event(enriched: &EnrichedEvent<'_>, sample: Option<SampleRate>) -> JsonLineWriter {
    let EnrichedEvent { event, facts, occurred, local, visit, stripped, .. } = enriched;
    let (client, campaign) = (&facts.client, &visit.campaign);
    let (agent, bot) = (&client.agent, client.bot.as_ref());
    let identifying = stripped.is_none();
    let (referrer, click_id) = (visit.referrer.as_ref(), campaign.click_id.as_ref());
    let mut line = JsonLineWriter::new();
    line.json("v", Some(VERSION));
    line.json("event_id", Some(event.id));
    line.text("tenant", Some(facts.tenant));
    line.text("name", Some(event.name.as_str()));
    line.json("level", event.level);
    line.text("schema_version", event.schema.map(|schema| schema.version));
    line.time("occurred_at", Some(occurred.at));
    received(&mut line, facts, *stripped);
    line.time("client_time", event.client_time);
    line.time("sent_at", event.sent_at);
    line.json("clock_skew_ms", occurred.clock_skew_ms);
    line.json("utc_offset_minutes", local.map(|local| local.utc_offset_minutes));
    line.json("local_hour", local.map(|local| local.hour));
    line.json("day_part", local.map(|local| local.day_part));
    line.json("event_index", Some(enriched.event_index));
    line.json("seq", event.seq.filter(|_| identifying));
    line.text("device_id", event.device_id.as_ref().map(DeviceId::as_str));
    line.text("previous_device_id", enriched.previous_device_id.as_ref().map(DeviceId::as_str));
    line.json("new_visitor", enriched.new_visitor);
    line.text("client_session_id", unless_stripped(&event.client_session_id, *stripped));
    line.text("user_id", unless_stripped(&event.user_id, *stripped));
    line.json("consent", event.consent);
    line.json("identifiers_removed", *stripped);
    line.text("browser", agent.browser.as_deref());
    line.text("browser_version", version(&agent.browser_version, *stripped));
    line.text("os", agent.os);
    line.text("os_version", version(&agent.os_version, *stripped));
    line.json("device_class", agent.device_class);
    line.text("device_model", unless_stripped(&agent.device_model, *stripped));
    line.json("bot", bot.map(|_| true));
    line.json("bot_reason", bot.map(|bot| bot.reason));
    line.text("bot_name", bot.and_then(|bot| bot.name.as_deref()));
    line.text("build", event.build.as_deref());
    line.text("url", visit.url.as_deref());
    line.text("url_host", visit.host.as_deref());
    line.text("url_path", visit.path.as_deref());
    line.text("title", event.title.as_deref());
    line.text("referrer", visit.referrer_url.as_deref());
    line.text("referrer_host", referrer.and_then(|referrer| referrer.host.as_deref()));
    line.json("referrer_medium", referrer.map(|referrer| referrer.medium));
    line.text("referrer_source", referrer.and_then(|referrer| referrer.source));
    line.text("referrer_term", referrer.and_then(|referrer| referrer.term.as_deref()));
    line.text("utm_source", campaign.source.as_deref());
    line.text("utm_medium", campaign.medium.as_deref());
    line.text("utm_campaign", campaign.campaign.as_deref());
    line.text("utm_term", campaign.term.as_deref());
    line.text("utm_content", campaign.content.as_deref());
    line.text("utm_id", campaign.id.as_deref());
    line.text("click_id", click_id.map(|click| click.value.as_str()));
    line.text("click_id_network", click_id.map(|click| click.network));
    let (screen, viewport) =
        (event.screen.filter(|_| identifying), event.viewport.filter(|_| identifying));
    line.json("screen_width", screen.map(|size| size.width));
    line.json("screen_height", screen.map(|size| size.height));
    line.json("viewport_width", viewport.map(|size| size.width));
    line.json("viewport_height", viewport.map(|size| size.height));
    line.text("language", event.language.as_deref());
    line.json("repairs", Some(&enriched.repairs).filter(|repairs| !repairs.is_empty()));
    line.json("sample_rate", sample.map(SampleRate::share));
    line.json("props", event.props.as_ref());
    line.json("metadata", event.metadata.as_ref());
    for (key, value) in lifted(event) {
        line.json(&format!("metadata_{key}"), Some(value));
    }
    line
}

/// Writes the columns of a request's facts, which events and failed events share. If identifiers
/// are stripped, leaves out those that identify a person.
pub(super) fn received(
    line: &mut JsonLineWriter,
    facts: &RequestFacts<'_>,
    stripped: Option<PrivacySignal>,
) {
    line.time("received_at", Some(facts.received_at));
    line.time("replayed_at", facts.replayed_at);
    line.date("date", facts.received_at);
    line.json("hour", Some(facts.received_at.hour()));
    line.text("ip", unless_stripped(&facts.ip, stripped));
    line.text("user_agent", unless_stripped(&facts.client.user_agent, stripped));
    let Geo { country, region, city, continent, timezone, colo, asn, as_organization } = &facts.geo;
    line.text("country", country.as_deref());
    line.text("region", unless_stripped(region, stripped));
    line.text("city", unless_stripped(city, stripped));
    line.text("continent", continent.as_deref());
    line.text("timezone", unless_stripped(timezone, stripped));
    line.text("colo", unless_stripped(colo, stripped));
    line.json("asn", asn.filter(|_| stripped.is_none()));
    line.text("as_organization", unless_stripped(as_organization, stripped));
}

/// Returns `text`, which identifies a person, unless identifiers are stripped.
fn unless_stripped(text: &Option<String>, stripped: Option<PrivacySignal>) -> Option<&str> {
    text.as_deref().filter(|_| stripped.is_none())
}

/// Returns a version, or only its first number if identifiers are stripped.
fn version(version: &Option<String>, stripped: Option<PrivacySignal>) -> Option<&str> {
    match stripped {
        None => version.as_deref(),
        Some(_) => version.as_deref()?.split('.').next(),
    }
}

/// Returns the members of an event's metadata that its schema uses as partition keys.
pub(super) fn lifted(event: &Event) -> impl Iterator<Item = (&'static str, &Value)> {
    let keys = event.schema.map(|schema| schema.partition).unwrap_or_default();
    keys.iter().filter_map(|key| Some((*key, event.metadata.as_ref()?.get(*key)?)))
}

//! The columns of an event's record, in the order in which they are written.
//!
//! Flat snake_case; an absent value is left out. The README lists them for analysts: a
//! column changes together with its line there.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use serde_with_macros::skip_serializing_none;

use super::record::{Received, VERSION, milliseconds, milliseconds_if_any};
use crate::clean::Repairs;
use crate::enrich::local::DayPart;
use crate::enrich::referrer::Medium;
use crate::enrich::user_agent::DeviceClass;
use crate::enrich::{Enriched, bot};
use crate::event::{DeviceId, Event, EventId, EventName, Level};
use crate::privacy::{Consent, Reason};
use crate::route::SampleRate;

/// One event's record.
#[skip_serializing_none]
#[derive(Serialize)]
pub(super) struct EventColumns<'a> {
    v: u32,
    event_id: EventId,
    tenant: &'a str,
    name: &'a EventName,
    level: Option<Level>,
    schema_version: Option<&'static str>,
    #[serde(serialize_with = "milliseconds")]
    occurred_at: DateTime<Utc>,
    #[serde(flatten)]
    received: Received<'a>,
    #[serde(serialize_with = "milliseconds_if_any")]
    client_time: Option<DateTime<Utc>>,
    #[serde(serialize_with = "milliseconds_if_any")]
    sent_at: Option<DateTime<Utc>>,
    clock_skew_ms: Option<i64>,
    utc_offset_minutes: Option<i32>,
    local_hour: Option<u32>,
    day_part: Option<DayPart>,
    event_index: usize,
    seq: Option<u64>,
    device_id: Option<&'a DeviceId>,
    previous_device_id: Option<&'a DeviceId>,
    new_visitor: Option<bool>,
    client_session_id: Option<&'a str>,
    user_id: Option<&'a str>,
    consent: Option<Consent>,
    stripped: Option<Reason>,
    browser: Option<&'a str>,
    browser_version: Option<&'a str>,
    os: Option<&'a str>,
    os_version: Option<&'a str>,
    device_class: Option<DeviceClass>,
    device_model: Option<&'a str>,
    bot: Option<bool>,
    bot_reason: Option<bot::Reason>,
    bot_name: Option<&'a str>,
    build: Option<&'a str>,
    url: Option<&'a str>,
    url_host: Option<&'a str>,
    url_path: Option<&'a str>,
    title: Option<&'a str>,
    referrer: Option<&'a str>,
    referrer_host: Option<&'a str>,
    referrer_medium: Option<Medium>,
    referrer_source: Option<&'static str>,
    referrer_term: Option<&'a str>,
    utm_source: Option<&'a str>,
    utm_medium: Option<&'a str>,
    utm_campaign: Option<&'a str>,
    utm_term: Option<&'a str>,
    utm_content: Option<&'a str>,
    utm_id: Option<&'a str>,
    click_id: Option<&'a str>,
    click_id_network: Option<&'static str>,
    screen_width: Option<u32>,
    screen_height: Option<u32>,
    viewport_width: Option<u32>,
    viewport_height: Option<u32>,
    language: Option<&'a str>,
    repairs: Option<&'a Repairs>,
    sample_rate: Option<f64>,
    props: Option<&'a Map<String, Value>>,
    metadata: Option<&'a Map<String, Value>>,
    #[serde(flatten)]
    lifted: Lifted<'a>,
}

impl<'a> EventColumns<'a> {
    /// The columns of `enriched`, of which its route takes the share `sample`.
    pub(super) fn of(enriched: &'a Enriched<'_>, sample: Option<SampleRate>) -> Self {
        let Enriched { event, facts, occurred, local, visit, .. } = enriched;
        let (referrer, click_id) = (visit.referrer.as_ref(), visit.campaign.click_id.as_ref());
        let identifying = enriched.stripped.is_none();
        Self {
            v: VERSION,
            event_id: event.id,
            tenant: &facts.tenant.name,
            name: &event.name,
            level: event.level,
            schema_version: event.schema.map(|schema| schema.version),
            occurred_at: occurred.at,
            received: Received::of(facts, enriched.stripped),
            client_time: event.client_time,
            sent_at: event.sent_at,
            clock_skew_ms: occurred.clock_skew_ms,
            utc_offset_minutes: local.map(|local| local.utc_offset_minutes),
            local_hour: local.map(|local| local.hour),
            day_part: local.map(|local| local.day_part),
            event_index: enriched.event_index,
            seq: event.seq,
            device_id: event.device_id.as_ref(),
            previous_device_id: enriched.previous_device_id.as_ref(),
            new_visitor: enriched.new_visitor,
            client_session_id: event.client_session_id.as_deref().filter(|_| identifying),
            user_id: event.user_id.as_deref().filter(|_| identifying),
            consent: event.consent,
            stripped: enriched.stripped,
            browser: facts.agent.browser.as_deref(),
            browser_version: facts.agent.browser_version.as_deref(),
            os: facts.agent.os,
            os_version: facts.agent.os_version.as_deref(),
            device_class: facts.agent.device_class,
            device_model: facts.agent.device_model.as_deref(),
            bot: facts.bot.is_some().then_some(true),
            bot_reason: facts.bot.as_ref().map(|bot| bot.reason),
            bot_name: facts.bot.as_ref().and_then(|bot| bot.name.as_deref()),
            build: event.build.as_deref(),
            url: event.url.as_deref(),
            url_host: visit.host.as_deref(),
            url_path: visit.path.as_deref(),
            title: event.title.as_deref(),
            referrer: event.referrer.as_deref(),
            referrer_host: referrer.map(|referrer| referrer.host.as_str()),
            referrer_medium: referrer.map(|referrer| referrer.medium),
            referrer_source: referrer.and_then(|referrer| referrer.source),
            referrer_term: referrer.and_then(|referrer| referrer.term.as_deref()),
            utm_source: visit.campaign.source.as_deref(),
            utm_medium: visit.campaign.medium.as_deref(),
            utm_campaign: visit.campaign.campaign.as_deref(),
            utm_term: visit.campaign.term.as_deref(),
            utm_content: visit.campaign.content.as_deref(),
            utm_id: visit.campaign.id.as_deref(),
            click_id: click_id.map(|click| click.value.as_str()),
            click_id_network: click_id.map(|click| click.network),
            screen_width: event.screen.map(|size| size.width),
            screen_height: event.screen.map(|size| size.height),
            viewport_width: event.viewport.map(|size| size.width),
            viewport_height: event.viewport.map(|size| size.height),
            language: event.language.as_deref(),
            repairs: Some(&enriched.repairs).filter(|repairs| !repairs.is_empty()),
            sample_rate: sample.map(SampleRate::share),
            props: event.props.as_ref(),
            metadata: event.metadata.as_ref(),
            lifted: Lifted(event),
        }
    }
}

/// The members of `metadata` that the event's schema lifts into columns: `metadata_KEY`.
struct Lifted<'a>(&'a Event);

impl Serialize for Lifted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(event) = self;
        serializer.collect_map(lifted(event).map(|(key, value)| (format!("metadata_{key}"), value)))
    }
}

/// The members of an event's metadata that its schema lifts out.
pub(super) fn lifted(event: &Event) -> impl Iterator<Item = (&'static str, &Value)> {
    let keys = event.schema.map(|schema| schema.partition).unwrap_or_default();
    keys.iter().filter_map(|key| Some((*key, event.metadata.as_ref()?.get(*key)?)))
}

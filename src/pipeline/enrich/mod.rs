//! Adds to an event what the edge knows; never rejects one.
//!
//! What all events of a request share is worked out once, as [`RequestFacts`]. What the person
//! asked to leave out is left out here, so that no later step can tell it.

pub mod bot;
pub mod event_time;
pub mod local_time;
pub mod page_context;
pub mod referrer;
pub mod tables;
pub mod user_agent;

use crate::base::secret::Secret;
use crate::pipeline::privacy::PrivacyPolicy;
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::consent::BrowserSignals;
use crate::model::consent::PrivacySignal;
use crate::model::event::{DeviceId, Event};
use crate::model::geo::{Geo, OffsetChange};
use crate::model::repairs::Repairs;
use crate::model::replay::Redelivery;
use crate::model::request::RequestContext;
use crate::pipeline::privacy::DeviceIdSource;
use crate::pipeline::privacy::ip::IpPolicy;
use crate::pipeline::privacy::visitor::Visitor;
use bot::Bot;
use event_time::EventTime;
use local_time::LocalTime;
use page_context::PageContext;
use user_agent::UserAgent;

/// Longer user agents are cut.
const MAX_USER_AGENT_CHARS: usize = 1_024;

/// A device whose id was made no longer than this before its event is a new visitor's.
const NEW_FOR: TimeDelta = TimeDelta::minutes(30);

/// How events are enriched.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrichment {
    /// How far a client's clock may be off before it is corrected.
    pub clock_threshold: TimeDelta,
    /// What becomes of bots' events.
    pub bots: BotPolicy,
    /// Further domains whose pages count as the operator's own.
    pub internal_domains: Vec<String>,
}

impl Default for Enrichment {
    fn default() -> Self {
        Self {
            clock_threshold: TimeDelta::seconds(60),
            bots: BotPolicy::default(),
            internal_domains: Vec::new(),
        }
    }
}

/// What becomes of bots' events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BotPolicy {
    /// They are labelled.
    #[default]
    Label,
    /// They are dropped.
    Drop,
}

/// An event and what was learnt of it at the edge.
#[derive(Debug)]
pub struct EnrichedEvent<'a> {
    /// The event.
    pub event: Event,
    /// The facts that all events of its request share.
    pub facts: &'a RequestFacts<'a>,
    /// Its place in the request, from 0.
    pub event_index: usize,
    /// When it happened.
    pub occurred: EventTime,
    /// The wall clock where it happened.
    pub local: Option<LocalTime>,
    /// Whether its device is new, where the device's id tells.
    pub new_visitor: Option<bool>,
    /// The device's id of the day before, just after midnight.
    pub previous_device_id: Option<DeviceId>,
    /// Where it happened on the web, and where its visitor came from.
    pub visit: Rc<PageContext>,
    /// What was repaired.
    pub repairs: Repairs,
    /// Why identifiers are left out, where they are.
    pub stripped: Option<PrivacySignal>,
}

/// What the edge may tell of a request, after the privacy rules.
#[derive(Debug)]
pub struct RequestFacts<'a> {
    /// The name of its tenant.
    pub tenant: &'a str,
    /// What may be told of people.
    pub privacy: &'a PrivacyPolicy,
    /// How its events are enriched.
    pub enrichment: &'a Enrichment,
    /// The edge's clock.
    pub received_at: DateTime<Utc>,
    /// The edge's clock when the operator sent it again.
    pub replayed_at: Option<DateTime<Utc>>,
    /// How its events come to their shards.
    pub arrival: Redelivery,
    /// The client's address, as far as the policy lets it be told.
    pub ip: Option<String>,
    /// The `User-UserAgent` header.
    pub user_agent: Option<String>,
    /// The browser, the system and the device.
    pub agent: UserAgent,
    /// The system, in lower case, as cleaning rules name it.
    pub platform: Option<String>,
    /// Whether a program made the request.
    pub bot: Option<Bot>,
    /// Where the client is.
    pub geo: Geo,
    /// The language that the browser prefers.
    pub language: Option<String>,
    /// How far the clocks of the client's time zone are ahead of UTC on receipt, in minutes.
    pub utc_offset_minutes: Option<i32>,
    /// The changes of that zone in the year before, ascending.
    pub utc_offset_changes: Vec<OffsetChange>,
    /// What the browser asks for on its user's behalf.
    pub signals: BrowserSignals,
    /// The host of the page that sent the request, where the browser tells.
    pub origin_host: Option<String>,
    /// Whose device it is, where ids are made here.
    pub visitor: Option<Visitor>,
    /// The visit of the event before.
    pub last_visit: page_context::PageCache,
}

/// How far the clocks of a time zone were ahead of UTC at `at`, which are `now` ahead on
/// receipt, in minutes.
fn utc_offset_at(at: DateTime<Utc>, now: Option<i32>, changes: &[OffsetChange]) -> Option<i32> {
    let change = changes.iter().find(|change| at < change.at);
    change.map(|change| change.minutes_before).or(now)
}

/// The facts of a request of the tenant called `tenant`; what is hashed is hashed with `secret`.
pub fn facts<'a>(
    context: &RequestContext,
    tenant: &'a str,
    privacy: &'a PrivacyPolicy,
    enrichment: &'a Enrichment,
    secret: Option<&Secret>,
) -> RequestFacts<'a> {
    let received_at = context.received_at;
    let visitor = match (privacy.device_ids, secret, context.ip) {
        (DeviceIdSource::Cookieless, Some(secret), Some(address)) => {
            Some(Visitor::new(secret, received_at, tenant, address, context.user_agent.as_deref()))
        }
        _ => None,
    };
    let agent = user_agent::agent(context.user_agent.as_deref(), &context.client_hints);
    let salt = || secret.map(|secret| secret.salt_of(received_at.date_naive()));
    let replayed = context.replayed.as_ref();
    let address = match replayed {
        Some(replayed) => replayed.address(),
        None => context.ip.map(Ok),
    };
    let ip = address.and_then(|address| match address {
        Ok(address) => privacy.ip.apply(address, tenant, salt),
        Err(hash) => Some(hash.to_owned()).filter(|_| privacy.ip == IpPolicy::Hash),
    });
    RequestFacts {
        tenant,
        privacy,
        enrichment,
        received_at,
        replayed_at: replayed.map(|replayed| replayed.at),
        arrival: replayed.map_or(Redelivery::No, |replayed| replayed.of.arrival()),
        ip,
        platform: agent.os.map(str::to_ascii_lowercase),
        agent,
        bot: bot::bot(context.user_agent.as_deref(), &context.client_hints),
        user_agent: context.user_agent.as_ref().map(|agent| cut(agent)),
        geo: context.geo.clone(),
        language: context.accept_language.as_deref().and_then(preferred_language),
        utc_offset_minutes: context.utc_offset_minutes,
        utc_offset_changes: context.utc_offset_changes.clone(),
        signals: context.signals,
        origin_host: context
            .origin
            .as_deref()
            .and_then(crate::base::url::parse)
            .map(|page| page.host.into_owned()),
        visitor,
        last_visit: page_context::PageCache::default(),
    }
}

/// A `User-UserAgent` of the length that any real one has: each event of a request carries it.
fn cut(agent: &str) -> String {
    match agent.char_indices().nth(MAX_USER_AGENT_CHARS) {
        Some((end, _)) => agent.get(..end).unwrap_or(agent).to_owned(),
        None => agent.to_owned(),
    }
}

/// The language of an `Accept-Language` header that has the greatest weight, the first of
/// several, in the form of a BCP 47 tag.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4>
fn preferred_language(header: &str) -> Option<String> {
    let mut best: Option<(&str, u16)> = None;
    for range in header.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| weight(value.trim()))
        });
        // A weight that is none says nothing.
        let weight = weight.flatten().unwrap_or(1_000);
        if is_language(tag) && weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((tag, weight));
        }
    }
    best.map(|(tag, _)| tag.to_owned())
}

fn is_language(tag: &str) -> bool {
    let of_tag = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=35).contains(&tag.len()) && tag.bytes().all(of_tag)
}

/// A quality value, in thousandths.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2>
fn weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let is_fraction = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        _ if !is_fraction => None,
        "0" | "" if !text.is_empty() => Some(digits.fold(0_u16, |sum, digit| {
            sum.saturating_mul(10).saturating_add(u16::from(digit.saturating_sub(b'0')))
        })),
        "1" if fraction.bytes().all(|byte| byte == b'0') => Some(1_000),
        _ => None,
    }
}

/// Adds to one event, the one at `event_index`, what its request and its own fields tell.
pub fn event<'a>(
    mut event: Event,
    event_index: usize,
    facts: &'a RequestFacts<'a>,
    mut repairs: Repairs,
    stripped: Option<PrivacySignal>,
) -> EnrichedEvent<'a> {
    let occurred = event_time::occurred(
        facts.received_at,
        event.client_time,
        event.sent_at,
        facts.enrichment.clock_threshold,
    );
    let utc_offset_minutes = event.client_utc_offset_minutes.or_else(|| {
        utc_offset_at(occurred.at, facts.utc_offset_minutes, &facts.utc_offset_changes)
    });
    let visit = page_context::visit(&mut event, facts, stripped, &mut repairs);
    let mut previous_device_id = None;
    match (facts.privacy.device_ids, &facts.visitor, stripped) {
        (DeviceIdSource::Client, _, None) => {}
        (DeviceIdSource::Cookieless, Some(visitor), None) => {
            let site = facts.origin_host.as_deref().or(visit.host.as_deref());
            let ids = visitor.ids(occurred.at, site.unwrap_or_default());
            event.device_id = ids.device_id;
            previous_device_id = ids.previous_device_id;
        }
        (DeviceIdSource::Cookieless, None, _) | (_, _, Some(_)) => event.device_id = None,
    }
    if event.language.is_none() {
        event.language.clone_from(&facts.language);
    }
    EnrichedEvent {
        event_index,
        facts,
        occurred,
        local: utc_offset_minutes.and_then(|minutes| local_time::local(occurred.at, minutes)),
        new_visitor: new_visitor(&event, facts),
        previous_device_id,
        visit,
        repairs,
        stripped,
        event,
    }
}

/// The id was made by the same clock that says when the event happened, so that an error of
/// it does no harm; an id of the future tells nothing.
fn new_visitor(event: &Event, facts: &RequestFacts<'_>) -> Option<bool> {
    let made_at = event.device_id.as_ref()?.made_at()?;
    let age = event.client_time.unwrap_or(facts.received_at).signed_duration_since(made_at);
    (age.abs() < NEW_FOR || age > TimeDelta::zero()).then_some(age < NEW_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wall clock of events that happened at `times`, in minutes ahead of UTC.
    fn offsets(now: i32, changes: &[(&str, i32)], times: &[&str]) -> Vec<Option<i32>> {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let change =
            |(at, before): &(&str, i32)| OffsetChange { at: time(at), minutes_before: *before };
        let changes: Vec<OffsetChange> = changes.iter().map(change).collect();
        times.iter().map(|at| utc_offset_at(time(at), Some(now), &changes)).collect()
    }

    #[test]
    fn events_of_one_request_keep_the_clocks_of_their_time() {
        let chicago = [("2026-03-08T08:00:00Z", -360), ("2026-11-01T07:00:00Z", -300)];
        assert_eq!(
            offsets(
                -360,
                &chicago,
                &[
                    "2026-01-02T00:00:00Z",
                    "2026-03-08T07:59:59.999Z",
                    "2026-03-08T08:00:00Z",
                    "2026-10-31T18:30:00Z",
                    "2026-11-01T06:59:59Z",
                    "2026-11-01T07:00:00Z",
                    "2026-11-28T12:00:30Z",
                ]
            ),
            [-360, -360, -300, -300, -300, -360, -360].map(Some)
        );
        let lord_howe = [("2026-04-04T15:00:00Z", 660), ("2026-10-03T15:30:00Z", 630)];
        assert_eq!(
            offsets(
                660,
                &lord_howe,
                &["2026-03-01T00:00:00Z", "2026-07-01T00:00:00Z", "2026-11-27T00:00:00Z"]
            ),
            [660, 630, 660].map(Some)
        );
        assert_eq!(offsets(330, &[], &["2026-07-01T00:00:00Z"]), [Some(330)]);
    }

    #[test]
    fn the_preferred_language_has_the_greatest_weight() {
        for (header, language) in [
            ("de-CH,de;q=0.9,en;q=0.8", Some("de-CH")),
            ("en", Some("en")),
            (" fr ;q=1", Some("fr")),
            ("en;q=0.5, fr-CH, de;q=0.9", Some("fr-CH")),
            ("en;q=0.5,de;q=0.9,it;q=0.9", Some("de")),
            ("en;q=0.001,de;q=0", Some("en")),
            ("en;q=0", None),
            ("*;q=1, de;q=0.2", Some("de")),
            ("*, en;q=0.1", Some("en")),
            ("en; Q=0.2 , de; q=0.30", Some("de")),
            ("en;q=1.000,de", Some("en")),
            ("en;q=high,de;q=0.9", Some("en")),
            ("en;level=1;q=0.4,de;q=.5", Some("de")),
            (",,de", Some("de")),
            ("*", None),
            ("", None),
            ("<script>", None),
        ] {
            assert_eq!(preferred_language(header).as_deref(), language, "{header}");
        }
    }
}

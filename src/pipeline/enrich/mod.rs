//! Adds to an event the facts of its request; never rejects one.
//!
//! The facts that all events of a request share are derived once, as [`RequestFacts`]. If an event
//! is stripped, identifiers in its URLs and values, and its device id, are removed here;
//! [`crate::pipeline::encode`] leaves out the others.

pub mod bot;
pub mod client;
pub mod event_time;
pub mod local_time;
pub mod page_context;
pub mod referrer;
pub mod tables;
pub mod user_agent;

use std::cell::RefCell;
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::base::secret::Secret;
use crate::model::consent::{BrowserSignals, PrivacySignal};
use crate::model::device_key::{DeviceHasher, DeviceKey};
use crate::model::event::{DeviceId, Event};
use crate::model::geo::{Geo, OffsetChange};
use crate::model::protocol::Protocol;
use crate::model::record::line::SharedColumns;
use crate::model::repairs::Repairs;
use crate::model::replay::{Redelivery, Replay};
use crate::model::request::RequestContext;
use crate::pipeline::privacy::ip::IpPolicy;
use crate::pipeline::privacy::visitor::Visitor;
use crate::pipeline::privacy::{DeviceIdSource, PrivacyPolicy};
use client::{Client, ClientCache};
use event_time::EventTime;
use local_time::LocalTime;
use page_context::PageContext;

/// The device of a new visitor has an id that was made less than this before its event.
const NEW_FOR: TimeDelta = TimeDelta::minutes(30);

/// The operator's settings for enriching events.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrichment {
    /// How far a client's clock may be off before it is corrected.
    pub clock_threshold: TimeDelta,
    pub bots: BotPolicy,
    /// Further domains that count as the operator's own.
    pub internal_domains: Vec<String>,
    /// The clients that were read so far.
    pub clients: ClientCache,
}

impl Default for Enrichment {
    fn default() -> Self {
        Self {
            clock_threshold: TimeDelta::seconds(60),
            bots: BotPolicy::default(),
            internal_domains: Vec::new(),
            clients: ClientCache::default(),
        }
    }
}

/// The policy for events of bots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BotPolicy {
    #[default]
    Label,
    Drop,
}

/// An event with the facts of its request and of its own fields.
#[derive(Debug)]
pub struct EnrichedEvent<'a> {
    pub event: Event,
    pub facts: &'a RequestFacts<'a>,
    /// Its position in the request, from 0.
    pub event_index: usize,
    pub occurred: EventTime,
    pub local: Option<LocalTime>,
    /// Whether the operator's server has verified its user, if that can be known.
    pub user_verified: Option<bool>,
    /// Whether its device is new; absent if the device's id does not show it.
    pub new_visitor: Option<bool>,
    /// The device's id of the day before; only just after midnight.
    pub previous_device_id: Option<DeviceId>,
    pub visit: Rc<PageContext>,
    pub repairs: Repairs,
    /// Why identifiers are stripped, if they are.
    pub stripped: Option<PrivacySignal>,
}

impl EnrichedEvent<'_> {
    /// Returns the key of its device, or of the event itself if it has no device.
    pub fn device_key(&self, hasher: &DeviceHasher) -> DeviceKey {
        match &self.event.device_id {
            Some(device_id) => self
                .facts
                .last_device
                .key(device_id, || hasher.of_device(self.facts.tenant, device_id)),
            None => hasher.of_event(self.facts.tenant, self.event.id),
        }
    }
}

/// The key of the device that was hashed last. Most events of a request are of one device.
#[derive(Debug, Default)]
pub struct DeviceKeyCache(RefCell<Option<(DeviceId, DeviceKey)>>);

impl DeviceKeyCache {
    fn key(&self, device_id: &DeviceId, hashed: impl FnOnce() -> DeviceKey) -> DeviceKey {
        let mut last = self.0.borrow_mut();
        match last.as_ref() {
            Some((known, key)) if known == device_id => *key,
            _ => {
                let key = hashed();
                *last = Some((device_id.clone(), key));
                key
            }
        }
    }
}

/// The facts of a request, after the privacy rules.
#[derive(Debug)]
pub struct RequestFacts<'a> {
    pub tenant: &'a str,
    pub privacy: &'a PrivacyPolicy,
    pub enrichment: &'a Enrichment,
    /// The worker's clock on receipt.
    pub received_at: DateTime<Utc>,
    /// The worker's clock on replay.
    pub replayed_at: Option<DateTime<Utc>>,
    /// Whether its events were lost once, and are sent again.
    pub redelivery: Redelivery,
    /// The protocol of another collector in which it was sent.
    pub protocol: Option<Protocol>,
    /// Whether it had a server key.
    pub verified: bool,
    /// Whether the event happened long ago, as a server states.
    pub historical: bool,
    /// Whether the user is verified, as a server states.
    pub user_verified: Option<bool>,
    /// The live server keys of the tenant, by which a page's user is verified.
    pub server_keys: &'a [Secret],
    /// The client's IP address, reduced by the policy.
    pub ip: Option<String>,
    pub client: Rc<Client>,
    pub geo: Geo,
    /// The language that the browser prefers.
    pub language: Option<String>,
    /// How far the client's time zone is ahead of UTC on receipt, in minutes.
    pub utc_offset_minutes: Option<i32>,
    /// The changes of that zone in the year before, ascending.
    pub utc_offset_changes: Vec<OffsetChange>,
    pub signals: BrowserSignals,
    /// The visitor, if device ids are cookieless.
    pub visitor: Option<Visitor>,
    /// The host of the page that sent the visitor's request, if the browser states it.
    pub origin_host: Option<String>,
    /// The device of the event before.
    pub last_device: DeviceKeyCache,
    /// The page context of the event before.
    pub last_visit: page_context::PageCache,
    /// The columns of these facts, and those of the client, once they are written.
    pub received_columns: SharedColumns,
    pub client_columns: SharedColumns,
    /// The columns of these facts in failed events, which have all of them.
    pub failed_columns: SharedColumns,
}

/// Returns how far a time zone was ahead of UTC at `at`, in minutes; `now` is its offset on
/// receipt.
fn utc_offset_at(at: DateTime<Utc>, now: Option<i32>, changes: &[OffsetChange]) -> Option<i32> {
    let change = changes.iter().find(|change| at < change.at);
    change.map(|change| change.minutes_before).or(now)
}

/// Derives the facts of a request of the tenant called `tenant`. Hashes are made with `secret`.
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
    let salt = || secret.map(|secret| secret.salt_of(received_at.date_naive()));
    let replayed = context.replayed.as_ref();
    // A replay has an address only if its beacon states that of the visitor.
    let kept = || replayed.and_then(Replay::address);
    let address = context.ip.map(Ok).or_else(kept);
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
        redelivery: replayed.map_or(Redelivery::No, |replayed| replayed.of.redelivery()),
        protocol: None,
        verified: false,
        historical: false,
        user_verified: None,
        server_keys: &[],
        ip,
        client: enrichment.clients.client(context.user_agent.as_deref(), &context.client_hints),
        geo: context.geo.cut(),
        language: context.accept_language.as_deref().and_then(preferred_language),
        utc_offset_minutes: context.utc_offset_minutes,
        utc_offset_changes: context.utc_offset_changes.clone(),
        signals: context.signals,
        origin_host: visitor.as_ref().and_then(|_| {
            let page = crate::base::url::parse(context.origin.as_deref()?)?;
            Some(page.host.into_owned())
        }),
        visitor,
        last_device: DeviceKeyCache::default(),
        last_visit: page_context::PageCache::default(),
        received_columns: SharedColumns::default(),
        client_columns: SharedColumns::default(),
        failed_columns: SharedColumns::default(),
    }
}

/// The greatest weight, in thousandths.
const MAX_WEIGHT: u16 = 1_000;

/// Returns the language with the greatest weight in an `Accept-Language` header, the first of
/// equals, as a BCP 47 tag.
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
        // An invalid weight counts as absent.
        let weight = weight.flatten().unwrap_or(MAX_WEIGHT);
        if is_language(tag) && weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((tag, weight));
            if weight == MAX_WEIGHT {
                // None is greater, and of equals the first counts.
                break;
            }
        }
    }
    best.map(|(tag, _)| tag.to_owned())
}

fn is_language(tag: &str) -> bool {
    let of_tag = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=35).contains(&tag.len()) && tag.bytes().all(of_tag)
}

/// Parses a quality value, in thousandths.
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
        "1" if fraction.bytes().all(|byte| byte == b'0') => Some(MAX_WEIGHT),
        _ => None,
    }
}

/// Adds to the event at `event_index` the facts of its request and of its own fields.
pub fn event<'a>(
    mut event: Event,
    event_index: usize,
    facts: &'a RequestFacts<'a>,
    mut repairs: Repairs,
    stripped: Option<PrivacySignal>,
) -> EnrichedEvent<'a> {
    let threshold = facts.enrichment.clock_threshold;
    let occurred = match (facts.historical, event.client_time) {
        (true, Some(at)) if at <= facts.received_at => EventTime { at, clock_skew_ms: None },
        (_, time) => event_time::occurred(facts.received_at, time, event.sent_at, threshold),
    };
    // The zone of an address is narrower than its country.
    let offset_of_address = || match stripped {
        None => utc_offset_at(occurred.at, facts.utc_offset_minutes, &facts.utc_offset_changes),
        Some(_) => None,
    };
    let utc_offset_minutes = event.client_utc_offset_minutes.or_else(offset_of_address);
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
        user_verified: user_verified(&event, facts),
        local: utc_offset_minutes.and_then(|minutes| local_time::local(occurred.at, minutes)),
        new_visitor: new_visitor(&event, facts),
        previous_device_id,
        visit,
        repairs,
        stripped,
        event,
    }
}

/// Whether the operator's server has verified the user: it says so, or has made the user's hash with
/// one of its keys.
fn user_verified(event: &Event, facts: &RequestFacts<'_>) -> Option<bool> {
    let by_hash = || {
        let (hash, user_id) = (event.user_hash.as_deref()?, event.user_id.as_deref()?);
        Some(facts.server_keys.iter().any(|key| key.signs(&[user_id.as_bytes()], hash)))
    };
    facts.user_verified.filter(|_| event.user_id.is_some()).or_else(by_hash)
}

/// Whether the device is new. Its id and the event's time are by one clock, so that an error of
/// that clock cancels out. An id from more than [`NEW_FOR`] in the future gives none.
fn new_visitor(event: &Event, facts: &RequestFacts<'_>) -> Option<bool> {
    let made_at = event.device_id.as_ref()?.made_at()?;
    let age = event.client_time.unwrap_or(facts.received_at).signed_duration_since(made_at);
    (age.abs() < NEW_FOR || age > TimeDelta::zero()).then_some(age < NEW_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the UTC offsets of events that happened at `times`, in minutes.
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

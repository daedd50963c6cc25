//! State that all beacons of a request share, and the stages that depend on it.

use serde_json::{Map, Value};

use super::pending::PendingRecord;
use super::rejection::RejectedBeacon;
use super::{AcceptedBeacon, BeaconStop};
use crate::config::Config;
use crate::model::beacon::{Beacon, Envelope};
use crate::model::consent::{Consent, PrivacySignal};
use crate::model::event::{Event, EventId, EventIdGenerator};
use crate::model::outcome::{Catalogued, DropReason};
use crate::model::record::Record;
use crate::model::repairs::Repairs;
use crate::pipeline::enrich::{BotPolicy, EnrichedEvent, RequestFacts};
use crate::pipeline::privacy::{DeviceIdSource, PrivacyDecision};
use crate::pipeline::route::{Route, RouteInput, Routes};
use crate::pipeline::{clean, privacy, validate};

/// State that all beacons of a request share.
#[derive(Debug)]
pub(super) struct PipelineContext<'a> {
    pub(super) config: &'a Config,
    pub(super) routes: &'a Routes,
    pub(super) facts: RequestFacts<'a>,
    pub(super) envelope: Envelope,
}

impl<'a> PipelineContext<'a> {
    /// Returns the privacy decision about a beacon with this consent.
    pub(super) fn privacy_decision(&self, consent: Option<Consent>) -> PrivacyDecision {
        self.facts.privacy.decide(self.facts.signals, consent)
    }

    /// Returns the envelope to write into a failed event.
    pub(super) fn failed_envelope(&self) -> Envelope {
        let mut envelope = self.envelope.clone();
        if self.facts.privacy.device_ids == DeviceIdSource::Cookieless {
            envelope.device_id = None;
        }
        envelope
    }

    /// Applies the privacy decision to the fields of a beacon. Returns the signal if identifiers
    /// were stripped.
    pub(super) fn apply_privacy(
        &self,
        fields: &mut Map<String, Value>,
        ids: &mut EventIdGenerator,
    ) -> Result<Option<PrivacySignal>, BeaconStop> {
        match self.privacy_decision(privacy::consent(fields)) {
            PrivacyDecision::Keep => Ok(None),
            PrivacyDecision::Strip(reason) => {
                privacy::strip(fields);
                Ok(Some(reason))
            }
            PrivacyDecision::Drop(reason) => {
                let id = fields.get("id").and_then(Value::as_str).and_then(EventId::parse);
                Err(BeaconStop::Dropped(id.unwrap_or_else(|| ids.next_id()), reason.into()))
            }
        }
    }

    /// Returns the route of an event, unless the event is dropped as a bot's or by the route's
    /// sample.
    pub(super) fn route(&self, enriched: &EnrichedEvent<'_>) -> Result<&'a Route, BeaconStop> {
        let event = &enriched.event;
        let bot = self.facts.client.bot.is_some();
        if bot && self.facts.enrichment.bots == BotPolicy::Drop {
            return Err(BeaconStop::Dropped(event.id, DropReason::Bot));
        }
        let subject = RouteInput::of_event(event, self.facts.tenant, bot);
        let route = self.routes.route(subject);
        match route.sample.is_none_or(|sample| sample.takes(event)) {
            true => Ok(route),
            false => Err(BeaconStop::Dropped(event.id, DropReason::Sampled)),
        }
    }

    /// Repairs the fields of a beacon.
    pub(super) fn clean(&self, beacon: Beacon) -> (Map<String, Value>, Repairs) {
        clean::beacon(beacon, &self.config.cleaning, self.platform(), &validate::coerce)
    }

    /// Notes placeholders in the fields, and removes personal data from the repairs.
    pub(super) fn scrub(&self, fields: &mut Map<String, Value>, repairs: &mut Repairs) {
        clean::absent::note(fields, &self.envelope, repairs);
        repairs.scrub(self.facts.privacy.scrub);
    }

    /// Makes the event of cleaned fields. `stripped` is the signal for which identifiers were
    /// removed.
    pub(super) fn validate(
        &self,
        fields: Map<String, Value>,
        mut repairs: Repairs,
        stripped: Option<PrivacySignal>,
        ids: &mut EventIdGenerator,
    ) -> Result<(Event, Repairs), BeaconStop> {
        let unknown_events = self.config.unknown_events;
        match validate::event(fields, &self.envelope, unknown_events, ids, &mut repairs) {
            Ok(event) => Ok((event, repairs)),
            Err(failure) => Err(RejectedBeacon::of_invalid(*failure, repairs, stripped).into()),
        }
    }

    /// Applies the operator's rules to a valid event.
    pub(super) fn clean_event(&self, event: &mut Event, repairs: &mut Repairs) {
        clean::after(event, &self.config.cleaning, self.platform(), repairs);
    }

    /// Writes the record of an event.
    pub(super) fn encode(
        &self,
        enriched: EnrichedEvent<'_>,
        route: &'a Route,
    ) -> Result<AcceptedBeacon<'a>, BeaconStop> {
        match Record::of_event(&enriched, route.sample, self.config.columns) {
            Ok(record) => Ok(AcceptedBeacon {
                event_id: enriched.event.id,
                catalogued: match enriched.event.schema {
                    Some(_) => Catalogued::Yes,
                    None => Catalogued::No,
                },
                stripped: enriched.stripped,
                pending: PendingRecord::of_event(&enriched, &route.to, record, self.config),
            }),
            Err(error) => Err(RejectedBeacon::of_record(error, enriched).into()),
        }
    }

    fn platform(&self) -> Option<&str> {
        self.facts.client.platform.as_deref()
    }
}

//! State that all beacons of a request share, and the decisions that depend on it.

use serde_json::{Map, Value};

use super::BeaconStop;
use crate::config::Config;
use crate::config::tenant::Tenant;
use crate::model::beacon::Envelope;
use crate::model::consent::Consent;
use crate::model::event::{EventId, EventIdGenerator};
use crate::model::outcome::DropReason;
use crate::pipeline::enrich::{BotPolicy, EnrichedEvent, RequestFacts};
use crate::pipeline::privacy;
use crate::pipeline::privacy::{DeviceIdSource, PrivacyDecision};
use crate::pipeline::route::{Route, RouteInput};

/// State that all beacons of a request share.
#[derive(Debug)]
pub(super) struct PipelineContext<'a> {
    pub(super) config: &'a Config,
    pub(super) tenant: &'a Tenant,
    pub(super) facts: RequestFacts<'a>,
    pub(super) envelope: Envelope,
}

impl<'a> PipelineContext<'a> {
    /// Returns the privacy decision about a beacon with this consent.
    pub(super) fn standing(&self, consent: Option<Consent>) -> PrivacyDecision {
        self.tenant.privacy.standing(self.facts.signals, consent)
    }

    /// The tenant and the envelope to write into a failed event.
    pub(super) fn stamps(&self) -> (String, Envelope) {
        let Tenant { name, privacy, .. } = self.tenant;
        let mut envelope = self.envelope.clone();
        if privacy.device_ids == DeviceIdSource::Cookieless {
            envelope.device_id = None;
        }
        (name.clone(), envelope)
    }

    /// Applies the privacy decision to the fields of a beacon. Returns the signal if identifiers
    /// were stripped.
    pub(super) fn heed(
        &self,
        fields: &mut Map<String, Value>,
        ids: &mut EventIdGenerator,
    ) -> Result<Option<crate::model::consent::PrivacySignal>, BeaconStop> {
        match self.standing(privacy::consent(fields)) {
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
        let (event, tenant) = (&enriched.event, self.tenant);
        let bot = self.facts.bot.is_some();
        if bot && self.facts.enrichment.bots == BotPolicy::Drop {
            return Err(BeaconStop::Dropped(event.id, DropReason::Bot));
        }
        let subject = RouteInput::of_event(event, &tenant.name, bot);
        let route = tenant.routes.route(subject);
        match route.sample.is_none_or(|sample| sample.takes(event)) {
            true => Ok(route),
            false => Err(BeaconStop::Dropped(event.id, DropReason::Sampled)),
        }
    }
}

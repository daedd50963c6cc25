//! State that all beacons of a request share, and the stages that depend on it.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::authorize::AuthorizedRequest;
use super::pending::PendingRecord;
use super::rejection::RejectedBeacon;
use super::{AcceptedBeacon, BeaconStop};
use crate::config::Config;
use crate::config::tenant::Tenant;
use crate::model::beacon::{Beacon, Envelope, Limits, ServerFields};
use crate::model::consent::{Consent, PrivacySignal};
use crate::model::event::{Event, EventId, EventIdGenerator};
use crate::model::failed_event::{OriginalPayload, PayloadFormat};
use crate::model::geo::ZoneOffsets;
use crate::model::outcome::{Catalogued, DropReason};
use crate::model::protocol::Protocol;
use crate::model::quota::QuotaUse;
use crate::model::record::Record;
use crate::model::repairs::Repairs;
use crate::model::request::RequestContext;
use crate::pipeline::decode::protocols::{self, Translation};
use crate::pipeline::decode::{self, ValueBudget, server_fields};
use crate::pipeline::enrich::client::Client;
use crate::pipeline::enrich::{BotPolicy, EnrichedEvent, RequestFacts};
use crate::pipeline::privacy::redact::StatedAddresses;
use crate::pipeline::privacy::{DeviceIdSource, PrivacyDecision};
use crate::pipeline::route::{Route, RouteInput};
use crate::pipeline::{clean, enrich, privacy, validate};

/// State that all beacons of a request share.
#[derive(Debug)]
pub(super) struct PipelineContext<'a> {
    pub(super) config: &'a Config,
    pub(super) facts: RequestFacts<'a>,
    pub(super) envelope: Envelope,
    pub(super) tenant: &'a Tenant,
    /// What each of its beacons takes of the tenant's quota. A replay was counted when it failed.
    pub(super) quota_use: QuotaUse,
    pub(super) limits: &'a Limits,
    /// Whether its beacons may have the fields of a server.
    pub(super) has_server_fields: bool,
    /// What the facts of an event of a server are derived from, besides its own fields.
    pub(super) request: Option<RequestContext>,
}

impl<'a> PipelineContext<'a> {
    /// Begins the context of `request`; its beacons were first sent in `context`.
    pub(super) fn new(request: &AuthorizedRequest<'_, 'a>, context: &RequestContext) -> Self {
        let AuthorizedRequest { config, tenant, .. } = *request;
        let replayed = context.replayed.as_ref();
        let verified = replayed.map_or(request.verified, |replay| replay.of.verified);
        // The address and the browser of a server are not those of a visitor.
        let request = verified.then(|| match replayed {
            None => context.without_client(),
            Some(_) => context.clone(),
        });
        let facts = request_facts(request.as_ref().unwrap_or(context), tenant, config);
        Self {
            config,
            facts: RequestFacts { verified, ..facts },
            envelope: replayed.map_or_else(Envelope::default, |it| it.of.envelope.clone()),
            tenant,
            quota_use: if replayed.is_some() { QuotaUse::Nothing } else { QuotaUse::One },
            limits: match verified {
                true => &config.larger_limits,
                false => &config.limits,
            },
            has_server_fields: verified,
            request,
        }
        .with_client_of_visitor()
    }

    /// Leaves out the client if it is a server that states no agent.
    fn with_client_of_visitor(mut self) -> Self {
        if self.request.as_ref().is_some_and(|request| request.user_agent.is_none()) {
            self.facts.client = Rc::new(Client::unknown());
        }
        self
    }

    /// Lets beacons that were first sent in `context` have the fields of a server.
    pub(super) fn allow_server_fields(&mut self, context: &RequestContext) {
        self.has_server_fields = true;
        self.request.get_or_insert_with(|| context.clone());
    }

    /// Whether the beacons may state the addresses of visitors.
    pub(super) const fn stated_addresses(&self) -> StatedAddresses {
        match self.has_server_fields || self.facts.protocol.is_some() {
            true => StatedAddresses::Possible,
            false => StatedAddresses::None,
        }
    }

    /// Sets the protocol in which the beacons were sent.
    pub(super) const fn in_protocol(&mut self, protocol: Protocol) {
        self.facts.protocol = Some(protocol);
        self.limits = &self.config.larger_limits;
    }

    /// Returns how items of `protocol` become beacons.
    pub(super) fn translation(&self, protocol: Protocol) -> Translation<'a> {
        let Self { tenant, limits, .. } = *self;
        let heartbeat_s = tenant.snowplow.heartbeat_s;
        let (tenant, names) = (tenant.name.as_str(), &*tenant.names);
        Translation { protocol, tenant, names, limits, heartbeat_s }
    }

    /// Reads a failed event's original again, if it is a single beacon.
    pub(super) fn decode_original(&self, original: &OriginalPayload) -> Option<Beacon> {
        let PayloadFormat::Item(protocol) = original.form else {
            return decode::original(original, self.limits);
        };
        let text = std::str::from_utf8(&original.bytes).ok()?;
        let mut values = ValueBudget::unlimited();
        protocols::beacon(text, &self.translation(protocol), self.limits, &mut values).ok()
    }

    /// Takes the fields that only a server may set out of a beacon, and returns the facts that they
    /// change. The SDKs of pages send such fields too; of those they are removed.
    pub(super) fn take_server_fields(
        &self,
        fields: &mut Map<String, Value>,
    ) -> Result<Option<RequestFacts<'a>>, BeaconStop> {
        let stated = match (self.has_server_fields, self.facts.protocol) {
            (true, None) => match server_fields::take(fields) {
                Ok(stated) => stated,
                Err(violation) => return Err(RejectedBeacon::of_field(violation, fields).into()),
            },
            (true, Some(_)) => server_fields::take_valid(fields),
            (false, None) => ServerFields::default(),
            (false, Some(_)) => {
                server_fields::remove(fields);
                ServerFields::default()
            }
        };
        Ok((stated != ServerFields::default()).then(|| self.facts_with(stated)))
    }

    /// Returns the facts of an event whose server states these.
    fn facts_with(&self, stated: ServerFields) -> RequestFacts<'a> {
        let mut context = self.request.clone().unwrap_or_default();
        context.received_at = self.facts.received_at;
        context.ip = stated.ip;
        context.user_agent = stated.user_agent.or(context.user_agent);
        if let (Some(zone), Some(offsets)) = (&stated.timezone, context.zone_offsets) {
            let ZoneOffsets { utc_offset_minutes, utc_offset_changes } = offsets(zone);
            context.utc_offset_minutes = utc_offset_minutes;
            context.utc_offset_changes = utc_offset_changes;
        }
        context.geo.timezone = stated.timezone.or(context.geo.timezone);
        let facts = request_facts(&context, self.tenant, self.config);
        let client = match context.user_agent {
            Some(_) => facts.client,
            None => Rc::clone(&self.facts.client),
        };
        let RequestFacts { protocol, verified, .. } = self.facts;
        let ServerFields { historical, user_verified, .. } = stated;
        RequestFacts { protocol, verified, historical, user_verified, client, ..facts }
    }

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
        let stripped = match self.privacy_decision(privacy::consent(fields)) {
            PrivacyDecision::Keep => None,
            PrivacyDecision::Strip(reason) => {
                privacy::strip(fields);
                Some(reason)
            }
            PrivacyDecision::Drop(reason) => {
                let id = fields.get("id").and_then(Value::as_str).and_then(EventId::parse);
                let id = id.unwrap_or_else(|| ids.next_id());
                return Err(BeaconStop::Dropped(id, reason.into()));
            }
        };
        if self.facts.protocol.is_some() {
            privacy::sdk_context::remove(fields, self.facts.privacy, stripped);
        }
        Ok(stripped)
    }

    /// Returns the route of an event, unless the event is dropped as a bot's or by the route's
    /// sample.
    pub(super) fn route(&self, enriched: &EnrichedEvent<'_>) -> Result<&'a Route, BeaconStop> {
        let EnrichedEvent { event, facts, .. } = enriched;
        let bot = facts.client.bot.is_some();
        if bot && facts.enrichment.bots == BotPolicy::Drop {
            return Err(BeaconStop::Dropped(event.id, DropReason::Bot));
        }
        let subject = RouteInput::of_event(event, facts.tenant, bot);
        let route =
            self.tenant.routes.route(RouteInput { historical: facts.historical, ..subject });
        match route.sample.is_none_or(|sample| sample.takes(event)) {
            true => Ok(route),
            false => Err(BeaconStop::Dropped(event.id, DropReason::Sampled)),
        }
    }

    /// Repairs the fields of a beacon. Sets `stripped` if identifiers are removed only now.
    pub(super) fn clean(
        &self,
        beacon: Beacon,
        stripped: &mut Option<PrivacySignal>,
        facts: &RequestFacts<'_>,
        ids: &mut EventIdGenerator,
    ) -> Result<(Map<String, Value>, Repairs), BeaconStop> {
        let rules = &self.config.cleaning;
        let (mut fields, mut repairs) =
            clean::beacon(beacon, rules, platform(facts), &validate::coerce);
        // A repair may have revealed the person's consent.
        if !repairs.is_empty() {
            *stripped = self.apply_privacy(&mut fields, ids)?.or(*stripped);
        }
        // Placeholder ids are left out, and URLs that are none are noted.
        clean::absent::note(&mut fields, &self.envelope, &mut repairs);
        repairs.scrub(self.facts.privacy.scrub);
        Ok((fields, repairs))
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
    pub(super) fn clean_event(
        &self,
        event: &mut Event,
        repairs: &mut Repairs,
        facts: &RequestFacts<'_>,
    ) {
        clean::after(event, &self.config.cleaning, platform(facts), repairs);
    }

    /// Writes the record of an event.
    pub(super) fn encode(
        &self,
        enriched: EnrichedEvent<'_>,
        route: &'a Route,
    ) -> Result<AcceptedBeacon<'a>, BeaconStop> {
        let key = enriched.device_key(&self.config.device_hasher);
        match Record::of_event(&enriched, &key, route.sample, self.config.columns) {
            Ok(record) => Ok(AcceptedBeacon {
                event_id: enriched.event.id,
                catalogued: match enriched.event.schema {
                    Some(_) => Catalogued::Yes,
                    None => Catalogued::No,
                },
                stripped: enriched.stripped,
                pending: PendingRecord::of_event(
                    &enriched,
                    key,
                    &route.to,
                    (self.tenant, self.quota_use),
                    record,
                    self.config,
                ),
            }),
            Err(error) => Err(RejectedBeacon::of_record(error, enriched).into()),
        }
    }
}

fn platform<'f>(facts: &'f RequestFacts<'_>) -> Option<&'f str> {
    facts.client.platform.as_deref()
}

fn request_facts<'a>(
    context: &RequestContext,
    tenant: &'a Tenant,
    config: &'a Config,
) -> RequestFacts<'a> {
    let secret = config.secret.as_ref();
    let facts = enrich::facts(context, &tenant.name, &tenant.privacy, &config.enrichment, secret);
    RequestFacts { server_keys: config.server_keys.of_tenant(&tenant.name), ..facts }
}

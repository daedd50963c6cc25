//! The recipe: from a request to records for streams, and from their fates to an answer.
//!
//! Read [`accept`] first: it is the way of one beacon. A request becomes a [`Plan`]: the
//! outcome each beacon will have once its record is durable, and the records to deliver.
//! The edge delivers them and hands each report back; only then is there an answer.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::clean::{self, Repairs};
use crate::config::Config;
use crate::context::RequestContext;
use crate::enrich::{self, Bots, Enriched, Facts};
use crate::event::{EventId, EventIds};
use crate::failed::{Code, FailedEvent, Form, Original, Stage, Violation, Violations, shown};
use crate::outcome::{Answer, DropReason, Dropped, Outcome, Refusal, Telling};
use crate::privacy::{self, Consent, DeviceIds, Standing};
use crate::protocol::body::Body;
use crate::protocol::{self, Beacon, Envelope, ProtocolError, native, pixel};
use crate::redact;
use crate::route::{Route, Subject};
use crate::schema::{self, Schema};
use crate::sink::Stream;
use crate::sink::delivery::{Fate, Report};
use crate::sink::record::{Record, RecordError};
use crate::tenant::Tenant;
use crate::validate::{self, Invalid};

/// The way of one beacon, the one at `index`: each line adds to it, or ends it with the
/// reason.
fn accept<'a>(
    mut beacon: Beacon,
    index: usize,
    intake: &'a Intake<'_>,
    ids: &mut EventIds,
) -> Result<Accepted<'a>, Ended> {
    let (cleaning, platform) = (&intake.config.cleaning, intake.facts.platform.as_deref());
    let stripped = intake.heed(&mut beacon.fields, ids)?;
    let (mut fields, mut repairs) = clean::beacon(beacon, cleaning, platform, &validate::coerce);
    // A rule may have brought to light what the person wants.
    let stripped = intake.heed(&mut fields, ids)?.or(stripped);
    let unknown_events = intake.config.unknown_events;
    let mut event = match validate::event(fields, &intake.envelope, unknown_events, ids) {
        Ok(event) => event,
        Err(invalid) => return Err(Rejection::of_invalid(*invalid, repairs, stripped).into()),
    };
    clean::after(&mut event, cleaning, platform, &mut repairs);
    let enriched = enrich::event(event, index, &intake.facts, repairs, stripped);
    let route = intake.route(&enriched)?;
    match Record::of_event(&enriched, route.sample) {
        Ok(record) => {
            Ok(Accepted { event_id: enriched.event.id, stream: &route.to, record, stripped })
        }
        Err(error) => Err(Rejection::of_record(error, enriched).into()),
    }
}

/// An event that became a record.
struct Accepted<'a> {
    event_id: EventId,
    stream: &'a Stream,
    record: Record,
    stripped: Option<privacy::Reason>,
}

/// How a beacon ended that did not become a record.
enum Ended {
    /// Kept as a failed event.
    Rejected(Box<Rejection>),
    /// Kept nowhere.
    Dropped(EventId, DropReason),
}

impl<T: Into<Rejection>> From<T> for Ended {
    fn from(rejection: T) -> Self {
        Self::Rejected(Box::new(rejection.into()))
    }
}

/// What holds for every beacon of a request.
#[derive(Debug)]
struct Intake<'a> {
    config: &'a Config,
    facts: Facts<'a>,
    envelope: Envelope,
}

impl Intake<'_> {
    /// How a beacon with this consent stands with the wishes that bear on it.
    fn standing(&self, consent: Option<Consent>) -> Standing {
        self.facts.tenant.privacy.standing(self.facts.signals, consent)
    }

    /// The tenant and the envelope, as a failed event carries them.
    fn stamps(&self) -> (String, Envelope) {
        let Tenant { name, privacy, .. } = self.facts.tenant;
        let mut envelope = self.envelope.clone();
        if privacy.device_ids == DeviceIds::Cookieless {
            envelope.device_id = None;
        }
        (name.clone(), envelope)
    }

    /// Follows the wishes of the person behind a raw beacon.
    fn heed(
        &self,
        fields: &mut Map<String, Value>,
        ids: &mut EventIds,
    ) -> Result<Option<privacy::Reason>, Ended> {
        match self.standing(privacy::consent(fields)) {
            Standing::Free => Ok(None),
            Standing::Stripped(reason) => {
                privacy::strip(fields);
                Ok(Some(reason))
            }
            Standing::Refused(reason) => {
                let id = fields.get("id").and_then(Value::as_str).and_then(EventId::parse);
                Err(Ended::Dropped(id.unwrap_or_else(|| ids.next_id()), reason.into()))
            }
        }
    }

    /// The route of an event, if it takes that event.
    fn route(&self, enriched: &Enriched<'_>) -> Result<&Route, Ended> {
        let (event, tenant) = (&enriched.event, self.facts.tenant);
        let bot = self.facts.bot.is_some();
        if bot && self.facts.enrichment.bots == Bots::Drop {
            return Err(Ended::Dropped(event.id, DropReason::Bot));
        }
        let subject = Subject { event, tenant: &tenant.name, bot };
        let route = tenant.routes.route(subject);
        match route.sample.is_none_or(|sample| sample.takes(event)) {
            true => Ok(route),
            false => Err(Ended::Dropped(event.id, DropReason::Sampled)),
        }
    }
}

/// What is known of a beacon that was refused, but for its bytes.
struct Rejection {
    stage: Stage,
    event_id: Option<EventId>,
    name: Option<String>,
    schema: Option<&'static Schema>,
    repairs: Repairs,
    stripped: Option<privacy::Reason>,
    violations: Violations,
}

impl From<Violation> for Rejection {
    fn from(violation: Violation) -> Self {
        Self {
            stage: Stage::Protocol,
            event_id: None,
            name: None,
            schema: None,
            repairs: Repairs::default(),
            stripped: None,
            violations: violation.into(),
        }
    }
}

impl Rejection {
    fn of_invalid(invalid: Invalid, repairs: Repairs, stripped: Option<privacy::Reason>) -> Self {
        let Invalid { event_id, name, schema, violations } = invalid;
        Self {
            stage: Stage::Validate,
            event_id: Some(event_id),
            name: name.map(|name| name.as_str().to_owned()),
            schema,
            repairs,
            stripped,
            violations,
        }
    }

    fn of_record(error: RecordError, enriched: Enriched<'_>) -> Self {
        let Enriched { event, repairs, stripped, .. } = enriched;
        Self {
            stage: Stage::Delivery,
            event_id: Some(event.id),
            name: Some(event.name.as_str().to_owned()),
            schema: event.schema,
            repairs,
            stripped,
            violations: Violation::whole(Code::TooLarge, error.to_string()).into(),
        }
    }
}

/// Records for one stream, each with the index of the beacon that it came from.
#[derive(Debug)]
pub struct Consignment {
    /// Where to.
    pub stream: Stream,
    /// What.
    pub records: Vec<Record>,
    /// Whose: the beacon of each record, in their order.
    pub owners: Vec<usize>,
}

/// What a request comes to, once its records are durable.
#[derive(Debug)]
pub struct Plan<'a> {
    intake: Intake<'a>,
    outcomes: Vec<(EventId, Outcome)>,
    consignments: Vec<Consignment>,
    /// The accepted beacons whose identifiers are left out, and why.
    stripped: HashMap<usize, privacy::Reason>,
    /// Set when the body as a whole could not be read: kept, and then refused.
    undecodable: Option<Refusal>,
}

/// Lets in who may send, as the tenant whose write key the request names.
pub fn admit<'a>(context: &RequestContext, config: &'a Config) -> Result<&'a Tenant, Refusal> {
    let key = context.write_key.as_deref();
    let tenant = config
        .tenants
        .find(key)
        .ok_or_else(|| Refusal::UnknownKey(shown(key.unwrap_or_default())))?;
    match tenant.origins.allow(context.origin.as_deref()) {
        true => Ok(tenant),
        false => {
            let origin = context.origin.as_deref().unwrap_or_default();
            Err(Refusal::OriginNotAllowed(shown(origin)))
        }
    }
}

/// Plans a request with a body.
pub fn post<'a>(
    body: &Body<'_>,
    context: &RequestContext,
    config: &'a Config,
    ids: &mut EventIds,
) -> Result<Plan<'a>, Refusal> {
    let tenant = admit(context, config)?;
    let framing = body.framing()?;
    let form = body.form()?;
    let mut plan = Plan::new(context, config, tenant);
    let text = match body.text(&config.limits) {
        Err(ProtocolError::Undecodable(violation)) => {
            return plan.undecodable(violation, body.bytes, form, ids);
        }
        text => text?,
    };
    let items = match native::items(&text, framing, &config.limits) {
        Err(ProtocolError::Undecodable(violation)) => {
            return plan.undecodable(violation, body.bytes, form, ids);
        }
        items => items?,
    };
    plan.intake.envelope = items.envelope;
    for text in items.texts {
        let original = || Original::new(text, Form::Beacon);
        plan.take(protocol::beacon(text, &config.limits), original, ids)?;
    }
    Ok(plan)
}

/// Plans a pixel request from its query.
pub fn pixel<'a>(
    query: &str,
    context: &RequestContext,
    config: &'a Config,
    ids: &mut EventIds,
) -> Result<Plan<'a>, Refusal> {
    let tenant = admit(context, config)?;
    let mut plan = Plan::new(context, config, tenant);
    let original = || Original::new(query, Form::Query);
    plan.take(pixel::beacon(query), original, ids)?;
    Ok(plan)
}

impl<'a> Plan<'a> {
    fn new(context: &RequestContext, config: &'a Config, tenant: &'a Tenant) -> Self {
        let facts = enrich::facts(context, tenant, config);
        Self {
            intake: Intake { config, facts, envelope: Envelope::default() },
            outcomes: Vec::new(),
            consignments: Vec::new(),
            stripped: HashMap::new(),
            undecodable: None,
        }
    }

    /// Takes in what was read of one item.
    fn take(
        &mut self,
        beacon: Result<Beacon, Violation>,
        original: impl Fn() -> Original,
        ids: &mut EventIds,
    ) -> Result<(), Refusal> {
        let index = self.outcomes.len();
        let ended = match beacon {
            Err(violation) => Err(violation.into()),
            Ok(beacon) => accept(beacon, index, &self.intake, ids),
        };
        match ended {
            Ok(Accepted { event_id, stream, record, stripped }) => {
                self.stripped.extend(stripped.map(|reason| (index, reason)));
                self.outcomes.push((event_id, Outcome::Accepted));
                consign(&mut self.consignments, stream, record, index);
                Ok(())
            }
            Err(Ended::Rejected(rejection)) => self.reject(*rejection, original(), ids),
            Err(Ended::Dropped(event_id, reason)) => {
                self.outcomes.push((event_id, Outcome::Dropped(reason)));
                Ok(())
            }
        }
    }

    /// Keeps a refused beacon as a failed event, as far as the person's wishes let it be kept.
    fn reject(
        &mut self,
        rejection: Rejection,
        original: Original,
        ids: &mut EventIds,
    ) -> Result<(), Refusal> {
        let owner = self.outcomes.len();
        let Rejection { stage, event_id, name, schema, repairs, stripped, violations } = rejection;
        let event_id = event_id.unwrap_or_else(|| ids.next_id());
        let beacon = original.beacon(&self.intake.config.limits);
        let consent = match &beacon {
            Some(beacon) => privacy::consent(&beacon.fields),
            None => privacy::consent_in(&original.bytes),
        };
        let stripped = match self.intake.standing(consent) {
            Standing::Refused(reason) => {
                self.outcomes.push((event_id, Outcome::Dropped(reason.into())));
                return Ok(());
            }
            Standing::Stripped(reason) => Some(reason),
            Standing::Free => stripped,
        };
        let original = match (beacon, stripped) {
            (Some(beacon), _) => self.redacted(&beacon, stripped).unwrap_or(original),
            (None, Some(_)) => original.withheld(),
            (None, None) => original,
        };
        self.outcomes.push((event_id, Outcome::Failed(violations.first.clone())));
        let (tenant, envelope) = self.intake.stamps();
        let failed = FailedEvent {
            event_id,
            tenant,
            name,
            schema,
            stage,
            violations,
            envelope,
            repairs: repairs.without_originals(),
            stripped,
            original,
        };
        self.keep(failed, owner)
    }

    /// A refused beacon's text without what is to be left out, if there is any of that in it.
    fn redacted(&self, beacon: &Beacon, stripped: Option<privacy::Reason>) -> Option<Original> {
        let left = redact::beacon(&beacon.fields, &self.intake.facts.tenant.privacy, stripped)?;
        Some(Original::new(serde_json::to_vec(&left).ok()?, Form::Beacon))
    }

    /// Keeps a whole body as one failed event.
    fn undecodable(
        mut self,
        violation: Violation,
        bytes: &[u8],
        form: Form,
        ids: &mut EventIds,
    ) -> Result<Self, Refusal> {
        self.reject(violation.clone().into(), Original::new(bytes, form), ids)?;
        self.undecodable = Some(ProtocolError::Undecodable(violation).into());
        Ok(self)
    }

    /// Sends a failed event to its stream.
    fn keep(&mut self, failed: FailedEvent, owner: usize) -> Result<(), Refusal> {
        let stream = &self.intake.config.failed;
        let records = Record::of_failed_event(&failed, &self.intake.facts).map_err(|error| {
            Refusal::NotDurable {
                stream: stream.to_string(),
                code: error.to_string(),
                retry_after_s: Report::RETRY_AFTER_S,
            }
        })?;
        for record in records {
            consign(&mut self.consignments, stream, record, owner);
        }
        Ok(())
    }

    /// What is still to be delivered; empty when the plan is done.
    pub fn take_consignments(&mut self) -> Vec<Consignment> {
        std::mem::take(&mut self.consignments)
    }

    /// Takes in how the delivery of one consignment ended. A record that its stream refuses
    /// for itself becomes a failed event, which is a further consignment.
    pub fn settle(
        &mut self,
        stream: &Stream,
        owners: &[usize],
        report: Report,
    ) -> Result<(), Refusal> {
        let not_durable = |code: &str| Refusal::NotDurable {
            stream: stream.to_string(),
            code: code.to_owned(),
            retry_after_s: report.retry_after_s,
        };
        if let Some(problem) = &report.problem {
            return Err(not_durable(problem.code()));
        }
        for ((record, fate), owner) in report.records.into_iter().zip(owners) {
            match fate {
                Fate::Accepted => {}
                Fate::Pending => return Err(not_durable("pending")),
                Fate::Poisoned(refusal) if *stream == self.intake.config.failed => {
                    return Err(not_durable(&refusal.code));
                }
                Fate::Poisoned(refusal) => {
                    let message = format!("{stream} refuses the record: {}", refusal.code);
                    self.fail_delivered(
                        *owner,
                        &record,
                        Violation::whole(Code::RefusedByStream, message),
                    )?;
                }
            }
        }
        Ok(())
    }

    fn fail_delivered(
        &mut self,
        owner: usize,
        record: &Record,
        violation: Violation,
    ) -> Result<(), Refusal> {
        let Some((event_id, outcome)) = self.outcomes.get_mut(owner) else {
            return Ok(());
        };
        *outcome = Outcome::Failed(violation.clone());
        let name = record.event_name();
        let (tenant, envelope) = self.intake.stamps();
        let failed = FailedEvent {
            event_id: *event_id,
            tenant,
            schema: name.as_deref().and_then(schema::find),
            name,
            stage: Stage::Delivery,
            violations: violation.into(),
            envelope,
            repairs: Repairs::default(),
            stripped: self.stripped.get(&owner).copied(),
            original: Original::new(record.bytes(), Form::Record),
        };
        self.keep(failed, owner)
    }

    /// Whose request it is.
    pub fn tenant(&self) -> &str {
        &self.intake.facts.tenant.name
    }

    /// How many beacons were dropped, where any were.
    pub fn dropped(&self) -> Option<Dropped> {
        Dropped::of(&self.outcomes)
    }

    /// The answer, once every consignment was settled.
    pub fn answer(&self, telling: Telling) -> Answer {
        match &self.undecodable {
            Some(refusal) => {
                let kept =
                    self.outcomes.iter().find(|(_, fate)| matches!(fate, Outcome::Failed(_)));
                Answer::of_refusal(refusal, kept.map(|(event_id, _)| *event_id))
            }
            None => Answer::of_outcomes(&self.outcomes, telling),
        }
    }
}

/// Adds `record` to what goes to `stream`.
fn consign(consignments: &mut Vec<Consignment>, stream: &Stream, record: Record, owner: usize) {
    match consignments.iter_mut().find(|consignment| consignment.stream == *stream) {
        Some(consignment) => {
            consignment.records.push(record);
            consignment.owners.push(owner);
        }
        None => consignments.push(Consignment {
            stream: stream.clone(),
            records: vec![record],
            owners: vec![owner],
        }),
    }
}

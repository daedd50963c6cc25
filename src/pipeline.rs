//! The recipe: from a request to records for streams, and from their fates to an answer.
//!
//! Read [`accept`] first: it is the way of one beacon. A request becomes a [`Plan`]: the
//! outcome each beacon will have once its record is durable, and the records to deliver.
//! The edge delivers them and hands each report back; only then is there an answer.

use crate::config::Config;
use crate::context::RequestContext;
use crate::enrich::{self, Facts};
use crate::event::{EventId, EventIds};
use crate::failed::{Code, FailedEvent, Form, Original, Stage, Violation, Violations, shown};
use crate::outcome::{Answer, Outcome, Refusal, Telling};
use crate::protocol::body::Body;
use crate::protocol::{self, Beacon, Envelope, ProtocolError, native, pixel};
use crate::sink::Stream;
use crate::sink::delivery::{Fate, Report};
use crate::sink::record::{Record, RecordError};
use crate::validate::{self, Invalid};

/// The way of one beacon: each line adds to it, or refuses it with the reason.
fn accept<'a>(
    beacon: Beacon,
    envelope: &Envelope,
    facts: &Facts,
    config: &'a Config,
    ids: &mut EventIds,
) -> Result<Accepted<'a>, Box<Rejection>> {
    let event = validate::event(beacon, envelope, ids)?;
    let stream = config.routes.stream(&event);
    let enriched = enrich::event(event, facts);
    let record = Record::of_event(&enriched)
        .map_err(|error| Box::new(Rejection::of_record(error, &enriched.event)))?;
    Ok(Accepted { event_id: enriched.event.id, stream, record })
}

/// An event that became a record.
struct Accepted<'a> {
    event_id: EventId,
    stream: &'a Stream,
    record: Record,
}

/// What is known of a beacon that was refused, but for its bytes.
struct Rejection {
    stage: Stage,
    event_id: Option<EventId>,
    name: Option<String>,
    violations: Violations,
}

impl From<Violation> for Rejection {
    fn from(violation: Violation) -> Self {
        Self { stage: Stage::Protocol, event_id: None, name: None, violations: violation.into() }
    }
}

impl From<Invalid> for Box<Rejection> {
    fn from(invalid: Invalid) -> Self {
        let Invalid { event_id, name, violations } = invalid;
        let name = name.map(|name| name.as_str().to_owned());
        Self::new(Rejection { stage: Stage::Validate, event_id: Some(event_id), name, violations })
    }
}

impl Rejection {
    fn of_record(error: RecordError, event: &crate::event::Event) -> Self {
        Self {
            stage: Stage::Delivery,
            event_id: Some(event.id),
            name: Some(event.name.as_str().to_owned()),
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
    config: &'a Config,
    facts: Facts,
    envelope: Envelope,
    outcomes: Vec<(EventId, Outcome)>,
    consignments: Vec<Consignment>,
    /// Set when the body as a whole could not be read: kept, and then refused.
    undecodable: Option<Refusal>,
}

/// Lets in who may send.
pub fn admit(origin: Option<&str>, config: &Config) -> Result<(), Refusal> {
    match config.origins.allow(origin) {
        true => Ok(()),
        false => Err(Refusal::OriginNotAllowed(shown(origin.unwrap_or_default()))),
    }
}

/// Plans a request with a body.
pub fn post<'a>(
    body: &Body<'_>,
    context: &RequestContext,
    config: &'a Config,
    ids: &mut EventIds,
) -> Result<Plan<'a>, Refusal> {
    let framing = body.framing()?;
    let form = body.form()?;
    let mut plan = Plan::new(context, config);
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
    plan.envelope = items.envelope;
    for text in items.texts {
        let original = || Original { bytes: text.as_bytes().to_vec(), form: Form::Beacon };
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
    let mut plan = Plan::new(context, config);
    let original = || Original { bytes: query.as_bytes().to_vec(), form: Form::Query };
    plan.take(pixel::beacon(query), original, ids)?;
    Ok(plan)
}

impl<'a> Plan<'a> {
    fn new(context: &RequestContext, config: &'a Config) -> Self {
        Self {
            config,
            facts: enrich::facts(context, config.ip),
            envelope: Envelope::default(),
            outcomes: Vec::new(),
            consignments: Vec::new(),
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
        let accepted = beacon
            .map_err(|violation| Box::new(violation.into()))
            .and_then(|beacon| accept(beacon, &self.envelope, &self.facts, self.config, ids));
        match accepted {
            Ok(Accepted { event_id, stream, record }) => {
                let owner = self.outcomes.len();
                self.outcomes.push((event_id, Outcome::Accepted));
                self.consign(stream, record, owner);
                Ok(())
            }
            Err(rejection) => self.reject(*rejection, original(), ids),
        }
    }

    /// Keeps a refused beacon as a failed event.
    fn reject(
        &mut self,
        rejection: Rejection,
        original: Original,
        ids: &mut EventIds,
    ) -> Result<(), Refusal> {
        let owner = self.outcomes.len();
        let event_id = rejection.event_id.unwrap_or_else(|| ids.next_id());
        self.outcomes.push((event_id, Outcome::Failed(rejection.violations.first.clone())));
        let Rejection { stage, name, violations, .. } = rejection;
        let envelope = self.envelope.clone();
        self.keep(FailedEvent { event_id, name, stage, violations, envelope, original }, owner)
    }

    /// Keeps a whole body as one failed event.
    fn undecodable(
        mut self,
        violation: Violation,
        bytes: &[u8],
        form: Form,
        ids: &mut EventIds,
    ) -> Result<Self, Refusal> {
        self.reject(violation.clone().into(), Original { bytes: bytes.to_vec(), form }, ids)?;
        self.undecodable = Some(ProtocolError::Undecodable(violation).into());
        Ok(self)
    }

    /// Sends a failed event to its stream.
    fn keep(&mut self, failed: FailedEvent, owner: usize) -> Result<(), Refusal> {
        let config = self.config;
        let records =
            Record::of_failed_event(&failed, &self.facts).map_err(|error| Refusal::NotDurable {
                stream: config.failed.to_string(),
                code: error.to_string(),
                retry_after_s: Report::RETRY_AFTER_S,
            })?;
        records.into_iter().for_each(|record| self.consign(&config.failed, record, owner));
        Ok(())
    }

    fn consign(&mut self, stream: &Stream, record: Record, owner: usize) {
        let position =
            self.consignments.iter().position(|consignment| consignment.stream == *stream);
        match position.and_then(|position| self.consignments.get_mut(position)) {
            Some(consignment) => {
                consignment.records.push(record);
                consignment.owners.push(owner);
            }
            None => self.consignments.push(Consignment {
                stream: stream.clone(),
                records: vec![record],
                owners: vec![owner],
            }),
        }
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
                Fate::Poisoned(refusal) if *stream == self.config.failed => {
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
        let failed = FailedEvent {
            event_id: *event_id,
            name: None,
            stage: Stage::Delivery,
            violations: violation.into(),
            envelope: self.envelope.clone(),
            original: Original { bytes: record.bytes().to_vec(), form: Form::Record },
        };
        self.keep(failed, owner)
    }

    /// The answer, once every consignment was settled.
    pub fn answer(&self, telling: Telling) -> Answer {
        match &self.undecodable {
            Some(refusal) => {
                Answer::of_refusal(refusal, self.outcomes.first().map(|(event_id, _)| *event_id))
            }
            None => Answer::of_outcomes(&self.outcomes, telling),
        }
    }
}

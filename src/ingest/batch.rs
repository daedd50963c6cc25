//! The outcomes of a request's beacons, and the records that are still to be delivered.

use super::context::PipelineContext;
use super::pending::{PendingRecord, StreamBatch, by_stream};
use super::rejection::RejectedBeacon;
use super::trace::RequestTrace;
use super::{AcceptedEvent, BeaconStop, process_beacon};
use crate::config::Config;
use crate::config::tenant::Tenant;
use crate::delivery::rejected;
use crate::delivery::stream_delivery::{DeliveryReport, RecordStatus};
use crate::ingest::error::IngestError;
use crate::ingest::response::{IngestResponse, VerdictMode};
use crate::ingest::summary::OutcomeCounts;
use crate::model::beacon::{Beacon, Envelope};
use crate::model::event::{EventId, EventIdGenerator};
use crate::model::failed_event::{FailedEvent, OriginalPayload, PayloadFormat};
use crate::model::outcome::Outcome;
use crate::model::record::{Record, RecordError};
use crate::model::request::RequestContext;
use crate::model::stream::Stream;
use crate::model::violation::Violation;
use crate::pipeline::decode::ProtocolError;
use crate::pipeline::privacy::{PrivacyDecision, redact};
use crate::pipeline::{decode, enrich, privacy};
use crate::shard::protocol::batch_response as shard;
use crate::shard::protocol::batch_response::ItemStatus;

/// The outcome that each beacon of a request has once its record is durable, and the records to
/// deliver.
#[derive(Debug)]
pub struct IngestBatch<'a> {
    pub(super) intake: PipelineContext<'a>,
    outcomes: Vec<(EventId, Outcome)>,
    items: Vec<PendingRecord<'a>>,
    /// The bytes of all records that were taken out for delivery.
    bytes: usize,
    /// Data of this request for the inspector, if there is one.
    watch: Option<RequestTrace>,
    /// Set if the body could not be decoded: it is kept as a failed event, and the request is
    /// rejected.
    undecodable: Option<IngestError>,
}

impl<'a> IngestBatch<'a> {
    pub(super) fn new(context: &RequestContext, config: &'a Config, tenant: &'a Tenant) -> Self {
        let facts = enrich::facts(
            context,
            &tenant.name,
            &tenant.privacy,
            &config.enrichment,
            config.secret.as_ref(),
        );
        let replayed = context.replayed.as_ref();
        let envelope = replayed.map_or_else(Envelope::default, |it| it.of.envelope.clone());
        Self {
            intake: PipelineContext { config, tenant, facts, envelope },
            outcomes: Vec::new(),
            items: Vec::new(),
            bytes: 0,
            watch: config.inspect_token.as_ref().map(|_| RequestTrace::default()),
            undecodable: None,
        }
    }

    /// Processes one beacon. One that could not be decoded becomes a failed event.
    pub(super) fn take(
        &mut self,
        beacon: Result<Beacon, Violation>,
        original: impl Fn() -> OriginalPayload,
        ids: &mut EventIdGenerator,
    ) -> Result<(), IngestError> {
        let index = self.outcomes.len();
        let ended = match beacon {
            Err(violation) => Err(violation.into()),
            Ok(beacon) => process_beacon(beacon, index, &self.intake, ids),
        };
        match ended {
            Ok(AcceptedEvent { event_id, catalogued, stream, record, observed, stripped }) => {
                if self.watch.is_some()
                    && let Ok((original, _)) = self.kept(original(), stripped)
                {
                    self.received(index, &original);
                }
                self.outcomes.push((event_id, Outcome::Accepted(catalogued)));
                self.items.push(PendingRecord { owner: index, stream, record, observed });
                Ok(())
            }
            Err(BeaconStop::Rejected(rejection)) => self.reject(*rejection, original(), ids),
            Err(BeaconStop::Dropped(event_id, reason)) => {
                self.outcomes.push((event_id, Outcome::Dropped(reason)));
                Ok(())
            }
        }
    }

    /// Keeps a rejected beacon as a failed event, unless the privacy policy drops it.
    fn reject(
        &mut self,
        rejection: RejectedBeacon,
        original: OriginalPayload,
        ids: &mut EventIdGenerator,
    ) -> Result<(), IngestError> {
        let owner = self.outcomes.len();
        let RejectedBeacon { stage, event_id, name, schema, repairs, stripped, violations } =
            rejection;
        let event_id = event_id.unwrap_or_else(|| ids.next_id());
        let (original, stripped) = match self.kept(original, stripped) {
            Ok(kept) => kept,
            Err(reason) => {
                self.outcomes.push((event_id, Outcome::Dropped(reason.into())));
                return Ok(());
            }
        };
        self.received(owner, &original);
        let violations = redact::violations(violations, &self.intake.tenant.privacy);
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
        self.keep(Record::of_failed_event(&failed, &self.intake.facts), owner)
    }

    /// Returns the original bytes without what privacy removes, and the signal for which
    /// identifiers were removed. The error is the signal for which the beacon is dropped.
    fn kept(
        &self,
        original: OriginalPayload,
        stripped: Option<crate::model::consent::PrivacySignal>,
    ) -> Result<
        (OriginalPayload, Option<crate::model::consent::PrivacySignal>),
        crate::model::consent::PrivacySignal,
    > {
        let beacon = decode::original(&original, &self.intake.config.limits);
        let consent = match &beacon {
            Some(beacon) => privacy::consent(&beacon.fields),
            None => privacy::consent_in(&original.bytes),
        };
        let stripped = match self.intake.standing(consent) {
            PrivacyDecision::Drop(reason) => return Err(reason),
            PrivacyDecision::Strip(reason) => Some(reason),
            PrivacyDecision::Keep => stripped,
        };
        let original = match (beacon, stripped) {
            (Some(beacon), _) => self.redacted(&beacon, stripped).unwrap_or(original),
            (None, stripped) => {
                let text = decode::legible(&original, &self.intake.config.limits);
                redact::unreadable(original, &text, &self.intake.tenant.privacy, stripped)
            }
        };
        Ok((original, stripped))
    }

    /// Returns the beacon without what privacy removes; `None` if it contains nothing of that.
    fn redacted(
        &self,
        beacon: &Beacon,
        stripped: Option<crate::model::consent::PrivacySignal>,
    ) -> Option<OriginalPayload> {
        let privacy = &self.intake.tenant.privacy;
        let left = redact::beacon(&beacon.fields, privacy, stripped).or_else(|| {
            // A pixel's query can have a parameter to remove that is no field of the beacon.
            let concerned = redact::concerns_left_out(&beacon.left_out, privacy, stripped);
            concerned.then(|| beacon.fields.clone())
        })?;
        Some(OriginalPayload::new(serde_json::to_vec(&left).ok()?, PayloadFormat::Beacon))
    }

    /// Keeps an undecodable body as one failed event.
    pub(super) fn undecodable(
        mut self,
        violation: Violation,
        bytes: &[u8],
        form: PayloadFormat,
        ids: &mut EventIdGenerator,
    ) -> Result<Self, IngestError> {
        self.reject(violation.clone().into(), OriginalPayload::new(bytes, form), ids)?;
        self.undecodable = Some(ProtocolError::Undecodable(violation).into());
        Ok(self)
    }

    /// Queues the records of a failed event for the stream of failed events.
    fn keep(
        &mut self,
        records: Result<Vec<Record>, RecordError>,
        owner: usize,
    ) -> Result<(), IngestError> {
        let stream = &self.intake.config.destinations.failed;
        let records = records.map_err(|error| IngestError::NotDurable {
            stream: stream.to_string(),
            code: error.to_string(),
            retry_after_s: DeliveryReport::RETRY_AFTER_S,
        })?;
        let items = records.into_iter().map(|record| PendingRecord {
            owner,
            stream,
            record,
            observed: None,
        });
        self.items.extend(items);
        Ok(())
    }

    /// Takes out the records that are still to be delivered; empty once all are.
    pub fn take_items(&mut self) -> Vec<PendingRecord<'a>> {
        let items = std::mem::take(&mut self.items);
        let bytes = items.iter().map(|item| item.record.bytes().len());
        self.bytes = self.bytes.saturating_add(bytes.sum());
        self.sent(&items);
        items
    }

    /// Records for the inspector that the beacon at `index` arrived as `original`.
    fn received(&mut self, index: usize, original: &OriginalPayload) {
        if let Some(watch) = &mut self.watch {
            watch.received(index, original.clone());
        }
    }

    /// Records for the inspector that `items` are now sent.
    pub fn sent(&mut self, items: &[PendingRecord<'_>]) {
        if let Some(watch) = &mut self.watch {
            watch.sent(items);
        }
    }

    /// Like [`Self::take_items`], but grouped by stream.
    pub fn take_consignments(&mut self) -> Vec<StreamBatch> {
        by_stream(self.take_items())
    }

    /// Applies the statuses that a shard returned for `items`, in the same order.
    pub fn settle_parcel(
        &mut self,
        items: &[PendingRecord<'_>],
        answer: shard::BatchResponse,
    ) -> Result<(), IngestError> {
        if let Some(watch) = &mut self.watch {
            watch.in_sessions(items, &answer.tags);
        }
        for (item, fate) in items.iter().zip(answer.fates) {
            let outcome = match fate {
                ItemStatus::Durable => continue,
                ItemStatus::Duplicate => Outcome::Duplicate,
                ItemStatus::Refused(code) => {
                    if let Some(watch) = &mut self.watch {
                        watch.refused(
                            item.owner,
                            item.stream,
                            &code,
                            &self.intake.config.destinations.failed,
                        );
                    }
                    Outcome::Failed(rejected::violation(item.stream, &code))
                }
                ItemStatus::NotDurable { code, retry_after_s } => {
                    let stream = item.stream.to_string();
                    return Err(IngestError::NotDurable { stream, code, retry_after_s });
                }
            };
            if let Some((_, slot)) = self.outcomes.get_mut(item.owner) {
                *slot = outcome;
            }
        }
        Ok(())
    }

    /// Applies the report of one stream's delivery. A record that its stream rejects becomes a
    /// failed event, whose records are queued.
    pub fn settle(
        &mut self,
        stream: &Stream,
        owners: &[usize],
        report: DeliveryReport,
    ) -> Result<(), IngestError> {
        let not_durable = |code: &str| IngestError::NotDurable {
            stream: stream.to_string(),
            code: code.to_owned(),
            retry_after_s: report.retry_after_s,
        };
        if let Some(problem) = &report.problem {
            return Err(not_durable(problem.code()));
        }
        for ((record, fate), owner) in report.records.into_iter().zip(owners) {
            match fate {
                RecordStatus::Delivered => {}
                RecordStatus::Pending => return Err(not_durable("pending")),
                RecordStatus::Rejected(refusal)
                    if *stream == self.intake.config.destinations.failed =>
                {
                    return Err(not_durable(&refusal.code));
                }
                RecordStatus::Rejected(refusal) => {
                    self.fail_delivered(*owner, &record, stream, &refusal.code)?
                }
            }
        }
        Ok(())
    }

    fn fail_delivered(
        &mut self,
        owner: usize,
        record: &Record,
        stream: &Stream,
        code: &str,
    ) -> Result<(), IngestError> {
        if let Some((_, outcome)) = self.outcomes.get_mut(owner) {
            *outcome = Outcome::Failed(rejected::violation(stream, code));
        }
        self.keep(Record::of_refused(record, stream, code), owner)
    }

    /// The bytes of all records that were taken out for delivery.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Data of this request for the inspector, if there is one.
    pub const fn watch(&self) -> Option<&RequestTrace> {
        self.watch.as_ref()
    }

    /// The outcome of each beacon, in their order, valid once all records are durable.
    pub fn outcomes(&self) -> &[(EventId, Outcome)] {
        &self.outcomes
    }

    /// Counts the outcomes, once all records are durable.
    pub fn counts(&self) -> OutcomeCounts {
        OutcomeCounts::of(self.outcomes.iter().map(|(_, outcome)| outcome))
    }

    /// Builds the answer, once all records are durable.
    pub fn answer(&self, telling: VerdictMode) -> IngestResponse {
        match &self.undecodable {
            Some(refusal) => {
                let kept =
                    self.outcomes.iter().find(|(_, fate)| matches!(fate, Outcome::Failed(_)));
                IngestResponse::of_error(refusal, kept.map(|(event_id, _)| *event_id))
            }
            None => IngestResponse::of_outcomes(&self.outcomes, telling),
        }
    }
}

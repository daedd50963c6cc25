//! The outcomes of a request's beacons, and the records that are still to be delivered.

use super::authorize::AuthorizedRequest;
use super::context::PipelineContext;
use super::pending::PendingRecord;
use super::rejection::RejectedBeacon;
use super::trace::RequestTrace;
use super::{AcceptedBeacon, BeaconStop, process_beacon};
use crate::delivery::rejected;
use crate::delivery::stream_delivery::{DeliveryReport, RecordStatus};
use crate::ingest::error::IngestError;
use crate::ingest::response::{IngestResponse, VerdictMode};
use crate::ingest::summary::OutcomeCounts;
use crate::model::beacon::Beacon;
use crate::model::consent::{Consent, PrivacySignal};
use crate::model::event::{EventId, EventIdGenerator};
use crate::model::failed_event::{FailedEvent, OriginalPayload, PayloadFormat};
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::quota::QuotaUse;
use crate::model::record::{Record, RecordError};
use crate::model::request::RequestContext;
use crate::model::stream::Stream;
use crate::model::violation::Violation;
use crate::pipeline::decode::ProtocolError;
use crate::pipeline::decode::server_fields;
use crate::pipeline::privacy::PrivacyDecision;
use crate::pipeline::privacy::ip::IpPolicy;
use crate::pipeline::privacy::redact;
use crate::pipeline::{decode, privacy};
use crate::shard::protocol::batch_request::ShardItem;
use crate::shard::protocol::batch_response::{BatchResponse, ItemStatus};

/// The outcome that each beacon of a request has once its record is durable, and the records to
/// deliver.
#[derive(Debug)]
pub struct IngestBatch<'a> {
    pub(super) context: PipelineContext<'a>,
    outcomes: Vec<(EventId, Outcome)>,
    pending: Vec<PendingRecord<'a>>,
    pending_bytes: usize,
    /// The number of records that were taken out for delivery and have no status yet; of a record for
    /// several streams, each copy counts.
    in_delivery: usize,
    /// The bytes of all records that were taken out for delivery.
    bytes: usize,
    /// Data of this request for the inspector, if there is one.
    trace: Option<RequestTrace>,
    /// Set if the body could not be decoded: it is kept as a failed event, and the request is
    /// rejected.
    undecodable: Option<IngestError>,
}

/// What was sent as a beacon.
#[derive(Debug, Clone, Copy)]
enum SentForm {
    /// A readable beacon, with the consent that it states.
    Beacon(Option<Consent>),
    Unreadable,
}

/// A batch whose records are all durable. It alone has counts and an answer.
#[derive(Debug, Clone, Copy)]
pub struct SettledBatch<'b, 'a>(&'b IngestBatch<'a>);

impl<'a> IngestBatch<'a> {
    /// Begins the batch of `request`; its beacons were first sent in `context`.
    pub(super) fn new(request: &AuthorizedRequest<'_, 'a>, context: &RequestContext) -> Self {
        let context = PipelineContext::new(request, context);
        Self {
            context,
            outcomes: Vec::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            in_delivery: 0,
            bytes: 0,
            trace: request.config.has_inspector.then(RequestTrace::default),
            undecodable: None,
        }
    }

    /// Processes the beacons of a body, of `format`, as `decode` reads them from its `texts`. Fails if
    /// their records become too large: nothing is sent yet, so the client still has all of it, and can send
    /// it in parts.
    pub(super) fn push_all<'t>(
        &mut self,
        texts: impl Iterator<Item = &'t str>,
        format: PayloadFormat,
        mut decode: impl FnMut(&str) -> Result<Beacon, BeaconStop>,
        ids: &mut EventIdGenerator,
    ) -> Result<(), IngestError> {
        let limit = self.context.limits.max_record_bytes;
        for text in texts {
            self.push(decode(text), (text.as_bytes(), format), ids)?;
            if self.pending_bytes > limit {
                return Err(ProtocolError::RecordsTooLarge { limit }.into());
            }
        }
        Ok(())
    }

    /// Processes one beacon, which was sent as these bytes. One that could not be decoded becomes a failed
    /// event.
    pub(super) fn push(
        &mut self,
        beacon: Result<Beacon, BeaconStop>,
        (bytes, format): (&[u8], PayloadFormat),
        ids: &mut EventIdGenerator,
    ) -> Result<(), IngestError> {
        let original = || OriginalPayload::new(bytes, format);
        let index = self.outcomes.len();
        let sent = match &beacon {
            Ok(beacon) => SentForm::Beacon(privacy::consent(&beacon.fields)),
            Err(_) => SentForm::Unreadable,
        };
        let process = |beacon| process_beacon(beacon, index, &self.context, ids);
        match beacon.and_then(process) {
            Ok(AcceptedBeacon { event_id, catalogued, stripped, pending }) => {
                if self.trace.is_some()
                    && let Ok((original, _)) = self.redact_original(original(), sent, stripped)
                {
                    self.trace_original(index, &original);
                }
                self.outcomes.push((event_id, Outcome::Accepted(catalogued)));
                self.queue(pending);
                Ok(())
            }
            Err(BeaconStop::Rejected(rejection)) => self.reject(*rejection, original(), sent, ids),
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
        sent: SentForm,
        ids: &mut EventIdGenerator,
    ) -> Result<(), IngestError> {
        let beacon_index = self.outcomes.len();
        let RejectedBeacon { stage, event_id, name, schema, repairs, stripped, violations } =
            rejection;
        let event_id = event_id.unwrap_or_else(|| ids.next_id());
        let (original, stripped) = match self.redact_original(original, sent, stripped) {
            Ok(kept) => kept,
            Err(reason) => {
                self.outcomes.push((event_id, Outcome::Dropped(reason.into())));
                return Ok(());
            }
        };
        self.trace_original(beacon_index, &original);
        let violations = redact::violations(violations, self.context.facts.privacy);
        self.outcomes.push((event_id, Outcome::Failed(violations.first.clone())));
        let failed = FailedEvent {
            event_id,
            tenant: self.context.facts.tenant.to_owned(),
            name,
            schema,
            stage,
            violations,
            envelope: self.context.failed_envelope(),
            repairs: repairs.without_originals(),
            stripped,
            original,
        };
        let PipelineContext { config, facts, quota_use, .. } = &self.context;
        let key = config.device_hasher.of_event(&failed.tenant, failed.event_id);
        let records = Record::of_failed_event(&failed, &key, facts);
        self.queue_failed_event(records, beacon_index, *quota_use)
    }

    /// Returns the original bytes without what privacy removes, and the signal for which
    /// identifiers were removed. The error is the signal for which the beacon is dropped.
    fn redact_original(
        &self,
        original: OriginalPayload,
        sent: SentForm,
        stripped: Option<PrivacySignal>,
    ) -> Result<(OriginalPayload, Option<PrivacySignal>), PrivacySignal> {
        let consent = match sent {
            SentForm::Beacon(consent) => consent,
            SentForm::Unreadable => privacy::consent_in(&original.bytes),
        };
        let stripped = match self.context.privacy_decision(consent) {
            PrivacyDecision::Drop(reason) => return Err(reason),
            PrivacyDecision::Strip(reason) => Some(reason),
            PrivacyDecision::Keep => stripped,
        };
        let original = match sent {
            SentForm::Beacon(_) => self.redacted(original, stripped),
            SentForm::Unreadable => self.redacted_text(original, stripped),
        };
        Ok((original, stripped))
    }

    /// Returns an original that is a beacon, without what privacy removes.
    fn redacted(
        &self,
        original: OriginalPayload,
        stripped: Option<PrivacySignal>,
    ) -> OriginalPayload {
        let privacy = self.context.facts.privacy;
        let left = match std::str::from_utf8(&original.bytes) {
            Ok(text)
                if original.form == PayloadFormat::Beacon && !self.context.has_server_fields =>
            {
                redact::beacon(text, privacy, stripped)
            }
            _ => match self.context.decode_original(&original) {
                Some(beacon) => self.redacted_fields(beacon, &original, stripped),
                None => return self.redacted_text(original, stripped),
            },
        };
        left.map_or(original, |left| OriginalPayload::new(left, PayloadFormat::Beacon))
    }

    /// Returns the text of a beacon without what privacy removes; none if that is all of it. An item
    /// of another collector's protocol can have that in places of its own, so its translation is kept
    /// instead: it has no other fields.
    fn redacted_fields(
        &self,
        beacon: Beacon,
        original: &OriginalPayload,
        stripped: Option<PrivacySignal>,
    ) -> Option<String> {
        let privacy = self.context.facts.privacy;
        let has_server_fields = self.context.has_server_fields;
        let is_item = matches!(original.form, PayloadFormat::Item(_));
        let Beacon { fields: mut left, left_out, .. } = beacon;
        let hides_address = (has_server_fields || is_item)
            && (privacy.ip != IpPolicy::Full || stripped.is_some())
            && left.remove("ip").is_some();
        let hides_context = is_item && privacy::sdk_context::remove(&mut left, privacy, stripped);
        let are_allowed = has_server_fields && stripped.is_none();
        if !are_allowed && (has_server_fields || is_item) {
            server_fields::remove(&mut left);
        }
        redact::fields(&left, privacy, stripped).or_else(|| {
            let is_changed = hides_address
                // A pixel's query can have a parameter to remove that is no field of the beacon.
                || redact::concerns_left_out(&left_out, privacy, stripped)
                || (is_item && redact::concerns_item(&original.bytes, privacy, stripped))
                || hides_context;
            is_changed.then(|| serde_json::to_string(&left).ok()).flatten()
        })
    }

    /// Returns an original that is no readable beacon, without what privacy removes.
    fn redacted_text(
        &self,
        original: OriginalPayload,
        stripped: Option<PrivacySignal>,
    ) -> OriginalPayload {
        let text = decode::legible(&original, self.context.limits);
        let stated = self.context.stated_addresses();
        redact::unreadable(original, &text, self.context.facts.privacy, stripped, stated)
    }

    /// Keeps an undecodable body as one failed event.
    pub(super) fn undecodable(
        mut self,
        violation: Violation,
        bytes: &[u8],
        form: PayloadFormat,
        ids: &mut EventIdGenerator,
    ) -> Result<Self, IngestError> {
        self.reject(
            violation.clone().into(),
            OriginalPayload::new(bytes, form),
            SentForm::Unreadable,
            ids,
        )?;
        self.undecodable = Some(ProtocolError::from(violation).into());
        Ok(self)
    }

    /// Queues the records of a failed event for the stream of failed events. They take `quota_use`
    /// together.
    fn queue_failed_event(
        &mut self,
        records: Result<Vec<Record>, RecordError>,
        beacon_index: usize,
        mut quota_use: QuotaUse,
    ) -> Result<(), IngestError> {
        let PipelineContext { config, tenant, .. } = self.context;
        let stream = &config.destinations.failed;
        let records = records.map_err(|error| IngestError::NotDurable {
            stream: stream.to_string(),
            code: error.to_string(),
            retry_after_s: DeliveryReport::RETRY_AFTER_S,
        })?;
        for record in records {
            let of_tenant = (tenant, quota_use);
            self.queue(PendingRecord::of_failed_event(beacon_index, stream, of_tenant, record));
            if quota_use == QuotaUse::One {
                quota_use = QuotaUse::WithPrevious;
            }
        }
        Ok(())
    }

    /// Takes out the records that are still to be delivered; empty once all are.
    pub fn take_records(&mut self) -> Vec<PendingRecord<'a>> {
        let records = std::mem::take(&mut self.pending);
        self.bytes = self.bytes.saturating_add(std::mem::take(&mut self.pending_bytes));
        self.in_delivery = self.in_delivery.saturating_add(copies(&records));
        self.trace_sent(&records);
        records
    }

    /// Records for the inspector that the beacon at `index` arrived as `original`.
    fn trace_original(&mut self, index: usize, original: &OriginalPayload) {
        if let Some(trace) = &mut self.trace {
            trace.received(index, original.clone());
        }
    }

    /// Records for the inspector that `records` are now sent.
    pub fn trace_sent(&mut self, records: &[PendingRecord<'_>]) {
        if let Some(trace) = &mut self.trace {
            trace.sent(records);
        }
    }

    /// Applies the statuses that a shard returned for `records`, in the same order. Returns the records
    /// that it did not admit.
    pub fn apply_shard_response<'r>(
        &mut self,
        records: Vec<PendingRecord<'r>>,
        response: BatchResponse,
    ) -> Result<Vec<PendingRecord<'r>>, IngestError> {
        let mut not_admitted = Vec::new();
        if let Some(trace) = &mut self.trace {
            trace.in_sessions(&records, &response.sessions);
        }
        for (pending, status) in records.into_iter().zip(response.statuses) {
            let PendingRecord { beacon_index, item: ShardItem { to, .. }, .. } = &pending;
            let outcome = match status {
                ItemStatus::Durable => None,
                ItemStatus::Duplicate => Some(Outcome::Duplicate),
                ItemStatus::Rejected(code) => {
                    if let Some(trace) = &mut self.trace {
                        let failed = &self.context.config.destinations.failed;
                        trace.refused(*beacon_index, to, &code, failed);
                    }
                    Some(Outcome::Failed(rejected::violation(&to.one_of(), &code)))
                }
                ItemStatus::OverQuota => Some(Outcome::OverQuota),
                ItemStatus::NotAdmitted => {
                    not_admitted.push(pending);
                    continue;
                }
                ItemStatus::NotDurable { code, retry_after_s } => {
                    let stream = to.one_of();
                    return Err(IngestError::NotDurable { stream, code, retry_after_s });
                }
            };
            self.in_delivery = self.in_delivery.saturating_sub(to.copies());
            if let (Some(outcome), Some((_, known))) =
                (outcome, self.outcomes.get_mut(*beacon_index))
            {
                *known = outcome;
            }
        }
        Ok(not_admitted)
    }

    /// Removes from `records`, which are delivered directly, those of the events for which the quota
    /// of their tenant has no room: only the first `granted` are within it.
    pub fn keep_within_quota(
        &mut self,
        records: Vec<PendingRecord<'a>>,
        granted: u64,
    ) -> Vec<PendingRecord<'a>> {
        let (mut left, mut is_within) = (granted, true);
        let (within, over): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|pending| match pending.item.quota_use {
                QuotaUse::Nothing => true,
                QuotaUse::WithPrevious => is_within,
                QuotaUse::One => {
                    is_within = left > 0;
                    left = left.saturating_sub(1);
                    is_within
                }
            });
        self.in_delivery = self.in_delivery.saturating_sub(copies(&over));
        for PendingRecord { beacon_index, .. } in over {
            if let Some((_, outcome)) = self.outcomes.get_mut(beacon_index) {
                *outcome = Outcome::OverQuota;
            }
        }
        within
    }

    /// Applies the report of one stream's delivery; `beacons` has the index of each record's
    /// beacon. A record that its stream rejects becomes a failed event, whose records are queued.
    pub fn apply_direct_report(
        &mut self,
        stream: &Stream,
        beacons: &[usize],
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
        for ((record, status), beacon_index) in report.records.into_iter().zip(beacons) {
            match status {
                RecordStatus::Delivered => {}
                RecordStatus::Pending => return Err(not_durable("pending")),
                RecordStatus::Rejected(error)
                    if self.context.config.destinations.failed.contains(stream) =>
                {
                    return Err(not_durable(&error.code));
                }
                RecordStatus::Rejected(error) => {
                    self.fail_delivered(*beacon_index, &record, stream, &error.code)?;
                }
            }
            self.in_delivery = self.in_delivery.saturating_sub(1);
        }
        Ok(())
    }

    /// Makes the failed event of a record that `stream` rejects for its content.
    fn fail_delivered(
        &mut self,
        beacon_index: usize,
        record: &Record,
        stream: &Stream,
        code: &str,
    ) -> Result<(), IngestError> {
        if let Some((_, outcome)) = self.outcomes.get_mut(beacon_index) {
            *outcome = Outcome::Failed(rejected::violation(stream, code));
        }
        // Its event was counted already.
        let records = Record::of_rejected(record, stream, code);
        self.queue_failed_event(records, beacon_index, QuotaUse::Nothing)
    }

    /// The bytes of the records that were not taken out for delivery.
    pub const fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// The memory that these records take, about: more than their bytes if they are small, and for each
    /// of their streams, whose call has them in its body.
    pub fn pending_memory(&self) -> usize {
        /// A record's stream, key and identity.
        const OF_RECORD: usize = 512;
        let of_each = self
            .pending
            .iter()
            .map(|pending| (pending.item.record.capacity(), pending.item.to.copies()))
            .map(|(bytes, copies)| bytes.saturating_add(OF_RECORD).saturating_mul(copies));
        of_each.sum()
    }

    fn queue(&mut self, pending: PendingRecord<'a>) {
        let bytes = pending.item.record.bytes().len();
        self.pending_bytes = self.pending_bytes.saturating_add(bytes);
        self.pending.push(pending);
    }

    /// The bytes of all records that were taken out for delivery.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of beacons.
    pub const fn beacons(&self) -> usize {
        self.outcomes.len()
    }

    /// Data of this request for the inspector, if there is one.
    pub const fn trace(&self) -> Option<&RequestTrace> {
        self.trace.as_ref()
    }

    /// Returns the batch for its answer. Fails if any record has no status yet.
    pub fn settled(&self) -> Result<SettledBatch<'_, 'a>, IngestError> {
        let unsettled = self.pending.first().map(|pending| pending.item.to.one_of());
        match (unsettled, self.in_delivery) {
            (None, 0) => Ok(SettledBatch(self)),
            (stream, _) => Err(IngestError::NotDurable {
                stream: stream.unwrap_or_else(|| "a stream".to_owned()),
                code: "pending".to_owned(),
                retry_after_s: DeliveryReport::RETRY_AFTER_S,
            }),
        }
    }

    /// The outcome of each beacon, in their order, valid once all records are durable.
    pub fn outcomes(&self) -> &[(EventId, Outcome)] {
        &self.outcomes
    }
}

/// Returns the number of copies of all `records`, one for each of their streams.
fn copies(records: &[PendingRecord<'_>]) -> usize {
    let copies = records.iter().map(|pending| pending.item.to.copies());
    copies.fold(0, usize::saturating_add)
}

impl<'b> SettledBatch<'b, '_> {
    /// Counts the outcomes.
    pub fn counts(self) -> OutcomeCounts {
        OutcomeCounts::of(self.0.outcomes.iter().map(|(_, outcome)| outcome))
    }

    /// Returns the outcomes for an answer, or the error of a body that could not be decoded.
    pub fn outcomes(self) -> Result<&'b [(EventId, Outcome)], &'b IngestError> {
        match &self.0.undecodable {
            Some(error) => Err(error),
            None => Ok(&self.0.outcomes),
        }
    }

    /// Builds the answer of the native protocol.
    pub fn response(self, verdicts: VerdictMode) -> IngestResponse {
        match self.outcomes() {
            Ok(outcomes) => IngestResponse::of_outcomes(outcomes, verdicts),
            Err(error) => {
                let is_failed =
                    |(_, outcome): &&(_, Outcome)| outcome.kind() == OutcomeKind::Failed;
                let failed_event = self.0.outcomes.iter().find(is_failed);
                IngestResponse::of_error(error, failed_event.map(|(event_id, _)| *event_id))
            }
        }
    }
}

//! Accepts beacons, in a body or in the query of an image. Then reports the request to Analytics
//! Engine, the log and the inspector.

use std::cell::OnceCell;

use worker::Env;

use super::bindings::now_ms;
use super::byte_budget::Reservation;
use super::gather::UnderWay;
use super::request::{IncomingRequest, Method};
use super::respond::{self, Reply};
use super::tee::Tee;
use super::{bindings, deliver, inspector_object, metrics, operator, rate_limiter, tenants};
use crate::config::Config;
use crate::config::log_sampling::LogSampling;
use crate::config::operator_keys::OperatorRole;
use crate::config::tenant::Tenant;
use crate::ingest;
use crate::ingest::authorize::{
    Authorization, AuthorizedRequest, CorsScope, StoredAnswer, is_anonymous,
};
use crate::ingest::batch::{IngestBatch, SettledBatch};
use crate::ingest::dialects::DialectRequest;
use crate::ingest::error::{HttpError, IngestError};
use crate::ingest::network_cookie;
use crate::ingest::response::{IngestResponse, VerdictMode};
use crate::ingest::summary::{OutcomeCounts, RequestKind, RequestSummary};
use crate::model::event::EventIdGenerator;
use crate::model::protocol::Protocol;
use crate::model::record::MAX_BYTES;
use crate::model::request::RequestContext;
use crate::ops::inspector::{InspectorReport, RequestInfo};
use crate::pipeline::decode::body::{self, RequestBody};
use crate::pipeline::decode::protocols::{self, ProtocolRequest};

/// A request with beacons, and its summary so far.
pub(super) struct IngestHandler<'a> {
    request: &'a IncomingRequest,
    config: &'a Config,
    summary: RequestSummary<'a>,
    /// Lets other requests wait for company.
    _under_way: UnderWay,
    /// The bytes that the request has reserved, until it ends.
    reservation: Option<Reservation>,
    /// A copy of the request for another collector.
    pub(super) tee: Option<Tee>,
    /// The `Set-Cookie` of an answer that accepts the request.
    pub(super) set_cookie: Option<String>,
}

/// Accepts the beacons in a body. `stored` is what the tenant store has for the request.
pub async fn post(request: &IncomingRequest, stored: Option<&StoredAnswer>) -> Reply {
    let IncomingRequest { head, context, env, .. } = request;
    let kind = if head.replay_header.is_some() { RequestKind::Replay } else { RequestKind::Post };
    let config = match bindings::config(env) {
        Ok(config) => config,
        Err(error) => {
            not_configured(kind, &error, env);
            return respond::refused(&error.into(), CorsScope::any(context));
        }
    };
    let replay = head.replay_header.as_ref();
    let Authorization { tenant, cors, operator_key, request: authorized } =
        ingest::authorize(context, replay, &config, stored);
    if head.replay_header.is_some() {
        operator::audit(OperatorRole::Replay, head, operator_key, env);
    }
    let mut handler = IngestHandler::new(kind, request, &config, tenant);
    let batch = match authorized {
        Ok(authorized) => handler.body(authorized).await,
        Err(error) => Err(error),
    };
    let answer = handler.end(batch, VerdictMode::of_query(&head.query)).await;
    let timing = asks_for_timing(&head.query).then(|| handler.summary.server_timing());
    respond::ingested(answer, cors, timing)
}

/// Accepts the beacon in the query of an image. Each answer is the GIF, so that no page shows a
/// broken image.
pub async fn pixel(request: &IncomingRequest, stored: Option<&StoredAnswer>) -> Reply {
    let IncomingRequest { context, env, .. } = request;
    let answer = match bindings::config(env) {
        Ok(config) => {
            let Authorization { tenant, request: authorized, .. } =
                ingest::authorize(context, None, &config, stored);
            let mut handler = IngestHandler::new(RequestKind::Pixel, request, &config, tenant);
            let batch = match authorized {
                Ok(authorized) => handler.query(&authorized).await,
                Err(error) => Err(error),
            };
            handler.end(batch, VerdictMode::Never).await
        }
        Err(error) => {
            not_configured(RequestKind::Pixel, &error, env);
            Err(error)
        }
    };
    respond::pixel(&answer)
}

/// Records metrics for a request rejected because the worker is misconfigured.
fn not_configured(kind: RequestKind, error: &IngestError, env: &Env) {
    let mut summary = RequestSummary { kind, status: error.status(), ..RequestSummary::default() };
    summary.record_error(error);
    metrics::request(env, &summary, &LogSampling::default());
}

/// Whether `?timing=1` asks for `Server-Timing`.
fn asks_for_timing(query: &str) -> bool {
    query.split('&').any(|pair| pair == "timing=1")
}

impl<'a> IngestHandler<'a> {
    pub(super) fn new(
        kind: RequestKind,
        request: &'a IncomingRequest,
        config: &'a Config,
        tenant: Option<&'a Tenant>,
    ) -> Self {
        let tenant = tenant.map(|tenant| tenant.name.as_str());
        let summary = RequestSummary { kind, tenant, ..RequestSummary::default() };
        Self {
            request,
            config,
            summary,
            _under_way: UnderWay::begin(),
            reservation: None,
            tee: None,
            set_cookie: None,
        }
    }

    /// Time since the request arrived, in milliseconds.
    fn elapsed_ms(&self) -> u64 {
        let came = self.request.context.received_at.timestamp_millis();
        now_ms().saturating_sub(u64::try_from(came).unwrap_or_default())
    }

    /// Reads and processes the body.
    async fn body(
        &mut self,
        mut authorized: AuthorizedRequest<'_, 'a>,
    ) -> Result<IngestBatch<'a>, IngestError> {
        let Self { request: request @ IncomingRequest { head, context, .. }, config, .. } = *self;
        let replay = authorized.replay.take();
        if replay.is_none() {
            self.check_rate(&authorized.tenant.name).await?;
        }
        let limit = authorized.limits().max_body_bytes;
        // A replay may send a record, which is larger than its beacon was, or what a server sent.
        let limit = match replay {
            Some(_) => config.larger_limits.max_body_bytes.max(MAX_BYTES),
            None => limit,
        };
        self.reserve(head.content_length.map_or(limit, |length| length.min(limit)))?;
        let bytes = request.body(limit).await;
        self.summary.read_ms = self.elapsed_ms();
        let bytes = bytes?;
        self.summary.bytes_in = bytes.len();
        authorized.check_signature(&bytes)?;
        let body = RequestBody {
            content_type: head.content_type.as_deref(),
            content_encoding: head.content_encoding.as_deref(),
            bytes: &bytes,
        };
        let batch = match replay {
            Some(replay) => ingest::replay(&body, replay, &authorized)?,
            None => {
                let mut ids = EventIdGenerator::new(context.received_at, bindings::random());
                ingest::post(&body, &authorized, &mut ids)?
            }
        };
        self.keep(batch)
    }

    /// Reserves the bytes of the body.
    fn reserve(&mut self, bytes: usize) -> Result<(), IngestError> {
        self.reservation = Reservation::of_body(bytes, self.config.limits.max_in_flight_bytes);
        self.reservation.as_ref().map(|_| ()).ok_or(IngestError::Overloaded)
    }

    /// Reserves the bytes of the records instead.
    fn keep(&self, batch: IngestBatch<'a>) -> Result<IngestBatch<'a>, IngestError> {
        let limit = self.config.limits.max_in_flight_bytes;
        let has_room =
            |reservation: &Reservation| reservation.keep_records(batch.pending_memory(), limit);
        match self.reservation.as_ref().is_some_and(has_room) {
            true => Ok(batch),
            false => Err(IngestError::Overloaded),
        }
    }

    /// Counts the request, and rejects it if its client has sent too many.
    async fn check_rate(&self, sender: &str) -> Result<(), IngestError> {
        match rate_limiter::passes(sender, self.request.context.ip, &self.request.env).await {
            true => Ok(()),
            false => Err(IngestError::RateLimited),
        }
    }

    /// Processes the query.
    async fn query(
        &mut self,
        authorized: &AuthorizedRequest<'_, 'a>,
    ) -> Result<IngestBatch<'a>, IngestError> {
        self.check_rate(&authorized.tenant.name).await?;
        let IncomingRequest { head, context, .. } = self.request;
        self.summary.bytes_in = head.query.len();
        self.reserve(head.query.len())?;
        let mut ids = EventIdGenerator::new(context.received_at, bindings::random());
        let batch = ingest::pixel(&head.query, authorized, &mut ids)?;
        self.keep(batch)
    }

    /// Reads the items of another collector's SDK, and processes them. Adds the key that the body names
    /// to `context`. What the key-value store has for its keys is put in `stored`.
    pub(super) async fn items(
        &mut self,
        protocol: Protocol,
        asked: DialectRequest<'_>,
        context: &mut RequestContext,
        stored: &'a OnceCell<Option<StoredAnswer>>,
    ) -> Result<IngestBatch<'a>, IngestError> {
        let Self { request: request @ IncomingRequest { head, env, .. }, config, .. } = *self;
        let limits = &config.larger_limits;
        // The key may be in the body.
        self.check_rate(protocol.name()).await?;
        let limit = limits.max_body_bytes;
        self.reserve(head.content_length.map_or(limit, |length| length.min(limit)))?;
        let bytes = match head.method {
            Method::Post => request.body(limit).await,
            _ => Ok(Vec::new()),
        };
        self.summary.read_ms = self.elapsed_ms();
        let bytes = bytes?;
        self.summary.bytes_in = bytes.len().max(head.query.len());
        let headers = request.headers();
        let body = RequestBody {
            content_type: head.content_type.as_deref(),
            content_encoding: head.content_encoding.as_deref(),
            bytes: &bytes,
        };
        let inflated = body::inflated(&bytes, limits);
        let items = inflated.as_deref().map_err(Clone::clone).and_then(|body| {
            let request = ProtocolRequest {
                path: asked.path,
                query: asked.query,
                content_type: asked.content_type,
                headers: &headers,
                body,
            };
            protocols::items(protocol, &request, limits)
        });
        if is_anonymous(&headers) {
            context.ip = None;
        }
        context.other_keys.extend(items.iter().filter_map(|items| items.write_key.clone()));
        let found = tenants::of_counted_request(context, env).await;
        let stored = stored.get_or_init(|| found).as_ref();
        let mut authorized = ingest::authorize(context, None, config, stored).request?;
        self.summary.tenant = Some(&authorized.tenant.name);
        authorized.check_signature(&bytes)?;
        let mut ids = EventIdGenerator::new(context.received_at, bindings::random());
        let random = bindings::random;
        let (items, set_cookie) =
            network_cookie::apply(items, protocol, &authorized, &headers, random);
        self.set_cookie = set_cookie;
        let inflated = inflated.as_deref().ok();
        let batch = ingest::items(items, protocol, &body, inflated, &authorized, &mut ids);
        // The other collector has the events of an import.
        let has_them = asked.asks_for_verdicts();
        let collector = config.tee.iter().find(|(of, _)| *of == protocol && !has_them);
        self.tee = collector
            .map(|(_, collector)| Tee::new(protocol, collector, head, &headers, context.ip, bytes));
        self.keep(batch?)
    }

    /// Delivers the records, answers, and reports the request.
    async fn end(
        &mut self,
        mut batch: Result<IngestBatch<'a>, IngestError>,
        verdicts: VerdictMode,
    ) -> Result<IngestResponse, IngestError> {
        let answer = self.settle(&mut batch).await.map(|settled| settled.response(verdicts));
        let status = answer.as_ref().map_or_else(HttpError::status, |answer| answer.status);
        self.report(batch.as_ref().ok(), status, answer.as_ref().err()).await;
        answer
    }

    /// Delivers the records, if there are any, until all have a status.
    pub(super) async fn settle<'b>(
        &mut self,
        batch: &'b mut Result<IngestBatch<'a>, IngestError>,
    ) -> Result<SettledBatch<'b, 'a>, IngestError> {
        let batch = batch.as_mut().map_err(|error| error.clone())?;
        let stats = &mut self.summary.sending;
        let delivered = deliver::deliver_all(batch, stats, self.config, &self.request.env).await;
        self.summary.bytes_out = batch.bytes();
        self.summary.counts = OutcomeCounts::unsettled(batch.beacons());
        delivered?;
        let settled = batch.settled()?;
        self.summary.counts = settled.counts();
        Ok(settled)
    }

    /// Reports the request, which is answered with `status`.
    pub(super) async fn report(
        &mut self,
        batch: Option<&IngestBatch<'a>>,
        status: u16,
        error: Option<&IngestError>,
    ) {
        self.summary.status = status;
        if let Some(error) = error {
            self.summary.record_error(error);
        }
        self.summary.total_ms = self.elapsed_ms();
        self.summary.deliver_ms = self.summary.total_ms.saturating_sub(self.summary.read_ms);
        metrics::request(&self.request.env, &self.summary, &self.config.log);
        if self.config.has_inspector {
            let report = self.inspector_report(batch, error);
            inspector_object::report(&self.request.env, self.config, report).await;
        }
    }

    /// Builds the inspector's report of the request.
    fn inspector_report(
        &self,
        batch: Option<&IngestBatch<'_>>,
        error: Option<&IngestError>,
    ) -> InspectorReport {
        let IncomingRequest { head, context, .. } = self.request;
        let info = RequestInfo {
            summary: &self.summary,
            error,
            received_at: context.received_at,
            content_type: head.content_type.as_deref(),
            content_encoding: head.content_encoding.as_deref(),
        };
        batch
            .and_then(|batch| InspectorReport::of_batch(batch, info))
            .unwrap_or_else(|| InspectorReport::of_request(info))
    }
}

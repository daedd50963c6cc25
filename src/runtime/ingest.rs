//! Accepts beacons, in a body or in the query of an image. Then reports the request to Analytics
//! Engine, the log and the inspector.

use worker::{Env, Request, Response};

use super::bindings::now_ms;
use super::request::{self, RequestHead};
use super::respond::{self, CorsScope};
use super::{bindings, deliver, inspector_object, metrics};
use crate::config::Config;
use crate::config::log_sampling::LogSampling;
use crate::ingest;
use crate::ingest::IngestBatch;
use crate::ingest::error::{HttpError, IngestError};
use crate::ingest::response::{IngestResponse, VerdictMode};
use crate::ingest::summary::{RequestKind, RequestSummary};
use crate::model::event::EventIdGenerator;
use crate::model::record::MAX_BYTES;
use crate::model::replay::ReplaySource;
use crate::model::request::RequestContext;
use crate::ops::inspector::{InspectorReport, RequestInfo};
use crate::pipeline::decode::body::RequestBody;

/// A request with beacons, and its summary so far.
struct IngestHandler<'a> {
    head: &'a RequestHead,
    context: &'a RequestContext,
    config: &'a Config,
    env: &'a Env,
    tally: RequestSummary<'a>,
}

/// Accepts the beacons in a body.
pub async fn post(
    mut request: Request,
    head: &RequestHead,
    context: &RequestContext,
    env: &Env,
) -> worker::Result<Response> {
    let kind = if head.claim.is_some() { RequestKind::Replay } else { RequestKind::Post };
    let config = match bindings::config(env) {
        Ok(config) => config,
        Err(refusal) => {
            not_configured(kind, &refusal, env);
            return respond::refused(&refusal.into(), CorsScope::of(None, context));
        }
    };
    let mut taking = IngestHandler::new(kind, head, context, &config, env);
    let planned = taking.body(&mut request).await;
    let answer = taking.end(planned, VerdictMode::of_query(&head.query)).await;
    let timing = asks_for_timing(&head.query).then(|| taking.tally.server_timing());
    respond::told(answer, CorsScope::of(Some(&config), context), timing.as_deref())
}

/// Accepts the beacon in the query of an image. Each answer is the GIF, so that no page shows a
/// broken image.
pub async fn pixel(
    head: &RequestHead,
    context: &RequestContext,
    env: &Env,
) -> worker::Result<Response> {
    let answer = match bindings::config(env) {
        Ok(config) => {
            let mut taking = IngestHandler::new(RequestKind::Pixel, head, context, &config, env);
            let planned = taking.query();
            taking.end(planned, VerdictMode::Never).await
        }
        Err(refusal) => {
            not_configured(RequestKind::Pixel, &refusal, env);
            Err(refusal)
        }
    };
    respond::pixel(&answer)
}

/// Records metrics for a request rejected because the worker is misconfigured.
fn not_configured(kind: RequestKind, refusal: &IngestError, env: &Env) {
    let mut tally = RequestSummary { kind, status: refusal.status(), ..RequestSummary::default() };
    tally.refuse(refusal);
    metrics::request(env, &tally, &LogSampling::default());
}

/// Whether `?timing=1` asks for `Server-Timing`.
fn asks_for_timing(query: &str) -> bool {
    query.split('&').any(|pair| pair == "timing=1")
}

impl<'a> IngestHandler<'a> {
    fn new(
        kind: RequestKind,
        head: &'a RequestHead,
        context: &'a RequestContext,
        config: &'a Config,
        env: &'a Env,
    ) -> Self {
        let tenant = config.tenants.find(context.write_key.as_deref());
        let tenant = tenant.map(|tenant| tenant.name.as_str());
        Self {
            head,
            context,
            config,
            env,
            tally: RequestSummary { kind, tenant, ..RequestSummary::default() },
        }
    }

    /// Time since the request arrived, in milliseconds.
    fn elapsed_ms(&self) -> u64 {
        let came = self.context.received_at.timestamp_millis();
        now_ms().saturating_sub(u64::try_from(came).unwrap_or_default())
    }

    /// Reads and processes the body.
    async fn body(&mut self, request: &mut Request) -> Result<IngestBatch<'a>, IngestError> {
        let Self { head, context, config, .. } = *self;
        let operator_key = config.operator_key.as_ref();
        let claim = head.claim.as_ref();
        let replay = claim.map(|claim| ReplaySource::parse(claim, operator_key)).transpose()?;
        ingest::admit(context, config)?;
        let limit = config.limits.max_body_bytes;
        // A replay may send a record, which is larger than its beacon was.
        let limit = if replay.is_some() { limit.max(MAX_BYTES) } else { limit };
        let bytes = request::body(request, head, limit).await;
        self.tally.read_ms = self.elapsed_ms();
        let bytes = bytes?;
        self.tally.bytes_in = bytes.len();
        let body = RequestBody {
            content_type: head.content_type.as_deref(),
            content_encoding: head.content_encoding.as_deref(),
            bytes: &bytes,
        };
        match replay {
            Some(replay) => ingest::replay(&body, replay, context, config),
            None => {
                let mut ids = EventIdGenerator::new(context.received_at, bindings::random());
                ingest::post(&body, context, config, &mut ids)
            }
        }
    }

    /// Processes the query.
    fn query(&mut self) -> Result<IngestBatch<'a>, IngestError> {
        let Self { head, context, config, .. } = *self;
        self.tally.bytes_in = head.query.len();
        let mut ids = EventIdGenerator::new(context.received_at, bindings::random());
        ingest::pixel(&head.query, context, config, &mut ids)
    }

    /// Delivers the records, answers, and reports the request.
    async fn end(
        &mut self,
        planned: Result<IngestBatch<'a>, IngestError>,
        telling: VerdictMode,
    ) -> Result<IngestResponse, IngestError> {
        let (plan, answer) = match planned {
            Err(refusal) => (None, Err(refusal)),
            Ok(mut plan) => {
                let delivered =
                    deliver::all(&mut plan, &mut self.tally.sending, self.config, self.env).await;
                self.tally.counts = plan.counts();
                self.tally.bytes_out = plan.bytes();
                let answer = delivered.map(|()| plan.answer(telling));
                (Some(plan), answer)
            }
        };
        self.tally.status = match &answer {
            Ok(answer) => answer.status,
            Err(refusal) => {
                self.tally.refuse(refusal);
                refusal.status()
            }
        };
        self.tally.total_ms = self.elapsed_ms();
        self.tally.deliver_ms = self.tally.total_ms.saturating_sub(self.tally.read_ms);
        metrics::request(self.env, &self.tally, &self.config.log);
        if self.config.inspect_token.is_some() {
            inspector_object::tell(self.env, self.told(plan.as_ref(), answer.as_ref().err())).await;
        }
        answer
    }

    /// Builds the inspector's report of the request.
    fn told(
        &self,
        plan: Option<&IngestBatch<'_>>,
        refusal: Option<&IngestError>,
    ) -> InspectorReport {
        let about = RequestInfo {
            tally: &self.tally,
            refusal,
            received_at: self.context.received_at,
            content_type: self.head.content_type.as_deref(),
            content_encoding: self.head.content_encoding.as_deref(),
        };
        plan.and_then(|plan| InspectorReport::of_plan(plan, about))
            .unwrap_or_else(|| InspectorReport::of_request(about))
    }
}

//! Serves the inspector's page and forwards its queries; and the inspector's Durable Object.

use std::cell::{Cell, RefCell};

use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::wasm_bindgen::JsValue;

use super::bindings::{now, now_ms, random};
use super::error::ApiError;
use super::io::{self, Caller};
use super::log::{self, Component};
use super::operator::allows;
use super::request::{Method, RequestHead};
use super::respond::{self, Reply};
use super::shard_client::ShardCallError;
use super::storage::Sqlite;
use super::{bindings, shard_client};
use crate::base::clock::{Milliseconds, is_ahead};
use crate::base::json::from_json;
use crate::config::Config;
use crate::config::operator_keys::OperatorRole;
use crate::model::endpoint::{InspectorQuery, InspectorRoute, ROOT};
use crate::model::event::EventIdGenerator;
use crate::ops::inspector::{Filter, InspectorReport, InspectorRows, Preface, Unreported};
use crate::shard::protocol::error::ShardError;
use crate::shard::storage::{StorageError, Table};

/// How long the object may take, in milliseconds. Requests with beacons wait for it.
const PATIENCE_MS: u64 = 500;

/// How long an object that did not answer is not called, in milliseconds.
const PAUSE_MS: u64 = 5_000;

/// The object's method for reports.
const REPORT: &str = "report";

/// The page may only run its own files and call this worker.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

thread_local! {
    /// Until when the object is not called, for all requests of this isolate.
    static PAUSED_UNTIL: Cell<Milliseconds> = const { Cell::new(0) };
    /// Requests of this isolate that the object may not know of.
    static UNREPORTED: Cell<Option<Unreported>> = const { Cell::new(None) };
}

/// Adds to the requests that the object may not know of.
fn remember(not_kept: Unreported) {
    UNREPORTED.set(Some(match UNREPORTED.take() {
        None => not_kept,
        Some(Unreported { requests, last_at }) => Unreported {
            requests: requests.saturating_add(not_kept.requests),
            last_at: last_at.max(not_kept.last_at),
        },
    }));
}

/// Reports a request to the object. This happens before the answer, so that a client that has its
/// answer finds its entries. Requests that could not be reported are counted in the next report or
/// query.
pub async fn report(env: &Env, config: &Config, mut report: InspectorReport) {
    let this = Unreported { requests: 1, last_at: now_ms() };
    if is_ahead(PAUSED_UNTIL.get(), now_ms(), PAUSE_MS) {
        return remember(this);
    }
    report.not_kept = UNREPORTED.take();
    if let Err(why) = send(&report, env, config).await {
        remember(this);
        report.not_kept.into_iter().for_each(remember);
        PAUSED_UNTIL.set(now_ms().saturating_add(PAUSE_MS));
        log::error(Component::Inspector, format_args!("requests were not reported to it: {why}"));
    }
}

async fn send(
    report: &InspectorReport,
    env: &Env,
    config: &Config,
) -> Result<Vec<u8>, ShardCallError> {
    object(REPORT, &json(report), env, config).await
}

/// Answers a request to the inspector.
pub async fn serve(
    route: InspectorRoute<'_>,
    head: &RequestHead,
    env: &Env,
) -> Result<Reply, ApiError> {
    let config = bindings::config(env)?;
    if !config.has_inspector {
        return Err(ApiError::NotFound);
    }
    match (route, head.method) {
        (InspectorRoute::Api(InspectorQuery::Reset), Method::Post) => {}
        (InspectorRoute::Api(InspectorQuery::Reset), _) => {
            return Err(ApiError::MethodNotAllowed("POST"));
        }
        (_, Method::Get | Method::Head) => {}
        (_, _) => return Err(ApiError::MethodNotAllowed("GET, HEAD")),
    }
    match route {
        // The files contain no data: the page needs the token to get any.
        InspectorRoute::Page => file("", "text/html; charset=utf-8", env).await,
        InspectorRoute::File(name) if name.ends_with(".css") => file(name, "text/css", env).await,
        InspectorRoute::File(name) => file(name, "text/javascript", env).await,
        InspectorRoute::Api(_) if !allows(OperatorRole::Inspect, head, &config, env) => {
            Err(ApiError::InspectorUnauthorized)
        }
        InspectorRoute::Api(api) => {
            // The object gets only valid queries.
            Filter::parse(&head.query)?;
            let away = |why: ShardCallError| {
                log::error(Component::Inspector, format_args!("it did not answer: {why}"));
                ApiError::InspectorUnavailable
            };
            if let Some(not_kept) = UNREPORTED.take() {
                let report =
                    InspectorReport { not_kept: Some(not_kept), ..InspectorReport::default() };
                if let Err(why) = send(&report, env, &config).await {
                    remember(not_kept);
                    return Err(away(why));
                }
            }
            let query = head.query.as_bytes();
            let answer = object(api.name(), query, env, &config).await.map_err(away)?;
            inspected(&answer)
        }
    }
}

/// Splits the object's answer: the preface on the first line, then the JSON.
fn inspected(answer: &[u8]) -> Result<Reply, ApiError> {
    let answer = String::from_utf8_lossy(answer);
    let (preface, json) = answer.split_once('\n').ok_or(ApiError::InspectorUnavailable)?;
    let preface = from_json::read::<Preface>(preface).ok_or(ApiError::InspectorUnavailable)?;
    if let Some(unproven) = preface.unproven {
        return Err(ApiError::Unproven(unproven));
    }
    Ok(respond::json_text(200, json.as_bytes().to_vec())
        .header("x-headwater-epoch", preface.epoch)
        .header("x-headwater-missing", preface.missing.to_string()))
}

/// Serves a file of the page.
async fn file(name: &str, kind: &str, env: &Env) -> Result<Reply, ApiError> {
    let bytes = io::asset(env, &format!("{ROOT}/{name}")).await;
    let bytes = bytes.map_err(|_| ApiError::NotFound)?;
    Ok(Reply::new(200)
        .header("content-type", kind)
        .header("content-security-policy", POLICY)
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer")
        .header("cache-control", "no-store")
        .body(bytes))
}

async fn object(
    method: &str,
    body: &[u8],
    env: &Env,
    config: &Config,
) -> Result<Vec<u8>, ShardCallError> {
    shard_client::inspector(method, body, PATIENCE_MS, env, config).await
}

/// The Durable Object that keeps the entries. It may be evicted at any time, and then continues
/// from its storage.
#[wasm_bindgen]
pub struct Inspector {
    storage: Sqlite,
    /// Loaded at the first call.
    rows: RefCell<Option<InspectorRows>>,
}

#[wasm_bindgen]
impl Inspector {
    #[wasm_bindgen(constructor)]
    pub fn new(storage: JsValue, _name: String, _env: Env) -> Self {
        Self { storage: Sqlite::of(storage), rows: RefCell::default() }
    }

    /// Takes a report or answers a query.
    pub fn call(&self, method: &str, body: &[u8], caller: JsValue) {
        let body = String::from_utf8_lossy(body);
        let answer = match method {
            REPORT => self.take(&body),
            query => self.read(query, &body),
        };
        let caller = Caller::new(caller);
        match answer {
            Ok(bytes) => caller.bytes(&bytes),
            Err(why) => caller.fail(&ShardError::Other(why).encode()),
        }
    }
}

impl Inspector {
    /// Calls `act` with the stored entries. After an error they are read again.
    fn with<T>(
        &self,
        act: impl FnOnce(&mut InspectorRows, &Sqlite) -> Result<T, StorageError>,
    ) -> Result<T, String> {
        let storage = &self.storage;
        let load = || {
            storage.open_table(Table::Entries)?;
            InspectorRows::load(storage, new_epoch(), now_ms())
        };
        let mut kept = self.rows.borrow_mut();
        let done = kept.take().map_or_else(load, Ok).and_then(|mut rows| {
            let done = act(&mut rows, storage)?;
            *kept = Some(rows);
            Ok(done)
        });
        done.map_err(|error| error.to_string())
    }

    /// Applies a report.
    fn take(&self, body: &str) -> Result<Vec<u8>, String> {
        let report: InspectorReport = from_json::read(body).ok_or("the report can't be read")?;
        self.with(|rows, storage| rows.take(storage, report, now_ms()))?;
        Ok(Vec::new())
    }

    /// Answers a query, after the preface.
    fn read(&self, name: &str, query: &str) -> Result<Vec<u8>, String> {
        let api = InspectorQuery::of(name).ok_or("no such question")?;
        let filter = Filter::parse(query).map_err(|error| error.to_string())?;
        self.with(|rows, storage| {
            let now = now_ms();
            let unproven = rows.buffer().prove(api, &filter).err();
            let is_proven = unproven.is_none();
            if is_proven && api == InspectorQuery::Reset {
                *rows = InspectorRows::begin(storage, new_epoch(), now)?;
            }
            let buffer = rows.buffer();
            let (epoch, missing) = (buffer.epoch().to_owned(), buffer.missing(api));
            let mut answer = json(&Preface { epoch, missing, unproven });
            answer.push(b'\n');
            if is_proven {
                answer.extend(match api {
                    InspectorQuery::All | InspectorQuery::Reset => json(&buffer.all()),
                    InspectorQuery::Ok => json(&buffer.ok_entries(&filter)),
                    InspectorQuery::Failed => json(&buffer.failed_entries(&filter)),
                    InspectorQuery::Live => json(&buffer.live(&filter, now)),
                });
            }
            Ok(answer)
        })
    }
}

/// Returns a name for a new epoch, which no other has.
fn new_epoch() -> String {
    EventIdGenerator::new(now(), random()).next_id().to_string()
}

/// Only texts and numbers, which JSON can always represent.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

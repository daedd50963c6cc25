//! Serves the inspector's page and asks the object that remembers; and that object.

use std::cell::{Cell, RefCell};

use serde::Serialize;
use worker::{DurableObject, Env, Request, Response, ResponseBuilder, State, durable_object};

use super::ask::{self, NoAnswer};
use super::environment::{self, now_ms};
use super::log::{self, Part};
use super::request::{Head, Method};
use super::{assets, respond};
use crate::clock::{Milliseconds, is_ahead};
use crate::inspect::{Api, Asked, Filter, ROOT, Ring, Told};
use crate::outcome::Refusal;

/// How long the object may take, in milliseconds; beacons wait for it.
const PATIENCE_MS: u64 = 500;

/// How long an object that did not answer is not told anything, in milliseconds.
const LEFT_ALONE_MS: u64 = 5_000;

/// Where the object is told of a request.
const TELL: &str = "/tell";

/// What the page may do: run its own files, and ask this worker.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

thread_local! {
    /// Until when the object is not told anything, for all requests of this isolate.
    static LEFT_ALONE: Cell<Milliseconds> = const { Cell::new(0) };
}

/// Tells the object of a request. It is told before the answer, so that who was answered finds
/// the stories of what they sent.
pub async fn tell(env: &Env, told: Told) {
    if is_ahead(LEFT_ALONE.get(), now_ms(), LEFT_ALONE_MS) {
        return;
    }
    let body = serde_json::to_vec(&told).unwrap_or_default();
    if let Err(why) = object(TELL, &body, env).await {
        LEFT_ALONE.set(now_ms().saturating_add(LEFT_ALONE_MS));
        log::error(Part::Inspector, format_args!("it was not told of requests: {why}"));
    }
}

/// The answer to what is `asked` of the inspector, where there is one.
pub async fn answer(asked: Asked<'_>, head: &Head, env: &Env) -> Result<Response, Refusal> {
    let config = environment::config(env)?;
    let token = config.inspect_token.as_ref().ok_or(Refusal::NotFound)?;
    match (asked, head.method) {
        (Asked::Api(Api::Reset), Method::Post) => {}
        (Asked::Api(Api::Reset), _) => return Err(Refusal::MethodNotAllowed("POST")),
        (_, Method::Get | Method::Head) => {}
        (_, _) => return Err(Refusal::MethodNotAllowed("GET, HEAD")),
    }
    match asked {
        // They hold nothing: what the page shows, it asks for with the token.
        Asked::Page => file("", "text/html; charset=utf-8", env).await,
        Asked::File(name) if name.ends_with(".css") => file(name, "text/css", env).await,
        Asked::File(name) => file(name, "text/javascript", env).await,
        Asked::Api(_) if !head.bearer.as_deref().is_some_and(|bearer| token.is(bearer)) => {
            Err(Refusal::InspectToken)
        }
        Asked::Api(api) => {
            // The object is asked only what it can answer.
            Filter::parse(&head.query)?;
            let path = format!("/{}", api.name());
            let json = object(&path, head.query.as_bytes(), env).await.map_err(|why| {
                log::error(Part::Inspector, format_args!("it did not answer: {why}"));
                Refusal::InspectorAway
            })?;
            respond::json_text(200, json).map_err(away)
        }
    }
}

/// A file of the page.
async fn file(name: &str, kind: &str, env: &Env) -> Result<Response, Refusal> {
    let bytes = assets::read(&format!("{ROOT}/{name}"), env).await;
    let bytes = bytes.map_err(|_| Refusal::NotFound)?;
    let headers = [
        ("content-type", kind),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ];
    let builder = headers.into_iter().try_fold(ResponseBuilder::new(), |builder, (name, value)| {
        builder.with_header(name, value)
    });
    Ok(builder.map_err(away)?.fixed(bytes))
}

/// Not reached: these headers are such as the runtime takes.
fn away(_: worker::Error) -> Refusal {
    Refusal::InspectorAway
}

async fn object(path: &str, body: &[u8], env: &Env) -> Result<Vec<u8>, NoAnswer> {
    ask::object("INSPECTOR", "inspector", None, path, body, PATIENCE_MS, env).await
}

/// The object that remembers, in memory only.
#[durable_object(fetch)]
pub struct Inspector {
    ring: RefCell<Ring>,
}

impl DurableObject for Inspector {
    fn new(_state: State, _env: Env) -> Self {
        Self { ring: RefCell::new(Ring::new(now_ms())) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let (path, body) = (request.path(), request.bytes().await?);
        if path == TELL {
            return match serde_json::from_str(&String::from_utf8_lossy(&body)) {
                Ok(told) => {
                    self.ring.borrow_mut().take(told, now_ms());
                    Response::empty()
                }
                Err(error) => Response::error(error.to_string(), 400),
            };
        }
        let api = path.strip_prefix('/').and_then(Api::of);
        let filter = std::str::from_utf8(&body).ok().and_then(|query| Filter::parse(query).ok());
        match (api, filter) {
            (Some(api), Some(filter)) => Response::from_bytes(self.api(api, &filter)),
            _ => Response::error("no such question", 400),
        }
    }
}

impl Inspector {
    /// The answer, as JSON.
    fn api(&self, api: Api, filter: &Filter) -> Vec<u8> {
        let ring = &mut self.ring.borrow_mut();
        match api {
            Api::All => json(&ring.totals()),
            Api::Good => json(&ring.good(filter)),
            Api::Bad => json(&ring.bad(filter)),
            Api::Live => json(&ring.live(filter, now_ms())),
            Api::Reset => {
                ring.reset(now_ms());
                json(&ring.totals())
            }
        }
    }
}

/// Texts and numbers, which JSON always takes.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

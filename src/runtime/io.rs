//! Input and output: what Rust asks of `js/host.js`, and what comes back.
//!
//! A function here starts one operation in the I/O context of the call that is under way, and
//! returns a future. JavaScript awaits the operation, and then calls [`resume`] once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::JsValue;

use super::tasks;
use crate::delivery::response::{CallResult, HttpResponse};

/// Identifies an operation. JavaScript passes it back to [`resume`].
type OperationId = u32;

/// Identifies a [`Latch`].
type LatchId = u32;

#[wasm_bindgen]
extern "C" {
    /// What JavaScript does for Rust, in `js/host.js`. No method calls back before it returns.
    pub type Host;

    #[wasm_bindgen(method)]
    fn wait(this: &Host, operation: OperationId, milliseconds: f64);
    #[wasm_bindgen(method)]
    fn cancel(this: &Host, operation: OperationId);
    #[wasm_bindgen(method)]
    fn join(this: &Host, operation: OperationId, latch: LatchId, milliseconds: f64);
    #[wasm_bindgen(method)]
    fn release(this: &Host, latch: LatchId);
    #[wasm_bindgen(method)]
    fn body(this: &Host, operation: OperationId, request: &JsValue, limit: f64);
    #[wasm_bindgen(method)]
    fn limit(this: &Host, operation: OperationId, limiter: &JsValue, key: &str);
    #[wasm_bindgen(method)]
    fn entry(
        this: &Host,
        operation: OperationId,
        store: &JsValue,
        key: &str,
        limit: f64,
        milliseconds: f64,
    );
    #[wasm_bindgen(method)]
    fn asset(this: &Host, operation: OperationId, env: &JsValue, path: &str);
    #[wasm_bindgen(method)]
    fn sha256(this: &Host, operation: OperationId, bytes: &[u8]);
    #[wasm_bindgen(method)]
    fn send(
        this: &Host,
        operation: OperationId,
        url: &str,
        headers: &str,
        body: &[u8],
        milliseconds: f64,
        aborts: bool,
    );
    #[wasm_bindgen(method)]
    fn forward(
        this: &Host,
        operation: OperationId,
        caller: &JsValue,
        method: &str,
        url: &str,
        headers: &str,
        body: &[u8],
        milliseconds: f64,
    );
    #[wasm_bindgen(method)]
    fn call(
        this: &Host,
        operation: OperationId,
        namespace: &JsValue,
        jurisdiction: Option<&str>,
        name: &str,
        location_hint: Option<&str>,
        method: &str,
        body: &[u8],
        milliseconds: f64,
    );
    #[wasm_bindgen(method)]
    fn respond(this: &Host, caller: &JsValue, status: u16, headers: &str, body: Option<&[u8]>);
    #[wasm_bindgen(method)]
    fn number(this: &Host, caller: &JsValue, number: f64);
    #[wasm_bindgen(method)]
    fn bytes(this: &Host, caller: &JsValue, bytes: &[u8]);
    #[wasm_bindgen(method)]
    fn fail(this: &Host, caller: &JsValue, error: &[u8]);
}

thread_local! {
    static HOST: RefCell<Option<Host>> = const { RefCell::new(None) };
    static OPERATIONS: RefCell<Operations> = RefCell::default();
}

/// Connects the instance to JavaScript. This is the first call of each instance.
#[wasm_bindgen]
pub fn connect(host: Host) {
    HOST.set(Some(host));
}

/// Completes an operation, and runs what waits for it.
#[wasm_bindgen]
pub fn resume(operation: u32, status: u32, number: f64, bytes: Vec<u8>) {
    OPERATIONS.with_borrow_mut(|all| all.complete(operation, Completion { status, number, bytes }));
    tasks::run();
}

/// What an operation came to. What each part means depends on the operation.
#[derive(Debug, PartialEq)]
struct Completion {
    status: u32,
    number: f64,
    bytes: Vec<u8>,
}

impl Completion {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The operations that are under way or whose completion was not read yet.
#[derive(Default)]
struct Operations {
    last: OperationId,
    last_latch: LatchId,
    states: HashMap<OperationId, OperationState>,
}

enum OperationState {
    UnderWay(Option<Waker>),
    Completed(Completion),
}

impl Operations {
    fn begin(&mut self) -> OperationId {
        self.last = self.last.wrapping_add(1);
        self.states.insert(self.last, OperationState::UnderWay(None));
        self.last
    }

    /// Stores the completion, unless nothing waits for it any more.
    fn complete(&mut self, id: OperationId, completion: Completion) {
        let Some(state) = self.states.get_mut(&id) else { return };
        if let OperationState::UnderWay(waker) =
            std::mem::replace(state, OperationState::Completed(completion))
        {
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn poll(&mut self, id: OperationId, waker: &Waker) -> Poll<Completion> {
        match self.states.get_mut(&id) {
            Some(OperationState::UnderWay(known)) => {
                match known {
                    Some(known) if known.will_wake(waker) => {}
                    known => *known = Some(waker.clone()),
                }
                Poll::Pending
            }
            _ => match self.states.remove(&id) {
                Some(OperationState::Completed(completion)) => Poll::Ready(completion),
                // Unreachable: a future is not polled after its end.
                _ => Poll::Pending,
            },
        }
    }

    /// Forgets an operation. Returns whether it was still under way.
    fn forget(&mut self, id: OperationId) -> bool {
        matches!(self.states.remove(&id), Some(OperationState::UnderWay(_)))
    }
}

/// The completion of an operation. Dropping it ignores the completion, and stops a timer.
struct Operation {
    id: OperationId,
    is_timer: bool,
}

impl Operation {
    fn begin(is_timer: bool, start: impl FnOnce(&Host, OperationId)) -> Self {
        let id = OPERATIONS.with_borrow_mut(Operations::begin);
        with_host(|host| start(host, id));
        Self { id, is_timer }
    }
}

impl Future for Operation {
    type Output = Completion;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Completion> {
        OPERATIONS.with_borrow_mut(|all| all.poll(self.id, context.waker()))
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let is_under_way = OPERATIONS.with_borrow_mut(|all| all.forget(self.id));
        if self.is_timer && is_under_way {
            with_host(|host| host.cancel(self.id));
        }
    }
}

fn with_host(act: impl FnOnce(&Host)) {
    HOST.with_borrow(|host| host.as_ref().map(act));
}

/// Waits.
pub async fn wait(milliseconds: u64) {
    Operation::begin(true, |host, id| host.wait(id, milliseconds as f64)).await;
}

/// What several requests wait for, each in its own I/O context.
#[derive(Debug)]
pub struct Latch(LatchId);

impl Default for Latch {
    /// Returns a latch of its own.
    fn default() -> Self {
        Self(OPERATIONS.with_borrow_mut(|all| {
            all.last_latch = all.last_latch.wrapping_add(1);
            all.last_latch
        }))
    }
}

impl Latch {
    /// Waits until it is released, for `milliseconds` at most.
    pub fn released(&self, milliseconds: u64) -> impl Future<Output = ()> + use<> {
        let latch = self.0;
        let joined = Operation::begin(false, |host, id| host.join(id, latch, milliseconds as f64));
        async {
            joined.await;
        }
    }

    /// Releases those that wait. It is released once, after all of them have begun to wait.
    pub fn release(&self) {
        with_host(|host| host.release(self.0));
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    TooLarge,
    /// The connection ended before the body did.
    Truncated,
}

/// Reads the body of `request`, up to `limit` bytes.
pub async fn body(request: &JsValue, limit: usize) -> Result<Vec<u8>, BodyError> {
    let body = Operation::begin(false, |host, id| host.body(id, request, limit as f64)).await;
    match body.status {
        0 => Ok(body.bytes),
        1 => Err(BodyError::TooLarge),
        _ => Err(BodyError::Truncated),
    }
}

/// Counts a request under `key`. Returns whether the rate limiter lets it pass; one that fails does.
pub async fn limit(limiter: &JsValue, key: &str) -> bool {
    Operation::begin(false, |host, id| host.limit(id, limiter, key)).await.status == 0
}

/// Why an entry of a key-value store was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryError {
    TooLarge,
    /// The store does not answer, or not in time.
    Unreadable,
}

/// Reads the entry `key` of a key-value store, up to `limit` bytes; `None` if there is none.
pub async fn entry(
    store: &JsValue,
    key: &str,
    limit: usize,
    milliseconds: u64,
) -> Result<Option<Vec<u8>>, EntryError> {
    let (limit, milliseconds) = (limit as f64, milliseconds as f64);
    let read = |host: &Host, id| host.entry(id, store, key, limit, milliseconds);
    let entry = Operation::begin(false, read).await;
    match entry.status {
        0 => Ok(Some(entry.bytes)),
        1 => Ok(None),
        2 => Err(EntryError::TooLarge),
        _ => Err(EntryError::Unreadable),
    }
}

/// Reads the file of `www` at `path`. The error is the runtime's, if there is no such file or
/// `ASSETS` is not bound.
pub async fn asset(env: &JsValue, path: &str) -> Result<Vec<u8>, String> {
    let file = Operation::begin(false, |host, id| host.asset(id, env, path)).await;
    match file.status {
        0 => Ok(file.bytes),
        _ => Err(file.text()),
    }
}

/// Returns the SHA-256 of `bytes`, which native code computes.
pub async fn sha256(bytes: &[u8]) -> Option<[u8; 32]> {
    let digest = Operation::begin(false, |host, id| host.sha256(id, bytes)).await;
    digest.bytes.try_into().ok()
}

/// Sends a signed request. `headers` are lines of a name, a space and a value. If it `aborts`, a
/// request that is too late is aborted, and not only ignored. JavaScript copies the body, which is
/// not kept here meanwhile.
pub async fn send(
    url: &str,
    headers: &str,
    body: Vec<u8>,
    milliseconds: u64,
    aborts: bool,
) -> CallResult {
    let milliseconds = milliseconds as f64;
    let sent = Operation::begin(false, |host, id| {
        host.send(id, url, headers, &body, milliseconds, aborts);
    });
    drop(body);
    let answer = sent.await;
    match answer.status {
        0 => CallResult::TimedOut,
        1 => CallResult::Starved,
        2 => CallResult::Unreachable(answer.text()),
        status => CallResult::Answered(HttpResponse {
            status: u16::try_from(status).unwrap_or_default(),
            retry_after_ms: (answer.number >= 0.0).then_some(answer.number as u64),
            body: answer.bytes,
        }),
    }
}

/// What a method of a Durable Object returned.
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectValue {
    Number(f64),
    Bytes(Vec<u8>),
}

/// Why a method of a Durable Object returned no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectError {
    /// Has the encoded error of the method.
    Rejected(Vec<u8>),
    /// The object could not be called, or did not answer in time; has the reason.
    Unreachable(String),
}

/// The address of a Durable Object.
#[derive(Debug, Clone, Copy)]
pub struct ObjectAddress<'a> {
    pub namespace: &'a JsValue,
    /// Where it may be, if not in any place.
    pub jurisdiction: Option<&'a str>,
    /// Differs by jurisdiction, too.
    pub name: &'a str,
    /// Where to create the object if it does not exist.
    pub location_hint: Option<&'a str>,
}

/// Calls `method` of a Durable Object. JavaScript copies the body, which is not kept here meanwhile.
pub async fn call(
    object: ObjectAddress<'_>,
    method: &str,
    body: Vec<u8>,
    milliseconds: u64,
) -> Result<ObjectValue, ObjectError> {
    let ObjectAddress { namespace, jurisdiction, name, location_hint } = object;
    let milliseconds = milliseconds as f64;
    let called = Operation::begin(false, |host, id| {
        host.call(id, namespace, jurisdiction, name, location_hint, method, &body, milliseconds);
    });
    drop(body);
    let answer = called.await;
    match answer.status {
        0 => Ok(ObjectValue::Number(answer.number)),
        1 => Ok(ObjectValue::Bytes(answer.bytes)),
        2 => Err(ObjectError::Rejected(answer.bytes)),
        _ => Err(ObjectError::Unreachable(answer.text())),
    }
}

/// A request to another collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedRequest {
    pub method: &'static str,
    pub url: String,
    /// Lines of a name, a space and a value.
    pub headers: String,
    pub body: Vec<u8>,
}

/// The promise that a caller in JavaScript waits for.
#[derive(Debug)]
pub struct Caller(JsValue);

impl Caller {
    pub const fn new(promise: JsValue) -> Self {
        Self(promise)
    }

    /// Answers an HTTP request. `headers` are lines of a name, a space and a value.
    pub fn respond(self, status: u16, headers: &str, body: Option<&[u8]>) {
        with_host(|host| host.respond(&self.0, status, headers, body));
    }

    /// Answers an HTTP request, as [`Self::respond`], and then sends `request` elsewhere. Returns the
    /// status of that answer; none if there was none within `milliseconds`.
    pub async fn respond_and_forward(
        self,
        respond: impl FnOnce(Self),
        request: ForwardedRequest,
        milliseconds: u64,
    ) -> Option<u16> {
        let caller = self.0.clone();
        respond(self);
        let ForwardedRequest { method, url, headers, body } = request;
        let milliseconds = milliseconds as f64;
        let forwarded = Operation::begin(false, |host, id| {
            host.forward(id, &caller, method, &url, &headers, &body, milliseconds);
        });
        drop(body);
        u16::try_from(forwarded.await.status).ok().filter(|status| *status > 0)
    }

    pub fn number(self, number: f64) {
        with_host(|host| host.number(&self.0, number));
    }

    pub fn bytes(self, bytes: &[u8]) {
        with_host(|host| host.bytes(&self.0, bytes));
    }

    /// Answers with the encoded error of a method.
    pub fn fail(self, error: &[u8]) {
        with_host(|host| host.fail(&self.0, error));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    fn begun() -> Operation {
        Operation::begin(false, |_, _| {})
    }

    fn is_empty() -> bool {
        OPERATIONS.with_borrow(|all| all.states.is_empty())
    }

    #[test]
    fn an_operation_completes_once_it_is_resumed() {
        let operation = begun();
        let (id, seen) = (operation.id, Rc::new(Cell::new(None)));
        let see = Rc::clone(&seen);
        tasks::spawn(async move { see.set(Some(operation.await)) });
        resume(id.wrapping_add(1), 9, 9.0, vec![9]);
        assert_eq!(seen.take(), None, "another one's completion");
        resume(id, 3, 0.5, vec![1, 2]);
        let completion = Completion { status: 3, number: 0.5, bytes: vec![1, 2] };
        assert_eq!(seen.take(), Some(completion));
        resume(id, 4, 0.0, Vec::new());
        assert!(seen.take().is_none() && is_empty());
    }

    #[test]
    fn a_completion_may_come_before_it_is_awaited_and_after_it_is_dropped() {
        let (early, dropped) = (begun(), begun());
        resume(early.id, 1, 0.0, Vec::new());
        let (seen, id) = (Rc::new(Cell::new(0)), dropped.id);
        let see = Rc::clone(&seen);
        tasks::spawn(async move { see.set(early.await.status) });
        assert_eq!(seen.get(), 1);
        drop(dropped);
        resume(id, 1, 0.0, Vec::new());
        assert!(is_empty());
    }
}

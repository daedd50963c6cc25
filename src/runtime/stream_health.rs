//! The health of each stream, which all requests of an isolate share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::base::clock::Milliseconds;
use crate::delivery::health::StreamHealth;
use crate::model::stream::Stream;

thread_local! {
    static HEALTH: RefCell<HashMap<Stream, Rc<RefCell<StreamHealth>>>> = RefCell::default();
}

/// Whether the batches for a stream set go to other members than `stream` at `now`.
pub fn is_avoided(stream: &Stream, now: Milliseconds) -> bool {
    known(stream).is_some_and(|health| health.borrow().is_avoided(now))
}

/// Returns the health of `stream`, if it was called.
pub fn known(stream: &Stream) -> Option<Rc<RefCell<StreamHealth>>> {
    HEALTH.with_borrow(|streams| streams.get(stream).cloned())
}

/// Returns the health of `stream`, and remembers it from now on: only for a stream that is called,
/// as a stream set may have many that are not. Callers borrow it only between awaits.
pub fn of(stream: &Stream) -> Rc<RefCell<StreamHealth>> {
    HEALTH.with_borrow_mut(|streams| Rc::clone(streams.entry(stream.clone()).or_default()))
}

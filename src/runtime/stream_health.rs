//! The health of each stream, which all requests of an isolate share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::delivery::health::StreamHealth;
use crate::model::stream::Stream;

thread_local! {
    static HEALTH: RefCell<HashMap<Stream, Rc<RefCell<StreamHealth>>>> = RefCell::default();
}

/// Returns the health of `stream`. Callers borrow it only between awaits.
pub fn of(stream: &Stream) -> Rc<RefCell<StreamHealth>> {
    HEALTH.with_borrow_mut(|streams| Rc::clone(streams.entry(stream.clone()).or_default()))
}

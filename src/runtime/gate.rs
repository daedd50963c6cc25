//! Limits the concurrent calls of one object, or of one request.
//!
//! The runtime lets six calls wait for an answer and queues further ones, whose timeouts would run
//! meanwhile. So no more are started. A gate belongs to one I/O context, in which one request may
//! wait for another.
//!
//! Source: <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;

/// The most concurrent calls.
const MAX: usize = 6;

/// The most of them that drain the spill, for which no client waits.
const MAX_DRAINS: usize = 3;

/// The purpose of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallPurpose {
    /// A client waits for the answer.
    Caller,
    /// Drains the spill.
    Spill,
}

/// Counts the concurrent calls.
#[derive(Debug)]
pub struct Gate {
    /// Whether it belongs to an object, which outlives its calls.
    is_of_object: bool,
    callers: Cell<usize>,
    drains: Cell<usize>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
}

impl Gate {
    pub const fn of_request() -> Self {
        Self::new(false)
    }

    pub const fn of_object() -> Self {
        Self::new(true)
    }

    const fn new(is_of_object: bool) -> Self {
        let (callers, drains) = (Cell::new(0), Cell::new(0));
        Self { is_of_object, callers, drains, waiting: RefCell::new(Vec::new()) }
    }

    /// Returns a slot for a call, if one is free now.
    pub fn try_enter(self: &Rc<Self>, purpose: CallPurpose) -> Option<CallSlot> {
        let (callers, drains) = (self.callers.get(), self.drains.get());
        let is_full = callers.saturating_add(drains) >= MAX
            || (purpose == CallPurpose::Spill && drains >= MAX_DRAINS);
        if is_full {
            return None;
        }
        let count = self.count(purpose);
        count.set(count.get().saturating_add(1));
        Some(CallSlot { gate: Rc::clone(self), purpose })
    }

    /// Returns the number of calls that may start now for callers.
    pub const fn free_calls(&self) -> usize {
        MAX.saturating_sub(self.callers.get().saturating_add(self.drains.get()))
    }

    /// Waits for a slot for a call.
    pub async fn enter(self: &Rc<Self>, purpose: CallPurpose) -> CallSlot {
        loop {
            match self.try_enter(purpose) {
                Some(slot) => return slot,
                None => self.changed().await,
            }
        }
    }

    /// Waits until a slot may be free, or until [`Gate::notify`] is called.
    pub async fn changed(&self) {
        let (sender, changed) = oneshot::channel();
        self.waiting.borrow_mut().push(sender);
        // A dropped sender also unblocks us.
        let _ = changed.await;
    }

    /// Wakes all waiting calls, in the order in which they arrived.
    pub fn notify(&self) {
        for waiting in self.waiting.take() {
            // The receiver may have been dropped.
            let _ = waiting.send(());
        }
    }

    const fn count(&self, purpose: CallPurpose) -> &Cell<usize> {
        match purpose {
            CallPurpose::Caller => &self.callers,
            CallPurpose::Spill => &self.drains,
        }
    }
}

/// The slot of a running call. Dropping it frees the slot.
#[derive(Debug)]
pub struct CallSlot {
    gate: Rc<Gate>,
    purpose: CallPurpose,
}

impl CallSlot {
    /// Whether the call is one of an object. The object goes on after a call that is too late, so
    /// the call must not keep its connection.
    pub fn is_of_object(&self) -> bool {
        self.gate.is_of_object
    }

    /// Frees the slot while `waits` runs, and then waits for another one.
    pub async fn released_for<T>(self, waits: impl Future<Output = T>) -> (Self, T) {
        let (gate, purpose) = (Rc::clone(&self.gate), self.purpose);
        drop(self);
        let waited = waits.await;
        (gate.enter(purpose).await, waited)
    }
}

impl Drop for CallSlot {
    fn drop(&mut self) {
        let count = self.gate.count(self.purpose);
        count.set(count.get().saturating_sub(1));
        self.gate.notify();
    }
}

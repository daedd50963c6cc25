//! Lets the calls of one object, or of one request, wait for their slots.
//!
//! A gate belongs to one I/O context, in which one request may wait for another.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;

use crate::delivery::call_slots::{CallPurpose, CallSlots};

/// Counts the concurrent calls.
#[derive(Debug)]
pub struct Gate {
    /// Whether it belongs to an object, which outlives its calls.
    is_of_object: bool,
    slots: Cell<CallSlots>,
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
        let slots = Cell::new(CallSlots::new());
        Self { is_of_object, slots, waiting: RefCell::new(Vec::new()) }
    }

    /// Returns a slot for a call, if one is free now.
    pub fn try_enter(self: &Rc<Self>, purpose: CallPurpose) -> Option<CallSlot> {
        let mut slots = self.slots.get();
        if !slots.take(purpose) {
            return None;
        }
        self.slots.set(slots);
        Some(CallSlot { gate: Rc::clone(self), purpose })
    }

    /// Returns the number of calls that may start now for callers.
    pub fn free_calls(&self) -> usize {
        self.slots.get().free_calls()
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
        let mut slots = self.gate.slots.get();
        slots.free(self.purpose);
        self.gate.slots.set(slots);
        self.gate.notify();
    }
}

//! The calls that one object, or one request, has under way at once.
//!
//! The runtime lets as many wait for an answer and queues the next, whose clock would run
//! meanwhile: so no more are begun. What is here is for one I/O context only, in which one
//! request may wait for another.
//!
//! Source: <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;

/// The most calls that are under way at once.
const MOST: usize = 6;

/// The most of them out of the spill: nobody waits for these.
const MOST_DRAINS: usize = 3;

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Somebody who waits for the answer.
    Caller,
    /// The spill.
    Spill,
}

/// Counts the calls that are under way.
#[derive(Debug, Default)]
pub struct Gate {
    callers: Cell<usize>,
    drains: Cell<usize>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
}

impl Gate {
    /// A place for a call, if there is one now.
    pub fn try_enter(self: &Rc<Self>, purpose: For) -> Option<CallSlot> {
        let (callers, drains) = (self.callers.get(), self.drains.get());
        let is_full = callers.saturating_add(drains) >= MOST
            || (purpose == For::Spill && drains >= MOST_DRAINS);
        if is_full {
            return None;
        }
        let count = self.count(purpose);
        count.set(count.get().saturating_add(1));
        Some(CallSlot { gate: Rc::clone(self), purpose })
    }

    /// A place for a call, as soon as there is one.
    pub async fn enter(self: &Rc<Self>, purpose: For) -> CallSlot {
        loop {
            match self.try_enter(purpose) {
                Some(slot) => return slot,
                None => self.changed().await,
            }
        }
    }

    /// Waits until a place may have got free, or [`Gate::notify`].
    pub async fn changed(&self) {
        let (sender, changed) = oneshot::channel();
        self.waiting.borrow_mut().push(sender);
        // It has changed as well if nobody is there to say so.
        let _ = changed.await;
    }

    /// Has all who wait look again, in the order in which they came.
    pub fn notify(&self) {
        for waiting in self.waiting.take() {
            // Who does not wait any more need not look.
            let _ = waiting.send(());
        }
    }

    const fn count(&self, purpose: For) -> &Cell<usize> {
        match purpose {
            For::Caller => &self.callers,
            For::Spill => &self.drains,
        }
    }
}

/// The place of a call that is under way; dropped, it is free.
#[derive(Debug)]
pub struct CallSlot {
    gate: Rc<Gate>,
    purpose: For,
}

impl CallSlot {
    /// Lets others call while `waits` goes on, and waits for another place then.
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

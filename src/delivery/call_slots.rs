//! Counts the concurrent calls of one object, or of one request.
//!
//! The runtime lets six calls wait for an answer and queues further ones, whose timeouts would run
//! meanwhile. So no more are started.
//!
//! Source: <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>

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

/// The calls that are running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallSlots {
    callers: usize,
    drains: usize,
}

impl CallSlots {
    pub const fn new() -> Self {
        Self { callers: 0, drains: 0 }
    }

    /// Takes a slot for a call. Returns whether one was free.
    #[must_use]
    pub const fn take(&mut self, purpose: CallPurpose) -> bool {
        let is_full = self.free_calls() == 0
            || (matches!(purpose, CallPurpose::Spill) && self.drains >= MAX_DRAINS);
        if !is_full {
            let count = self.count(purpose);
            *count = count.saturating_add(1);
        }
        !is_full
    }

    /// Frees the slot of a call that has ended, or that waits.
    pub const fn free(&mut self, purpose: CallPurpose) {
        let count = self.count(purpose);
        *count = count.saturating_sub(1);
    }

    /// Returns the number of calls that may start now for callers.
    pub const fn free_calls(&self) -> usize {
        MAX.saturating_sub(self.callers.saturating_add(self.drains))
    }

    const fn count(&mut self, purpose: CallPurpose) -> &mut usize {
        match purpose {
            CallPurpose::Caller => &mut self.callers,
            CallPurpose::Spill => &mut self.drains,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drains_leave_slots_for_callers_and_not_the_other_way_round() {
        let mut slots = CallSlots::new();
        let taken = |slots: &mut CallSlots, purpose| (0..9).filter(|_| slots.take(purpose)).count();
        assert_eq!(taken(&mut slots, CallPurpose::Spill), 3);
        assert_eq!(slots.free_calls(), 3);
        assert_eq!(taken(&mut slots, CallPurpose::Caller), 3);
        slots.free(CallPurpose::Spill);
        assert_eq!(taken(&mut slots, CallPurpose::Caller), 1);
        assert!(!slots.take(CallPurpose::Spill), "all are taken");
        (0..9).for_each(|_| slots.free(CallPurpose::Caller));
        assert_eq!(slots.free_calls(), 4, "two drains are left");
    }
}

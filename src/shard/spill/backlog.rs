//! The spilled records of one stream, and the time of their next attempt.
//!
//! Full jitter: an attempt without progress is followed by a wait of `random(0, min(cap, base *
//! 2^n))`, and any progress sets `n` to 0. If only the operator can fix the failure, attempts are
//! rare. No wait is longer than [`LONGEST_MS`], and nothing here gives up.
//!
//! Only one attempt is in flight until one has made progress, or the stream is known to accept
//! other records. Then several are, and new records need not wait behind the backlog.
//!
//! Source: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>

use super::DrainResult;
use super::cursor::RetryCursor;
use super::row::{RowState, SpillRow};
use crate::base::clock::{Milliseconds, is_ahead};
use crate::delivery::health::DeliveryError;
use crate::delivery::response::{AwsError, ErrorClass};
use crate::model::stream::Stream;

/// The first wait, in milliseconds. After temporary failures waits grow to `CAP_MS`.
pub const BASE_MS: u64 = 1_000;
const CAP_MS: u64 = 10_000;
/// The longest wait of all, for the operator or as the service asks, in milliseconds.
pub const LONGEST_MS: u64 = 60_000;
/// The shortest wait after an attempt without progress, in milliseconds.
const FLOOR_MS: u64 = 100;
/// Time after which an attempt counts as lost, in milliseconds.
const LEASE_MS: u64 = 60_000;
/// How long no attempt begins after an operator has asked for the records, in milliseconds. It is longer
/// than the operator's program waits before it asks again.
pub const HOLD_MS: u64 = 10_000;
/// The most attempts in flight for a stream that makes progress.
const MAX_ATTEMPTS: usize = 3;

/// Totals of some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowTotals {
    pub records: u64,
    /// The bytes of their values.
    pub bytes: u64,
}

/// The spilled records of one stream.
#[derive(Debug)]
pub struct Backlog {
    pub stream: Stream,
    /// Queued rows.
    pub waiting: RowTotals,
    /// Quarantined rows.
    pub quarantined: RowTotals,
    /// When the oldest queued row was spilled.
    pub oldest_at: Milliseconds,
    /// Why the last attempt gave up, if it did.
    pub problem: Option<DeliveryError>,
    /// When an attempt last made progress, since records were queued.
    pub last_drained_at: Option<Milliseconds>,
    /// The position at which the next attempt begins.
    pub cursor: RetryCursor,
    /// Attempts since the last progress.
    attempts: u32,
    /// No attempt begins before this time.
    resume_at: Milliseconds,
    /// Nor before this time: an operator is withdrawing the records.
    held_until: Milliseconds,
    /// The attempts in flight.
    leases: Vec<Lease>,
    /// Whether the last search found no row outside them.
    all_leased: bool,
    /// When the last delivery without an accepted record ended, if none was accepted since.
    stalled_at: Option<Milliseconds>,
    /// When the last attempt without progress ended, if none has made progress since.
    failed_at: Option<Milliseconds>,
}

/// An attempt in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    attempt_id: u64,
    /// The sequences of its first row and its last. No other attempt has a row between them.
    rows: (u64, u64),
    since: Milliseconds,
    /// If its end is never reported, other attempts may have its rows from this time on.
    until: Milliseconds,
}

impl Backlog {
    pub const fn new(stream: Stream) -> Self {
        Self {
            stream,
            waiting: RowTotals { records: 0, bytes: 0 },
            quarantined: RowTotals { records: 0, bytes: 0 },
            oldest_at: 0,
            problem: None,
            last_drained_at: None,
            cursor: RetryCursor::OLDEST,
            attempts: 0,
            resume_at: 0,
            held_until: 0,
            leases: Vec::new(),
            all_leased: false,
            stalled_at: None,
            failed_at: None,
        }
    }

    pub const fn is_empty(&self) -> bool {
        self.waiting.records == 0 && self.quarantined.records == 0
    }

    /// Counts `row`. If no row was queued, the first attempt is at `attempt_at`.
    pub fn add(&mut self, row: &SpillRow, attempt_at: Milliseconds) {
        if row.state == RowState::Queued && self.waiting.records == 0 {
            (self.oldest_at, self.resume_at) = (row.spilled_at, attempt_at);
            (self.problem, self.attempts, self.failed_at) = (None, 0, None);
            self.leases.clear();
            self.cursor = RetryCursor::OLDEST;
            self.last_drained_at = None;
            self.stalled_at = Some(row.spilled_at);
        }
        self.all_leased = false;
        let totals = self.totals(row.state);
        totals.records = totals.records.saturating_add(row.records.into());
        totals.bytes = totals.bytes.saturating_add(row.bytes.into());
    }

    pub fn subtract(&mut self, row: &SpillRow) {
        let totals = self.totals(row.state);
        totals.records = totals.records.saturating_sub(row.records.into());
        totals.bytes = totals.bytes.saturating_sub(row.bytes.into());
    }

    const fn totals(&mut self, state: RowState) -> &mut RowTotals {
        match state {
            RowState::Queued => &mut self.waiting,
            RowState::Quarantined => &mut self.quarantined,
        }
    }

    /// Returns when the next attempt is, if records are queued. With attempts in flight, returns
    /// when the first of them counts as lost.
    pub fn attempt_at(&self) -> Option<Milliseconds> {
        let at = self.leases.iter().map(|lease| lease.until).min().unwrap_or(self.resume_at);
        (self.waiting.records > 0).then_some(at.max(self.held_until))
    }

    pub fn is_due(&self, now: Milliseconds) -> bool {
        let one_is_lost = self.leases.iter().any(|lease| !lease.is_alive(now));
        let is_time = one_is_lost || (!self.all_leased && !waits(now, self.resume_at));
        let is_held = waits(now, self.held_until);
        self.waiting.records > 0 && is_time && !is_held && self.may_begin(now)
    }

    /// Lets no attempt begin for the next [`HOLD_MS`]. Those in flight go on.
    pub const fn hold(&mut self, now: Milliseconds) {
        self.held_until = now.saturating_add(HOLD_MS);
    }

    /// Whether an attempt is in flight at `now`.
    pub fn is_under_way(&self, now: Milliseconds) -> bool {
        self.leases.iter().any(|lease| lease.is_alive(now))
    }

    /// Whether fewer attempts are in flight at `now` than allowed.
    pub fn may_begin(&self, now: Milliseconds) -> bool {
        let max = if self.stalled_at.is_none() { MAX_ATTEMPTS } else { 1 };
        self.leases.iter().filter(|lease| lease.is_alive(now)).count() < max
    }

    /// Whether new records must wait behind it, if the stream last accepted other records at
    /// `accepting_at`. If it accepts some, they need not wait. Otherwise a stream whose records arrive
    /// faster than an attempt ends would always have a backlog.
    pub fn must_queue(&self, accepting_at: Option<Milliseconds>) -> bool {
        let takes = |at: Milliseconds| self.stalled_at.is_none_or(|stalled_at| at > stalled_at);
        self.waiting.records > 0 && !accepting_at.is_some_and(takes)
    }

    /// Records that the stream accepted other records at `now`, so an attempt is due.
    pub fn stream_accepts(&mut self, now: Milliseconds) {
        (self.stalled_at, self.failed_at, self.attempts) = (None, None, 0);
        self.resume_at = self.resume_at.min(now);
    }

    /// Records that a delivery to the stream ended at `now` with no record accepted.
    pub const fn stream_fails(&mut self, now: Milliseconds) {
        self.stalled_at = Some(now);
    }

    /// Removes lost attempts, and returns the first and the last row of each other one.
    pub fn leased(&mut self, now: Milliseconds) -> Vec<(u64, u64)> {
        self.leases.retain(|lease| lease.is_alive(now));
        self.leases.iter().map(|lease| lease.rows).collect()
    }

    /// Records that every row belongs to an attempt in flight.
    pub const fn all_is_leased(&mut self) {
        self.all_leased = true;
    }

    /// Begins an attempt at `now` with the rows between these two sequences.
    pub fn begin(&mut self, attempt_id: u64, rows: (u64, u64), now: Milliseconds) {
        let until = now.saturating_add(LEASE_MS);
        self.leases.push(Lease { attempt_id, rows, since: now, until });
    }

    /// Ends the attempt with `attempt_id`. Returns `None` if it counted as lost.
    pub fn end(&mut self, attempt_id: u64) -> Option<Lease> {
        let position = self.leases.iter().position(|lease| lease.attempt_id == attempt_id)?;
        self.all_leased = false;
        Some(self.leases.swap_remove(position))
    }

    /// Schedules the attempt after `lease`, which ended at `now`, and sets its position.
    ///
    /// If the attempt failed on record content and the stream has not accepted anything yet, the
    /// next attempt starts at `next_cursor`. So poison records cannot block the backlog.
    pub fn schedule_next(
        &mut self,
        lease: Lease,
        ended: AttemptEnd,
        now: Milliseconds,
        random: u32,
    ) {
        let AttemptEnd { progress, next_cursor, problem, cooldown_ms } = ended;
        let cooldown_ms = cooldown_ms.min(LONGEST_MS);
        match progress {
            DrainProgress::Yes => {
                (self.stalled_at, self.failed_at) = (None, None);
                (self.attempts, self.cursor) = (0, RetryCursor::OLDEST);
                self.resume_at = now.saturating_add(cooldown_ms);
                self.last_drained_at = Some(now);
            }
            DrainProgress::No => {
                // Attempts that were in flight together and failed together count as one.
                let is_known = self.failed_at.is_some_and(|at| lease.since < at && at <= now);
                let is_counted = !is_known && problem != Some(DeliveryError::BreakerOpen);
                let wait_ms = match problem == Some(DeliveryError::BreakerOpen) {
                    // The breaker knows when to retry, and nothing was sent.
                    true => FLOOR_MS,
                    false => wait_ms(self.attempts, problem.as_ref(), random),
                };
                let resume_at = now.saturating_add(wait_ms.max(cooldown_ms));
                self.resume_at = if is_known { self.resume_at.min(resume_at) } else { resume_at };
                self.attempts = self.attempts.saturating_add(is_counted.into());
                (self.stalled_at, self.failed_at) = (Some(now), Some(now));
                if problem.as_ref().is_some_and(is_of_bytes) {
                    self.cursor = next_cursor;
                }
            }
        }
        self.problem = problem;
    }

    /// Records that it could not be read at `now`. Nothing was sent, but the next attempt must
    /// wait.
    pub fn is_unread(&mut self, now: Milliseconds) {
        let wait_ms = wait_ms(self.attempts, self.problem.as_ref(), u32::MAX);
        self.resume_at = now.saturating_add(wait_ms);
        self.attempts = self.attempts.saturating_add(1);
    }
}

impl Lease {
    const fn is_alive(&self, now: Milliseconds) -> bool {
        waits(now, self.until)
    }
}

/// The result of an attempt.
#[derive(Debug)]
pub struct AttemptEnd {
    pub progress: DrainProgress,
    /// The position after its last row.
    pub next_cursor: RetryCursor,
    /// Why its delivery gave up, if it did.
    pub problem: Option<DeliveryError>,
    /// How long the stream is paused, in milliseconds.
    pub cooldown_ms: u64,
}

/// Whether an attempt has made the backlog smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainProgress {
    Yes,
    No,
}

impl DrainProgress {
    /// Whether `progress` has any record; `No` if it is unknown.
    pub fn of(progress: Option<&DrainResult>) -> Self {
        match progress {
            Some(DrainResult { accepted: 0, failed: 0, quarantined: 0, .. }) | None => Self::No,
            Some(_) => Self::Yes,
        }
    }
}

/// Whether `at` is in the future. Ignores a time further away than the longest wait.
const fn waits(now: Milliseconds, at: Milliseconds) -> bool {
    is_ahead(at, now, LONGEST_MS)
}

/// Returns the wait after `attempts` attempts and one more, all without progress.
fn wait_ms(attempts: u32, problem: Option<&DeliveryError>, random: u32) -> u64 {
    let (least, max) = match problem {
        Some(problem) if is_operators(problem) => (LONGEST_MS / 2, LONGEST_MS),
        _ => (0, BASE_MS.saturating_mul(1 << attempts.min(16)).min(CAP_MS)),
    };
    let span = max.saturating_sub(least).saturating_add(1);
    let jitter = span.saturating_mul(random.into()) >> u32::BITS;
    least.saturating_add(jitter).max(FLOOR_MS)
}

/// Whether only the operator can fix the failure, so that attempts may be rare.
fn is_operators(problem: &DeliveryError) -> bool {
    match problem {
        DeliveryError::Rejected(error) => {
            matches!(error.class, ErrorClass::Config | ErrorClass::ClockSkew)
        }
        DeliveryError::NotSent(_) => true,
        DeliveryError::Unknown(_)
        | DeliveryError::TimedOut
        | DeliveryError::Starved
        | DeliveryError::Unreachable(_)
        | DeliveryError::BreakerOpen => false,
    }
}

/// Whether the error's code can mean that a record's content is rejected, whatever its class.
fn is_of_bytes(problem: &DeliveryError) -> bool {
    let DeliveryError::Rejected(AwsError { code, message, .. }) = problem else { return false };
    AwsError::of_record(code.clone(), message.clone()).class == ErrorClass::InvalidRecord
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, class: ErrorClass) -> Option<DeliveryError> {
        let error = AwsError { class, code: code.to_owned(), message: String::new() };
        Some(DeliveryError::Rejected(error))
    }

    fn backlog() -> Backlog {
        let stream = Stream::parse("firehose:events").unwrap();
        let waiting = RowTotals { records: 1, bytes: 1 };
        Backlog { waiting, ..Backlog::new(stream) }
    }

    #[test]
    fn the_wait_doubles_up_to_the_cap_and_is_spread_evenly() {
        let throttled = || refused("ThrottlingException", ErrorClass::Throttled);
        let denied = || refused("AccessDeniedException", ErrorClass::Config);
        for (attempts, problem, least, middle, max) in [
            (0, None, 100, 500, 1_000),
            (0, throttled(), 100, 500, 1_000),
            (1, throttled(), 100, 1_000, 2_000),
            (3, Some(DeliveryError::TimedOut), 100, 4_000, 8_000),
            (4, Some(DeliveryError::Starved), 100, 5_000, 10_000),
            (u32::MAX, throttled(), 100, 5_000, 10_000),
            (0, denied(), 30_000, 45_000, 60_000),
            (9, denied(), 30_000, 45_000, 60_000),
            (0, Some(DeliveryError::NotSent("no key".to_owned())), 30_000, 45_000, 60_000),
            (0, refused("RequestExpired", ErrorClass::ClockSkew), 30_000, 45_000, 60_000),
        ] {
            let wait = |random| wait_ms(attempts, problem.as_ref(), random);
            assert_eq!(
                (wait(0), wait(1 << 31), wait(u32::MAX)),
                (least, middle, max),
                "{attempts} {problem:?}"
            );
        }
    }

    /// Ends an attempt of some row, which also began at `now`.
    fn ends(
        backlog: &mut Backlog,
        progress: DrainProgress,
        problem: DeliveryError,
        cooldown_ms: u64,
        now: Milliseconds,
    ) {
        backlog.begin(77, (1, 1), now);
        let lease = backlog.end(77).unwrap();
        let (next_cursor, problem) = (RetryCursor::OLDEST, Some(problem));
        let ended = AttemptEnd { progress, next_cursor, problem, cooldown_ms };
        backlog.schedule_next(lease, ended, now, u32::MAX);
    }

    #[test]
    fn progress_is_followed_by_the_next_attempt_at_once() {
        use DrainProgress::{No, Yes};
        let mut backlog = backlog();
        for attempts in 0..3 {
            ends(&mut backlog, No, DeliveryError::TimedOut, 0, 10);
            assert_eq!(backlog.attempt_at(), Some(10 + (1_000 << attempts)));
        }
        ends(&mut backlog, Yes, DeliveryError::TimedOut, 0, 10);
        assert!(backlog.is_due(10));
        ends(&mut backlog, No, DeliveryError::TimedOut, 0, 10);
        assert_eq!(backlog.attempt_at(), Some(1_010), "as after the first");
        ends(&mut backlog, Yes, DeliveryError::BreakerOpen, 7_000, 10);
        assert_eq!(backlog.attempt_at(), Some(7_010));
        ends(&mut backlog, No, DeliveryError::TimedOut, 7_000, 10);
        assert_eq!(backlog.attempt_at(), Some(7_010));
        ends(&mut backlog, No, DeliveryError::TimedOut, u64::MAX, 10);
        assert_eq!(backlog.attempt_at(), Some(10 + LONGEST_MS), "whatever was asked for");
    }

    #[test]
    fn a_try_that_an_open_breaker_ends_doubles_no_wait() {
        let mut backlog = backlog();
        for _ in 0..9 {
            ends(&mut backlog, DrainProgress::No, DeliveryError::BreakerOpen, 300, 10);
            assert_eq!(backlog.attempt_at(), Some(310));
        }
        ends(&mut backlog, DrainProgress::No, DeliveryError::TimedOut, 0, 10);
        assert_eq!(backlog.attempt_at(), Some(1_010));
    }

    #[test]
    fn tries_that_fail_together_are_one() {
        let mut backlog = backlog();
        backlog.stream_accepts(0);
        for attempt_id in 1..=3 {
            assert!(backlog.is_due(0));
            backlog.begin(attempt_id, (attempt_id, attempt_id), 0);
        }
        for (attempt_id, now) in [(2, 5_000), (1, 5_001), (3, 5_002)] {
            let lease = backlog.end(attempt_id).unwrap();
            let (progress, next_cursor) = (DrainProgress::No, RetryCursor::OLDEST);
            let problem = Some(DeliveryError::TimedOut);
            let ended = AttemptEnd { progress, next_cursor, problem, cooldown_ms: 0 };
            backlog.schedule_next(lease, ended, now, u32::MAX);
        }
        assert_eq!(backlog.attempt_at(), Some(6_000));
        ends(&mut backlog, DrainProgress::No, DeliveryError::TimedOut, 0, 6_000);
        assert_eq!(backlog.attempt_at(), Some(8_000), "the second wait");
    }

    #[test]
    fn one_attempt_runs_until_the_stream_accepts_then_three() {
        let mut backlog = backlog();
        backlog.stream_fails(0);
        backlog.begin(1, (1, 1), 0);
        assert!(!backlog.is_due(0) && !backlog.is_due(59_999) && backlog.is_due(60_000));
        backlog.stream_accepts(1);
        for attempt_id in 2..=3 {
            assert!(backlog.is_due(1), "{attempt_id}");
            backlog.begin(attempt_id, (attempt_id, attempt_id), 1);
        }
        assert!(!backlog.is_due(1));
        assert_eq!(backlog.leased(60_000), [(2, 2), (3, 3)], "the first is lost");
        assert!(backlog.end(1).is_none() && backlog.end(3).is_some() && backlog.end(3).is_none());
        backlog.all_is_leased();
        assert!(!backlog.is_due(60_000), "until one of them ends");
        assert!(backlog.end(2).is_some() && backlog.is_due(60_000));
    }

    #[test]
    fn new_records_queue_behind_a_failing_streams_backlog() {
        let mut backlog = backlog();
        backlog.stream_fails(100);
        for (accepting_at, must_queue) in
            [(None, true), (Some(99), true), (Some(100), true), (Some(101), false)]
        {
            assert_eq!(backlog.must_queue(accepting_at), must_queue, "{accepting_at:?}");
        }
        backlog.stream_accepts(200);
        assert!(!backlog.must_queue(Some(50)));
        assert!(backlog.must_queue(None), "its breaker is open");
        ends(&mut backlog, DrainProgress::No, DeliveryError::TimedOut, 0, 300);
        assert!(backlog.must_queue(Some(250)));
        ends(&mut backlog, DrainProgress::Yes, DeliveryError::TimedOut, 0, 400);
        assert!(!backlog.must_queue(Some(400)));
        backlog.waiting.records = 0;
        assert!(!backlog.must_queue(None));
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let mut backlog = backlog();
        ends(&mut backlog, DrainProgress::No, DeliveryError::TimedOut, 0, 3_600_000);
        assert!(!backlog.is_due(3_600_000) && backlog.is_due(1_000));
        backlog.begin(1, (1, 1), 3_600_000);
        assert!(backlog.may_begin(1_000));
    }
}

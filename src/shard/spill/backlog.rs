//! What of one stream is in the spill, and when it is tried again.
//!
//! Full jitter: a try without progress is followed by a wait of `random(0, min(cap, base *
//! 2^n))`, any progress sets `n` to 0, and what only the operator can mend is tried slowly.
//! Nothing here gives up.
//!
//! Source: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>

use super::Progress;
use super::place::Place;
use super::row::{Row, Shelf};
use crate::clock::{Milliseconds, is_ahead};
use crate::sink::Stream;
use crate::sink::answer::{Blame, Refusal};
use crate::sink::health::Problem;

/// The first wait, and the longest.
pub const BASE_MS: u64 = 1_000;
const CAP_MS: u64 = 60_000;
/// The shortest wait after a try without progress.
const FLOOR_MS: u64 = 100;
/// How long a try may take before it counts as lost.
const LEASE_MS: u64 = 60_000;

/// Rows together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Their records.
    pub records: u64,
    /// The bytes of their values.
    pub bytes: u64,
}

/// What of one stream is in the spill.
#[derive(Debug)]
pub struct Backlog {
    /// Whose records.
    pub stream: Stream,
    /// What is tried again.
    pub waiting: Tally,
    /// What is only kept.
    pub set_aside: Tally,
    /// When the oldest of what waits came.
    pub oldest_at: Milliseconds,
    /// Why the last try did not take all, when it did not.
    pub problem: Option<Problem>,
    /// When a try last made it smaller, since something waits.
    pub last_drained_at: Option<Milliseconds>,
    /// Where the next try begins.
    pub place: Place,
    /// Tries since the last progress.
    tries: u32,
    /// Not before this time.
    resume_at: Milliseconds,
    lease: Option<Lease>,
}

/// The right to end the try that is under way.
#[derive(Debug, Clone, Copy)]
struct Lease {
    ticket: u64,
    /// How many records it is of.
    records: u64,
    /// If its end is never heard of, another may begin then.
    until: Milliseconds,
}

impl Backlog {
    /// An empty one.
    pub const fn new(stream: Stream) -> Self {
        Self {
            stream,
            waiting: Tally { records: 0, bytes: 0 },
            set_aside: Tally { records: 0, bytes: 0 },
            oldest_at: 0,
            problem: None,
            last_drained_at: None,
            place: Place::OLDEST,
            tries: 0,
            resume_at: 0,
            lease: None,
        }
    }

    /// Whether nothing is left of it.
    pub const fn is_empty(&self) -> bool {
        self.waiting.records == 0 && self.set_aside.records == 0
    }

    /// Takes in that `row` is there. Where nothing waited, the first try is at `try_at`.
    pub fn add(&mut self, row: &Row, try_at: Milliseconds) {
        if row.shelf == Shelf::Waiting && self.waiting.records == 0 {
            (self.oldest_at, self.resume_at) = (row.spilled_at, try_at);
            (self.problem, self.tries, self.lease) = (None, 0, None);
            self.place = Place::OLDEST;
            self.last_drained_at = None;
        }
        let tally = self.tally(row.shelf);
        tally.records = tally.records.saturating_add(row.records.into());
        tally.bytes = tally.bytes.saturating_add(row.bytes.into());
    }

    /// Takes in that `row` is gone.
    pub fn subtract(&mut self, row: &Row) {
        let tally = self.tally(row.shelf);
        tally.records = tally.records.saturating_sub(row.records.into());
        tally.bytes = tally.bytes.saturating_sub(row.bytes.into());
    }

    const fn tally(&mut self, shelf: Shelf) -> &mut Tally {
        match shelf {
            Shelf::Waiting => &mut self.waiting,
            Shelf::SetAside => &mut self.set_aside,
        }
    }

    /// When it is to be tried; never where nothing waits.
    pub fn try_at(&self) -> Option<Milliseconds> {
        let at = self.lease.map_or(self.resume_at, |lease| lease.until);
        (self.waiting.records > 0).then_some(at)
    }

    /// Whether it is to be tried at `now`.
    pub fn is_due(&self, now: Milliseconds) -> bool {
        self.try_at().is_some_and(|at| !waits(now, at))
    }

    /// Whether a try is under way at `now`.
    pub fn is_under_way(&self, now: Milliseconds) -> bool {
        self.lease.is_some_and(|lease| waits(now, lease.until))
    }

    /// Whether new records have to wait behind it. While a try of all that waits is under way,
    /// and the one before did not fail, they need not: else a stream whose records come faster
    /// than a try ends would never get rid of it.
    pub fn holds_back(&self) -> bool {
        let under_way = self.lease.filter(|_| self.tries == 0).map_or(0, |lease| lease.records);
        self.waiting.records > under_way
    }

    /// Begins a try of that many `records` at `now`.
    pub const fn begin(&mut self, ticket: u64, records: u64, now: Milliseconds) {
        self.lease = Some(Lease { ticket, records, until: now.saturating_add(LEASE_MS) });
    }

    /// Ends the try that began with `ticket`, unless another has begun since.
    pub fn end(&mut self, ticket: u64) -> bool {
        self.lease.take_if(|lease| lease.ticket == ticket).is_some()
    }

    /// Sets when the next try is, after one that ended at `now` with or without `progress`,
    /// and after which the stream is to be left alone for `left_alone_ms`; and where it begins.
    /// Where the one that ended, before `behind`, was refused for its bytes and nobody knows that
    /// the stream takes any, so that it may be the stream, the next is of what comes behind: else
    /// a few records that the stream never takes would hold back all others.
    pub fn pace(
        &mut self,
        progress: Progressed,
        behind: Place,
        problem: Option<Problem>,
        left_alone_ms: u64,
        now: Milliseconds,
        random: u32,
    ) {
        let wait_ms = match progress {
            Progressed::Yes => 0,
            Progressed::No => wait_ms(self.tries, problem.as_ref(), random),
        };
        self.tries = match progress {
            Progressed::Yes => 0,
            Progressed::No => self.tries.saturating_add(1),
        };
        self.place = match progress {
            Progressed::Yes => Place::OLDEST,
            Progressed::No if problem.as_ref().is_some_and(is_of_bytes) => behind,
            Progressed::No => self.place,
        };
        self.resume_at = now.saturating_add(wait_ms.max(left_alone_ms));
        self.problem = problem;
        if progress == Progressed::Yes {
            self.last_drained_at = Some(now);
        }
    }
}

/// Whether a try has made the backlog smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progressed {
    /// By a record or more.
    Yes,
    /// Not at all.
    No,
}

impl Progressed {
    /// Whether there was this much `progress`; none where it is not known.
    pub fn of(progress: Option<&Progress>) -> Self {
        match progress {
            Some(Progress { accepted: 0, failed: 0, set_aside: 0, .. }) | None => Self::No,
            Some(_) => Self::Yes,
        }
    }
}

/// Whether `at` is to come; no wait is longer than the longest.
const fn waits(now: Milliseconds, at: Milliseconds) -> bool {
    is_ahead(at, now, CAP_MS)
}

/// The wait after `tries` tries and one more, all without progress.
fn wait_ms(tries: u32, problem: Option<&Problem>, random: u32) -> u64 {
    let (least, most) = match problem {
        Some(problem) if is_operators(problem) => (CAP_MS / 2, CAP_MS),
        _ => (0, BASE_MS.saturating_mul(1 << tries.min(16)).min(CAP_MS)),
    };
    let span = most.saturating_sub(least).saturating_add(1);
    let jitter = span.saturating_mul(random.into()) >> u32::BITS;
    least.saturating_add(jitter).max(FLOOR_MS)
}

/// Whether only the operator can mend it, so that there is no hurry.
fn is_operators(problem: &Problem) -> bool {
    match problem {
        Problem::Refused(refusal) => matches!(refusal.blame, Blame::Operator | Blame::Clock),
        Problem::NotSent(_) => true,
        Problem::Unknown(_)
        | Problem::TimedOut
        | Problem::Unreachable(_)
        | Problem::BreakerOpen => false,
    }
}

/// Whether a stream refused bytes that it may refuse for what they are, whoever was blamed.
fn is_of_bytes(problem: &Problem) -> bool {
    let Problem::Refused(Refusal { code, message, .. }) = problem else { return false };
    Refusal::of_record(code.clone(), message.clone()).blame == Blame::Request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, blame: Blame) -> Option<Problem> {
        let refusal = Refusal { blame, code: code.to_owned(), message: String::new() };
        Some(Problem::Refused(refusal))
    }

    fn backlog() -> Backlog {
        let stream = Stream::parse("firehose:events").unwrap();
        let waiting = Tally { records: 1, bytes: 1 };
        Backlog { waiting, ..Backlog::new(stream) }
    }

    #[test]
    fn the_wait_doubles_up_to_the_cap_and_is_spread_evenly() {
        let throttled = || refused("ThrottlingException", Blame::Throttle);
        let denied = || refused("AccessDeniedException", Blame::Operator);
        for (tries, problem, least, middle, most) in [
            (0, None, 100, 500, 1_000),
            (0, throttled(), 100, 500, 1_000),
            (1, throttled(), 100, 1_000, 2_000),
            (5, Some(Problem::TimedOut), 100, 16_000, 32_000),
            (6, Some(Problem::BreakerOpen), 100, 30_000, 60_000),
            (u32::MAX, throttled(), 100, 30_000, 60_000),
            (0, denied(), 30_000, 45_000, 60_000),
            (9, denied(), 30_000, 45_000, 60_000),
            (0, Some(Problem::NotSent("no key".to_owned())), 30_000, 45_000, 60_000),
            (0, refused("RequestExpired", Blame::Clock), 30_000, 45_000, 60_000),
        ] {
            let wait = |random| wait_ms(tries, problem.as_ref(), random);
            assert_eq!(
                (wait(0), wait(1 << 31), wait(u32::MAX)),
                (least, middle, most),
                "{tries} {problem:?}"
            );
        }
    }

    #[test]
    fn any_progress_is_followed_by_the_next_try_at_once_unless_the_stream_is_left_alone() {
        let mut backlog = backlog();
        for tries in 0..3 {
            backlog.pace(Progressed::No, Place::OLDEST, Some(Problem::TimedOut), 0, 10, u32::MAX);
            assert_eq!(backlog.try_at(), Some(10 + (1_000 << tries)));
        }
        backlog.pace(Progressed::Yes, Place::OLDEST, Some(Problem::TimedOut), 0, 10, u32::MAX);
        assert!(backlog.is_due(10));
        backlog.pace(Progressed::No, Place::OLDEST, Some(Problem::TimedOut), 0, 10, u32::MAX);
        assert_eq!(backlog.try_at(), Some(1_010), "as after the first");
        backlog.pace(Progressed::Yes, Place::OLDEST, Some(Problem::BreakerOpen), 7_000, 10, 0);
        assert_eq!(backlog.try_at(), Some(7_010));
        backlog.pace(Progressed::No, Place::OLDEST, Some(Problem::TimedOut), 7_000, 10, 0);
        assert_eq!(backlog.try_at(), Some(7_010));
    }

    #[test]
    fn one_try_is_under_way_at_a_time_and_one_that_is_lost_holds_nothing_up() {
        let mut backlog = backlog();
        backlog.begin(1, 1, 0);
        assert!(backlog.is_under_way(59_999) && !backlog.is_under_way(60_000));
        assert!(!backlog.is_due(59_999) && backlog.is_due(60_000));
        backlog.begin(3, 1, 60_000);
        assert!(!backlog.end(1), "its place was taken");
        assert!(backlog.end(3) && !backlog.end(3));
    }

    #[test]
    fn new_records_wait_until_all_that_is_left_of_a_backlog_that_shrinks_is_under_way() {
        let mut backlog = backlog();
        backlog.waiting.records = 3;
        backlog.pace(Progressed::No, Place::OLDEST, Some(Problem::TimedOut), 0, 10, 0);
        assert!(backlog.holds_back());
        backlog.begin(1, 3, 10);
        assert!(backlog.holds_back(), "the try before failed");
        assert!(backlog.end(1));
        backlog.waiting.records = 2;
        backlog.pace(Progressed::Yes, Place::OLDEST, None, 0, 10, 0);
        assert!(backlog.holds_back());
        backlog.begin(2, 1, 10);
        assert!(backlog.holds_back(), "one is left behind");
        assert!(backlog.end(2));
        backlog.begin(3, 2, 10);
        assert!(!backlog.holds_back());
        backlog.waiting.records = 3;
        assert!(backlog.holds_back(), "one came since");
        assert!(backlog.end(3));
        assert!(backlog.holds_back());
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let mut backlog = backlog();
        backlog.pace(
            Progressed::No,
            Place::OLDEST,
            Some(Problem::TimedOut),
            0,
            3_600_000,
            u32::MAX,
        );
        assert!(!backlog.is_due(3_600_000) && backlog.is_due(1_000));
        backlog.begin(1, 1, 3_600_000);
        assert!(!backlog.is_under_way(1_000));
    }
}

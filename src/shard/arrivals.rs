//! How many requests a stream has received lately. It decides whether a batch is worth its wait.

use crate::base::clock::Milliseconds;
use crate::model::stream_set::StreamSet;

/// The requests of about the last second, by stream or stream set.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// The number of the current request.
    request: u64,
    streams: Vec<(StreamSet, Recent)>,
}

/// The requests of a stream in the last two whole seconds of the clock.
#[derive(Debug, Clone, Copy)]
struct Recent {
    second: u64,
    in_second: u32,
    in_second_before: u32,
    last_request: u64,
}

impl Arrivals {
    const SECOND_MS: u64 = 1_000;

    /// Begins a request. All records until the next one belong to it.
    pub const fn next_request(&mut self) {
        self.request = self.request.wrapping_add(1);
    }

    /// Counts the current request for `to`, once. Returns the thousandths of a request that came
    /// in the second before it.
    pub fn count(&mut self, to: &StreamSet, now: Milliseconds) -> u64 {
        let request = self.request;
        if let Some((_, recent)) = self.streams.iter_mut().find(|(of, _)| of == to) {
            let before = recent.thousandths(now);
            if recent.last_request != request {
                recent.add(request, now);
            }
            return before;
        }
        // Only streams that are in use stay.
        self.streams.retain(|(_, recent)| recent.thousandths(now) > 0);
        let second = now / Self::SECOND_MS;
        let recent = Recent { second, in_second: 1, in_second_before: 0, last_request: request };
        self.streams.push((to.clone(), recent));
        0
    }
}

impl Recent {
    /// Returns the thousandths of a request in the last 1,000 ms, as if those of the second before
    /// had come evenly. If the clock was set back, there are none.
    fn thousandths(&self, now: Milliseconds) -> u64 {
        let Self { in_second, in_second_before, .. } = self.at(now);
        let still = Arrivals::SECOND_MS.saturating_sub(now % Arrivals::SECOND_MS);
        let whole = u64::from(in_second).saturating_mul(Arrivals::SECOND_MS);
        whole.saturating_add(u64::from(in_second_before).saturating_mul(still))
    }

    fn add(&mut self, request: u64, now: Milliseconds) {
        *self = self.at(now);
        self.in_second = self.in_second.saturating_add(1);
        self.last_request = request;
    }

    /// Returns the counts as they are in the second of `now`.
    fn at(self, now: Milliseconds) -> Self {
        let second = now / Arrivals::SECOND_MS;
        let (in_second, in_second_before) = match second.checked_sub(self.second) {
            Some(0) => (self.in_second, self.in_second_before),
            Some(1) => (0, self.in_second),
            _ => (0, 0),
        };
        Self { second, in_second, in_second_before, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str) -> StreamSet {
        StreamSet::parse(name).unwrap()
    }

    /// Returns the thousandths of a request before each of these, all of one stream.
    fn before(times: &[Milliseconds]) -> Vec<u64> {
        let (mut arrivals, events) = (Arrivals::default(), stream("firehose:events"));
        let count = |now: &Milliseconds| {
            arrivals.next_request();
            arrivals.count(&events, *now)
        };
        times.iter().map(count).collect()
    }

    #[test]
    fn requests_count_for_about_a_second() {
        assert_eq!(before(&[5_000, 5_000, 5_999]), [0, 1_000, 2_000]);
        assert_eq!(before(&[5_000, 5_500, 6_000]), [0, 1_000, 2_000]);
        assert_eq!(before(&[5_000, 6_500, 6_999]), [0, 500, 1_001]);
        assert_eq!(before(&[5_900, 7_000]), [0, 0]);
        assert_eq!(before(&[5_000, 900_000]), [0, 0]);
    }

    #[test]
    fn an_even_rate_is_measured_at_any_moment() {
        let times: Vec<u64> = (0..100).map(|index| 50_000 + index * 100).collect();
        let measured = before(&times);
        assert!(measured[20..].iter().all(|it| (9_000..=11_000).contains(it)), "{measured:?}");
    }

    #[test]
    fn a_clock_that_is_set_back_forgets_requests() {
        assert_eq!(before(&[9_000, 9_000, 1_000, 1_000]), [0, 1_000, 0, 1_000]);
    }

    #[test]
    fn a_request_counts_once_for_each_of_its_streams() {
        let mut arrivals = Arrivals::default();
        let (events, orders) = (stream("firehose:events"), stream("firehose:orders"));
        for request in 0..3 {
            arrivals.next_request();
            assert_eq!(arrivals.count(&events, 0), request * 1_000);
            assert_eq!(arrivals.count(&events, 0), (request + 1) * 1_000);
            assert_eq!(arrivals.count(&orders, 0), request * 1_000);
        }
        assert_eq!(arrivals.streams.len(), 2);
        arrivals.next_request();
        arrivals.count(&stream("firehose:others"), 5_000);
        assert_eq!(arrivals.streams.len(), 1, "those that nobody uses are forgotten");
    }
}

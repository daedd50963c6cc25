//! Groups records into calls within a service's limits.
//!
//! Counts bytes as encoded and keeps the order. A call is closed if the next record would not fit,
//! so none exceeds a limit.

use std::collections::VecDeque;

/// The limits of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    pub records: usize,
    /// Bytes of the records as encoded.
    pub bytes: usize,
}

/// The indices of the records of one call.
pub type CallIndices = Vec<usize>;

/// Splits records of the given encoded lengths into calls. A record that exceeds the limit of bytes
/// goes alone.
pub fn calls(
    encoded_lengths: impl IntoIterator<Item = usize>,
    limits: RequestLimits,
) -> VecDeque<CallIndices> {
    let mut calls = VecDeque::new();
    let (mut call, mut bytes) = (CallIndices::new(), 0_usize);
    for (index, length) in encoded_lengths.into_iter().enumerate() {
        let full = call.len() >= limits.records || bytes.saturating_add(length) > limits.bytes;
        if full && !call.is_empty() {
            calls.push_back(std::mem::take(&mut call));
            bytes = 0;
        }
        call.push(index);
        bytes = bytes.saturating_add(length);
    }
    if !call.is_empty() {
        calls.push_back(call);
    }
    calls
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_call_closes_when_the_next_record_would_not_fit() {
        let limits = RequestLimits { records: 3, bytes: 10 };
        let cases: [(&[usize], &[&[usize]]); 5] = [
            (&[], &[]),
            (&[1, 1, 1, 1], &[&[0, 1, 2], &[3]]),
            (&[5, 5, 1], &[&[0, 1], &[2]]),
            (&[5, 6], &[&[0], &[1]]),
            (&[1, 11, 1], &[&[0], &[1], &[2]]),
        ];
        for (lengths, expected) in cases {
            assert_eq!(calls(lengths.iter().copied(), limits), expected, "{lengths:?}");
        }
    }

    proptest! {
        #[test]
        fn calls_hold_every_record_once_in_order_within_the_limits(
            lengths in proptest::collection::vec(1_usize..100, 0..200), records in 1_usize..20, bytes in 100_usize..500,
        ) {
            let calls = calls(lengths.iter().copied(), RequestLimits { records, bytes });
            for call in &calls {
                prop_assert!((1..=records).contains(&call.len()));
                prop_assert!(call.iter().map(|index| lengths[*index]).sum::<usize>() <= bytes);
            }
            let all: Vec<usize> = calls.into_iter().flatten().collect();
            prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
        }
    }
}

//! Aggregates events into the records that a stream is billed for.
//!
//! Firehose bills each record rounded up to 5 KiB, so a 600-byte event that is sent alone costs
//! eight times its size. Lines are put into one record, in their order, within a whole number of
//! those units. Rounding up once never costs more than rounding up twice. A stream with dynamic
//! partitioning splits such a record into its lines again. An aggregated record must be small enough
//! to be sent again, and to be split if its stream rejects one line.

use crate::model::record::{PartitionKey, Record};

/// The unit that records are billed in, in bytes, rounded up.
/// Source: <https://aws.amazon.com/firehose/pricing/>
pub const BILLED_UNIT: usize = 5_120;

/// The most lines of an aggregated record: dynamic partitioning cannot split more.
/// Source: <https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-multirecord-deaggergation.html>
pub const MAX_LINES: usize = 500;

/// Whether events share records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    Off,
    /// As many events as fit into this many bytes share a record.
    UpTo(AggregateBytes),
}

impl Aggregation {
    /// Limits aggregated records to `bytes`; `Off` if not even one unit fits.
    #[must_use]
    pub fn within(self, bytes: usize) -> Self {
        let units = |max: usize| max.min(bytes).saturating_div(BILLED_UNIT);
        match self {
            Self::Off => Self::Off,
            Self::UpTo(AggregateBytes(max)) => {
                AggregateBytes::parse(units(max).saturating_mul(BILLED_UNIT))
                    .map_or(Self::Off, Self::UpTo)
            }
        }
    }
}

impl Default for Aggregation {
    fn default() -> Self {
        Self::UpTo(AggregateBytes::DEFAULT)
    }
}

/// The most bytes of an aggregated record: a multiple of [`BILLED_UNIT`] that a stream accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregateBytes(usize);

impl AggregateBytes {
    /// The largest value, with room to spare under [`crate::model::record::MAX_BYTES`].
    pub const MAX: usize = 196 * BILLED_UNIT;
    /// Ten units: `tests/bench/billing.rs` shows the cost of other sizes.
    const DEFAULT: Self = Self(10 * BILLED_UNIT);

    /// Accepts a multiple of [`BILLED_UNIT`] from one unit to [`Self::MAX`].
    pub fn parse(bytes: usize) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&bytes) && bytes.is_multiple_of(BILLED_UNIT);
        fits.then_some(Self(bytes))
    }

    pub const fn get(self) -> usize {
        self.0
    }
}

/// The indices of the lines of one record, ascending; at least one.
pub type Group = Vec<usize>;

/// Groups lines of these lengths, newlines included, into records. A line that exceeds the limit goes
/// alone.
pub fn groups(lines: impl IntoIterator<Item = usize>, aggregation: Aggregation) -> Vec<Group> {
    let max_bytes = match aggregation {
        Aggregation::Off => 0,
        Aggregation::UpTo(AggregateBytes(bytes)) => bytes,
    };
    let mut groups: Vec<Group> = Vec::new();
    let mut in_group = 0_usize;
    for (index, bytes) in lines.into_iter().enumerate() {
        let with_line = in_group.saturating_add(bytes);
        let open = groups.last_mut();
        match open.filter(|group| with_line <= max_bytes && group.len() < MAX_LINES) {
            Some(group) => {
                group.push(index);
                in_group = with_line;
            }
            None => {
                groups.push(vec![index]);
                in_group = bytes;
            }
        }
    }
    groups
}

/// Splits a group in half, or returns it as the error if it has only one line.
pub fn split_in_half(mut group: Group) -> Result<[Group; 2], Group> {
    match group.len() {
        0 | 1 => Err(group),
        lines => {
            let second = group.split_off(lines / 2);
            Ok([group, second])
        }
    }
}

/// Cuts `call` after its first `lines` lines, inside a group if necessary, and returns the rest.
pub fn split_after(call: &mut Vec<Group>, lines: usize) -> Vec<Group> {
    let mut left = lines;
    let mut rest = Vec::new();
    for mut group in std::mem::take(call) {
        let tail = group.split_off(left.min(group.len()));
        left = left.saturating_sub(group.len());
        call.extend((!group.is_empty()).then_some(group));
        rest.extend((!tail.is_empty()).then_some(tail));
    }
    rest
}

/// One record of a stream, of one or more lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregatedRecord<'a> {
    first: &'a Record,
    rest: Vec<&'a Record>,
}

impl<'a> AggregatedRecord<'a> {
    /// Joins `lines` in their order; `None` if there are none.
    pub fn new(lines: impl IntoIterator<Item = &'a Record>) -> Option<Self> {
        let mut lines = lines.into_iter();
        Some(Self { first: lines.next()?, rest: lines.collect() })
    }

    pub fn lines(&self) -> impl Iterator<Item = &'a Record> {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }

    /// Returns its length before base64.
    pub fn bytes_len(&self) -> usize {
        self.lines().map(|line| line.bytes().len()).sum()
    }

    /// Returns the key of its first line.
    pub fn key(&self) -> &'a PartitionKey {
        self.first.key()
    }

    /// Appends its bytes as base64, straight from its lines. Three bytes become four characters, so
    /// the last one or two bytes of a line are encoded with the start of the next one.
    pub fn encode_append(&self, body: &mut Vec<u8>) {
        const GROUP: usize = 3;
        let mut carried: Vec<u8> = Vec::with_capacity(GROUP);
        for line in self.lines() {
            let mut bytes = line.bytes();
            if !carried.is_empty() {
                let missing = GROUP.saturating_sub(carried.len()).min(bytes.len());
                let (first, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
                carried.extend_from_slice(first);
                bytes = rest;
                if carried.len() < GROUP {
                    continue;
                }
                base64_simd::STANDARD.encode_append(&carried, body);
                carried.clear();
            }
            let rest = bytes.chunks_exact(GROUP).remainder();
            base64_simd::STANDARD.encode_append(bytes.strip_suffix(rest).unwrap_or(bytes), body);
            carried.extend_from_slice(rest);
        }
        base64_simd::STANDARD.encode_append(&carried, body);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::record;

    type Groups = &'static [&'static [usize]];

    fn up_to(bytes: usize) -> Aggregation {
        Aggregation::UpTo(AggregateBytes::parse(bytes).unwrap())
    }

    /// Returns the bytes that these groups are billed for.
    fn billed(groups: &[Group], bytes: &[usize]) -> usize {
        let of_group = |group: &Group| group.iter().map(|index| bytes[*index]).sum::<usize>();
        groups.iter().map(|group| of_group(group).next_multiple_of(BILLED_UNIT)).sum()
    }

    #[test]
    fn the_bytes_of_an_aggregate_are_whole_billing_units() {
        const { assert!(AggregateBytes::MAX <= record::MAX_BYTES) };
        for (bytes, fits) in [
            (0, false),
            (1, false),
            (5_119, false),
            (5_120, true),
            (5_121, false),
            (102_400, true),
            (1_003_520, true),
            (1_008_640, false),
        ] {
            assert_eq!(AggregateBytes::parse(bytes).is_some(), fits, "{bytes}");
        }
    }

    #[test]
    fn an_aggregate_shrinks_to_the_limit_of_its_call() {
        for (asked, bytes, aggregation) in [
            (51_200, 1_000_000, up_to(51_200)),
            (51_200, 51_199, up_to(46_080)),
            (51_200, 5_120, up_to(5_120)),
            (51_200, 5_119, Aggregation::Off),
        ] {
            assert_eq!(up_to(asked).within(bytes), aggregation, "{bytes}");
        }
        assert_eq!(Aggregation::Off.within(usize::MAX), Aggregation::Off);
    }

    #[test]
    fn an_aggregate_closes_if_the_next_line_does_not_fit() {
        let cases: [(Aggregation, &[usize], Groups); 6] = [
            (up_to(5_120), &[], &[]),
            (up_to(5_120), &[5_000, 120, 1], &[&[0, 1], &[2]]),
            (up_to(5_120), &[5_000, 121], &[&[0], &[1]]),
            (up_to(5_120), &[9, 6_000, 9], &[&[0], &[1], &[2]]),
            (up_to(10_240), &[6_000, 4_240], &[&[0, 1]]),
            (Aggregation::Off, &[9, 9], &[&[0], &[1]]),
        ];
        for (aggregation, lines, expected) in cases {
            let aggregated = groups(lines.iter().copied(), aggregation);
            assert_eq!(aggregated, expected, "{aggregation:?} {lines:?}");
        }
    }

    #[test]
    fn a_call_is_cut_after_a_line_and_inside_an_aggregate() {
        let call = || vec![vec![0, 1], vec![2], vec![3, 4, 5]];
        let cases: [(usize, Groups, Groups); 5] = [
            (0, &[], &[&[0, 1], &[2], &[3, 4, 5]]),
            (1, &[&[0]], &[&[1], &[2], &[3, 4, 5]]),
            (3, &[&[0, 1], &[2]], &[&[3, 4, 5]]),
            (5, &[&[0, 1], &[2], &[3, 4]], &[&[5]]),
            (9, &[&[0, 1], &[2], &[3, 4, 5]], &[]),
        ];
        for (lines, first, rest) in cases {
            let mut cut = call();
            assert_eq!(split_after(&mut cut, lines), rest, "{lines}");
            assert_eq!(cut, first, "{lines}");
        }
    }

    #[test]
    fn an_aggregate_is_halved_down_to_one_line() {
        assert_eq!(split_in_half(vec![1, 2, 3]), Ok([vec![1], vec![2, 3]]));
        assert_eq!(split_in_half(vec![1]), Err(vec![1]));
    }

    #[test]
    fn an_aggregate_is_encoded_as_its_lines_in_order() {
        let lines: Vec<Record> =
            ["a", "bc", "def"].iter().map(|text| record::tests::record(text)).collect();
        for count in 1..=3 {
            let aggregated = AggregatedRecord::new(&lines[..count]).unwrap();
            let mut body = Vec::new();
            aggregated.encode_append(&mut body);
            let whole = lines[..count].iter().map(|line| line.bytes()).collect::<Vec<_>>().concat();
            assert_eq!(aggregated.bytes_len(), whole.len());
            assert_eq!(base64_simd::STANDARD.decode_to_vec(&body).unwrap(), whole);
        }
    }

    proptest! {
        #[test]
        fn lines_of_any_length_are_encoded_as_if_they_were_joined(
            lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 1..9),
        ) {
            let records: Vec<Record> =
                lines.iter().map(|line| Record::restore("key", line).unwrap()).collect();
            let mut body = b"before".to_vec();
            AggregatedRecord::new(&records).unwrap().encode_append(&mut body);
            let joined = base64_simd::STANDARD.encode_to_string(lines.concat());
            prop_assert_eq!(body, [b"before", joined.as_bytes()].concat());
        }

        #[test]
        fn aggregates_have_each_line_once_in_order_within_the_limits(
            lines in proptest::collection::vec(prop_oneof![8 => 1_usize..2_000, 1 => 1_usize..30_000], 0..1_500),
            units in 1_usize..=196,
        ) {
            let max = units * BILLED_UNIT;
            let aggregated = groups(lines.iter().copied(), up_to(max));
            for group in &aggregated {
                let bytes: usize = group.iter().map(|index| lines[*index]).sum();
                prop_assert!(bytes <= max || group.len() == 1);
                prop_assert!((1..=MAX_LINES).contains(&group.len()));
            }
            prop_assert!(aggregated.iter().flatten().copied().eq(0..lines.len()));
            let alone = groups(lines.iter().copied(), Aggregation::Off);
            prop_assert_eq!(alone.len(), lines.len());
            prop_assert!(billed(&aggregated, &lines) <= billed(&alone, &lines));
        }
    }
}

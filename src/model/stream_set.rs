//! Stream sets: streams that share the load of one destination.
//!
//! A stream has a quota, and a set of n streams has n times that. A shard sends a whole batch to one
//! member, always the same one, so a set needs no more calls than a stream.
//!
//! While its member is sick, a shard sends its batches to another one. This cannot swing or gather
//! load in one place:
//!
//! - A batch gets its member once, when it is closed. Every member costs the same, and streams keep
//!   no order. So a shard that changes its member often loses nothing by it.
//! - The shards of a sick member try the others in one order, but each starts at another place. So
//!   their load is spread as evenly as whole shards allow. Each member has another such order.
//! - A shard returns once its own calls of the member succeed again, which are those of its spill.
//!   They are spread by jitter, and the member then gets no more than it had before.
//! - A shard tries few others. If all of them are sick, then the service is likely to be, and the
//!   shard stays at its own member, as with one stream. Otherwise each member in turn would delay
//!   a batch and have a spill of its own in each shard.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;

use super::stream::{Stream, StreamError, StreamName};
use crate::base::order::ascending;

/// One stream, or several streams of one service whose names differ in a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamSet {
    first: Stream,
    numbers: Option<MemberNumbers>,
}

/// The numbers of the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct MemberNumbers {
    /// Where the number begins in the name of the first member, in bytes.
    at: usize,
    /// Where the rest of that name begins, in bytes.
    rest: usize,
    first: u32,
    count: NonZeroU32,
    /// Shorter numbers have leading zeros; 1 if none has.
    width: usize,
}

/// The operator's error: a text that is not a stream or a set of streams.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamSetError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("has more than one range of numbers; a set of streams has one, such as {{0..15}}")]
    SeveralRanges,
    /// Braces that hold no range, or are not closed.
    #[error(
        "has the range {0:?}; a range is two numbers of at most 9 digits, such as {{0..15}}, with leading zeros only if both have the same number of digits"
    )]
    Range(String),
    #[error("has the range {0:?}, whose first number is above its last")]
    Backwards(String),
    #[error("has {0} streams, limit {limit}", limit = StreamSet::MAX)]
    TooMany(u64),
}

impl StreamSet {
    /// The most members. A set has no use for more of them than there are shards.
    pub const MAX: u32 = 256;

    /// The most members, besides its own, that a shard turns to.
    const OTHERS: usize = 3;

    /// The most digits of a number, so that it fits 32 bits.
    const MAX_DIGITS: usize = 9;

    /// Parses a [`Stream`], or one with a range such as `{0..15}` in place of a number in its name.
    pub fn parse(text: &str) -> Result<Self, StreamSetError> {
        let Some((before, (range, after))) = text
            .split_once('{')
            .map(|(before, rest)| (before, rest.split_once('}').unwrap_or((rest, ""))))
        else {
            return Ok(Stream::parse(text)?.into());
        };
        if after.contains('{') {
            return Err(StreamSetError::SeveralRanges);
        }
        let not_a_range = || {
            StreamSetError::Range(
                text.get(before.len()..text.len().saturating_sub(after.len()))
                    .unwrap_or_default()
                    .to_owned(),
            )
        };
        let (first, last) = range.split_once("..").ok_or_else(not_a_range)?;
        let is_padded = |digits: &str| digits.len() > 1 && digits.starts_with('0');
        let of_digits = |digits: &str| {
            let fits = (1..=Self::MAX_DIGITS).contains(&digits.len());
            fits && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        let is_aligned = first.len() == last.len() || !(is_padded(first) || is_padded(last));
        let is_closed = text.len() > before.len().saturating_add(1).saturating_add(range.len());
        if !is_closed || !of_digits(first) || !of_digits(last) || !is_aligned {
            return Err(not_a_range());
        }
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| not_a_range());
        let (from, to) = (number(first)?, number(last)?);
        let above =
            to.checked_sub(from).ok_or_else(|| StreamSetError::Backwards(range.to_owned()))?;
        let count = above.saturating_add(1);
        if count > Self::MAX {
            return Err(StreamSetError::TooMany(count.into()));
        }
        // The last name is the longest.
        Stream::parse(&format!("{before}{last}{after}"))?;
        let member = Stream::parse(&format!("{before}{first}{after}"))?;
        let at = before.len().saturating_sub(member.service.name().len().saturating_add(1));
        let numbers = MemberNumbers {
            at,
            rest: at.saturating_add(first.len()),
            first: from,
            count: NonZeroU32::MIN.saturating_add(above),
            width: if is_padded(first) { first.len() } else { 1 },
        };
        Ok(Self { first: member, numbers: Some(numbers) })
    }

    /// Returns the number of its members.
    pub fn count(&self) -> NonZeroU32 {
        self.numbers.map_or(NonZeroU32::MIN, |numbers| numbers.count)
    }

    /// Returns its first member; all have the same service.
    pub const fn first(&self) -> &Stream {
        &self.first
    }

    pub fn members(&self) -> impl Iterator<Item = Cow<'_, Stream>> {
        (0..self.count().get()).map(|index| self.member(index))
    }

    pub fn contains(&self, stream: &Stream) -> bool {
        let Some(numbers) = self.numbers else { return self.first == *stream };
        let (before, after) = self.parts(numbers);
        let name = stream.name.as_str().strip_prefix(before);
        let digits = name.and_then(|name| name.strip_suffix(after));
        let number = digits.and_then(|digits| digits.parse::<u32>().ok());
        let index = number.and_then(|number| number.checked_sub(numbers.first));
        // The name itself is compared, too: a number can be written in several ways.
        index.is_some_and(|index| index < numbers.count.get() && *self.member(index) == *stream)
    }

    /// Whether a stream is in both sets.
    pub fn overlaps(&self, other: &Self) -> bool {
        self == other || self.members().any(|member| other.contains(&member))
    }

    /// Returns the member for the shard `number`: its own unless `is_sick` says so of it, and then
    /// the first of [`Self::OTHERS`] that is well, if any is.
    pub fn member_for(&self, number: u32, is_sick: impl Fn(&Stream) -> bool) -> Cow<'_, Stream> {
        let (own_index, rank) = (number % self.count(), number / self.count());
        let own = self.member(own_index);
        if self.count() == NonZeroU32::MIN || !is_sick(&own) {
            return own;
        }
        // The shards of one member start at different places of one order, so few of them meet.
        // Those of another member have another order. An index fits the lowest byte.
        let others = (0..self.count().get()).filter(|index| *index != own_index);
        let keys = others.map(|index| mixed(own_index, index) & !0xff | u64::from(index));
        let others = ascending(&mut { keys });
        let start = (rank as usize).checked_rem(others.len()).unwrap_or(0);
        let tried = others.iter().cycle().skip(start).take(others.len().min(Self::OTHERS));
        let mut tried = tried.map(|(key, _)| self.member((key & 0xff) as u32));
        tried.find(|member| !is_sick(member)).unwrap_or(own)
    }

    /// Returns the member at `index` of [`Self::count`].
    fn member(&self, index: u32) -> Cow<'_, Stream> {
        let Some(numbers) = self.numbers.filter(|_| index > 0) else {
            return Cow::Borrowed(&self.first);
        };
        let (before, after) = self.parts(numbers);
        let (number, width) = (numbers.first.saturating_add(index), numbers.width);
        let name = StreamName(format!("{before}{number:0width$}{after}"));
        Cow::Owned(Stream { service: self.first.service, name })
    }

    /// Returns the parts of the names around the number.
    fn parts(&self, numbers: MemberNumbers) -> (&str, &str) {
        let name = self.first.name.as_str();
        let part = |range: Option<_>| range.unwrap_or_default();
        (part(name.get(..numbers.at)), part(name.get(numbers.rest..)))
    }
}

impl From<Stream> for StreamSet {
    fn from(stream: Stream) -> Self {
        Self { first: stream, numbers: None }
    }
}

impl fmt::Display for StreamSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(numbers) = self.numbers else { return self.first.fmt(formatter) };
        let MemberNumbers { first, count, width, .. } = numbers;
        let last = first.saturating_add(count.get().saturating_sub(1));
        let (before, after) = self.parts(numbers);
        let service = self.first.service.name();
        write!(formatter, "{service}:{before}{{{first:0width$}..{last:0width$}}}{after}")
    }
}

/// Returns a hash of both numbers, to order members by.
/// Source: <https://prng.di.unimi.it/splitmix64.c>
const fn mixed(own: u32, other: u32) -> u64 {
    let mut hash = ((own as u64) << 32 | other as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> StreamSet {
        StreamSet::parse(text).unwrap()
    }

    fn names(set: &StreamSet) -> Vec<String> {
        set.members().map(|member| member.to_string()).collect()
    }

    #[test]
    fn a_range_names_a_stream_for_each_number() {
        for (text, members) in [
            ("firehose:events", vec!["firehose:events"]),
            ("firehose:e-{0..2}", vec!["firehose:e-0", "firehose:e-1", "firehose:e-2"]),
            ("kinesis:{8..11}", vec!["kinesis:8", "kinesis:9", "kinesis:10", "kinesis:11"]),
            ("firehose:a{00..02}b", vec!["firehose:a00b", "firehose:a01b", "firehose:a02b"]),
            ("firehose:a{3..3}4", vec!["firehose:a34"]),
            ("firehose:{099..101}", vec!["firehose:099", "firehose:100", "firehose:101"]),
        ] {
            let set = set(text);
            let members: Vec<String> = members.into_iter().map(str::to_owned).collect();
            assert_eq!((names(&set), set.to_string()), (members, text.to_owned()), "{text}");
            assert!(set.members().all(|member| set.contains(&member)), "{text}");
        }
        let most = set("firehose:events-{0..255}");
        assert_eq!((most.count().get(), most.members().count()), (StreamSet::MAX, 256));
    }

    #[test]
    fn a_set_contains_its_members_as_they_are_written() {
        for (text, stream, is_in) in [
            ("firehose:e-{0..15}", "firehose:e-15", true),
            ("firehose:e-{0..15}", "firehose:e-16", false),
            ("firehose:e-{0..15}", "firehose:e-", false),
            ("firehose:e-{0..15}", "firehose:e-+1", false),
            ("firehose:e-{0..15}", "firehose:e-01", false),
            ("firehose:e-{0..15}", "kinesis:e-1", false),
            ("firehose:e-{0..15}", "firehose:e-{0..15}", false),
            ("firehose:e-{08..15}", "firehose:e-08", true),
            ("firehose:e-{08..15}", "firehose:e-8", false),
            ("firehose:e-{8..15}", "firehose:e-7", false),
            ("firehose:a{0..9}a", "firehose:a", false),
        ] {
            let is_found = Stream::parse(stream).is_ok_and(|stream| set(text).contains(&stream));
            assert_eq!(is_found, is_in, "{text} {stream}");
        }
    }

    #[test]
    fn sets_overlap_if_a_stream_is_in_both() {
        for (one, other, overlaps) in [
            ("firehose:e-{0..3}", "firehose:e-3", true),
            ("firehose:e-{0..3}", "firehose:e-{3..9}", true),
            ("firehose:e-{0..3}", "firehose:e-{4..9}", false),
            ("firehose:e-{0..3}", "kinesis:e-{0..3}", false),
            ("firehose:e", "firehose:e", true),
        ] {
            let (one, other) = (set(one), set(other));
            assert_eq!((one.overlaps(&other), other.overlaps(&one)), (overlaps, overlaps), "{one}");
        }
    }

    #[test]
    fn a_text_that_is_no_set_says_why() {
        let range = |range: &str| {
            format!(
                "has the range {range:?}; a range is two numbers of at most 9 digits, such as {{0..15}}, with leading zeros only if both have the same number of digits"
            )
        };
        let name = |name: &str, max| {
            format!("has the stream name {name:?}; a name has 1 to {max} of a-z A-Z 0-9 _ . -")
        };
        let long = "f".repeat(63);
        for (text, message) in [
            ("events-{0..3}", "must be firehose:NAME or kinesis:NAME, not \"events-3\"".to_owned()),
            ("firehose:e-{0..3", range("{0..3")),
            ("firehose:e-{", range("{")),
            ("firehose:e-{}", range("{}")),
            ("firehose:e-{3}", range("{3}")),
            ("firehose:e-{0...3}", range("{0...3}")),
            ("firehose:e-{0..}", range("{0..}")),
            ("firehose:e-{-1..3}", range("{-1..3}")),
            ("firehose:e-{+1..3}", range("{+1..3}")),
            ("firehose:e-{a..c}", range("{a..c}")),
            ("firehose:e-{0,1}", range("{0,1}")),
            ("firehose:e-{00..3}", range("{00..3}")),
            ("firehose:e-{08..115}", range("{08..115}")),
            ("firehose:e-{0..0000000010}", range("{0..0000000010}")),
            (
                "firehose:e-{3..1}",
                "has the range \"3..1\", whose first number is above its last".to_owned(),
            ),
            ("firehose:e-{0..256}", "has 257 streams, limit 256".to_owned()),
            ("firehose:e-{0..999999999}", "has 1000000000 streams, limit 256".to_owned()),
            (
                "firehose:{0..1}-{0..1}",
                "has more than one range of numbers; a set of streams has one, such as {0..15}"
                    .to_owned(),
            ),
            ("firehose:e-{0..1}}", name("e-1}", 64)),
            (&format!("firehose:{long}{{0..10}}"), name(&format!("{long}10"), 64)),
        ] {
            assert_eq!(StreamSet::parse(text).unwrap_err().to_string(), message);
        }
        assert!(StreamSet::parse(&format!("firehose:{long}{{0..9}}")).is_ok());
    }

    fn own(set: &StreamSet, number: u32) -> Stream {
        set.member_for(number, |_| false).into_owned()
    }

    #[test]
    fn every_member_gets_as_many_shards_as_any_other() {
        let set = set("firehose:e-{0..15}");
        let of_shards: Vec<String> = (0..32).map(|number| own(&set, number).to_string()).collect();
        assert_eq!(of_shards, [names(&set), names(&set)].concat());
    }

    #[test]
    fn the_shards_of_a_sick_member_go_to_different_ones() {
        for (count, shards) in [(2, 8), (16, 16), (16, 64), (16, 256), (256, 256)] {
            let set = set(&format!("firehose:e-{{0..{}}}", count - 1));
            for sick in set.members() {
                let mut more = BTreeMap::new();
                let of_it = (0..shards).filter(|number| own(&set, *number) == *sick);
                for number in of_it.clone() {
                    let other = set.member_for(number, |stream| *stream == *sick).to_string();
                    *more.entry(other).or_insert(0) += 1;
                }
                let most = of_it.count().div_ceil(count as usize - 1);
                assert!(more.values().all(|count| *count <= most), "{count} of {shards}: {more:?}");
            }
        }
    }

    /// If each shard tried the next number, then all shards would arrive at one member.
    #[test]
    fn the_shards_of_many_sick_members_do_not_meet_at_one() {
        let set = set("firehose:e-{0..15}");
        let sick: Vec<Stream> = set.members().take(8).map(Cow::into_owned).collect();
        let mut shards = BTreeMap::new();
        for number in 0..256 {
            let member = set.member_for(number, |stream| sick.contains(stream)).into_owned();
            *shards.entry(member.to_string()).or_insert(0) += i32::from(!sick.contains(&member));
        }
        shards.retain(|_, count| *count > 0);
        // Each of the others has 16 of its own. A few shards find no well one among those that they
        // try.
        assert!(shards.values().sum::<i32>() >= 240, "{shards:?}");
        assert!(shards.len() == 8 && shards.values().all(|count| *count <= 48), "{shards:?}");
    }

    #[test]
    fn a_shard_whose_first_choices_are_all_sick_stays_at_its_own() {
        let set = set("firehose:e-{0..255}");
        let asked = RefCell::new(Vec::new());
        let is_sick = |stream: &Stream| {
            asked.borrow_mut().push(stream.to_string());
            true
        };
        assert_eq!(set.member_for(300, is_sick).to_string(), "firehose:e-44");
        let asked: BTreeSet<String> = asked.into_inner().into_iter().collect();
        assert_eq!(asked.len(), 1 + StreamSet::OTHERS);
    }

    proptest! {
        #[test]
        fn no_sick_member_is_chosen_while_one_that_is_tried_is_well(
            count in 1_u32..=StreamSet::MAX,
            number: u32,
            sick: Vec<u32>,
            others: Vec<u32>,
        ) {
            let set = set(&format!("kinesis:e-{{0..{}}}", count - 1));
            let member = |number: &u32| set.member(number % count).into_owned();
            let sick: Vec<Stream> = sick.iter().map(member).collect();
            let tried = RefCell::new(Vec::new());
            let chosen = set.member_for(number, |stream| {
                tried.borrow_mut().push(stream.clone());
                sick.contains(stream)
            });
            let (chosen, tried) = (chosen.into_owned(), tried.into_inner());
            prop_assert!(set.contains(&chosen));
            let any_is_well = count == 1 || tried.iter().any(|member| !sick.contains(member));
            prop_assert_eq!(count > 1 && sick.contains(&chosen), !any_is_well);
            if !any_is_well {
                prop_assert_eq!(tried.len() as u32, count.min(1 + StreamSet::OTHERS as u32));
            }
            if !sick.contains(&own(&set, number)) || !any_is_well {
                prop_assert_eq!(&chosen, &own(&set, number));
            }
            // The health of the members that come after it does not matter.
            let more: Vec<Stream> = others.iter().map(member).filter(|other| !tried.contains(other)).collect();
            let then = set.member_for(number, |stream| sick.contains(stream) || more.contains(stream));
            prop_assert_eq!(then.into_owned(), chosen);
        }

        #[test]
        fn a_set_is_read_as_it_is_written(text in "(firehose|kinesis):[a-z-]{0,3}(\\{[0-9]{1,3}\\.\\.[0-9]{1,3}\\})?[a-z0-9]{0,2}") {
            if let Ok(set) = StreamSet::parse(&text) {
                prop_assert_eq!(set.to_string(), &*text);
                prop_assert!(set.members().all(|member| Stream::parse(&member.to_string()) == Ok(member.into_owned())));
                let distinct: BTreeSet<String> = names(&set).into_iter().collect();
                prop_assert_eq!(distinct.len(), set.count().get() as usize);
            }
        }

        #[test]
        fn no_text_makes_a_panic(text in ".{0,20}", range in "[{}.0-9]{0,12}") {
            let _ = StreamSet::parse(&text);
            let _ = StreamSet::parse(&format!("firehose:a{range}"));
        }
    }
}

//! The shard of a device, and the region of a shard.

/// The number of a shard, from 0.
pub type ShardNumber = u32;

/// Returns the shard, of `count`, for the hash `place`. If the count grows from N to M, only the
/// share (M - N) / M of the places moves, all to new shards.
/// Source: <https://arxiv.org/abs/1406.2294> (jump consistent hash).
pub fn shard_of(place: u64, count: ShardNumber) -> ShardNumber {
    let (mut shard, mut next, mut state) = (0_u32, 0_u32, place);
    while next < count {
        shard = next;
        state = state.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let share = f64::from(1_u32 << 31) / ((state >> 33).wrapping_add(1) as f64);
        // A value past the range saturates, which ends the loop as well.
        next = (f64::from(shard.saturating_add(1)) * share) as ShardNumber;
    }
    shard
}

/// Returns the location hint for a Durable Object that calls an AWS region all day long.
/// Sources: <https://developers.cloudflare.com/durable-objects/reference/data-location/>,
/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>
pub fn location_hint(region: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 14] = [
        ("us-west-", "wnam"),
        ("us-gov-west-", "wnam"),
        ("us-", "enam"),
        ("ca-west-", "wnam"),
        ("ca-", "enam"),
        ("mx-", "wnam"),
        ("sa-", "sam"),
        ("eu", "weur"),
        ("ap-southeast-2", "oc"),
        ("ap-", "apac"),
        ("cn-", "apac"),
        ("af-", "afr"),
        ("me-", "me"),
        ("il-", "me"),
    ];
    HINTS.into_iter().find(|(start, _)| region.starts_with(start)).map(|(_, hint)| hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> impl Iterator<Item = u64> {
        (0..10_000_u64).map(|index| index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    #[test]
    fn every_shard_gets_its_share() {
        for count in [1, 2, 7, 8, 64] {
            let mut counts = vec![0_u32; count as usize];
            places().for_each(|place| counts[shard_of(place, count) as usize] += 1);
            let even = 10_000.0 / f64::from(count);
            let spread = 5.0 * even.sqrt();
            assert!(
                counts.iter().all(|each| (f64::from(*each) - even).abs() <= spread),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn more_shards_move_only_devices_of_the_new_ones() {
        for (before, after) in [(1, 2), (8, 9), (8, 16), (5, 64)] {
            for place in places() {
                let (from, to) = (shard_of(place, before), shard_of(place, after));
                assert!(from == to || to >= before, "{place} moves from {from} to {to}");
            }
        }
    }

    /// If a version changed the shard of a device, the device would lose its session.
    /// Source of the cases: <https://github.com/lithammer/go-jump-consistent-hash>
    #[test]
    fn a_place_has_the_shard_that_others_compute() {
        for (place, count, shard) in [
            (1, 1, 0),
            (42, 57, 43),
            (0xdead_10cc, 1, 0),
            (0xdead_10cc, 666, 361),
            (256, 1024, 520),
        ] {
            assert_eq!(shard_of(place, count), shard, "{place} of {count}");
        }
    }

    #[test]
    fn shards_live_near_their_streams() {
        for (region, hint) in [
            ("eu-west-1", Some("weur")),
            ("eu-central-1", Some("weur")),
            ("eu-north-1", Some("weur")),
            ("us-east-1", Some("enam")),
            ("us-west-2", Some("wnam")),
            ("us-gov-west-1", Some("wnam")),
            ("ca-central-1", Some("enam")),
            ("sa-east-1", Some("sam")),
            ("ap-southeast-2", Some("oc")),
            ("ap-southeast-1", Some("apac")),
            ("ap-northeast-1", Some("apac")),
            ("cn-north-1", Some("apac")),
            ("me-south-1", Some("me")),
            ("il-central-1", Some("me")),
            ("af-south-1", Some("afr")),
            ("xx-moon-1", None),
        ] {
            assert_eq!(location_hint(region), hint, "{region}");
        }
    }
}

//! A record that is still to be delivered, and how records are grouped on their way: by
//! their shard, or by their stream.

use crate::config::Sharding;
use crate::enrich::Enriched;
use crate::shard::parcel::Observation;
use crate::shard::placement::{ShardNumber, shard_of};
use crate::sink::Stream;
use crate::sink::record::Record;

/// A record of a beacon, and where it is to go.
#[derive(Debug)]
pub struct Item<'a> {
    /// The index of the beacon that it came from.
    pub owner: usize,
    /// Where to.
    pub stream: &'a Stream,
    /// What.
    pub record: Record,
    /// What a shard needs to know of its event, where there are shards; a failed event has
    /// no session.
    pub observed: Option<Observed>,
}

/// What a shard needs to know of an event, and which shard.
#[derive(Debug, Clone, Copy)]
pub struct Observed {
    /// Decides which shard it is.
    place: u64,
    /// What it needs to know.
    pub observation: Observation,
}

impl Observed {
    /// What a shard needs to know of `enriched`, which may be one of the `opening_events`.
    pub(super) fn of(enriched: &Enriched<'_>, opening_events: &[String]) -> Self {
        let observation = Observation::of(enriched, opening_events);
        Self { place: observation.place(enriched.facts.visitor.as_ref()), observation }
    }

    /// The shard that its device had before there were more of them, if it was another.
    pub fn former(&self, sharding: &Sharding) -> Option<ShardNumber> {
        let former = shard_of(self.place, sharding.former_count?);
        (former != shard_of(self.place, sharding.count)).then_some(former)
    }
}

/// Parts `items` by their shard. What belongs to no device goes with the rest of its
/// request, or where chance, `random`, sends it.
pub fn by_shard<'a>(
    items: Vec<Item<'a>>,
    sharding: &Sharding,
    random: u64,
) -> Vec<(ShardNumber, Vec<Item<'a>>)> {
    let of_item = |item: &Item<'_>| Some(shard_of(item.observed?.place, sharding.count));
    let any = items.iter().find_map(of_item).unwrap_or_else(|| shard_of(random, sharding.count));
    let mut shards: Vec<(ShardNumber, Vec<Item<'a>>)> = Vec::new();
    for item in items {
        let shard = of_item(&item).unwrap_or(any);
        match shards.iter_mut().find(|(number, _)| *number == shard) {
            Some((_, items)) => items.push(item),
            None => shards.push((shard, vec![item])),
        }
    }
    shards
}

/// Records for one stream, each with the index of the beacon that it came from.
#[derive(Debug)]
pub struct Consignment {
    /// Where to.
    pub stream: Stream,
    /// What.
    pub records: Vec<Record>,
    /// Whose: the beacon of each record, in their order.
    pub owners: Vec<usize>,
}

/// Parts `items` by their stream.
pub fn by_stream(items: Vec<Item<'_>>) -> Vec<Consignment> {
    let mut consignments: Vec<Consignment> = Vec::new();
    for Item { owner, stream, record, .. } in items {
        match consignments.iter_mut().find(|consignment| consignment.stream == *stream) {
            Some(consignment) => {
                consignment.records.push(record);
                consignment.owners.push(owner);
            }
            None => consignments.push(Consignment {
                stream: stream.clone(),
                records: vec![record],
                owners: vec![owner],
            }),
        }
    }
    consignments
}

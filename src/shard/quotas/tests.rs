//! The quotas of one tenant, counted by its home and several shards while messages get lost, objects
//! crash at every write, days end and the home moves to another jurisdiction and back. Never are more events accepted than the quota has.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::LEASE_MS;
use super::leases::{QuotaLeases, ReserveStep};
use super::ledger::{self, HOMES, LedgerError, home_of};
use super::reserve::{QuotaCharge, QuotaReserve, QuotaShortage};
use crate::base::clock::Milliseconds;
use crate::model::placement::ShardNumber;
use crate::model::quota::{DailyQuota, ItemTenant, UtcDay};
use crate::model::shard_address::Jurisdiction;
use crate::shard::protocol::quota_lease::{LeaseGrant, LeaseRequest, LeaseState};
use crate::shard::storage::Table;
use crate::shard::storage::tests::Memory;

const DAY_MS: u64 = 86_400_000;
const START: Milliseconds = 20_000 * DAY_MS + 1_000;

fn tenant(events: u64) -> Arc<ItemTenant> {
    Arc::new(ItemTenant { name: "shop".to_owned(), quota: DailyQuota::new(events) })
}

/// What happens to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Answered,
    /// It does not arrive.
    Lost,
    /// Its answer does not arrive.
    AnswerLost,
    /// It arrives only when the shard has given up; see [`QuotaAct::Late`].
    Delayed,
    /// The home ends before its row is written.
    Crash,
}

#[derive(Debug, Clone)]
enum QuotaAct {
    /// Events arrive at a shard. This many of those that are reserved turn out to be duplicates, or
    /// not durable.
    Events {
        shard: u32,
        count: u64,
        unused: u64,
        call: Call,
    },
    /// A request delivers directly.
    Direct {
        count: u64,
        call: Call,
    },
    /// A question that was delayed arrives.
    Late,
    /// A shard loses its memory.
    Crash {
        shard: u32,
    },
    Wait {
        milliseconds: u64,
        call: Call,
    },
    Midnight,
    Quota {
        events: u64,
    },
    /// The jurisdiction changes.
    Move,
    /// A request delivers directly, and does not know of the change yet. Perhaps the home that it asks
    /// does.
    Outdated {
        count: u64,
        is_known_there: bool,
    },
}

const SHARDS: ShardNumber = 3;

struct World {
    home: Memory,
    /// The home in the previous jurisdiction.
    previous_home: Memory,
    shards: Vec<QuotaLeases>,
    tenant: Arc<ItemTenant>,
    now: Milliseconds,
    ids: u64,
    delayed: Vec<LeaseRequest>,
    /// The events that were accepted on each day.
    accepted: BTreeMap<UtcDay, u64>,
    /// The highest quota of each day.
    quotas: BTreeMap<UtcDay, u64>,
}

impl World {
    fn new(events: u64) -> Self {
        let mut world = Self {
            home: Memory::default(),
            previous_home: Memory::default(),
            shards: (0..SHARDS).map(|_| QuotaLeases::default()).collect(),
            tenant: tenant(events),
            now: START,
            ids: 0,
            delayed: Vec::new(),
            accepted: BTreeMap::new(),
            quotas: BTreeMap::new(),
        };
        world.note_quota();
        world
    }

    fn note_quota(&mut self) {
        let highest = self.quotas.entry(UtcDay::of(self.now)).or_default();
        *highest = (*highest).max(self.tenant.quota.unwrap().events());
    }

    /// Grants, after the home has taken over what the previous one has counted.
    fn grant(&self, request: &LeaseRequest) -> Result<LeaseGrant, LedgerError> {
        if !ledger::is_counted_here(&self.home, request)? {
            let row = ledger::hand_over(&self.previous_home, &ledger::key(request))?;
            self.previous_home.commit();
            ledger::take_over(&self.home, request, &row)?;
        }
        ledger::grant(&self.home, request, SHARDS, self.now)
    }

    fn ask(&mut self, request: &LeaseRequest, call: Call) -> Option<LeaseGrant> {
        match call {
            Call::Lost => None,
            Call::Delayed => {
                self.delayed.push(request.clone());
                None
            }
            Call::Crash => {
                self.home.full.set(true);
                let refused = self.grant(request);
                self.home.full.set(false);
                self.home.crash();
                refused.ok().filter(|grant| grant.extra > 0).map(|_| panic!("granted unwritten"))
            }
            Call::Answered | Call::AnswerLost => {
                let granted = self.grant(request).unwrap();
                // The answer leaves only once the row is durable.
                self.home.commit();
                Some(granted).filter(|_| call == Call::Answered)
            }
        }
    }

    /// Returns what is reserved of `count` events, and why no more.
    fn reserve(&mut self, shard: u32, count: u64, call: Call) -> QuotaReserve {
        for _ in 0..3 {
            self.ids += 1;
            let id = self.ids;
            let leases = &mut self.shards[shard as usize];
            match leases.reserve(&self.tenant, count, shard, self.now, || id) {
                ReserveStep::Reserved(reserve) => return reserve,
                ReserveStep::Wait => panic!("nobody else asks"),
                ReserveStep::Ask(request) => {
                    let grant = self.ask(&request, call);
                    self.shards[shard as usize].apply(&request, grant, self.now);
                }
            }
        }
        panic!("a request asks more than twice")
    }

    /// Events arrive, of which some are given back. Returns how many are accepted.
    fn events(&mut self, shard: u32, count: u64, unused: u64, call: Call) -> u64 {
        let (charge, reserved) = self.reserve(shard, count, call).rest();
        let unused = unused.min(reserved);
        self.shards[shard as usize].refund(&charge, unused);
        *self.accepted.entry(UtcDay::of(self.now)).or_default() += reserved - unused;
        reserved - unused
    }

    /// The question of a request without a shard.
    fn direct_request(&self, count: u64) -> LeaseRequest {
        LeaseRequest {
            tenant: self.tenant.name.clone(),
            day: UtcDay::of(self.now),
            quota: self.tenant.quota.unwrap(),
            lease: None,
            need: count,
            want: count,
        }
    }

    fn direct(&mut self, count: u64, call: Call) {
        let request = self.direct_request(count);
        let granted = self.ask(&request, call).map_or(0, |grant| grant.extra);
        *self.accepted.entry(UtcDay::of(self.now)).or_default() += granted;
    }

    fn outdated(&mut self, count: u64, is_known_there: bool) {
        let request = self.direct_request(count);
        std::mem::swap(&mut self.home, &mut self.previous_home);
        let granted =
            match is_known_there && !ledger::is_counted_here(&self.home, &request).unwrap() {
                true => Err(LedgerError::Moved),
                false => self.grant(&request),
            };
        self.home.commit();
        std::mem::swap(&mut self.home, &mut self.previous_home);
        let granted = granted.map_or(0, |grant| grant.extra);
        *self.accepted.entry(UtcDay::of(self.now)).or_default() += granted;
    }

    fn wait(&mut self, milliseconds: u64, call: Call) {
        let until = self.now + milliseconds;
        loop {
            let next = self.shards.iter().filter_map(QuotaLeases::next_renewal).min();
            let Some(at) = next.filter(|at| *at <= until) else { break };
            self.now = self.now.max(at);
            for shard in 0..SHARDS {
                for request in self.shards[shard as usize].renewals(shard, self.now) {
                    let grant = self.ask(&request, call);
                    self.shards[shard as usize].apply(&request, grant, self.now);
                }
            }
        }
        self.now = until;
        self.note_quota();
    }

    fn act(&mut self, act: QuotaAct) {
        match act {
            QuotaAct::Events { shard, count, unused, call } => {
                self.events(shard, count, unused, call);
            }
            QuotaAct::Direct { count, call } => self.direct(count, call),
            QuotaAct::Late => {
                if let Some(request) = self.delayed.pop() {
                    let _ = self.grant(&request);
                    self.home.commit();
                }
            }
            QuotaAct::Crash { shard } => self.shards[shard as usize] = QuotaLeases::default(),
            QuotaAct::Wait { milliseconds, call } => self.wait(milliseconds, call),
            QuotaAct::Midnight => {
                self.now = (self.now / DAY_MS + 1) * DAY_MS;
                self.note_quota();
            }
            QuotaAct::Quota { events } => {
                self.tenant = tenant(events);
                self.note_quota();
            }
            QuotaAct::Outdated { count, is_known_there } => self.outdated(count, is_known_there),
            QuotaAct::Move => std::mem::swap(&mut self.home, &mut self.previous_home),
        }
    }
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => Just(Call::Answered),
        1 => Just(Call::Lost),
        1 => Just(Call::AnswerLost),
        1 => Just(Call::Delayed),
        1 => Just(Call::Crash),
    ]
}

fn act() -> impl Strategy<Value = QuotaAct> {
    let events = (0..SHARDS, 1_u64..40, 0_u64..4, call());
    prop_oneof![
        12 => events.prop_map(|(shard, count, unused, call)| QuotaAct::Events { shard, count, unused, call }),
        2 => (1_u64..20, call()).prop_map(|(count, call)| QuotaAct::Direct { count, call }),
        1 => Just(QuotaAct::Late),
        1 => (0..SHARDS).prop_map(|shard| QuotaAct::Crash { shard }),
        3 => (1_u64..2 * LEASE_MS, call()).prop_map(|(milliseconds, call)| QuotaAct::Wait { milliseconds, call }),
        1 => Just(QuotaAct::Midnight),
        1 => (1_u64..600).prop_map(|events| QuotaAct::Quota { events }),
        1 => Just(QuotaAct::Move),
        1 => (1_u64..20, any::<bool>())
            .prop_map(|(count, is_known_there)| QuotaAct::Outdated { count, is_known_there }),
    ]
}

proptest! {
    #[test]
    fn never_are_more_events_accepted_than_the_quota_has(
        events in 1_u64..600,
        acts in proptest::collection::vec(act(), 1..120),
    ) {
        let mut world = World::new(events);
        for act in acts {
            world.act(act);
            for (day, accepted) in &world.accepted {
                prop_assert!(*accepted <= world.quotas[day], "{accepted} of {}", world.quotas[day]);
            }
        }
    }

    /// Answers may be lost and records given back, but no shard ends and no request is direct.
    #[test]
    fn with_live_shards_all_of_the_quota_is_usable_soon(
        events in 1_u64..600,
        requests in proptest::collection::vec((0..SHARDS, 1_u64..40, 0_u64..4, 1_u64..LEASE_MS, any::<bool>()), 0..60),
    ) {
        let mut world = World::new(events);
        for (shard, count, unused, milliseconds, is_lost) in requests {
            let call = if is_lost { Call::AnswerLost } else { Call::Answered };
            world.events(shard, count, unused, call);
            world.wait(milliseconds, call);
        }
        // A shard alone gets all that is left, once the others have given it back and it asks again.
        world.wait(2 * LEASE_MS + ledger::RETRY_LATE_MS, Call::Answered);
        world.events(0, events, 0, Call::Answered);
        let day = UtcDay::of(world.now);
        prop_assert_eq!(world.accepted[&day], events);
        prop_assert_eq!(world.events(1, 1, 0, Call::Answered), 0);
    }
}

#[test]
fn a_lease_follows_the_traffic_and_the_remainder() {
    let mut world = World::new(1_200);
    let mut asked = 0;
    for _ in 0..100 {
        let leases = &mut world.shards[0];
        if let ReserveStep::Ask(request) = leases.reserve(&world.tenant, 1, 0, world.now, || 7) {
            asked += 1;
            let grant = world.ask(&request, Call::Answered);
            world.shards[0].apply(&request, grant, world.now);
            world.shards[0].reserve(&world.tenant, 1, 0, world.now, || 7);
        }
    }
    assert_eq!(asked, 7, "1, 2, 4 … 64");
    // Beyond its need, a lease is at most a twelfth of the rest, with three shards.
    let share = |left: u64, want| {
        let request = LeaseRequest {
            tenant: "shop".to_owned(),
            day: UtcDay::of(START),
            quota: DailyQuota::new(left).unwrap(),
            lease: Some(LeaseState { shard: 1, id: 1, sequence: 1, used: 0, kept: 0 }),
            need: 1,
            want,
        };
        ledger::grant(&Memory::default(), &request, SHARDS, START).unwrap().extra
    };
    assert_eq!(
        [share(1_200, 50), share(1_200, 500), share(24, 50), share(11, 50)],
        [50, 100, 2, 1]
    );
}

#[test]
fn what_a_shard_does_not_use_is_back_after_its_time() {
    let mut world = World::new(100);
    let first = world.reserve(0, 60, Call::Answered).rest();
    world.shards[0].refund(&first.0, 60);
    assert_eq!(world.events(1, 50, 0, Call::Answered), 40);
    assert_eq!(world.events(1, 10, 0, Call::Answered), 0, "the other shard has the rest");
    assert_eq!(world.shards[1].over_quota(world.now, 9).len(), 1);
    world.wait(LEASE_MS, Call::Answered);
    assert_eq!(world.events(1, 60, 0, Call::Answered), 60);
    assert_eq!(world.shards[1].over_quota(world.now, 9), []);
    let over_since = world.now;
    assert_eq!(world.events(1, 1, 0, Call::Answered), 0);
    world.now += 60_000;
    assert_eq!(world.events(0, 1, 0, Call::Answered), 0);
    let over = world.shards[0].over_quota(world.now, 9);
    assert_eq!((over[0].tenant.as_str(), over[0].since), ("shop", over_since));
    assert_eq!(world.shards[0].over_quota(world.now + DAY_MS, 9), []);
}

#[test]
fn a_shard_that_ends_wastes_its_lease_only() {
    let mut world = World::new(100);
    let (charge, reserved) = world.reserve(0, 30, Call::Answered).rest();
    world.shards[0].refund(&charge, 20);
    world.shards[0] = QuotaLeases::default();
    world.wait(10 * LEASE_MS, Call::Answered);
    assert_eq!(reserved, 30);
    assert_eq!(world.events(0, 100, 0, Call::Answered), 70, "20 are wasted");
}

#[test]
fn an_event_is_refused_if_the_home_is_not_reached_and_the_lease_is_used_up() {
    let mut world = World::new(1_000);
    let (charge, _) = world.reserve(0, 10, Call::Answered).rest();
    world.shards[0].refund(&charge, 4);
    let shortage = |reserve: QuotaReserve| {
        let full = |left, shortage| QuotaReserve::new(charge.clone(), left, shortage);
        [QuotaShortage::Over, QuotaShortage::Unknown]
            .into_iter()
            .find(|shortage| (0..9).any(|left| reserve == full(left, *shortage)))
    };
    let reserve = world.reserve(0, 7, Call::Lost);
    assert_eq!(shortage(reserve.clone()), Some(QuotaShortage::Unknown));
    assert_eq!(reserve.rest().1, 4, "the lease still holds");
    let at_once = world.reserve(0, 1, Call::Crash);
    assert_eq!(shortage(at_once), Some(QuotaShortage::Unknown));
    world.now += 5_000;
    assert_eq!(world.events(0, 900, 0, Call::Answered), 900);
}

#[test]
fn a_day_that_may_be_deleted_is_not_counted_again() {
    let mut world = World::new(10);
    assert_eq!(world.events(0, 10, 0, Call::Answered), 10);
    let request = |day| LeaseRequest {
        tenant: "shop".to_owned(),
        day,
        quota: DailyQuota::new(10).unwrap(),
        lease: None,
        need: 1,
        want: 1,
    };
    let first = UtcDay::of(START);
    world.now += DAY_MS;
    let grant = |world: &World, day| ledger::grant(&world.home, &request(day), SHARDS, world.now);
    assert_eq!(grant(&world, first).unwrap().extra, 0, "yesterday is still known");
    world.now += DAY_MS;
    assert!(grant(&world, first).is_err());
    assert_eq!(grant(&world, UtcDay::of(world.now)).unwrap().extra, 1);
    assert_eq!(world.home.count(Table::Quotas), 1, "days before yesterday are deleted");
}

#[test]
fn the_count_of_a_day_moves_with_the_home_and_back() {
    let mut world = World::new(100);
    assert_eq!(world.events(0, 60, 0, Call::Answered), 60);
    world.act(QuotaAct::Crash { shard: 0 });
    world.act(QuotaAct::Move);
    assert_eq!(world.events(0, 30, 0, Call::Crash), 0, "the home ends before it has the count");
    world.act(QuotaAct::Move);
    world.now += LEASE_MS;
    assert_eq!(world.events(0, 10, 0, Call::Answered), 10, "the count has not moved");
    world.act(QuotaAct::Crash { shard: 0 });
    world.act(QuotaAct::Move);
    assert_eq!(world.events(0, 20, 0, Call::Answered), 20);
    let request = world.direct_request(1);
    let outdated = ledger::grant(&world.previous_home, &request, SHARDS, world.now);
    assert_eq!(outdated, Err(LedgerError::Moved));
    assert!(ledger::is_counted_here(&world.home, &request).unwrap());
    assert!(!ledger::is_counted_here(&world.previous_home, &request).unwrap());
    let late = ledger::hand_over(&world.previous_home, &ledger::key(&request)).unwrap();
    ledger::take_over(&world.home, &request, &late).unwrap();
    world.act(QuotaAct::Crash { shard: 0 });
    assert_eq!(world.events(0, 6, 0, Call::Answered), 6, "a late answer resets nothing");
    world.act(QuotaAct::Crash { shard: 0 });
    world.act(QuotaAct::Move);
    assert_eq!(world.events(1, 30, 0, Call::Answered), 4);
    let unread = Memory::default();
    ledger::take_over(&unread, &request, &[1, 9]).unwrap();
    let granted = ledger::grant(&unread, &request, SHARDS, world.now);
    assert!(matches!(granted, Err(LedgerError::Unreadable(_))), "no count is no quota");
}

#[test]
fn a_raised_quota_holds_at_once() {
    let mut world = World::new(5);
    assert_eq!(world.events(0, 9, 0, Call::Answered), 5);
    assert_eq!(world.events(0, 1, 0, Call::Answered), 0);
    world.tenant = tenant(8);
    assert_eq!(world.events(0, 9, 0, Call::Answered), 3);
}

#[test]
fn tenants_spread_over_all_homes() {
    let homes: std::collections::BTreeSet<ShardNumber> = (0..100)
        .map(|number| home_of(&format!("tenant-{number}"), Jurisdiction::Eu).number)
        .collect();
    assert_eq!(homes, (0..HOMES).collect());
    let [home, of_eu] = [Jurisdiction::None, Jurisdiction::Eu].map(|it| home_of("shop", it));
    assert_eq!((home.number, home.jurisdiction), (of_eu.number, Jurisdiction::None));
    assert_eq!(of_eu.jurisdiction, Jurisdiction::Eu);
}

#[test]
fn a_refund_of_another_lease_is_ignored() {
    let mut world = World::new(5);
    assert_eq!(world.events(0, 5, 0, Call::Answered), 5);
    let other = QuotaCharge { tenant: Arc::clone(&world.tenant), lease: u64::MAX };
    world.shards[0].refund(&other, 5);
    assert_eq!(world.events(0, 5, 0, Call::Answered), 0);
}

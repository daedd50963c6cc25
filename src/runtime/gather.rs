//! Lets several requests of an isolate share one call.
//!
//! The first request of a group leads it: it makes the call in its own I/O context, for all of
//! them. Each of the others waits in its own context, with a timer of its own, since the runtime
//! cancels a request that waits for nothing but another request. The leader goes on even if its
//! client leaves.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;
use std::thread::LocalKey;

use super::io;
use crate::base::clock::{Milliseconds, is_ahead};

/// How long a leader waits for others, in milliseconds. It does not wait if no other request is
/// under way, or if the one before came longer ago than this.
const WINDOW_MS: u64 = 5;

/// A group that has this many bytes takes no more.
const FULL_BYTES: usize = 262_144;

thread_local! {
    /// The number of requests under way in this isolate.
    static UNDER_WAY: Cell<usize> = const { Cell::new(0) };
}

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub struct UnderWay(());

impl UnderWay {
    pub fn begin() -> Self {
        UNDER_WAY.set(UNDER_WAY.get().saturating_add(1));
        Self(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.set(UNDER_WAY.get().saturating_sub(1));
    }
}

/// The groups that take members, and when the last request came, by what the requests call.
pub struct Gathering<K, T, R> {
    callees: HashMap<K, Callee<T, R>>,
}

struct Callee<T, R> {
    last_at: Milliseconds,
    open: Option<Rc<RefCell<Group<T, R>>>>,
}

struct Group<T, R> {
    items: Vec<T>,
    bytes: usize,
    /// Released once the results are known.
    latch: io::Latch,
    /// The result of each item, in their order.
    results: Vec<Option<R>>,
}

impl<K, T, R> Default for Gathering<K, T, R> {
    fn default() -> Self {
        Self { callees: HashMap::new() }
    }
}

/// The role of a request in its group.
enum Role<T, R> {
    /// It makes the call. It first waits for others, if some are expected.
    Leader { group: Rc<RefCell<Group<T, R>>>, expects_others: bool },
    /// It waits for the result at this index.
    Member { group: Rc<RefCell<Group<T, R>>>, index: usize },
}

impl<K: Hash + Eq, T, R> Gathering<K, T, R> {
    fn join(&mut self, key: K, item: T, bytes: usize, now: Milliseconds) -> Role<T, R> {
        let callee = self.callees.entry(key).or_insert(Callee { last_at: 0, open: None });
        let came_recently = is_ahead(callee.last_at.saturating_add(WINDOW_MS), now, WINDOW_MS);
        let expects_others = came_recently && UNDER_WAY.get() > 1;
        callee.last_at = now;
        if let Some(group) = &callee.open {
            let mut members = group.borrow_mut();
            let index = members.items.len();
            members.items.push(item);
            members.bytes = members.bytes.saturating_add(bytes);
            let is_full = members.bytes >= FULL_BYTES;
            drop(members);
            let group = Rc::clone(group);
            if is_full {
                callee.open = None;
            }
            return Role::Member { group, index };
        }
        let latch = io::Latch::default();
        let group = Group { items: vec![item], bytes, latch, results: Vec::new() };
        let group = Rc::new(RefCell::new(group));
        if expects_others && bytes < FULL_BYTES {
            callee.open = Some(Rc::clone(&group));
        }
        Role::Leader { group, expects_others }
    }

    /// Ends the time in which others may join `group`.
    fn close(&mut self, key: &K, group: &Rc<RefCell<Group<T, R>>>) {
        if let Some(callee) = self.callees.get_mut(key)
            && callee.open.as_ref().is_some_and(|open| Rc::ptr_eq(open, group))
        {
            callee.open = None;
        }
    }
}

/// Makes a call for `item`, together with those of other requests that call the same `key`. The
/// leader's `call` gets the items and returns a result for each. Returns `None` if there is no
/// result within `patience_ms`.
pub async fn gather<K: Hash + Eq + Clone, T, R>(
    gathering: &'static LocalKey<RefCell<Gathering<K, T, R>>>,
    key: K,
    (item, bytes): (T, usize),
    now: Milliseconds,
    patience_ms: u64,
    call: impl AsyncFnOnce(Vec<T>) -> Vec<R>,
) -> Option<R> {
    let role = gathering.with_borrow_mut(|all| all.join(key.clone(), item, bytes, now));
    match role {
        Role::Leader { group, expects_others } => {
            if expects_others {
                io::wait(WINDOW_MS).await;
            }
            gathering.with_borrow_mut(|all| all.close(&key, &group));
            let items = std::mem::take(&mut group.borrow_mut().items);
            let results = call(items).await;
            let mut group = group.borrow_mut();
            group.results = results.into_iter().map(Some).collect();
            group.latch.release();
            group.results.first_mut().and_then(Option::take)
        }
        Role::Member { group, index } => {
            let released = group.borrow().latch.released(patience_ms);
            released.await;
            let mut group = group.borrow_mut();
            group.results.get_mut(index).and_then(Option::take)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Calls = Gathering<&'static str, u32, u32>;

    fn role(calls: &mut Calls, item: u32, now: Milliseconds) -> Role<u32, u32> {
        calls.join("a", item, 1, now)
    }

    fn leads(role: &Role<u32, u32>) -> Option<bool> {
        match role {
            Role::Leader { expects_others, .. } => Some(*expects_others),
            Role::Member { .. } => None,
        }
    }

    #[test]
    fn a_request_waits_for_others_only_if_some_are_expected() {
        let mut calls = Calls::default();
        let alone = UnderWay::begin();
        assert_eq!(leads(&role(&mut calls, 1, 1_000)), Some(false), "the first");
        assert_eq!(leads(&role(&mut calls, 2, 1_001)), Some(false), "no other is under way");
        let other = UnderWay::begin();
        assert_eq!(leads(&role(&mut calls, 3, 1_002)), Some(true));
        assert_eq!(leads(&role(&mut calls, 4, 1_003)), None, "a member");
        assert_eq!(leads(&calls.join("b", 5, 1, 1_003)), Some(false), "the first of another key");
        drop((alone, other));
        assert_eq!(UNDER_WAY.get(), 0);
    }

    #[test]
    fn a_group_takes_members_until_it_is_closed_or_full() {
        let _under_way = (UnderWay::begin(), UnderWay::begin());
        let mut calls = Calls::default();
        role(&mut calls, 0, 1_000);
        let Role::Leader { group, .. } = role(&mut calls, 1, 1_001) else { panic!() };
        let index = |role| match role {
            Role::Member { index, .. } => Some(index),
            Role::Leader { .. } => None,
        };
        assert_eq!(index(role(&mut calls, 2, 1_002)), Some(1));
        assert_eq!(index(calls.join("a", 3, FULL_BYTES, 1_003)), Some(2), "it fills the group");
        assert_eq!(group.borrow().items, [1, 2, 3]);
        let Role::Leader { group: next, .. } = role(&mut calls, 4, 1_004) else { panic!() };
        calls.close(&"a", &group);
        assert_eq!(index(role(&mut calls, 5, 1_005)), Some(1), "another group was closed");
        calls.close(&"a", &next);
        assert_eq!(leads(&role(&mut calls, 6, 1_006)), Some(true));
        let own = calls.join("b", 7, FULL_BYTES, 1_000);
        assert_eq!((leads(&own), leads(&calls.join("b", 8, 1, 1_001))), (Some(false), Some(true)));
    }

    #[test]
    fn a_lone_request_calls_at_once_and_gets_its_result() {
        thread_local! {
            static CALLS: RefCell<Calls> = RefCell::default();
        }
        let result = Rc::new(Cell::new(None));
        let seen = Rc::clone(&result);
        super::super::tasks::spawn(async move {
            let call = async |items: Vec<u32>| items.into_iter().map(|item| item + 1).collect();
            seen.set(gather(&CALLS, "a", (4, 1), 1_000, 50, call).await);
        });
        assert_eq!(result.get(), Some(5));
    }
}

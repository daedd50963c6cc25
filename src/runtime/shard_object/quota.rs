//! The quotas of tenants in a shard's object: what its requests need of them, the end of its leases,
//! and the answers of a tenant's home.

use std::rc::Rc;
use std::sync::Arc;

use futures_channel::oneshot;
use futures_util::future::join_all;

use super::ShardObject;
use crate::config::Config;
use crate::delivery::call_slots::CallPurpose;
use crate::model::placement::ShardNumber;
use crate::model::quota::ItemTenant;
use crate::runtime::bindings::{now_ms, random};
use crate::runtime::log::{self, Component};
use crate::runtime::shard_client::{QUOTA_MS, ShardMethod};
use crate::runtime::storage::Sqlite;
use crate::runtime::{io, shard_client, tasks};
use crate::shard::protocol::batch_request::ShardItem;
use crate::shard::protocol::error::ShardError;
use crate::shard::protocol::quota_lease::{LeaseGrant, LeaseRequest};
use crate::shard::quotas::leases::ReserveStep;
use crate::shard::quotas::ledger::{self, LedgerError};
use crate::shard::quotas::reserve::{ItemCharge, QuotaReserve};

impl ShardObject {
    /// Reserves what `items` need of the quotas of their tenants. It asks the homes of those of which
    /// the shard has too little.
    pub(super) async fn reserve_quotas(
        self: &Rc<Self>,
        items: &[ShardItem<'_>],
        config: &Rc<Config>,
        storage: &Sqlite,
    ) -> Result<Vec<QuotaReserve>, ShardError> {
        let needs = self.with(|shard| shard.quota_needs(items, storage, now_ms()))?;
        if needs.is_empty() {
            return Ok(Vec::new());
        }
        // The homes are asked at the same time: one that is away delays its own tenants only once.
        let reserves =
            needs.iter().map(|(tenant, need)| self.reserve_quota(tenant, *need, config, storage));
        let reserves = join_all(reserves).await.into_iter().collect();
        self.renew_quotas(config, storage);
        reserves
    }

    /// Reserves `need` events of the quota of one tenant.
    async fn reserve_quota(
        &self,
        tenant: &Arc<ItemTenant>,
        need: u64,
        config: &Config,
        storage: &Sqlite,
    ) -> Result<QuotaReserve, ShardError> {
        loop {
            let id = || u64::from_ne_bytes(random());
            let number = self.own_number();
            let step =
                self.with(|shard| shard.quotas().reserve(tenant, need, number, now_ms(), id))?;
            match step {
                ReserveStep::Reserved(reserve) => return Ok(reserve),
                ReserveStep::Ask(request) => self.ask_home(&request, config, storage).await?,
                ReserveStep::Wait => {
                    let (sender, answered) = oneshot::channel();
                    self.quota_waiters.borrow_mut().push(sender);
                    // Each answer of a home wakes all that wait.
                    let _ = answered.await;
                }
            }
        }
    }

    /// Gives back what was charged for the items that `refunds` says so of: they are not durable after all.
    pub(super) fn settle_quotas(
        self: &Rc<Self>,
        refunds: &[bool],
        charges: &[ItemCharge],
        config: &Rc<Config>,
        storage: &Sqlite,
    ) {
        for (is_refunded, charge) in refunds.iter().zip(charges) {
            if let (true, ItemCharge::One(charge)) = (is_refunded, charge) {
                // Unreachable unless there is a bug: the shard is loaded.
                let _ = self.with(|shard| shard.quotas().refund(charge, 1));
            }
        }
        if !charges.is_empty() {
            self.renew_quotas(config, storage);
        }
    }

    /// Answers a question to this shard as the home of a tenant.
    pub(super) async fn grant_quota(&self, body: &[u8]) -> Result<Vec<u8>, ShardError> {
        let (config, storage) = self.load()?;
        let request = LeaseRequest::decode(body)?;
        let grant = self.grant(&request, &config, &storage).await.map_err(ShardError::Other)?;
        Ok(grant.encode())
    }

    /// Returns a tenant's count, for its home in another jurisdiction.
    pub(super) fn hand_over_quota(&self, key: &[u8]) -> Result<Vec<u8>, ShardError> {
        let (_, storage) = self.load()?;
        Ok(ledger::hand_over(&storage, key)?)
    }

    pub(super) fn own_number(&self) -> ShardNumber {
        self.address.unwrap_or_default().number
    }

    /// Asks the home of a tenant, and applies its answer.
    async fn ask_home(
        &self,
        request: &LeaseRequest,
        config: &Config,
        storage: &Sqlite,
    ) -> Result<(), ShardError> {
        let home = ledger::home_of(&request.tenant, config.shard_config().jurisdiction);
        let answer = match Some(home) == self.address {
            true => self.grant(request, config, storage).await,
            false => {
                let _slot = self.gate.enter(CallPurpose::Caller).await;
                let answer = shard_client::lease_quota(request, &self.env, config).await;
                answer.map_err(|error| error.to_string())
            }
        };
        let answer = answer.inspect_err(|why| {
            log::error(Component::Shard, format_args!("a quota is not known: {why}"));
        });
        self.with(|shard| shard.quotas().apply(request, answer.ok(), now_ms()))?;
        let waiters = std::mem::take(&mut *self.quota_waiters.borrow_mut());
        waiters.into_iter().for_each(|waiter| {
            // Its request may have ended.
            let _ = waiter.send(());
        });
        Ok(())
    }

    /// Answers as the home of a tenant. If the home was in another jurisdiction before, first takes over
    /// what is counted there. The error says why there is no answer.
    async fn grant(
        &self,
        request: &LeaseRequest,
        config: &Config,
        storage: &Sqlite,
    ) -> Result<LeaseGrant, String> {
        let sharding = config.shard_config();
        if let Some(previous) = sharding.previous_jurisdiction
            && !ledger::is_counted_here(storage, request).map_err(|error| error.0)?
        {
            // Isolates of the version before still ask the earlier home.
            if self.address.is_some_and(|own| own.jurisdiction == previous) {
                return Err(LedgerError::Moved.to_string());
            }
            let home = ledger::home_of(&request.tenant, previous);
            let (method, key) = (ShardMethod::HandOverQuota, ledger::key(request));
            let _slot = self.gate.enter(CallPurpose::Caller).await;
            let row = shard_client::shard(home, method, &key, QUOTA_MS, &self.env, config).await;
            let row = row.map_err(|error| error.to_string())?;
            ledger::take_over(storage, request, &row).map_err(|error| error.0)?;
        }
        ledger::grant(storage, request, sharding.count, now_ms()).map_err(|error| error.to_string())
    }

    /// Gives leases back when their time is over, as long as there are any.
    fn renew_quotas(self: &Rc<Self>, config: &Rc<Config>, storage: &Sqlite) {
        let next = |object: &Self| object.with(|shard| shard.quotas().next_renewal());
        if self.renews_quotas.get() || !matches!(next(self), Ok(Some(_))) {
            return;
        }
        self.renews_quotas.set(true);
        let (object, config, storage) = (Rc::clone(self), Rc::clone(config), storage.clone());
        tasks::spawn(async move {
            while let Ok(Some(at)) = next(&object) {
                io::wait(at.saturating_sub(now_ms())).await;
                let number = object.own_number();
                let due = object.with(|shard| shard.quotas().renewals(number, now_ms()));
                for request in due.unwrap_or_default() {
                    // An error is logged, and the next question has the same state.
                    let _ = object.ask_home(&request, &config, &storage).await;
                }
            }
            object.renews_quotas.set(false);
        });
    }
}

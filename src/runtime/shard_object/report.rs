//! Reports the shard's trouble to the object for reports in its jurisdiction; and the methods of that
//! object, which has the same class.

use std::rc::Rc;

use super::ShardObject;
use crate::base::clock::Milliseconds;
use crate::ops::health::report::ShardReport;
use crate::runtime::bindings::now_ms;
use crate::runtime::log::Component;
use crate::runtime::shard_client::{ShardCallError, ShardMethod};
use crate::runtime::storage::Sqlite;
use crate::runtime::{health, log, shard_client, tasks};
use crate::shard::protocol::error::ShardError;
use crate::shard::storage::{Storage, StorageError, Table};

/// How long the object may take to store a report, in milliseconds.
const PATIENCE_MS: u64 = 2_000;

/// How long until a report that was not stored is sent again, in milliseconds.
const RETRY_MS: u64 = 10_000;

/// The key under which a shard stores that it has reported trouble.
const TROUBLED: &[u8] = &[0];

/// Whether the shard of this storage has reported trouble, but not its end.
pub fn was_troubled(storage: &Sqlite) -> Result<bool, StorageError> {
    Ok(storage.get(Table::Reports, TROUBLED)?.is_some())
}

impl ShardObject {
    /// Sends the report that is due, in the background.
    pub(super) fn report_soon(self: &Rc<Self>) {
        let inner = Rc::clone(self);
        tasks::spawn(async move {
            let again_at = inner.report().await;
            inner.wake_by(again_at);
        });
    }

    /// Sends the report that is due. Returns when to retry if that failed.
    pub(super) async fn report(&self) -> Option<Milliseconds> {
        if self.reports.replace(true) {
            return None;
        }
        let reported = self.report_due().await;
        self.reports.set(false);
        match reported {
            Ok(()) => None,
            Err(why) => {
                log::error(Component::Shard, format_args!("its state was not reported: {why}"));
                Some(now_ms().saturating_add(RETRY_MS))
            }
        }
    }

    async fn report_due(&self) -> Result<(), ShardCallError> {
        let (config, storage) = self.load()?;
        let now = now_ms();
        let status = self.with(|shard| shard.status(now))?;
        let state = health::of_shard(status, &config);
        let Some(how) = self.reporter.borrow().due(&state, now) else { return Ok(()) };
        let address =
            self.address.ok_or_else(|| ShardError::Other("it has no address".to_owned()))?;
        let report = ShardReport { shard: address.number, at: now, how };
        if !report.is_of_the_end() {
            // Stored before sending: a shard that is evicted in between must report the end.
            storage.put(Table::Reports, TROUBLED, &[1]).map_err(ShardError::from)?;
        }
        let body = report.encode();
        let (jurisdiction, method) = (address.jurisdiction, ShardMethod::Report);
        let answer =
            shard_client::reports(jurisdiction, method, &body, PATIENCE_MS, &self.env, &config);
        answer.await?;
        self.reporter.borrow_mut().reported(&state, now);
        if report.is_of_the_end() {
            storage.delete(Table::Reports, TROUBLED).map_err(ShardError::from)?;
        }
        Ok(())
    }

    /// Stores a report in place of an earlier one of the same shard.
    pub(super) fn store_report(&self, body: &[u8]) -> Result<Vec<u8>, ShardError> {
        let report = ShardReport::decode(body)
            .ok_or_else(|| ShardError::Malformed("this is no report".to_owned()))?;
        let storage = &self.storage;
        storage.open_table(Table::Reports)?;
        let stored = match report.is_of_the_end() {
            true => storage.delete(Table::Reports, &report.key()),
            false => storage.put(Table::Reports, &report.key(), body),
        };
        stored?;
        Ok(Vec::new())
    }

    pub(super) fn stored_reports(&self) -> Result<Vec<u8>, ShardError> {
        /// More than there can be: two for each shard.
        const MAX: usize = 1_000;
        let storage = &self.storage;
        let read = || {
            storage.open_table(Table::Reports)?;
            let keys = storage.keys(Table::Reports, &[], MAX)?;
            let reports = keys.iter().map(|key| storage.get(Table::Reports, key));
            reports.filter_map(Result::transpose).collect::<Result<Vec<_>, StorageError>>()
        };
        Ok(ShardReport::list(&read()?))
    }
}

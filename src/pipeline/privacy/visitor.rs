//! Derives cookieless ids: one IP address with one browser on one site and one day is a visitor.
//!
//! An event has the id of the day on which it happened, by the salt of that day. Just after
//! midnight it also has the previous day's, so that a session over midnight stays one.

use std::net::IpAddr;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Timelike, Utc};

use crate::base::secret::{Salt, Secret};
use crate::model::device_key::{DeviceHasher, DeviceKey};
use crate::model::event::DeviceId;

/// For how long after midnight, UTC, a received event also has the previous day's id: a session's
/// usual timeout.
const OVER_MIDNIGHT: TimeDelta = TimeDelta::minutes(30);

/// The sender of a request, with the salts of its day and of the day before.
pub struct Visitor {
    today: NaiveDate,
    over_midnight: bool,
    salt_of_today: Salt,
    salt_of_yesterday: Salt,
    address: String,
    user_agent: String,
    tenant: String,
}

/// The cookieless ids of an event.
#[derive(Debug, PartialEq, Eq)]
pub struct Ids {
    /// Of the day of the event.
    pub device_id: Option<DeviceId>,
    /// Of the day before, just after midnight.
    pub previous_device_id: Option<DeviceId>,
}

impl Visitor {
    /// `at` is the time of receipt.
    pub fn new(
        secret: &Secret,
        at: DateTime<Utc>,
        tenant: &str,
        address: IpAddr,
        user_agent: Option<&str>,
    ) -> Self {
        let today = at.date_naive();
        let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
        let since_midnight = TimeDelta::seconds(i64::from(at.num_seconds_from_midnight()));
        Self {
            today,
            over_midnight: since_midnight < OVER_MIDNIGHT,
            salt_of_today: secret.salt_of(today),
            salt_of_yesterday: secret.salt_of(yesterday),
            address: address.to_canonical().to_string(),
            user_agent: user_agent.unwrap_or_default().to_owned(),
            tenant: tenant.to_owned(),
        }
    }

    /// Returns the same key on any day, which selects the visitor's shard; it is never disclosed.
    pub fn key(&self, hasher: &DeviceHasher) -> DeviceKey {
        hasher.of_visitor(&self.tenant, &self.address, &self.user_agent)
    }

    /// Returns the ids for an event that happened at `at` on `site`. One from before yesterday has
    /// yesterday's id: older salts are not made again.
    pub fn ids(&self, at: DateTime<Utc>, site: &str) -> Ids {
        let parts = ["device", &self.tenant, site, &self.address, &self.user_agent];
        let id = |salt: &Salt| DeviceId::parse(salt.id(&parts));
        if at.date_naive() < self.today {
            return Ids { device_id: id(&self.salt_of_yesterday), previous_device_id: None };
        }
        let previous = self.over_midnight.then(|| id(&self.salt_of_yesterday));
        Ids { device_id: id(&self.salt_of_today), previous_device_id: previous.flatten() }
    }
}

/// Shows nothing that could identify.
impl std::fmt::Debug for Visitor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Visitor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn ids_of(received: &str, happened: &str, address: &str) -> Ids {
        let secret = Secret::parse("s".repeat(32)).unwrap();
        let address = address.parse().unwrap();
        Visitor::new(&secret, time(received), "shop", address, Some("Mozilla/5.0"))
            .ids(time(happened), "shop.example")
    }

    const HOME: &str = "203.0.113.77";

    #[test]
    fn one_visitor_has_one_id_a_day() {
        let morning = ids_of("2026-11-18T08:00:00Z", "2026-11-18T08:00:00Z", HOME);
        let evening = ids_of("2026-11-18T23:59:59Z", "2026-11-18T23:59:58Z", HOME);
        assert_eq!(morning, evening);
        let next_day = ids_of("2026-11-19T08:00:00Z", "2026-11-19T08:00:00Z", HOME);
        assert!(next_day.device_id != morning.device_id && next_day.previous_device_id.is_none());
        let neighbour = ids_of("2026-11-18T08:00:00Z", "2026-11-18T08:00:00Z", "203.0.113.78");
        assert_ne!(neighbour.device_id, morning.device_id);
        let mapped = ids_of("2026-11-18T08:00:00Z", "2026-11-18T08:00:00Z", "::ffff:203.0.113.77");
        assert_eq!(mapped, morning);
    }

    #[test]
    fn the_salt_of_the_day_before_is_honoured_over_midnight() {
        let before = ids_of("2026-11-18T23:58:00Z", "2026-11-18T23:58:00Z", HOME);
        let late = ids_of("2026-11-19T00:10:00Z", "2026-11-18T23:59:00Z", HOME);
        assert_eq!(late.device_id, before.device_id);
        let after = ids_of("2026-11-19T00:10:00Z", "2026-11-19T00:09:59Z", HOME);
        assert_ne!(after.device_id, before.device_id);
        assert_eq!(after.previous_device_id, before.device_id);
        let later = ids_of("2026-11-19T00:31:00Z", "2026-11-19T00:30:00Z", HOME);
        assert_eq!((&later.device_id, &later.previous_device_id), (&after.device_id, &None));
        let dated_early = ids_of("2026-11-19T12:00:00Z", "2026-11-19T00:09:59Z", HOME);
        assert_eq!(dated_early, later);
        let days_late = ids_of("2026-11-19T12:00:00Z", "2026-11-02T12:00:00Z", HOME);
        assert_eq!(days_late, Ids { device_id: before.device_id, previous_device_id: None });
    }
}

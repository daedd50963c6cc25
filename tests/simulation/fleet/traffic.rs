//! Requests as clients make them: devices that visit, leave and come back.
//!
//! So many devices are on a visit that each has its share of the rate: a request comes from one of them, which then
//! may leave for a new device or for one that returns. Some requests have no device, some have events of hours ago.

use headwater::base::clock::Milliseconds;

use super::chance::Chance;
use super::constants::Constants;
use super::ledger::{Kind, Ledger, NO_DEVICE};
use super::settings::Settings;

#[derive(Debug)]
pub struct Traffic {
    visiting: Vec<u32>,
    past: Vec<u32>,
    leaves: f64,
    line_bytes: f64,
    level_shares: Vec<f64>,
    settings: Settings,
}

impl Traffic {
    pub fn new(settings: &Settings, constants: &Constants, ledger: &mut Ledger) -> Self {
        let (events, lasts_s) =
            (constants.number("event.visit_events"), constants.number("event.visit_s"));
        let rate = settings.rate / f64::from(settings.scale);
        let count = (rate * lasts_s / events).ceil().max(1.0) as usize;
        Self {
            visiting: (0..count).map(|_| ledger.new_device()).collect(),
            past: Vec::new(),
            leaves: (settings.events_per_request as f64 / events).min(1.0),
            line_bytes: constants.number("event.line_bytes"),
            level_shares: constants.level_shares(),
            settings: settings.clone(),
        }
    }

    /// Returns the time in seconds until the next request, at a share of the busiest rate.
    pub fn wait_s(&self, share: f64, chance: &mut Chance) -> f64 {
        let Settings { rate, scale, events_per_request, .. } = self.settings;
        chance.until_next(share * rate / f64::from(scale) / events_per_request as f64)
    }

    /// Makes the events of the next request, in their order.
    pub fn request(
        &mut self,
        now: Milliseconds,
        ledger: &mut Ledger,
        chance: &mut Chance,
    ) -> Vec<u64> {
        let device = match chance.is(self.settings.without_device) {
            true => NO_DEVICE,
            false => self.device(ledger, chance),
        };
        let ago_ms = match chance.is(self.settings.late) {
            true => chance.between(60_000.0, 20.0 * 3_600_000.0) as u64,
            false => 0,
        };
        let count = self.settings.events_per_request as u64;
        // Its events came in the seconds before it.
        let at = |index: u64| now - ago_ms - (count - 1 - index) * 200;
        (0..count)
            .map(|index| {
                let kind = match () {
                    () if chance.is(self.settings.failed) => Kind::Failed,
                    () if chance.is(self.settings.session_starts) => Kind::SessionStart,
                    () => Kind::Event,
                };
                let route = self.route(chance.share());
                let bytes = (self.line_bytes * chance.between(0.6, 1.2)) as usize;
                ledger.new_event(device, kind, route, bytes, at(index))
            })
            .collect()
    }

    fn device(&mut self, ledger: &mut Ledger, chance: &mut Chance) -> u32 {
        let place = chance.below(self.visiting.len());
        let device = self.visiting[place];
        if chance.is(self.leaves) {
            self.visiting[place] = match self.past.len() {
                0 => ledger.new_device(),
                count if chance.is(0.5) => self.past.swap_remove(chance.below(count)),
                _ => ledger.new_device(),
            };
            self.past.push(device);
        }
        device
    }

    fn route(&self, mut share: f64) -> u8 {
        for (index, of) in self.level_shares.iter().enumerate() {
            if share < *of {
                return index as u8;
            }
            share -= of;
        }
        0
    }
}

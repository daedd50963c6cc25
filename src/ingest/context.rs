//! What holds for every beacon of a request, and what its wishes and routes come to.

use serde_json::{Map, Value};

use super::Ended;
use crate::config::Config;
use crate::config::tenant::Tenant;
use crate::model::beacon::Envelope;
use crate::model::consent::Consent;
use crate::model::event::{EventId, EventIds};
use crate::model::outcome::DropReason;
use crate::pipeline::enrich::{Bots, Enriched, Facts};
use crate::pipeline::privacy;
use crate::pipeline::privacy::{DeviceIds, Standing};
use crate::pipeline::route::{Route, Subject};

/// What holds for every beacon of a request.
#[derive(Debug)]
pub(super) struct Intake<'a> {
    pub(super) config: &'a Config,
    pub(super) tenant: &'a Tenant,
    pub(super) facts: Facts<'a>,
    pub(super) envelope: Envelope,
}

impl<'a> Intake<'a> {
    /// How a beacon with this consent stands with the wishes that bear on it.
    pub(super) fn standing(&self, consent: Option<Consent>) -> Standing {
        self.tenant.privacy.standing(self.facts.signals, consent)
    }

    /// The tenant and the envelope, as a failed event carries them.
    pub(super) fn stamps(&self) -> (String, Envelope) {
        let Tenant { name, privacy, .. } = self.tenant;
        let mut envelope = self.envelope.clone();
        if privacy.device_ids == DeviceIds::Cookieless {
            envelope.device_id = None;
        }
        (name.clone(), envelope)
    }

    /// Follows the wishes of the person behind a raw beacon.
    pub(super) fn heed(
        &self,
        fields: &mut Map<String, Value>,
        ids: &mut EventIds,
    ) -> Result<Option<crate::model::consent::Reason>, Ended> {
        match self.standing(privacy::consent(fields)) {
            Standing::Free => Ok(None),
            Standing::Stripped(reason) => {
                privacy::strip(fields);
                Ok(Some(reason))
            }
            Standing::Refused(reason) => {
                let id = fields.get("id").and_then(Value::as_str).and_then(EventId::parse);
                Err(Ended::Dropped(id.unwrap_or_else(|| ids.next_id()), reason.into()))
            }
        }
    }

    /// The route of an event, if it takes that event.
    pub(super) fn route(&self, enriched: &Enriched<'_>) -> Result<&'a Route, Ended> {
        let (event, tenant) = (&enriched.event, self.tenant);
        let bot = self.facts.bot.is_some();
        if bot && self.facts.enrichment.bots == Bots::Drop {
            return Err(Ended::Dropped(event.id, DropReason::Bot));
        }
        let subject = Subject::of_event(event, &tenant.name, bot);
        let route = tenant.routes.route(subject);
        match route.sample.is_none_or(|sample| sample.takes(event)) {
            true => Ok(route),
            false => Err(Ended::Dropped(event.id, DropReason::Sampled)),
        }
    }
}

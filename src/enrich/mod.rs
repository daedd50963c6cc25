//! Adds to an event what the edge knows; never rejects one.

pub mod campaign;
pub mod ip;
pub mod page;
pub mod referrer;

use chrono::{DateTime, Utc};

use crate::context::{Geo, RequestContext};
use crate::event::Event;
use ip::IpPolicy;

/// Longer user agents are cut.
const MAX_USER_AGENT_CHARS: usize = 1_024;

/// An event and what was learnt of it at the edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Enriched<'a> {
    /// The event.
    pub event: Event,
    /// The facts that all events of its request share.
    pub facts: &'a Facts,
}

/// What the edge may tell of a request, after the privacy rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The edge's clock.
    pub received_at: DateTime<Utc>,
    /// The client's address, as far as the policy lets it be told.
    pub ip: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// Where the client is.
    pub geo: Geo,
}

/// The facts of a request.
pub fn facts(context: &RequestContext, ip: IpPolicy) -> Facts {
    Facts {
        received_at: context.received_at,
        ip: context.ip.and_then(|address| ip.apply(address)),
        user_agent: context.user_agent.as_ref().map(|agent| cut(agent)),
        geo: context.geo.clone(),
    }
}

/// A `User-Agent` of the length that any real one has: each event of a request carries it.
fn cut(agent: &str) -> String {
    agent.chars().take(MAX_USER_AGENT_CHARS).collect()
}

/// Adds the request's facts to one of its events.
pub fn event(event: Event, facts: &Facts) -> Enriched<'_> {
    Enriched { event, facts }
}

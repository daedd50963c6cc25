//! What an address is for.

use crate::inspect;
use crate::snippet::{Asked, Place};

/// Where beacons go.
pub const EVENTS: &str = "/v1/events";

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address<'a> {
    /// Takes beacons.
    Events,
    /// Takes an event and shows an image.
    Pixel,
    /// Says that the worker runs.
    Health,
    /// Says whether events can be delivered.
    Ready,
    /// Has a script of the snippet.
    Script(Asked<'a>),
    /// Gives the operator what the shards have set aside.
    SetAside,
    /// The inspector's, where there is one.
    Inspector(inspect::Asked<'a>),
}

impl<'a> Address<'a> {
    /// What `path` is for in every worker, whatever its operator says.
    pub fn usual(path: &'a str) -> Option<Self> {
        match path {
            EVENTS => Some(Self::Events),
            "/v1/pixel.gif" => Some(Self::Pixel),
            "/healthz" => Some(Self::Health),
            "/readyz" => Some(Self::Ready),
            "/_/set-aside" => Some(Self::SetAside),
            path => match inspect::Asked::of(path) {
                Some(asked) => Some(Self::Inspector(asked)),
                None => Place::DEFAULT.asked(path).map(Self::Script),
            },
        }
    }
}

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
    /// What `path` is for in every worker, whatever its operator says. A slash too many in the
    /// address of what is no script is ignored.
    pub fn usual(path: &'a str) -> Option<Self> {
        if let Some(fixed) = Self::fixed(path) {
            return Some(fixed);
        }
        match inspect::Asked::of(path) {
            Some(asked) => Some(Self::Inspector(asked)),
            None => {
                let script = || Place::DEFAULT.asked(path).map(Self::Script);
                script().or_else(|| Self::fixed(&plain(path)?))
            }
        }
    }

    fn fixed(path: &str) -> Option<Self> {
        match path {
            EVENTS => Some(Self::Events),
            "/v1/pixel.gif" => Some(Self::Pixel),
            "/healthz" => Some(Self::Health),
            "/readyz" => Some(Self::Ready),
            "/_/set-aside" => Some(Self::SetAside),
            _ => None,
        }
    }
}

/// `path` without slashes at its end or behind another, if it has any.
pub fn plain(path: &str) -> Option<String> {
    let has_any = path.starts_with('/') && (path.contains("//") || path.ends_with('/'));
    let parts = || path.split('/').filter(|part| !part.is_empty());
    has_any.then(|| parts().flat_map(|part| ["/", part]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_too_many_is_ignored() {
        for path in ["/v1/events", "/v1/events/", "//v1/events", "/v1//events", "///v1/events//"] {
            assert_eq!(Address::usual(path), Some(Address::Events), "{path}");
        }
        for (path, address) in [
            ("/v1/pixel.gif/", Address::Pixel),
            ("//v1/pixel.gif", Address::Pixel),
            ("/healthz/", Address::Health),
            ("//readyz", Address::Ready),
            ("/_//set-aside/", Address::SetAside),
        ] {
            assert_eq!(Address::usual(path), Some(address), "{path}");
        }
        for path in ["", "/", "//", "/v1", "/v1/", "/v1/events/x", "/V1/events/", "v1/events/"] {
            assert_eq!(Address::usual(path), None, "{path}");
        }
    }
}

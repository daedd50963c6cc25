//! The endpoints of the worker, and their paths.

use super::tracker_path::{TrackerPath, TrackerRequest};

/// The path for beacons.
pub const EVENTS: &str = "/v1/events";

/// The purpose of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint<'a> {
    Events,
    /// Accepts one event and answers with an image.
    Pixel,
    /// Reports that the worker runs.
    Health,
    /// Reports whether events can be delivered.
    Ready,
    /// Reports the state of shards and streams as metrics.
    Metrics,
    /// Serves a script of the snippet.
    Script(TrackerRequest<'a>),
    /// Gives the operator access to quarantined records.
    Quarantine,
    /// Belongs to the inspector, if the worker has one.
    Inspector(InspectorRoute<'a>),
    /// Shows a page of the demo.
    Demo(DemoPage),
}

/// A page of the demo, which sends events to the worker that serves it. No endpoint is
/// [usual](Endpoint::usual) at its paths: an operator's own path comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoPage {
    Shop,
    Beacons,
}

impl DemoPage {
    /// Returns the page at `path`.
    pub fn of(path: &str) -> Option<Self> {
        match path {
            "/" | "/index.html" => Some(Self::Shop),
            "/beacons" | "/beacons.html" => Some(Self::Beacons),
            _ => None,
        }
    }

    /// Returns the path of its asset.
    pub const fn asset(self) -> &'static str {
        match self {
            Self::Shop => "/",
            Self::Beacons => "/beacons",
        }
    }
}

impl<'a> Endpoint<'a> {
    /// Returns the endpoint at `path` without custom paths. Extra slashes are ignored, except in
    /// the paths of scripts and of the inspector.
    pub fn usual(path: &'a str) -> Option<Self> {
        if let Some(fixed) = Self::fixed(path) {
            return Some(fixed);
        }
        match InspectorRoute::of(path) {
            Some(asked) => Some(Self::Inspector(asked)),
            None => {
                let script = || TrackerPath::DEFAULT.asked(path).map(Self::Script);
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
            "/_/metrics" => Some(Self::Metrics),
            "/_/quarantine" => Some(Self::Quarantine),
            _ => None,
        }
    }
}

/// Removes extra slashes from `path`; none if it has none.
pub fn plain(path: &str) -> Option<String> {
    let has_any = path.starts_with('/') && (path.contains("//") || path.ends_with('/'));
    let parts = || path.split('/').filter(|part| !part.is_empty());
    has_any.then(|| parts().flat_map(|part| ["/", part]).collect())
}

/// The path of the inspector, and the root of all that it serves.
pub const ROOT: &str = "/_/inspect";

/// A resource of the inspector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InspectorRoute<'a> {
    Page,
    /// A file of the page, by name.
    File(&'a str),
    /// An answer in JSON.
    Api(InspectorQuery),
}

/// A query of the inspector, answered in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InspectorQuery {
    /// The number of beacons by outcome.
    All,
    /// Entries of beacons that were accepted, duplicates or dropped.
    Ok,
    /// Entries of beacons that failed, and of rejected requests.
    Failed,
    /// All new entries, and the number of beacons in each of the last seconds.
    Live,
    /// Forgets everything and begins an epoch.
    Reset,
}

impl<'a> InspectorRoute<'a> {
    /// Parses `path`; none if it is not a path of the inspector.
    pub fn of(path: &'a str) -> Option<Self> {
        let name = match path.strip_prefix(ROOT)? {
            "" => return Some(Self::Page),
            below => below.strip_prefix('/')?,
        };
        if let Some(api) = InspectorQuery::of(name) {
            return Some(Self::Api(api));
        }
        let (stem, extension) = name.rsplit_once('.')?;
        let is_plain = !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_lowercase());
        (is_plain && matches!(extension, "js" | "css")).then_some(Self::File(name))
    }
}

impl InspectorQuery {
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "ok" => Some(Self::Ok),
            "failed" => Some(Self::Failed),
            "live" => Some(Self::Live),
            "reset" => Some(Self::Reset),
            _ => None,
        }
    }

    /// Returns its name in a path.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Live => "live",
            Self::Reset => "reset",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_too_many_is_ignored() {
        for path in ["/v1/events", "/v1/events/", "//v1/events", "/v1//events", "///v1/events//"] {
            assert_eq!(Endpoint::usual(path), Some(Endpoint::Events), "{path}");
        }
        for (path, address) in [
            ("/v1/pixel.gif/", Endpoint::Pixel),
            ("//v1/pixel.gif", Endpoint::Pixel),
            ("/healthz/", Endpoint::Health),
            ("//readyz", Endpoint::Ready),
            ("/_//quarantine/", Endpoint::Quarantine),
            ("/_/metrics/", Endpoint::Metrics),
        ] {
            assert_eq!(Endpoint::usual(path), Some(address), "{path}");
        }
        for path in ["", "/", "//", "/v1", "/v1/", "/v1/events/x", "/V1/events/", "v1/events/"] {
            assert_eq!(Endpoint::usual(path), None, "{path}");
        }
    }

    #[test]
    fn an_address_below_the_inspector_asks_for_one_thing_or_none() {
        for (path, asked) in [
            ("/_/inspect", Some(InspectorRoute::Page)),
            ("/_/inspect/all", Some(InspectorRoute::Api(InspectorQuery::All))),
            ("/_/inspect/reset", Some(InspectorRoute::Api(InspectorQuery::Reset))),
            ("/_/inspect/page.js", Some(InspectorRoute::File("page.js"))),
            ("/_/inspect/inspect.css", Some(InspectorRoute::File("inspect.css"))),
            ("/_/inspect/", None),
            ("/_/inspect/all/", None),
            ("/_/inspect/.js", None),
            ("/_/inspect/../t.js", None),
            ("/_/inspect/index.html", None),
            ("/_/inspector", None),
            ("/_/", None),
        ] {
            assert_eq!(InspectorRoute::of(path), asked, "{path}");
        }
    }

    #[test]
    fn each_question_is_asked_by_its_name() {
        for api in [
            InspectorQuery::All,
            InspectorQuery::Ok,
            InspectorQuery::Failed,
            InspectorQuery::Live,
            InspectorQuery::Reset,
        ] {
            assert_eq!(InspectorQuery::of(api.name()), Some(api));
        }
    }
}

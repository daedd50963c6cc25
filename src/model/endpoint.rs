//! The addresses of the worker: what each path is for.

use super::tracker_path::{TrackerPath, TrackerRequest};

/// Where beacons go.
pub const EVENTS: &str = "/v1/events";

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// Takes beacons.
    Events,
    /// Takes an event and shows an image.
    Pixel,
    /// Says that the worker runs.
    Health,
    /// Says whether events can be delivered.
    Ready,
    /// Has a script of the snippet.
    Script(TrackerRequest<'a>),
    /// Gives the operator what the shards have set aside.
    SetAside,
    /// The inspector's, where there is one.
    Inspector(InspectorRoute<'a>),
}

impl<'a> Endpoint<'a> {
    /// What `path` is for in every worker, whatever its operator says. A slash too many in the
    /// address of what is no script is ignored.
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

/// Below this is all that the inspector serves.
pub const ROOT: &str = "/_/inspect";

/// What is asked of the inspector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InspectorRoute<'a> {
    /// Its page.
    Page,
    /// A file of its page, by its name.
    File(&'a str),
    /// What it was told, as JSON.
    Api(InspectorQuery),
}

/// What is answered in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InspectorQuery {
    /// How many beacons ended in which way.
    All,
    /// The stories of those that were accepted, were duplicates or were dropped.
    Good,
    /// The stories of those that failed, or were refused.
    Bad,
    /// All that is new, and how many there were in each of the last seconds.
    Live,
    /// Forgets everything, and begins an epoch.
    Reset,
}

impl<'a> InspectorRoute<'a> {
    /// What `path` asks, if it is an address of the inspector's.
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
    /// What `name` asks.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "good" => Some(Self::Good),
            "bad" => Some(Self::Bad),
            "live" => Some(Self::Live),
            "reset" => Some(Self::Reset),
            _ => None,
        }
    }

    /// Its name in an address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Good => "good",
            Self::Bad => "bad",
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
            ("/_//set-aside/", Endpoint::SetAside),
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
            InspectorQuery::Good,
            InspectorQuery::Bad,
            InspectorQuery::Live,
            InspectorQuery::Reset,
        ] {
            assert_eq!(InspectorQuery::of(api.name()), Some(api));
        }
    }
}

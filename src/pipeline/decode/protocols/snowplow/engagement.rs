//! Page pings as engagement: each becomes a `page_leave` of one heartbeat.
//!
//! A ping does not state its heartbeat, so the operator does. Pings are not joined, not even those of one
//! request: each keeps its own id, and so a repeat of it is a duplicate whatever else is sent with it. The
//! times of a page's events add up, as they do for the snippet.

use serde_json::{Map, Value};

use crate::pipeline::decode::protocols::translation::{ObjectFields, Translation};

/// How long a page was read, and how far.
pub struct Engagement {
    ms: u64,
    /// In per cent of the page's height.
    depth: u64,
}

impl Engagement {
    /// The name of its event.
    pub const NAME: &'static str = "page_leave";

    /// Returns the engagement of a page ping. None for any other `kind`, without a heartbeat, or if the
    /// item does not state how far the page was read.
    pub fn of(
        kind: &str,
        item: &Map<String, Value>,
        translation: &Translation<'_>,
    ) -> Option<Self> {
        let heartbeat_s = translation.heartbeat_s.filter(|_| kind == "pp")?;
        Some(Self { ms: heartbeat_s.saturating_mul(1_000), depth: depth(item)? })
    }

    /// Sets the props of its event.
    pub fn set_props(self, props: &mut Map<String, Value>) {
        props.put("depth", self.depth.into());
        props.put("engaged_ms", self.ms.into());
    }
}

/// Returns the lowest line that was in sight, in per cent of the page's height: `ds` and `vp` are the
/// sizes of the page and of the window, such as `1280x3016`.
fn depth(item: &Map<String, Value>) -> Option<u64> {
    let height = |name: &str| item.text(name)?.split_once('x')?.1.trim().parse::<u32>().ok();
    let offset = item.text("pp_may")?.split('.').next()?.trim().parse::<i64>().ok()?;
    // A page that bounces has a negative one.
    let offset = u64::try_from(offset).unwrap_or_default();
    let (page, window) = (u64::from(height("ds")?), u64::from(height("vp")?));
    let seen = offset.saturating_add(window).saturating_mul(100).checked_div(page);
    Some(seen.unwrap_or(100).min(100))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_depth_is_the_lowest_line_in_sight() {
        for (offset, page, window, expected) in [
            ("0", "1280x3000", "1280x600", Some(20)),
            ("900", "1280x3000", "1280x600", Some(50)),
            ("-40", "1280x3000", "1280x600", Some(20)),
            ("900.5", "1280x3000", "1280x600", Some(50)),
            ("2500", "1280x3000", "1280x600", Some(100)),
            ("0", "1280x0", "1280x600", Some(100)),
            ("9223372036854775807", "1280x3000", "1280x600", Some(100)),
            ("inf", "1280x3000", "1280x600", None),
            ("x", "1280x3000", "1280x600", None),
            ("0", "3000", "1280x600", None),
            ("0", "1280x3000", "", None),
        ] {
            let item = json!({"pp_may": offset, "ds": page, "vp": window});
            assert_eq!(depth(item.as_object().unwrap()), expected, "{item}");
        }
        assert_eq!(depth(&Map::new()), None);
    }
}

//! Selects the streams of an event: those of the first route that matches.
//!
//! A route may keep only a share of its devices, always the same ones. Each record states the
//! share, so that counts can be scaled up.

use serde_json::{Map, Value};

use crate::model::event::Event;
use crate::model::fan_out::FanOut;
use crate::model::level::Level;
use crate::model::name_pattern::NamePattern;
use crate::model::sampling::SampleRate;
use crate::model::stream::Stream;
use crate::model::stream_set::StreamSet;

/// The routes in order, and the default route.
#[derive(Debug, Clone, PartialEq)]
pub struct Routes {
    pub routes: Vec<(RouteCondition, Route)>,
    /// Applies if no other route matches; has no condition.
    pub otherwise: Route,
}

/// Streams, and how events go to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    pub to: FanOut,
    /// The share of devices that the route keeps.
    pub sample: Option<SampleRate>,
    /// Whether its events share records. If one route forbids it, no events of its streams do.
    pub aggregate: RouteAggregation,
}

/// Whether events share records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RouteAggregation {
    /// As configured for all routes.
    #[default]
    AsConfigured,
    /// Each event is a record of its own, as some consumers need it.
    Never,
}

/// The conditions on an event; all that are given must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouteCondition {
    pub level: Option<Level>,
    pub name: Option<NamePattern>,
    pub tenant: Option<String>,
    /// Whether it must, or must not, be a bot's.
    pub bot: Option<bool>,
    /// Whether it must, or must not, be historical.
    pub historical: Option<bool>,
    /// The values that its metadata must have.
    pub metadata: Map<String, Value>,
}

/// The parts of an event that routes test. All are in its record, so that a stored record can be
/// routed again.
#[derive(Debug, Clone, Copy)]
pub struct RouteInput<'a> {
    pub level: Option<Level>,
    pub name: &'a str,
    pub metadata: Option<&'a Map<String, Value>>,
    pub tenant: &'a str,
    /// Whether a bot sent it.
    pub bot: bool,
    /// Whether it happened long ago, as its server states.
    pub historical: bool,
}

impl<'a> RouteInput<'a> {
    pub fn of_event(event: &'a Event, tenant: &'a str, bot: bool) -> Self {
        let metadata = event.metadata.as_ref();
        let (level, name) = (event.level, event.name.as_str());
        Self { level, name, metadata, tenant, bot, historical: false }
    }
}

impl Routes {
    /// Returns the first route that matches, or the default.
    pub fn route(&self, subject: RouteInput<'_>) -> &Route {
        let matching = self.routes.iter().find(|(condition, _)| condition.holds(subject));
        matching.map_or(&self.otherwise, |(_, route)| route)
    }

    /// Returns the route of overflowing devices: that of all events of low level, or the default.
    pub fn of_overflow(&self) -> &Route {
        let low = RouteCondition { level: Some(Level::Low), ..RouteCondition::default() };
        let route = self.routes.iter().find(|(condition, _)| *condition == low);
        route.map_or(&self.otherwise, |(_, route)| route)
    }

    /// Returns every route, the default last.
    pub fn all(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().map(|(_, route)| route).chain([&self.otherwise])
    }

    /// Returns every tenant that a route names.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().filter_map(|(condition, _)| condition.tenant.as_deref())
    }

    /// Returns the streams and stream sets of every route.
    pub fn sets(&self) -> Vec<&StreamSet> {
        let mut sets = Vec::new();
        for route in self.all() {
            sets.push(route.to.first());
            sets.extend(route.to.others());
        }
        sets
    }

    /// Whether a route goes to `stream`.
    pub fn go_to(&self, stream: &Stream) -> bool {
        self.all().any(|route| route.to.contains(stream))
    }
}

impl RouteCondition {
    fn holds(&self, subject: RouteInput<'_>) -> bool {
        let RouteInput { level, name, metadata, tenant, bot, historical } = subject;
        let in_metadata = |(key, wanted): (&String, &Value)| {
            let found = metadata.and_then(|metadata| metadata.get(key));
            found.is_some_and(|found| is_same(found, wanted))
        };
        self.level.is_none_or(|wanted| level == Some(wanted))
            && self.name.as_ref().is_none_or(|pattern| pattern.matches(name))
            && self.tenant.as_deref().is_none_or(|wanted| wanted == tenant)
            && self.bot.is_none_or(|wanted| wanted == bot)
            && self.historical.is_none_or(|wanted| wanted == historical)
            && self.metadata.iter().all(in_metadata)
    }
}

/// Whether two values are equal; numbers compare by value, in any notation.
fn is_same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Number(found), Value::Number(wanted)) => {
            found == wanted || (found.as_f64().is_some() && found.as_f64() == wanted.as_f64())
        }
        _ => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::beacon::Envelope;
    use crate::model::event::EventIdGenerator;

    fn event(fields: Value) -> Event {
        let Value::Object(fields) = fields else { panic!("not an object") };
        let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [0; 10]);
        let (envelope, unknown) = (Envelope::default(), Default::default());
        let mut repairs = crate::model::repairs::Repairs::default();
        crate::pipeline::validate::event(fields, &envelope, unknown, &mut ids, &mut repairs)
            .unwrap()
    }

    fn to(name: &str) -> Route {
        let to = FanOut::parse(&format!("firehose:{name}")).unwrap();
        Route { to, sample: None, aggregate: RouteAggregation::default() }
    }

    fn pattern(text: &str) -> Option<NamePattern> {
        Some(NamePattern::parse(text).unwrap())
    }

    #[test]
    fn the_first_route_whose_every_condition_holds_wins() {
        let any = RouteCondition::default;
        let Value::Object(vip) = json!({"tag": "vip", "n": 1}) else { panic!() };
        let routes = Routes {
            routes: vec![
                (RouteCondition { bot: Some(true), ..any() }, to("bots")),
                (RouteCondition { level: Some(Level::Low), ..any() }, to("low")),
                (RouteCondition { metadata: vip, ..any() }, to("vip")),
                (
                    RouteCondition {
                        name: pattern("order_*"),
                        tenant: Some("b".to_owned()),
                        ..any()
                    },
                    to("orders"),
                ),
                (
                    RouteCondition {
                        level: Some(Level::High),
                        name: pattern("sign_up"),
                        bot: Some(false),
                        ..any()
                    },
                    to("people"),
                ),
            ],
            otherwise: to("rest"),
        };
        for (fields, tenant, bot, stream) in [
            (json!({"name": "order_sent", "level": "low"}), "b", true, "bots"),
            (json!({"name": "order_sent", "level": "low"}), "b", false, "low"),
            (json!({"name": "order_sent", "level": "high"}), "b", false, "orders"),
            (json!({"name": "order_sent", "level": "high"}), "a", false, "rest"),
            (json!({"name": "order_", "metadata": {"tag": "vip", "n": 1.0}}), "b", false, "vip"),
            (
                json!({"name": "order_", "metadata": {"tag": "vip", "n": 1, "x": 2}}),
                "b",
                false,
                "vip",
            ),
            (json!({"name": "order_", "metadata": {"tag": "vip", "n": "1"}}), "b", false, "orders"),
            (json!({"name": "order_", "metadata": {"tag": "vip"}}), "a", false, "rest"),
            (json!({"name": "sign_up", "level": "high"}), "a", false, "people"),
            (json!({"name": "sign_up2", "level": "high"}), "a", false, "rest"),
            (json!({"name": "sign_up"}), "a", false, "rest"),
        ] {
            let event = event(fields.clone());
            assert_eq!(
                routes.route(RouteInput::of_event(&event, tenant, bot)),
                &to(stream),
                "{fields}"
            );
        }
    }

    #[test]
    fn a_pattern_is_a_name_with_stars() {
        for good in ["order_placed", "order_*", "a*", "*", "*_placed", "a*b", "app_*_v*"] {
            assert!(NamePattern::parse(good).is_some(), "{good}");
        }
        for bad in ["", "Order*", "a**", "a b", "order-*"] {
            assert!(NamePattern::parse(bad).is_none(), "{bad}");
        }
        for (text, name, matches) in [
            ("order_*", "order_placed", true),
            ("order_*", "order_", true),
            ("order_*", "reorder_x", false),
            ("*_placed", "order_placed", true),
            ("*_placed", "order_placed2", false),
            ("a*b", "ab", true),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1c2c", false),
            ("*", "x", true),
        ] {
            assert_eq!(pattern(text).unwrap().matches(name), matches, "{text} {name}");
        }
    }

    #[test]
    fn two_patterns_intersect_if_a_name_matches_both() {
        for (a, b, meet) in [
            ("order_*", "order_placed", true),
            ("order_*", "*", true),
            ("order_*", "order_p*", true),
            ("order_*", "page_*", false),
            ("order_placed", "order_p", false),
            ("a*b", "ab", true),
            ("a*c", "ab*", true),
            ("a*c", "ab", false),
            ("*_placed", "order_*", true),
            ("*x*", "ab*", true),
            ("a*b", "a*c", false),
            ("a*b*c", "*b", false),
            ("aa*", "a", false),
        ] {
            let intersects =
                |a: &str, b: &str| pattern(a).unwrap().intersects(&pattern(b).unwrap());
            assert_eq!((intersects(a, b), intersects(b, a)), (meet, meet), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn a_star_matches_any_text_and_nothing_else_does(
            parts in proptest::collection::vec("[ab_]{0,3}", 1..4), fills in proptest::collection::vec("[ab_.]{0,3}", 3),
        ) {
            let text = format!("a{}", parts.join("*"));
            let mut name = format!("a{}", parts.first().unwrap());
            for (part, fill) in parts.iter().skip(1).zip(&fills) {
                name.push_str(fill);
                name.push_str(part);
            }
            if let Some(pattern) = NamePattern::parse(&text) {
                prop_assert!(pattern.matches(&name) && pattern.intersects(&NamePattern::parse(&name).unwrap()));
            }
        }

        #[test]
        fn a_larger_sample_contains_every_smaller_one(
            device in "[a-z0-9-]{1,40}", less in 0.001_f64..0.999, more in 0.001_f64..0.999,
        ) {
            let event = event(json!({"name": "a", "device_id": device}));
            let takes = |share| SampleRate::parse(share).unwrap().takes(&event);
            prop_assert!(!takes(less.min(more)) || takes(less.max(more)));
        }
    }

    #[test]
    fn a_sample_has_about_its_rate_and_the_same_devices() {
        let accepted = |share: f64, prefix: &str| {
            let rate = SampleRate::parse(share).unwrap();
            let device =
                |index| event(json!({"name": "a", "device_id": format!("{prefix}{index}")}));
            (0..10_000).filter(|index| rate.takes(&device(*index))).count()
        };
        for prefix in ["", "01939b70-6d2a-7c3e-8f00-00000000", "ä"] {
            assert!(
                (accepted(0.1, prefix) as i64 - 1_000).abs() < 120,
                "{}",
                accepted(0.1, prefix)
            );
            assert!((accepted(0.75, prefix) as i64 - 7_500).abs() < 180);
        }
        let rate = SampleRate::parse(0.5).unwrap();
        let accepted = ["a", "b", "c", "d", "e", "f", "g", "h"]
            .map(|device| rate.takes(&event(json!({"name": "a", "device_id": device}))));
        assert_eq!(accepted, [true, true, true, true, false, false, true, false]);
    }
}

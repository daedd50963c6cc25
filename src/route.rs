//! From an event to its stream: the first route that matches.

use crate::event::{Event, EventName, Level};
use crate::sink::Stream;

/// The routes in their order, and the stream for what none of them matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Routes {
    /// Tried in order.
    pub routes: Vec<Route>,
    /// The last route, which has no condition.
    pub otherwise: Stream,
}

/// A stream for the events that meet every condition given.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The level that the event must have.
    pub level: Option<Level>,
    /// The names that it may have.
    pub name: Option<NamePattern>,
    /// Where it goes.
    pub to: Stream,
}

/// A name, or the start of names followed by `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamePattern {
    /// This name.
    Exactly(String),
    /// Any name that starts so.
    Prefix(String),
}

impl Routes {
    /// The stream for `event`.
    pub fn stream(&self, event: &Event) -> &Stream {
        let matching = self.routes.iter().find(|route| route.matches(event));
        matching.map_or(&self.otherwise, |route| &route.to)
    }

    /// Every stream that an event can go to.
    pub fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.routes.iter().map(|route| &route.to).chain([&self.otherwise])
    }
}

impl Route {
    fn matches(&self, event: &Event) -> bool {
        let level = self.level.is_none_or(|level| event.level == Some(level));
        level && self.name.as_ref().is_none_or(|pattern| pattern.matches(&event.name))
    }
}

impl NamePattern {
    /// Takes a name, or the start of one and a `*`; nothing else matches any event.
    pub fn parse(text: &str) -> Option<Self> {
        let start = text.strip_suffix('*').unwrap_or(text);
        let fits =
            EventName::parse(start.to_owned()).is_some() || (start.is_empty() && text == "*");
        fits.then(|| match text.ends_with('*') {
            true => Self::Prefix(start.to_owned()),
            false => Self::Exactly(start.to_owned()),
        })
    }

    fn matches(&self, name: &EventName) -> bool {
        match self {
            Self::Exactly(exactly) => name.as_str() == exactly,
            Self::Prefix(start) => name.as_str().starts_with(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{Value, json};

    use super::*;
    use crate::event::EventIds;
    use crate::protocol::{Beacon, Envelope};

    fn event(fields: Value) -> Event {
        let Value::Object(fields) = fields else { panic!("not an object") };
        let mut ids = EventIds::new(DateTime::UNIX_EPOCH, [0; 10]);
        crate::validate::event(
            Beacon { fields, ..Beacon::default() },
            &Envelope::default(),
            &mut ids,
        )
        .unwrap()
    }

    #[test]
    fn the_first_route_that_matches_wins() {
        let to = |name: &str| Stream::parse(&format!("firehose:{name}")).unwrap();
        let name = |pattern| NamePattern::parse(pattern);
        let routes = Routes {
            routes: vec![
                Route { level: Some(Level::Low), name: None, to: to("low") },
                Route { level: None, name: name("order_*"), to: to("orders") },
                Route { level: Some(Level::High), name: name("sign_up"), to: to("people") },
            ],
            otherwise: to("rest"),
        };
        for (fields, stream) in [
            (json!({"name": "order_placed", "level": "low"}), "low"),
            (json!({"name": "order_placed", "level": "high"}), "orders"),
            (json!({"name": "order_"}), "orders"),
            (json!({"name": "sign_up", "level": "high"}), "people"),
            (json!({"name": "sign_up2", "level": "high"}), "rest"),
            (json!({"name": "sign_up"}), "rest"),
        ] {
            assert_eq!(routes.stream(&event(fields.clone())), &to(stream), "{fields}");
        }
    }

    #[test]
    fn a_pattern_is_a_name_or_the_start_of_one() {
        for good in ["order_placed", "order_*", "a*", "*"] {
            assert!(NamePattern::parse(good).is_some(), "{good}");
        }
        for bad in ["", "Order*", "*_placed", "a*b", "a**", "a b"] {
            assert!(NamePattern::parse(bad).is_none(), "{bad}");
        }
    }
}

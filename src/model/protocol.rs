//! The protocols of other collectors, which their SDKs speak.

use std::fmt;

/// A protocol besides the native one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Segment's HTTP tracking API, which RudderStack and Jitsu share.
    Segment,
    /// Snowplow's tracker protocol, version 2.
    Snowplow,
    /// PostHog's capture, version 0 and 1.
    Posthog,
    /// CloudEvents 1.0 over HTTP.
    CloudEvents,
    /// Logs of OpenTelemetry over HTTP.
    Otlp,
    Plausible,
    Umami,
    /// Google Analytics 4: the Measurement Protocol and `/g/collect`.
    Ga4,
    Amplitude,
}

impl Protocol {
    pub const ALL: [Self; 9] = [
        Self::Segment,
        Self::Snowplow,
        Self::Posthog,
        Self::CloudEvents,
        Self::Otlp,
        Self::Plausible,
        Self::Umami,
        Self::Ga4,
        Self::Amplitude,
    ];

    /// The addresses that two protocols have.
    pub const SHARED: [(&str, [Self; 2]); 1] = [("/batch", [Self::Posthog, Self::Amplitude])];

    /// The name in the configuration and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Snowplow => "snowplow",
            Self::Posthog => "posthog",
            Self::CloudEvents => "cloudevents",
            Self::Otlp => "otlp",
            Self::Plausible => "plausible",
            Self::Umami => "umami",
            Self::Ga4 => "ga4",
            Self::Amplitude => "amplitude",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

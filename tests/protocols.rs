//! The requests of other collectors' SDKs, from their bytes to events.
//!
//! `tests/fixtures/captures` has what the SDKs sent to a server on their own machine, without the
//! headers that browsers add; all data is synthetic.

mod harness;

mod protocols {
    mod amplitude;
    mod any_request;
    mod captures;
    mod cloudevents;
    mod ga4;
    mod otlp;
    mod plausible;
    mod posthog;
    mod privacy;
    mod segment;
    mod snowplow;
    mod umami;
}

//! The recent state of a stream, as one isolate sees it.

use serde::Serialize;

use super::cause::{Advisor, Cause, Owner};
use super::format::Timestamp;
use crate::base::json::from_json::from_json;
use crate::delivery::health::{DeliveryError, StreamHealth};
use crate::delivery::response::ErrorClass;
use crate::model::stream::Stream;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamState {
    pub stream: String,
    /// The source of this view: `this isolate` or a shard, which means that shard's isolate.
    pub source: String,
    /// The tenants that alone use the stream; empty if all use it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<String>,
    pub state: StreamCondition,
    /// The last error since the last success, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The party that has to act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Whether the stream accepts nothing until an operator has fixed it.
    #[serde(skip_serializing_if = "is_false")]
    pub operator: bool,
    /// The time of the first failure since the last success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failed_at: Option<Timestamp>,
    /// When it last accepted a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<Timestamp>,
    /// Whether the circuit breaker pauses the calls.
    pub paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

// The others are set where the state is read.
from_json!(StreamState {
    stream, problem, cause, operator, failing_since, last_failed_at, last_success_at, paused_until
} without { source, tenants, state, owner, paused, action });

/// The condition of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamCondition {
    /// Not called yet.
    #[default]
    Unknown,
    /// The last call succeeded.
    Ok,
    /// The last call failed.
    Failing,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl StreamState {
    /// Builds the state of `stream` from its `health`.
    pub fn of(stream: &Stream, health: &StreamHealth) -> Self {
        let ongoing = health.ongoing.as_ref();
        let cause = ongoing.map(|ongoing| Cause::of(&ongoing.problem));
        Self {
            stream: stream.to_string(),
            source: String::new(),
            tenants: Vec::new(),
            state: StreamCondition::Unknown,
            problem: ongoing.map(|ongoing| ongoing.problem.code().to_owned()),
            cause,
            owner: None,
            operator: ongoing.is_some_and(|ongoing| is_operators(&ongoing.problem)),
            failing_since: ongoing.map(|ongoing| Timestamp(ongoing.since)),
            last_failed_at: ongoing.map(|ongoing| Timestamp(ongoing.last_at)),
            last_success_at: health.last_success_at.map(Timestamp),
            paused: false,
            paused_until: health.breaker.open_until().map(Timestamp),
            action: None,
        }
    }

    /// Sets the source of the view, and the fields that are derived from the others.
    pub fn from_source(self, source: String) -> Self {
        Self {
            source,
            state: match (self.cause, self.last_success_at) {
                (Some(_), _) => StreamCondition::Failing,
                (None, Some(_)) => StreamCondition::Ok,
                (None, None) => StreamCondition::Unknown,
            },
            owner: self.cause.map(Cause::owner),
            paused: self.paused_until.is_some(),
            ..self
        }
    }

    /// Adds the advice.
    pub fn advised(self, advisor: &Advisor<'_>) -> Self {
        let action = self.cause.map(|cause| cause.action(&[&self.stream], advisor));
        Self { action, ..self }
    }
}

/// Whether the service rejects everything until an operator has fixed it.
fn is_operators(problem: &DeliveryError) -> bool {
    matches!(problem, DeliveryError::Rejected(error) if error.class == ErrorClass::Config)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::cause::tests::refused;
    use super::*;
    use crate::base::json::from_json::read;
    use crate::config::Config;
    use crate::config::tests::settings;
    use crate::delivery::circuit_breaker::{CircuitBreaker, Permit};

    fn state(health: &StreamHealth) -> String {
        let stream = Stream::parse("firehose:events").unwrap();
        let state = StreamState::of(&stream, health).from_source("shard 3".to_owned());
        let config = Config::parse(settings()).unwrap();
        let advisor = Advisor { working: &["firehose:b"], config: &config };
        let state = state.advised(&advisor);
        let json = serde_json::to_string_pretty(&state).unwrap();
        let decoded = read::<StreamState>(&json).unwrap();
        assert_eq!(decoded.from_source("shard 3".to_owned()).advised(&advisor), state);
        json
    }

    #[test]
    fn of_a_stream_that_was_never_called_nothing_is_said() {
        assert_snapshot!(state(&StreamHealth::default()), @r#"
        {
          "stream": "firehose:events",
          "source": "shard 3",
          "state": "unknown",
          "paused": false
        }
        "#);
    }

    #[test]
    fn a_stream_that_works_says_when_it_last_did() {
        assert_snapshot!(state(&StreamHealth { last_success_at: Some(1_795_318_329_123), ..StreamHealth::default() }), @r#"
        {
          "stream": "firehose:events",
          "source": "shard 3",
          "state": "ok",
          "last_success_at": "2026-11-22T03:32:09.123Z",
          "paused": false
        }
        "#);
    }

    #[test]
    fn a_stream_that_fails_says_all_but_the_words_of_aws() {
        let mut health =
            StreamHealth { last_success_at: Some(1_795_318_000_000), ..StreamHealth::default() };
        let Permit::Call(pass) = health.breaker.permit(0, None) else { panic!() };
        for second in 0..u64::from(CircuitBreaker::FAILURES) {
            let now = 1_795_318_329_000 + second * 1_000;
            health.breaker.failed(pass, now, u32::MAX);
            health.record_failure(refused(400, "AccessDeniedException"), now);
        }
        assert_snapshot!(state(&health), @r#"
        {
          "stream": "firehose:events",
          "source": "shard 3",
          "state": "failing",
          "problem": "AccessDeniedException",
          "cause": "access_denied",
          "owner": "operator",
          "operator": true,
          "failing_since": "2026-11-22T03:32:09.000Z",
          "last_failed_at": "2026-11-22T03:32:13.000Z",
          "last_success_at": "2026-11-22T03:26:40.000Z",
          "paused": true,
          "paused_until": "2026-11-22T03:32:13.400Z",
          "action": "is the name right? firehose:b works; correct it in HEADWATER.routes[1].to. If it is right, allow the worker's user firehose:PutRecordBatch on this stream: scripts/deploy does for the streams that it makes"
        }
        "#);
    }
}

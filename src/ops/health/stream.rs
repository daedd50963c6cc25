//! How a stream has been of late, as one isolate found it.

use serde::{Deserialize, Serialize};

use super::cause::{Cause, Owner};
use super::format::Timestamp;
use crate::delivery::health::{DeliveryError, StreamHealth};
use crate::delivery::response::ErrorClass;
use crate::model::stream::Stream;

/// How a stream has been of late, as one isolate found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    /// Which stream.
    pub stream: String,
    /// Whose view it is: `this isolate`, or a shard's, which is that of the shard's isolate.
    #[serde(skip_deserializing)]
    pub seen_by: String,
    /// The tenants whose stream it is alone, where it is not everybody's.
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<String>,
    /// How it is.
    #[serde(skip_deserializing)]
    pub state: StreamCondition,
    /// The last problem in one word, since all was well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What kind of problem that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Who has to mend it.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub blame: Option<Owner>,
    /// Whether an operator has to mend it before it takes anything.
    #[serde(default, skip_serializing_if = "is_false")]
    pub operator: bool,
    /// When the first thing went wrong, of those after which nothing went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// When the last thing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failed_at: Option<Timestamp>,
    /// When it last took a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_taken_at: Option<Timestamp>,
    /// Whether it is left alone for a while.
    #[serde(skip_deserializing)]
    pub left_alone: bool,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_alone_until: Option<Timestamp>,
    /// What to do.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// How a stream is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamCondition {
    /// Nobody knows: it was not called yet.
    #[default]
    Unknown,
    /// The last call went well.
    Good,
    /// It did not.
    Failing,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl StreamState {
    /// How `stream` is, by its `health`.
    pub fn of(stream: &Stream, health: &StreamHealth) -> Self {
        let trouble = health.trouble.as_ref();
        let cause = trouble.map(|trouble| Cause::of(&trouble.problem));
        Self {
            stream: stream.to_string(),
            seen_by: String::new(),
            tenants: Vec::new(),
            state: StreamCondition::Unknown,
            problem: trouble.map(|trouble| trouble.problem.code().to_owned()),
            cause,
            blame: None,
            operator: trouble.is_some_and(|trouble| is_operators(&trouble.problem)),
            failing_since: trouble.map(|trouble| Timestamp(trouble.since)),
            last_failed_at: trouble.map(|trouble| Timestamp(trouble.last_at)),
            last_taken_at: health.last_taken_at.map(Timestamp),
            left_alone: false,
            left_alone_until: health.breaker.open_until().map(Timestamp),
            advice: None,
        }
    }

    /// The same as seen by `whom`, with what it comes to.
    pub fn seen_by(self, whom: String) -> Self {
        Self {
            seen_by: whom,
            state: match (self.cause, self.last_taken_at) {
                (Some(_), _) => StreamCondition::Failing,
                (None, Some(_)) => StreamCondition::Good,
                (None, None) => StreamCondition::Unknown,
            },
            blame: self.cause.map(Cause::blame),
            left_alone: self.left_alone_until.is_some(),
            ..self
        }
    }

    /// The same with what to do, if `working` are the streams that take records.
    pub fn advised(self, working: &[&str]) -> Self {
        let advice = self.cause.map(|cause| cause.advice(&self.stream, working));
        Self { advice, ..self }
    }
}

/// Whether the service has said that it takes nothing until the operator has mended something.
fn is_operators(problem: &DeliveryError) -> bool {
    matches!(problem, DeliveryError::Refused(refusal) if refusal.blame == ErrorClass::Config)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::cause::tests::refused;
    use super::*;
    use crate::delivery::health::{Breaker, Permit};

    fn state(health: &StreamHealth) -> String {
        let stream = Stream::parse("firehose:events").unwrap();
        let state = StreamState::of(&stream, health).seen_by("shard 3".to_owned());
        let state = state.advised(&["firehose:b"]);
        let json = serde_json::to_string_pretty(&state).unwrap();
        let told = serde_json::from_str::<StreamState>(&json).unwrap();
        assert_eq!(told.seen_by("shard 3".to_owned()).advised(&["firehose:b"]), state);
        json
    }

    #[test]
    fn of_a_stream_that_was_never_called_nothing_is_said() {
        assert_snapshot!(state(&StreamHealth::default()), @r#"
        {
          "stream": "firehose:events",
          "seen_by": "shard 3",
          "state": "unknown",
          "left_alone": false
        }
        "#);
    }

    #[test]
    fn a_stream_that_works_says_when_it_last_did() {
        assert_snapshot!(state(&StreamHealth { last_taken_at: Some(1_795_318_329_123), ..StreamHealth::default() }), @r#"
        {
          "stream": "firehose:events",
          "seen_by": "shard 3",
          "state": "good",
          "last_taken_at": "2026-11-22T03:32:09.123Z",
          "left_alone": false
        }
        "#);
    }

    #[test]
    fn a_stream_that_fails_says_all_but_the_words_of_aws() {
        let mut health =
            StreamHealth { last_taken_at: Some(1_795_318_000_000), ..StreamHealth::default() };
        let Permit::Call(pass) = health.breaker.permit(0, None) else { panic!() };
        for second in 0..u64::from(Breaker::FAILURES) {
            let now = 1_795_318_329_000 + second * 1_000;
            health.breaker.failed(pass, now, u32::MAX);
            health.fails(refused(400, "AccessDeniedException"), now);
        }
        assert_snapshot!(state(&health), @r#"
        {
          "stream": "firehose:events",
          "seen_by": "shard 3",
          "state": "failing",
          "problem": "AccessDeniedException",
          "cause": "access_denied",
          "blame": "operator",
          "operator": true,
          "failing_since": "2026-11-22T03:32:09.000Z",
          "last_failed_at": "2026-11-22T03:32:13.000Z",
          "last_taken_at": "2026-11-22T03:26:40.000Z",
          "left_alone": true,
          "left_alone_until": "2026-11-22T03:32:13.400Z",
          "advice": "is the name right? firehose:b works; correct it in HEADWATER.routes or HEADWATER.failed. If it is right, allow the worker's user firehose:PutRecordBatch on this stream: scripts/deploy does for the streams that it makes"
        }
        "#);
    }
}

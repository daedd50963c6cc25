//! The cause of a stream's failure, its owner, and a sentence that says what to do.
//!
//! The sentences name settings, scripts and codes, but no value, no account and no message from
//! AWS: anyone may read them.

use serde::{Deserialize, Serialize};

use crate::base::json::from_json::from_json;
use crate::config::Config;
use crate::delivery::health::DeliveryError;
use crate::delivery::response::{AwsError, ErrorClass};
use crate::model::stream::{Service, Stream};

/// The cause of a stream's failure, as precise as an operator has to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// AWS has no stream of that name there, or no active one.
    NoSuchStream,
    /// The stream exists but is not active.
    NotActive,
    /// The worker's user is not allowed to put records.
    AccessDenied,
    WrongKey,
    /// AWS computes another signature.
    WrongSignature,
    ExpiredToken,
    /// The account may not use the service.
    NotSubscribed,
    ClockSkew,
    /// The stream's KMS key can't be used.
    KmsKey,
    KmsThrottled,
    /// The stream receives more than it accepts.
    Throttled,
    QuotaExceeded,
    /// The stream reads from another source.
    NoDirectPuts,
    /// The stream accepts no record, whatever its content.
    RefusesAll,
    /// Something other than the service answers.
    NotTheService,
    /// A failure inside the service.
    ServiceFailure,
    /// An answer that can't be interpreted.
    UnknownAnswer,
    TimedOut,
    /// The isolate was too busy to wait for the answer.
    Starved,
    Unreachable,
    /// No call could be made.
    NotSent,
    /// Not called, since its circuit breaker is open.
    Paused,
    /// Rejected with an unknown code; also any cause that only a later version of a shard knows.
    #[serde(other)]
    OtherRefusal,
}

/// The party that has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Headwater, or Cloudflare.
    Ours,
    /// The operator: the configuration, the credentials or the streams.
    Operator,
    /// The AWS service.
    Stream,
    /// The network between Cloudflare and AWS.
    Network,
}

from_json!(Cause, Owner);

/// Prefixes of the error codes whose cause an operator has to fix.
///
/// Sources: <https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html>,
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>,
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/CommonErrors.html>
const OPERATORS: &[(&str, Cause)] = &[
    ("ResourceNotFound", Cause::NoSuchStream),
    ("ResourceInUse", Cause::NotActive),
    ("AccessDenied", Cause::AccessDenied),
    ("NotAuthorized", Cause::AccessDenied),
    ("UnrecognizedClient", Cause::WrongKey),
    ("InvalidClientTokenId", Cause::WrongKey),
    ("InvalidAccessKeyId", Cause::WrongKey),
    ("InvalidSignature", Cause::WrongSignature),
    ("SignatureDoesNotMatch", Cause::WrongSignature),
    ("IncompleteSignature", Cause::WrongSignature),
    ("MissingAuthenticationToken", Cause::WrongSignature),
    ("ExpiredToken", Cause::ExpiredToken),
    ("InvalidToken", Cause::ExpiredToken),
    ("InvalidKMSResource", Cause::KmsKey),
    ("KMS", Cause::KmsKey),
    ("OptInRequired", Cause::NotSubscribed),
    ("InvalidSource", Cause::NoDirectPuts),
    ("InvalidArgument", Cause::RefusesAll),
    ("Validation", Cause::RefusesAll),
    ("Serialization", Cause::RefusesAll),
    ("RequestEntityTooLarge", Cause::RefusesAll),
    ("UnknownOperation", Cause::NotTheService),
    // An answer without a code.
    ("HTTP ", Cause::NotTheService),
];

impl Cause {
    pub fn of(problem: &DeliveryError) -> Self {
        match problem {
            DeliveryError::Rejected(error) => Self::of_aws_error(error),
            DeliveryError::Unknown(_) => Self::UnknownAnswer,
            DeliveryError::TimedOut => Self::TimedOut,
            DeliveryError::Starved => Self::Starved,
            DeliveryError::Unreachable(_) => Self::Unreachable,
            DeliveryError::NotSent(_) => Self::NotSent,
            DeliveryError::BreakerOpen => Self::Paused,
        }
    }

    fn of_aws_error(AwsError { class, code, .. }: &AwsError) -> Self {
        match class {
            ErrorClass::ClockSkew => Self::ClockSkew,
            ErrorClass::Throttled if code.starts_with("KMS") => Self::KmsThrottled,
            ErrorClass::Throttled if code.starts_with("LimitExceeded") => Self::QuotaExceeded,
            ErrorClass::Throttled => Self::Throttled,
            ErrorClass::Transient => Self::ServiceFailure,
            ErrorClass::InvalidRecord => Self::RefusesAll,
            ErrorClass::Config => {
                let known = OPERATORS.iter().find(|(prefix, _)| code.starts_with(prefix));
                known.map_or(Self::OtherRefusal, |(_, cause)| *cause)
            }
        }
    }

    pub const fn owner(self) -> Owner {
        match self {
            Self::NoSuchStream
            | Self::NotActive
            | Self::AccessDenied
            | Self::WrongKey
            | Self::WrongSignature
            | Self::ExpiredToken
            | Self::NotSubscribed
            | Self::KmsKey
            | Self::NoDirectPuts
            | Self::RefusesAll
            | Self::NotTheService
            | Self::OtherRefusal => Owner::Operator,
            Self::KmsThrottled
            | Self::Throttled
            | Self::QuotaExceeded
            | Self::ServiceFailure
            | Self::UnknownAnswer
            | Self::Paused => Owner::Stream,
            Self::TimedOut | Self::Unreachable => Owner::Network,
            Self::ClockSkew | Self::NotSent | Self::Starved => Owner::Ours,
        }
    }

    /// Whether the cause applies to all streams of the account, whichever stream showed it.
    pub const fn is_of_the_account(self) -> bool {
        matches!(
            self,
            Self::WrongKey
                | Self::WrongSignature
                | Self::ExpiredToken
                | Self::NotSubscribed
                | Self::ClockSkew
                | Self::NotTheService
        )
    }

    /// The symptom, as the rest of a sentence that starts with the stream's name.
    pub const fn does(self) -> &'static str {
        match self {
            Self::NoSuchStream => "is not there, or not active,",
            Self::NotActive => "is not active",
            Self::AccessDenied => "denies the worker's user access",
            Self::WrongKey => "refuses the worker's credentials",
            Self::WrongSignature => "refuses the worker's signature",
            Self::ExpiredToken => "refuses the worker's session token",
            Self::NotSubscribed => "refuses the worker's account",
            Self::ClockSkew => "finds the worker's clock wrong",
            Self::KmsKey => "can't use its KMS key",
            Self::KmsThrottled => "is throttled by KMS",
            Self::Throttled => "throttles",
            Self::QuotaExceeded => "is over a quota",
            Self::NoDirectPuts => "takes no direct puts",
            Self::RefusesAll => "refuses every record",
            Self::NotTheService => "is not answered for by its service",
            Self::OtherRefusal => "refuses",
            Self::ServiceFailure => "has an internal error",
            Self::UnknownAnswer => "answers what can't be understood",
            Self::TimedOut => "does not answer in time",
            Self::Starved => "is not waited for in time",
            Self::Unreachable => "can't be reached",
            Self::NotSent => "is sent nothing",
            Self::Paused => "is paused after failures",
        }
    }

    /// Whether the name of the stream may be wrong: AWS has no stream of this name, or denies access
    /// to it, as it also does if there is none.
    pub const fn is_of_the_name(self) -> bool {
        matches!(self, Self::NoSuchStream | Self::AccessDenied)
    }

    /// The advice about `streams`, which are of one service if their name may be wrong.
    pub fn action(self, streams: &[&str], advisor: &Advisor<'_>) -> String {
        let is_kinesis = streams.iter().any(|stream| stream.starts_with(Service::Kinesis.name()));
        match self {
            Self::NoSuchStream => format!(
                "{} If it is right, create the stream in AWS_REGION, as scripts/deploy does; one that was just created has to become active first",
                advisor.is_the_name_right(streams)
            ),
            Self::AccessDenied => {
                let (action, how) = match is_kinesis {
                    true => {
                        ("kinesis:PutRecords", "scripts/deploy --parameter KinesisStream=NAME does")
                    }
                    false => (
                        "firehose:PutRecordBatch",
                        "scripts/deploy does for the streams that it makes",
                    ),
                };
                format!(
                    "{} If it is right, allow the worker's user {action} on this stream: {how}",
                    advisor.is_the_name_right(streams)
                )
            }
            other => other.usual_action().to_owned(),
        }
    }

    const fn usual_action(self) -> &'static str {
        match self {
            // Not reached: these two have advice of their own.
            Self::NoSuchStream | Self::AccessDenied => "",
            Self::NotActive => {
                "look at the stream's status in AWS: it takes records again when it is ACTIVE"
            }
            Self::WrongKey => {
                "AWS does not know AWS_ACCESS_KEY_ID, or AWS_SESSION_TOKEN is not of it: see in IAM whether the key is there and active, and make a new one with scripts/deploy --rotate"
            }
            Self::WrongSignature => {
                "AWS_SECRET_ACCESS_KEY is not the secret of AWS_ACCESS_KEY_ID: store both again with npx wrangler secret put, or make new ones with scripts/deploy --rotate"
            }
            Self::ExpiredToken => {
                "temporary credentials are over: store AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN anew with npx wrangler secret put, or make a lasting key with scripts/deploy --rotate"
            }
            Self::NotSubscribed => {
                "the AWS account may not use this service in AWS_REGION: look for a notice of AWS's on billing, sign-up or the region"
            }
            Self::ClockSkew => {
                "compare `now` with a clock that you trust: the edge's and the service's are minutes apart, which no setting mends; look at the status pages of Cloudflare and AWS"
            }
            Self::KmsKey => {
                "see in KMS whether the stream's key is enabled and whether its policy lets the stream and the worker's user use it"
            }
            Self::KmsThrottled => {
                "nothing at once, it is tried again; if it goes on, ask AWS for a higher request quota of KMS"
            }
            Self::Throttled => {
                "nothing at once, it is tried again; if it goes on, ask AWS for a higher quota of a Firehose stream, let its route name a stream set, or give a Kinesis stream more shards"
            }
            Self::QuotaExceeded => {
                "it is tried again; see in AWS's Service Quotas which one is used up, and ask for a higher one"
            }
            Self::NoDirectPuts => {
                "route to a Firehose stream whose source is Direct PUT, or to the Kinesis stream that this one reads from; a source can't be changed"
            }
            Self::RefusesAll => {
                "it has taken no record yet and refuses all: see in AWS whether its source is Direct PUT, and in the log what it says"
            }
            Self::NotTheService => {
                "what answers is not the service: correct AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_FIREHOSE or AWS_ENDPOINT_URL_KINESIS, or leave them out"
            }
            Self::OtherRefusal => {
                "look the code up in AWS's API reference; what AWS says beside it is in the log"
            }
            Self::ServiceFailure => {
                "nothing, it is tried again; look at AWS's Health Dashboard for AWS_REGION"
            }
            Self::UnknownAnswer => {
                "it is tried again, and records may come twice; see in the log what is wrong with the answer, and if AWS_ENDPOINT_URL is set, what answers there"
            }
            Self::TimedOut => {
                "nothing, it is tried again, and records may come twice; if it goes on, look at the status pages of AWS and Cloudflare, and whether HEADWATER.delivery_timeout_ms is too short"
            }
            Self::Starved => {
                "nothing, it is tried again; if it goes on, the isolate has more to do than it can: raise HEADWATER.shards"
            }
            Self::Unreachable => {
                "it is tried again; if it was never reached, correct AWS_REGION or AWS_ENDPOINT_URL, else look at the status pages of AWS and Cloudflare"
            }
            Self::NotSent => {
                "the worker could not make the call: see in the log why, and report it as a mistake of Headwater's"
            }
            Self::Paused => {
                "nothing, it is tried again when its pause is over; what failed before is in the log"
            }
        }
    }
}

/// What advice refers to besides the stream and the cause.
#[derive(Debug, Clone, Copy)]
pub struct Advisor<'a> {
    /// The streams that accept records.
    pub working: &'a [&'a str],
    pub config: &'a Config,
}

impl Advisor<'_> {
    /// The first advice if the name of `streams` may be wrong.
    fn is_the_name_right(&self, streams: &[&str]) -> String {
        /// How many settings are listed.
        const SHOWN: usize = 3;
        let known = match self.working {
            [] => "no stream has taken a record yet".to_owned(),
            [one] => format!("{one} works"),
            several => format!("{} work", several.join(", ")),
        };
        let settings = streams.iter().filter_map(|stream| Stream::parse(stream).ok());
        let mut settings: Vec<String> =
            settings.flat_map(|stream| self.config.settings_of(&stream)).collect();
        let more = settings.len().saturating_sub(SHOWN);
        settings.truncate(SHOWN);
        let place = match settings.as_slice() {
            [] => "HEADWATER.routes or HEADWATER.failed_stream".to_owned(),
            settings if more == 0 => settings.join(", "),
            settings => format!("{} and {more} more", settings.join(", ")),
        };
        format!("is the name right? {known}; correct it in {place}.")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::delivery::response::HttpResponse;

    /// Returns the error of an answer with this status and code.
    pub(crate) fn refused(status: u16, code: &str) -> DeliveryError {
        let body = format!(r#"{{"__type":"{code}","message":"arn:aws:iam::111122223333:user/x"}}"#);
        let answer = HttpResponse { status, retry_after_ms: None, body: body.into_bytes() };
        DeliveryError::Rejected(AwsError::of_http(&answer))
    }

    fn why() -> String {
        "dns of 10.0.0.1".to_owned()
    }

    #[test]
    fn each_problem_has_a_cause_and_an_owner() {
        use Cause::*;
        use Owner::*;
        let table = [
            (refused(400, "ResourceNotFoundException"), NoSuchStream, Operator),
            (refused(400, "ResourceInUseException"), NotActive, Operator),
            (refused(400, "AccessDeniedException"), AccessDenied, Operator),
            (refused(400, "NotAuthorized"), AccessDenied, Operator),
            (refused(403, "UnrecognizedClientException"), WrongKey, Operator),
            (refused(403, "InvalidClientTokenId"), WrongKey, Operator),
            (refused(403, "InvalidSignatureException"), WrongSignature, Operator),
            (refused(403, "MissingAuthenticationTokenException"), WrongSignature, Operator),
            (refused(403, "ExpiredTokenException"), ExpiredToken, Operator),
            (refused(403, "OptInRequired"), NotSubscribed, Operator),
            (refused(403, "RequestExpired"), ClockSkew, Ours),
            (refused(400, "KMSDisabledException"), KmsKey, Operator),
            (refused(400, "InvalidKMSResourceException"), KmsKey, Operator),
            (refused(400, "KMSThrottlingException"), KmsThrottled, Stream),
            (refused(400, "ThrottlingException"), Throttled, Stream),
            (refused(503, "ServiceUnavailableException"), Throttled, Stream),
            (refused(400, "ProvisionedThroughputExceededException"), Throttled, Stream),
            (refused(400, "LimitExceededException"), QuotaExceeded, Stream),
            (refused(400, "InvalidSourceException"), NoDirectPuts, Operator),
            (refused(400, "InvalidArgumentException"), RefusesAll, Operator),
            (refused(404, "UnknownOperationException"), NotTheService, Operator),
            (refused(404, ""), NotTheService, Operator),
            (refused(400, "SomethingNewException"), OtherRefusal, Operator),
            (refused(500, "InternalFailure"), ServiceFailure, Stream),
            (refused(502, ""), ServiceFailure, Stream),
            (DeliveryError::Unknown(why()), UnknownAnswer, Stream),
            (DeliveryError::TimedOut, TimedOut, Network),
            (DeliveryError::Starved, Starved, Ours),
            (DeliveryError::Unreachable(why()), Unreachable, Network),
            (DeliveryError::NotSent(why()), NotSent, Ours),
            (DeliveryError::BreakerOpen, Paused, Stream),
        ];
        for (problem, cause, owner) in table {
            let found = Cause::of(&problem);
            assert_eq!((found, found.owner()), (cause, owner), "{problem:?}");
        }
    }

    #[test]
    fn a_stream_that_refuses_all_is_the_operators_problem() {
        let error = AwsError {
            class: ErrorClass::Config,
            code: "ValidationException".to_owned(),
            message: String::new(),
        };
        assert_eq!(Cause::of(&DeliveryError::Rejected(error)), Cause::RefusesAll);
    }
}

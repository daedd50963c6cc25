//! A stream of Firehose: its quotas, its latency, what it takes and what it is billed for.
//!
//! The quotas of bytes, calls and records are token buckets of one second. A call above them is refused
//! as a whole, or some of its records are, as Firehose does. A stream that throttles for long enough gets a higher
//! quota. What happens to a call is decided when it is sent; the answer comes after the call's time.

use headwater::delivery::aggregate::BILLED_UNIT;
use headwater::delivery::response::{CallResult, HttpResponse};
use serde_json::{Value, json};

use super::Micros;
use super::chance::Chance;
use super::line::ReadLine;

/// One call that is sent.
#[derive(Debug)]
pub struct StreamCall {
    pub records: Vec<CallRecord>,
    pub body_bytes: usize,
    pub timeout_ms: u64,
}

/// A Firehose record of a call.
#[derive(Debug)]
pub struct CallRecord {
    pub bytes: usize,
    pub lines: Vec<ReadLine>,
}

/// How a stream is sick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sickness {
    /// Each call is answered with an error.
    Errors,
    /// No call is answered, and nothing is taken.
    Silent,
    /// Everything is taken, and the connection breaks before the answer.
    LostAnswers,
    /// Its quota is this share of what it was.
    Quota(f64),
}

/// What a stream takes in a second, at first; and how it is raised.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    pub bytes: f64,
    pub calls: f64,
    pub records: f64,
    pub raised_after_s: f64,
    pub raised_by: f64,
}

/// Times of calls, in seconds; see the constants.
#[derive(Debug, Clone, Copy)]
pub struct CallTimes {
    pub call_s: f64,
    pub deviation: f64,
    pub upload_bytes_s: f64,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct StreamCounts {
    pub calls: u64,
    pub throttled_calls: u64,
    pub refused_records: u64,
    pub records: u64,
    pub lines: u64,
    pub bytes_sent: u64,
    pub bytes_billed: u64,
    pub raises: u64,
}

#[derive(Debug)]
pub struct SimulatedStream {
    quota: Quota,
    times: CallTimes,
    /// Tokens of bytes, calls and records, of a time.
    tokens: [f64; 3],
    filled_at: Micros,
    throttles_since: Option<Micros>,
    last_throttled_at: Micros,
    pub sickness: Option<Sickness>,
    /// Chance that a call without other trouble fails, and that its answer is lost.
    pub flaws: f64,
    /// Loses each so many-th record that it takes: to show that the checks see it.
    pub loses_each: Option<u64>,
    pub counts: StreamCounts,
}

/// What became of a call.
#[derive(Debug)]
pub struct Answered {
    pub result: CallResult,
    pub after: Micros,
    /// The lines that the stream has taken, and whether the caller will learn it.
    pub taken: Vec<ReadLine>,
    pub is_lost: bool,
}

impl SimulatedStream {
    pub fn new(quota: Quota, times: CallTimes) -> Self {
        Self {
            quota,
            times,
            tokens: [quota.bytes, quota.calls, quota.records],
            filled_at: 0,
            throttles_since: None,
            last_throttled_at: 0,
            sickness: None,
            flaws: 0.0,
            loses_each: None,
            counts: StreamCounts::default(),
        }
    }

    pub fn call(&mut self, call: StreamCall, now: Micros, chance: &mut Chance) -> Answered {
        self.fill(now);
        self.counts.calls += 1;
        let CallTimes { call_s, deviation, upload_bytes_s } = self.times;
        let took_s = chance.about(call_s, deviation) + call.body_bytes as f64 / upload_bytes_s;
        let (took, timeout) = (super::micros(took_s), call.timeout_ms * 1_000);
        let end = |result, taken, is_lost| Answered { result, after: took, taken, is_lost };
        let fails = chance.is(self.flaws);
        match self.sickness {
            Some(Sickness::Errors) => return end(error("InternalFailure"), Vec::new(), false),
            None if fails && chance.is(0.5) => {
                return end(error("ServiceUnavailableException"), Vec::new(), false);
            }
            Some(Sickness::Silent) => {
                let result = CallResult::TimedOut;
                return Answered { after: timeout, ..end(result, Vec::new(), false) };
            }
            _ => {}
        }
        let is_lost = fails || self.sickness == Some(Sickness::LostAnswers) || took >= timeout;
        if self.tokens[1] < 1.0 {
            self.throttle(now);
            self.counts.throttled_calls += 1;
            return end(error("ThrottlingException"), Vec::new(), false);
        }
        self.tokens[1] -= 1.0;
        let (mut entries, mut taken) = (Vec::new(), Vec::new());
        for record in call.records {
            if self.tokens[0] < record.bytes as f64 || self.tokens[2] < 1.0 {
                self.throttle(now);
                self.counts.refused_records += 1;
                let (code, message) = ("ServiceUnavailableException", "Slow down.");
                entries.push(json!({"ErrorCode": code, "ErrorMessage": message}));
                continue;
            }
            self.tokens[0] -= record.bytes as f64;
            self.tokens[2] -= 1.0;
            self.counts.records += 1;
            self.counts.lines += record.lines.len() as u64;
            self.counts.bytes_sent += record.bytes as u64;
            self.counts.bytes_billed += record.bytes.next_multiple_of(BILLED_UNIT) as u64;
            entries.push(json!({"RecordId": "1"}));
            let loses = |each| self.counts.records.is_multiple_of(each);
            if !self.loses_each.is_some_and(loses) {
                taken.extend(record.lines);
            }
        }
        if is_lost {
            let result = match took >= timeout {
                true => CallResult::TimedOut,
                false => CallResult::Unreachable("reset".to_owned()),
            };
            return Answered { after: took.min(timeout), ..end(result, taken, true) };
        }
        let refused = entries.iter().filter(|entry| entry.get("ErrorCode").is_some()).count();
        let body = json!({"FailedPutCount": refused, "RequestResponses": entries});
        end(answer(200, &body), taken, false)
    }

    fn fill(&mut self, now: Micros) {
        let Quota { bytes, calls, records, raised_after_s, raised_by } = self.quota;
        if let Some(since) = self.throttles_since {
            if now.saturating_sub(self.last_throttled_at) > 60_000_000 {
                self.throttles_since = None;
            } else if super::seconds(now - since) >= raised_after_s {
                self.throttles_since = Some(now);
                self.counts.raises += 1;
                let quota = &mut self.quota;
                for of in [&mut quota.bytes, &mut quota.calls, &mut quota.records] {
                    *of *= raised_by;
                }
            }
        }
        let share = match self.sickness {
            Some(Sickness::Quota(share)) => share,
            _ => 1.0,
        };
        let passed = super::seconds(now - self.filled_at);
        for (tokens, a_second) in self.tokens.iter_mut().zip([bytes, calls, records]) {
            *tokens = (*tokens + passed * a_second * share).min(a_second * share);
        }
        self.filled_at = now;
    }

    fn throttle(&mut self, now: Micros) {
        self.last_throttled_at = now;
        self.throttles_since.get_or_insert(now);
    }
}

fn error(code: &str) -> CallResult {
    let status = if code == "InternalFailure" { 500 } else { 400 };
    answer(status, &json!({"__type": code, "message": ""}))
}

fn answer(status: u16, body: &Value) -> CallResult {
    let body = body.to_string().into_bytes();
    CallResult::Answered(HttpResponse { status, retry_after_ms: None, body })
}

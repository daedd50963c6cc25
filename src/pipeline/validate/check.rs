//! Checks each field of a beacon: its type, its form and its limit.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::base::decimal::Decimal;
use crate::base::json::{MAX_SAFE_INTEGER, type_name};
use crate::base::text::{chars_above, truncate_for_display};
use crate::model::beacon::SERVER_FIELDS;
use crate::model::consent::Consent;
use crate::model::event::{DeviceId, EventId, EventName, Size};
use crate::model::level::Level;
use crate::model::violation::{Code, Violation, Violations};
use crate::pipeline::decode::{hint, timestamp};

/// Collects the rules that a beacon breaks.
#[derive(Default)]
pub struct Check {
    violations: Vec<Violation>,
}

impl Check {
    /// `unknown` are the fields that no beacon has; one of them may be meant as the name.
    pub fn name(
        &mut self,
        value: Option<Value>,
        unknown: &[String],
    ) -> Result<EventName, Violation> {
        let refused = |code, message: String| Violation::of_field(code, "name", message);
        match value {
            None => {
                /// Limits the work on a beacon that was made to be slow.
                const MAX_FIELDS: usize = 50;
                let hints: Vec<_> =
                    unknown.iter().take(MAX_FIELDS).map(|it| (it, hint::meant(it))).collect();
                let meant = |wanted: &str| {
                    let (field, _) = hints.iter().find(|(_, meant)| *meant == Some(wanted))?;
                    Some(format!(
                        "name is missing; {} is called {wanted} here",
                        truncate_for_display(field)
                    ))
                };
                let message = meant("name").or_else(|| meant("events"));
                let message = message.unwrap_or_else(|| "name is missing".to_owned());
                Err(refused(Code::MissingField, message))
            }
            Some(Value::String(text)) => EventName::parse(text).ok_or_else(|| {
                let message = "name must match [a-z][a-z0-9_.]{0,63}";
                refused(Code::BadFormat, message.to_owned())
            }),
            Some(other) => {
                let message = ["name must be a string, not ", type_name(&other)].concat();
                Err(refused(Code::WrongType, message))
            }
        }
    }

    pub fn event_id(&mut self, value: Option<Value>) -> Option<EventId> {
        let text = value.and_then(|value| self.string("id", value))?;
        EventId::parse(&text).or_else(|| {
            self.error(
                Code::BadFormat,
                "id",
                "id must be a UUID of 36 characters, and not the nil one",
            )
        })
    }

    pub fn device_id(&mut self, value: Option<Value>) -> Option<DeviceId> {
        let text = value.and_then(|value| self.string("device_id", value))?;
        if let Some(chars) = chars_above(&text, DeviceId::MAX_CHARS) {
            return self.too_long("device_id", chars, DeviceId::MAX_CHARS);
        }
        DeviceId::parse(text).or_else(|| {
            self.error(
                Code::BadFormat,
                "device_id",
                "device_id must not be empty or hold control characters",
            )
        })
    }

    pub fn time(&mut self, value: Option<Value>) -> Option<DateTime<Utc>> {
        let value = value?;
        timestamp(&value)
            .map_err(|(code, found)| {
                let message = match code {
                    Code::WrongType => format!("time must be a string or a number, not {found}"),
                    _ => "time must be RFC 3339 or milliseconds since the epoch, years 1 to 9999"
                        .to_owned(),
                };
                self.violations.push(Violation::of_field(code, "time", message));
            })
            .ok()
    }

    pub fn seq(&mut self, value: Option<Value>) -> Option<u64> {
        match value? {
            Value::Number(number) => {
                // An integer in any notation, such as `7.0` and `70e-1`.
                let written = || Decimal::parse(number.as_str()).filter(|it| it.is_integer());
                let seq = number.as_u64().or_else(|| written()?.whole_part());
                seq.filter(|seq| *seq <= MAX_SAFE_INTEGER).or_else(|| {
                    let message = format!("seq must be an integer from 0 to {MAX_SAFE_INTEGER}");
                    self.error(Code::OutOfRange, "seq", &message)
                })
            }
            other => self.wrong_type("seq", "an integer", &other),
        }
    }

    pub fn level(&mut self, value: Option<Value>) -> Option<Level> {
        let text = value.and_then(|value| self.string("level", value))?;
        Level::parse(&text)
            .or_else(|| self.error(Code::BadFormat, "level", "level must be one of low, mid, high"))
    }

    pub fn consent(&mut self, value: Option<Value>) -> Option<Consent> {
        let text = value.and_then(|value| self.string("consent", value))?;
        Consent::parse(&text).or_else(|| {
            self.error(Code::BadFormat, "consent", "consent must be one of granted, denied")
        })
    }

    /// Accepts `WIDTHxHEIGHT`, each of one to five digits.
    pub fn size(&mut self, field: &str, value: Option<Value>) -> Option<Size> {
        let text = value.and_then(|value| self.string(field, value))?;
        Size::parse(&text).or_else(|| {
            let message = format!("{field} must be WIDTHxHEIGHT in pixels, such as 1920x1080");
            self.error(Code::BadFormat, field, &message)
        })
    }

    /// Accepts a text of at most `max_chars` characters.
    pub fn text(&mut self, field: &str, value: Option<Value>, max_chars: usize) -> Option<String> {
        let text = value.and_then(|value| self.string(field, value))?;
        if let Some(chars) = chars_above(&text, max_chars) {
            return self.too_long(field, chars, max_chars);
        }
        Some(text)
    }

    pub fn object(&mut self, field: &str, value: Option<Value>) -> Option<Map<String, Value>> {
        match value? {
            Value::Object(map) => Some(map),
            other => self.wrong_type(field, "an object", &other),
        }
    }

    /// Returns all violations; each field in `unknown` is one, if it will be listed.
    pub fn finish(mut self, unknown: &[String]) -> Vec<Violation> {
        // Those that will not be listed cost nothing.
        let listed = Violations::MAX.saturating_sub(self.violations.len());
        for field in unknown.iter().take(listed) {
            let shown = truncate_for_display(field);
            let message = match hint::meant(field) {
                _ if SERVER_FIELDS.contains(&field.as_str()) => {
                    format!("{shown} needs a server key")
                }
                Some("sent_at") => {
                    format!("{shown} is not a field of a beacon; sent_at stands beside events")
                }
                Some(meant) => {
                    format!("{shown} is not a field of a beacon; did you mean {meant}?")
                }
                None => format!("{shown} is not a field of a beacon; put it into props"),
            };
            self.violations.push(Violation::of_field(Code::UnknownField, field, message));
        }
        self.violations
    }

    fn string(&mut self, field: &str, value: Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text),
            other => self.wrong_type(field, "a string", &other),
        }
    }

    fn wrong_type<T>(&mut self, field: &str, wanted: &str, found: &Value) -> Option<T> {
        let message = [field, " must be ", wanted, ", not ", type_name(found)].concat();
        self.violations.push(Violation::of_field(Code::WrongType, field, message));
        None
    }

    fn too_long<T>(&mut self, field: &str, chars: usize, limit: usize) -> Option<T> {
        let message = format!("{field} has {chars} characters, limit {limit}");
        self.error(Code::TooLong, field, &message)
    }

    fn error<T>(&mut self, code: Code, field: &str, message: &str) -> Option<T> {
        self.violations.push(Violation::of_field(code, field, message));
        None
    }
}

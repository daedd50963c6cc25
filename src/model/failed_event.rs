//! Failed events: the rejected beacon or body, the reason, and the original bytes.
//!
//! A stream of their own keeps failed events, so that they can be found by reason and replayed. A
//! failed event must always hold at least one violation, and enough of the original to send it
//! again.

use std::borrow::Cow;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::beacon::Envelope;
use crate::model::consent::PrivacySignal;
use crate::model::event::EventId;
use crate::model::protocol::Protocol;
use crate::model::repairs::Repairs;
use crate::model::schema_info::SchemaInfo;
use crate::model::violation::Violations;

/// A beacon, or a whole body, that was rejected and kept.
#[derive(Debug, Clone)]
pub struct FailedEvent {
    /// The beacon's own id if it had a valid one, else one stamped on receipt.
    pub event_id: EventId,
    pub tenant: String,
    /// The beacon's name, if it was readable.
    pub name: Option<String>,
    /// The schema that it was validated against.
    pub schema: Option<&'static SchemaInfo>,
    /// The stage that rejected it.
    pub stage: Stage,
    pub violations: Violations,
    /// The fields around it in the request.
    pub envelope: Envelope,
    /// The repairs before the rejection. They explain violations that the original does not show.
    pub repairs: Repairs,
    /// The signal because of which identifiers were stripped, if they were.
    pub stripped: Option<PrivacySignal>,
    pub original: OriginalPayload,
}

/// The original bytes that were rejected.
#[derive(Debug, Clone)]
pub struct OriginalPayload {
    /// One beacon's bytes, or a whole body's.
    pub bytes: Vec<u8>,
    pub form: PayloadFormat,
    /// How many bytes were withheld, because the identifiers in them can't be located.
    pub withheld: usize,
}

impl OriginalPayload {
    pub fn new(bytes: impl Into<Vec<u8>>, form: PayloadFormat) -> Self {
        Self { bytes: bytes.into(), form, withheld: 0 }
    }

    /// Drops the bytes and keeps only their number.
    #[must_use]
    pub fn withheld(self) -> Self {
        Self { withheld: self.bytes.len(), bytes: Vec::new(), ..self }
    }
}

/// The format of the original bytes of a failed event, which decides how to send them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadFormat {
    /// One JSON beacon.
    Beacon,
    /// The query of a pixel request.
    Query,
    /// A whole request body.
    Body,
    /// A whole request body, compressed with gzip.
    GzipBody,
    /// One record as it was encoded for its stream.
    Record,
    /// One item of another collector's protocol, as JSON.
    Item(Protocol),
    /// A whole body of such a protocol, inflated.
    ProtocolBody(Protocol),
}

/// What the name of a protocol ends with for a whole body.
const OF_BODY: &str = "_body";

impl PayloadFormat {
    /// The formats of the native protocol.
    const NATIVE: [Self; 5] = [Self::Beacon, Self::Query, Self::Body, Self::GzipBody, Self::Record];

    /// Returns the name that failed events have.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Beacon => "beacon",
            Self::Query => "query",
            Self::Body => "body",
            Self::GzipBody => "gzip_body",
            Self::Record => "record",
            Self::Item(protocol) => protocol.name(),
            Self::ProtocolBody(protocol) => return [protocol.name(), OF_BODY].concat().into(),
        })
    }

    fn parse(name: &str) -> Option<Self> {
        let native = Self::NATIVE.into_iter().find(|format| format.to_string() == name);
        let of_item = || Protocol::of_name(name).map(Self::Item);
        let of_body = || Protocol::of_name(name.strip_suffix(OF_BODY)?).map(Self::ProtocolBody);
        native.or_else(of_item).or_else(of_body)
    }
}

/// Writes the name that failed events have.
impl fmt::Display for PayloadFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name())
    }
}

impl Serialize for PayloadFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PayloadFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| D::Error::custom("no format of an original"))
    }
}

/// The stage that rejected it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The bytes could not be read as beacons.
    Protocol,
    /// A beacon broke the rules of its fields.
    Validate,
    /// The stream rejected this record, and would again.
    Delivery,
}

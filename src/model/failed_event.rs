//! Failed events: what was refused, why, and the bytes as they came.
//!
//! A failed event is kept in a stream of its own so that it can be found by its
//! reason and replayed. It must always carry at least one violation, and enough of
//! the original to send it again.

use crate::model::violation::Violations;

use serde::{Deserialize, Serialize};

use crate::model::beacon::Envelope;
use crate::model::consent::PrivacySignal;
use crate::model::event::EventId;
use crate::model::repairs::Repairs;
use crate::model::schema_info::SchemaInfo;

/// A beacon, or a whole body, that was refused and kept.
#[derive(Debug, Clone)]
pub struct FailedEvent {
    /// The beacon's own id when it had a valid one, else one stamped on receipt.
    pub event_id: EventId,
    /// Whose it is.
    pub tenant: String,
    /// The beacon's name when it was readable.
    pub name: Option<String>,
    /// The schema that it was held to.
    pub schema: Option<&'static SchemaInfo>,
    /// Where on its way it was refused.
    pub stage: Stage,
    /// Why.
    pub violations: Violations,
    /// What stood around it in the request.
    pub envelope: Envelope,
    /// What was repaired before it was refused, so that its violations can be told from its
    /// original.
    pub repairs: Repairs,
    /// Why identifiers are left out, where they are.
    pub stripped: Option<PrivacySignal>,
    /// The bytes as they came.
    pub original: OriginalPayload,
}

/// The bytes that were refused, as they came.
#[derive(Debug, Clone)]
pub struct OriginalPayload {
    /// One beacon's bytes, or a whole body's.
    pub bytes: Vec<u8>,
    /// What the bytes are.
    pub form: PayloadFormat,
    /// How many bytes were not kept, since nobody can say where in them an identifier stands.
    pub withheld: usize,
}

impl OriginalPayload {
    /// These bytes.
    pub fn new(bytes: impl Into<Vec<u8>>, form: PayloadFormat) -> Self {
        Self { bytes: bytes.into(), form, withheld: 0 }
    }

    /// None of its bytes, only how many there were.
    #[must_use]
    pub fn withheld(self) -> Self {
        Self { withheld: self.bytes.len(), bytes: Vec::new(), ..self }
    }
}

/// What the original bytes of a failed event are, and so how to send them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadFormat {
    /// One JSON beacon.
    Beacon,
    /// The query of a pixel request.
    Query,
    /// A whole request body.
    Body,
    /// A whole request body, compressed with gzip.
    GzipBody,
    /// One record as it was made for its stream.
    Record,
}

/// The step that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The bytes could not be read as beacons.
    Protocol,
    /// A beacon broke the rules of its fields.
    Validate,
    /// The stream refused the record for itself.
    Delivery,
}

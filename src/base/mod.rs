//! Building blocks that know nothing of events: JSON, URLs, times, secrets, bytes, hashes, order.

pub mod clock;
pub mod codec;
pub mod decimal;
pub mod json;
pub mod keyed_hash;
pub mod order;
pub mod secret;
pub mod sha256;
pub mod text;
pub mod timestamp;
pub mod url;

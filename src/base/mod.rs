//! Building blocks that know nothing of events: JSON, URLs, times, secrets, bytes.

pub mod clock;
pub mod codec;
pub mod decimal;
pub mod json;
pub mod secret;
pub mod text;
pub mod timestamp;
pub mod url;

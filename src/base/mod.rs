//! Building blocks that know nothing of events: JSON, addresses, times, secrets, bytes.

pub mod clock;
pub mod codec;
pub mod decimal;
pub mod json;
pub mod secret;
pub mod text;
pub mod url;

//! The vocabulary of Headwater: data and its invariants, without behaviour that needs a stage.

pub mod beacon;
pub mod campaign;
pub mod consent;
pub mod device_key;
pub mod endpoint;
pub mod event;
pub mod failed_event;
pub mod fan_out;
pub mod geo;
pub mod level;
pub mod name_pattern;
pub mod outcome;
pub mod placement;
pub mod protocol;
pub mod quota;
pub mod record;
pub mod repairs;
pub mod replay;
pub mod request;
pub mod sampling;
pub mod schema_info;
pub mod session;
pub mod stream;
pub mod stream_set;
pub mod tracker_path;
pub mod violation;

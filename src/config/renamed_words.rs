//! Words that version 0.2 renamed, so that an error about an old word names the new one.

/// The keys of `HEADWATER` and of its tables: the old and the new name.
const KEYS: [(&str, &str); 16] = [
    ("failed", "failed_stream"),
    ("former_shards", "previous_shards"),
    ("held_bytes", "buffer_bytes"),
    ("deadline_ms", "delivery_timeout_ms"),
    ("pack_bytes", "aggregate_bytes"),
    ("pack", "aggregate"),
    ("clock_skew_s", "max_clock_skew_s"),
    ("keep_originals", "repairs_include_original"),
    ("opening_events", "session_start_events"),
    ("share", "success_rate"),
    ("exceptions", "failure_rate"),
    ("body_bytes", "max_body_bytes"),
    ("inflated_bytes", "max_inflated_bytes"),
    ("beacons", "max_beacons"),
    ("beacon_bytes", "max_beacon_bytes"),
    ("depth", "max_depth"),
];

/// The values of privacy settings.
const VALUES: [(&str, &str); 2] = [("accept", "keep"), ("refuse", "drop")];

/// The secrets.
pub const SECRETS: [(&str, &str); 2] = [
    ("HEADWATER_SECRET", "HEADWATER_HASH_SECRET"),
    ("HEADWATER_REPLAY_KEY", "HEADWATER_OPERATOR_KEY"),
];

/// Returns the new name of a key.
pub fn key(old: &str) -> Option<&'static str> {
    new_name(&KEYS, old)
}

/// Returns the old name of a key.
pub fn old_key(new: &str) -> Option<&'static str> {
    KEYS.iter().find(|(_, name)| *name == new).map(|(old, _)| *old)
}

/// Returns the new name of a value.
pub fn value(old: &str) -> Option<&'static str> {
    new_name(&VALUES, old)
}

/// Returns the new name of a secret.
pub fn secret(old: &str) -> Option<&'static str> {
    new_name(&SECRETS, old)
}

fn new_name(names: &[(&str, &'static str)], old: &str) -> Option<&'static str> {
    names.iter().find(|(name, _)| *name == old).map(|(_, new)| *new)
}

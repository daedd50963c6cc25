//! The defaults that www/docs/configuration.md lists are those of the code.

use std::fs;

use headwater::config::{Binding, Config, ConfigError, RawConfig};
use serde_json::{Value, json};

/// The whole configuration as text, with one key set in addition to what is required.
fn configuration(set: Option<(&str, &Value)>) -> Result<String, Vec<ConfigError>> {
    let mut table = json!({
        "origins": ["*"],
        "failed_stream": "firehose:events-failed",
        "routes": [{"to": "firehose:events-mid"}],
    });
    match set.map(|(key, value)| (key.split_once('.'), key, value)) {
        Some((Some((outer, inner)), _, value)) => table[outer][inner] = value.clone(),
        Some((None, key, value)) => table[key] = value.clone(),
        None => {}
    }
    let settings = RawConfig {
        headwater: Some(table),
        region: Some("eu-west-1".to_owned()),
        access_key_id: Some("AKIDEXAMPLE".to_owned()),
        secret_access_key: Some("wJalrXUtnFEMI".to_owned()),
        shard: Binding::Present,
        // With one tenant, shares have no effect.
        tenants: Binding::Present,
        ..RawConfig::default()
    };
    Config::parse(settings).map(|config| format!("{config:?}"))
}

#[test]
fn a_key_set_to_its_default_changes_nothing() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/www/docs/configuration.md");
    let text = fs::read_to_string(page).unwrap();
    let without = configuration(None).unwrap();
    let (mut checked, mut distinct) = (0, 0);
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
        let [key, default, _range, _meaning] = cells[..] else { continue };
        // Words such as `none` and `required` are no default.
        let Ok(default) = serde_json::from_str::<Value>(default.trim_matches('`')) else {
            continue;
        };
        let key = key.trim_matches('`');
        let with = configuration(Some((key, &default))).unwrap();
        assert!(with == without, "{key} = {default} is not the default");
        checked += 1;
        // Another value is seen, so that the comparison means something.
        let other = default.as_u64().map(|number| json!(number.saturating_sub(1)));
        if let Some(Ok(other)) = other.map(|other| configuration(Some((key, &other)))) {
            assert!(other != without, "{key} is not in the text of a configuration");
            distinct += 1;
        }
    }
    assert!(checked >= 25 && distinct >= 12, "{checked} defaults, {distinct} of them distinct");
}

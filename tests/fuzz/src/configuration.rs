//! The configuration: any table is refused in sentences without secrets, or works.

use headwater::config::{Config, ConfigErrors};
use headwater::model::beacon::Beacon;
use headwater::ops::check::variables::LocalVariables;
use headwater::ops::check::{self, CheckScope};
use headwater::pipeline::{clean, decode, validate};
use serde_json::Value;

use super::settings::{self, Recipe, SECRETS, Setting};
use super::{harness, laws};

const BODY: &str = r###"[{"name":"order_placed","device_id":"d","build":"1.4.2","url":"https://shop.example/?token=1&a=b","consent":"granted",
    "props":{"order_id":"o","total":"1.50","total_cents":1250,"currency":"chf","email":"a@mail.example","note":"##x","n":" 1 ","up":"a","size":"S","old":1}},
    {"name":"page_view","metadata":{"tag":"tst"}},{"name":"Broken","seq":-1}]"###;

/// A byte for the form, and a text: the table as JSON, the text of the variable, or wrangler.toml.
pub fn run(data: &[u8]) {
    let [form, text @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match form % 4 {
        0 | 1 => {
            let Ok(table) = serde_json::from_str::<Value>(text) else { return };
            table_of(table, text);
        }
        2 => table_of(Value::String(text.to_owned()), text),
        _ => {
            let report = check::wrangler(text, CheckScope::All, &LocalVariables::Stored);
            report.findings.iter().for_each(|finding| drop(format!("{finding:?}")));
        }
    }
}

fn table_of(table: Value, text: &str) {
    let config = match Config::read(settings::raw(table)) {
        Ok(config) => config,
        Err(ConfigErrors { errors, warnings }) => {
            assert!(!errors.is_empty(), "LAW: a refused configuration has an error");
            for error in errors.iter().chain(&warnings) {
                let sentence = error.to_string();
                let shows = |secret: &&str| sentence.contains(*secret) && !text.contains(*secret);
                assert!(!SECRETS.iter().any(shows), "LAW: no mistake shows a secret");
            }
            return;
        }
    };
    let sets = config.stream_sets().into_iter().cloned().collect::<Vec<_>>();
    let streams = config.streams();
    for (index, stream) in streams.iter().enumerate() {
        assert!(!streams[..index].contains(stream), "LAW: each stream is listed once");
        assert!(config.names(stream), "LAW: a listed stream is named");
    }
    drop(streams);
    let recipe = Recipe { setting: Setting::Originals, config };
    let mut context = recipe.context(0);
    context.ip = None;
    context.write_key = recipe.config.tenants.by_key().first().map(|(key, _)| (*key).to_owned());
    if let Ok(mut batch) = harness::post(&recipe.config, &context, None, BODY.as_bytes()) {
        let records = batch.take_records();
        for pending in &records {
            laws::line(pending.item.record.bytes());
            assert!(
                pending.item.to.iter().all(|set| sets.contains(set)),
                "LAW: each record has streams of the configuration"
            );
        }
    }
    check_cleaning(&recipe.config);
}

/// Checks that a beacon that is clean stays as it is.
fn check_cleaning(config: &Config) {
    let Ok(Value::Array(beacons)) = serde_json::from_str::<Value>(BODY) else { return };
    for beacon in beacons {
        let Ok(beacon) = decode::beacon(&beacon.to_string(), &config.limits) else { continue };
        for platform in [None, Some("ios")] {
            let clean =
                |beacon| clean::beacon(beacon, &config.cleaning, platform, &validate::coerce);
            let (fields, _) = clean(beacon.clone());
            let again = Beacon { fields: fields.clone(), ..Beacon::default() };
            let (twice, _) = clean(again);
            assert_eq!(fields, twice, "LAW: what is clean stays as it is");
        }
    }
}

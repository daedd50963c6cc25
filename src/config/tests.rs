use serde_json::json;

use super::operator_keys::OperatorRole;
use super::*;
use crate::delivery::aggregate::{AggregateBytes, Aggregation};
use crate::ingest::dialects::{self, DialectRequest};
use crate::pipeline::privacy::ip::IpPolicy;
use crate::pipeline::privacy::{DeviceIdSource, PrivacyAction};

fn headwater() -> Value {
    json!({
        "delivery": "direct", "origins": ["https://shop.example"], "failed_stream": "firehose:events-failed",
        "routes": [{"level": "low", "to": "firehose:events-low"}, {"to": "firehose:events"}],
    })
}

pub(crate) fn settings() -> RawConfig {
    RawConfig {
        headwater: Some(headwater()),
        region: Some("eu-west-1".to_owned()),
        access_key_id: Some("AKIDEXAMPLE".to_owned()),
        secret_access_key: Some("wJalrXUtnFEMI".to_owned()),
        ..RawConfig::default()
    }
}

pub(crate) fn error_count(settings: RawConfig) -> Vec<String> {
    Config::parse(settings).unwrap_err().iter().map(ConfigError::to_string).collect()
}

pub(crate) fn warnings(settings: RawConfig) -> Vec<String> {
    of(&Config::parse(settings).unwrap().warnings)
}

fn of(sentences: &[ConfigError]) -> Vec<String> {
    sentences.iter().map(ConfigError::to_string).collect()
}

#[test]
fn a_whole_configuration_is_read() {
    let mut settings = settings();
    let table = settings.headwater.as_mut().unwrap();
    table["ip"] = json!("drop");
    table["delivery_timeout_ms"] = json!(500);
    table["limits"] = json!({"max_beacons": 7});
    let config = Config::parse(settings).unwrap();
    assert_eq!(config.tenants.find(None).unwrap().privacy.ip, IpPolicy::Drop);
    assert_eq!(
        (config.destinations.policy.delivery_timeout_ms, config.limits.max_beacons),
        (500, 7)
    );
    assert_eq!(config.limits.max_depth, Limits::default().max_depth);
    assert_eq!(config.destinations.policy.aggregation, Aggregation::default());
    let streams: Vec<String> = config.streams().iter().map(|stream| stream.to_string()).collect();
    assert_eq!(streams, ["firehose:events-low", "firehose:events", "firehose:events-failed"]);
}

#[test]
fn a_tenant_inherits_absent_keys() {
    let mut settings = settings();
    settings.secret = Some("s".repeat(32));
    let table = settings.headwater.as_mut().unwrap();
    table["ip"] = json!("drop");
    table["consent"] = json!({"denied": "drop"});
    table["keys"] = json!({
        "pk_a": {"tenant": "a"},
        "pk_b": {"tenant": "b", "origins": ["*"], "cookieless": true, "consent": {"unknown": "strip"},
            "routes": [{"to": "firehose:b"}]},
    });
    let config = Config::parse(settings).unwrap();
    let [a, b] = ["pk_a", "pk_b"].map(|key| config.tenants.find(Some(key)).unwrap());
    assert_eq!((a.name.as_str(), b.name.as_str()), ("a", "b"));
    assert_eq!(
        (&a.origins, &b.origins),
        (&Origins::Only(vec!["https://shop.example".to_owned()]), &Origins::Any)
    );
    assert_eq!((a.privacy.ip, b.privacy.ip), (IpPolicy::Drop, IpPolicy::Drop));
    assert_eq!(
        (a.privacy.consent_unknown, b.privacy.consent_unknown),
        (PrivacyAction::Keep, PrivacyAction::Strip)
    );
    assert_eq!(
        (a.privacy.consent_denied, b.privacy.consent_denied),
        (PrivacyAction::Drop, PrivacyAction::Drop)
    );
    assert_eq!(
        (a.privacy.device_ids, b.privacy.device_ids),
        (DeviceIdSource::Client, DeviceIdSource::Cookieless)
    );
    assert_eq!((a.routes.sets().count(), b.routes.sets().count()), (2, 1));
    assert!(config.tenants.find(None).is_none() && config.tenants.find(Some("pk_c")).is_none());
    assert_eq!(config.streams().len(), 4);
}

#[test]
fn the_settings_of_a_stream_are_those_that_name_it() {
    let mut settings = settings();
    let table = settings.headwater.as_mut().unwrap();
    table["keys"] = json!({
        "pk_b": {"tenant": "b", "routes": [{"name": "order_*", "to": "firehose:b"}, {"to": "firehose:events"}]},
        "pk_a": {"tenant": "a", "routes": [{"to": "firehose:b"}]},
        "pk_c": {"tenant": "c"},
    });
    let config = Config::parse(settings).unwrap();
    for (stream, expected) in [
        (
            "firehose:b",
            &["HEADWATER.keys.pk_a.routes[0].to", "HEADWATER.keys.pk_b.routes[0].to"][..],
        ),
        ("firehose:events", &["HEADWATER.routes[1].to", "HEADWATER.keys.pk_b.routes[1].to"]),
        ("firehose:events-low", &["HEADWATER.routes[0].to"]),
        ("firehose:events-failed", &["HEADWATER.failed_stream"]),
        ("firehose:gone", &[]),
    ] {
        assert_eq!(config.settings_of(&Stream::parse(stream).unwrap()), expected, "{stream}");
    }
}

#[test]
fn a_short_secret_turns_off_its_part_only() {
    let short = Some("short".to_owned());
    let config = Config::parse(RawConfig {
        secret: short.clone(),
        operator_key: short.clone(),
        inspect_token: short.clone(),
        inspector: Binding::Present,
        ..settings()
    })
    .unwrap();
    assert_eq!(
        of(&config.warnings),
        [
            "HEADWATER_OPERATOR_KEY must have at least 32 characters; until then no failed event can be replayed, no quarantined record exported, and /readyz shows no details",
            "HEADWATER_INSPECT_TOKEN must have at least 32 characters; until then there is no inspector",
            "HEADWATER_HASH_SECRET must have at least 32 characters; until then nothing is hashed with it",
        ]
    );
    assert!(config.secret.is_none() && !config.has_inspector);
    assert!(OperatorRole::ALL.into_iter().all(|role| !config.operator_keys.has(role)));
}

#[test]
fn an_old_word_is_refused_and_the_new_one_named() {
    for (keys, sentence) in [
        (json!({"held_bytes": 1_000_000}), "held_bytes is called buffer_bytes now"),
        (json!({"former_shards": 4}), "former_shards is called previous_shards now"),
        (json!({"deadline_ms": 2_000}), "deadline_ms is called delivery_timeout_ms now"),
        (json!({"pack_bytes": false}), "pack_bytes is called aggregate_bytes now"),
        (json!({"keep_originals": true}), "keep_originals is called repairs_include_original now"),
        (
            json!({"session": {"opening_events": ["a"]}}),
            "session.opening_events is called session_start_events now",
        ),
        (json!({"limits": {"beacons": 9}}), "limits.beacons is called max_beacons now"),
        (json!({"limits": {"depth": 9}}), "limits.depth is called max_depth now"),
        (
            json!({"routes": [{"to": "firehose:a", "pack": false}]}),
            "routes[0].pack is called aggregate now",
        ),
        (
            json!({"gpc": "refuse"}),
            "gpc must be one of \"keep\", \"strip\", \"drop\", not \"refuse\"; it is \"drop\" now",
        ),
        (
            json!({"consent": {"unknown": "accept"}}),
            "consent.unknown must be one of \"keep\", \"strip\", \"drop\", not \"accept\"; it is \"keep\" now",
        ),
    ] {
        let mut table = headwater();
        table.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let found = error_count(RawConfig { headwater: Some(table), ..settings() });
        assert_eq!(found, [format!("HEADWATER.{sentence}")]);
    }
    let mut table = headwater();
    let failed = table.as_object_mut().unwrap().remove("failed_stream").unwrap();
    table["failed"] = failed;
    let found = error_count(RawConfig { headwater: Some(table), ..settings() });
    assert_eq!(found, ["HEADWATER.failed is called failed_stream now"]);
}

#[test]
fn an_old_word_of_an_optional_part_turns_off_that_part() {
    for (key, value, sentence) in [
        ("clock_skew_s", json!(9), "clock_skew_s is called max_clock_skew_s now"),
        (
            "log",
            json!({"share": 1}),
            "log.share is called success_rate now; until then the default is used",
        ),
    ] {
        let mut table = headwater();
        table[key] = value;
        let read = Config::read(RawConfig { headwater: Some(table), ..settings() });
        let found = match read {
            Ok(config) => of(&config.warnings),
            Err(found) => of(&found.errors),
        };
        assert_eq!(found, [format!("HEADWATER.{sentence}")]);
    }
    let old_secrets = vec!["HEADWATER_SECRET"];
    assert_eq!(
        warnings(RawConfig { old_secrets, ..settings() }),
        [
            "HEADWATER_SECRET is called HEADWATER_HASH_SECRET now; set it under that name, and delete HEADWATER_SECRET"
        ]
    );
}

#[test]
fn a_short_secret_hashes_nothing_and_lets_nothing_by_unhashed() {
    for (key, value) in [("ip", json!("hash")), ("cookieless", json!(true))] {
        let mut table = headwater();
        table[key] = value;
        let secret = Some("short".to_owned());
        let found = error_count(RawConfig { headwater: Some(table), secret, ..settings() });
        assert!(
            matches!(found.as_slice(), [one] if one.contains(key) && one.contains("HEADWATER_HASH_SECRET")),
            "{found:?}"
        );
    }
}

#[test]
fn an_inspector_needs_its_object() {
    let with =
        |inspector| RawConfig { inspect_token: Some("t".repeat(32)), inspector, ..settings() };
    let config = Config::parse(with(Binding::Absent)).unwrap();
    assert!(!config.has_inspector);
    assert_eq!(
        of(&config.warnings),
        [
            "INSPECTOR is missing; bind the Durable Object class Inspector to it in wrangler.toml, or take HEADWATER_INSPECT_TOKEN away; until then there is no inspector"
        ]
    );
    let config = Config::parse(with(Binding::Present)).unwrap();
    assert!(config.has_inspector && config.warnings.is_empty());
    assert!(!Config::parse(settings()).unwrap().has_inspector);
}

#[test]
fn a_misconfigured_part_is_off_and_events_are_accepted() {
    let default = Config::parse(settings()).unwrap();
    for (key, value, sentence) in [
        (
            "snippet",
            json!("/shop"),
            "HEADWATER.snippet must be a path such as \"/js/shop.js\", its parts of A-Z a-z 0-9 . _ - and with no dot in front, not \"/shop\"; until then only the usual address is served",
        ),
        (
            "endpoint",
            json!("/readyz"),
            "HEADWATER.endpoint must not be \"/readyz\", which the worker serves itself; until then only the usual address is served",
        ),
        (
            "log",
            json!({"success_rate": 2}),
            "HEADWATER.log.success_rate must be a share from 0 to 1, not 2; until then the default is used",
        ),
        (
            "log",
            json!({"shares": 1}),
            "HEADWATER.log.shares is an unknown key; expected one of success_rate, failure_rate; until then the default is used",
        ),
        (
            "max_clock_skew_s",
            json!(0),
            "HEADWATER.max_clock_skew_s must be an integer from 1 to 86400, not 0; until then the default is used",
        ),
        (
            "bots",
            json!(true),
            "HEADWATER.bots must be one of \"label\", \"drop\", not true; until then the default is used",
        ),
        (
            "internal_domains",
            json!(["https://shop.example"]),
            "HEADWATER.internal_domains must list domains such as \"shop.example\"; until then the default is used",
        ),
    ] {
        let mut table = headwater();
        table[key] = value;
        let config = Config::parse(RawConfig { headwater: Some(table), ..settings() }).unwrap();
        assert_eq!(of(&config.warnings), [sentence]);
        assert_eq!(config.addresses, default.addresses);
        assert_eq!(format!("{:?}", config.enrichment), format!("{:?}", default.enrichment));
        assert_eq!(format!("{:?}", config.log), format!("{:?}", default.log));
    }
}

#[test]
fn routes_that_no_key_uses_are_named() {
    let routes = json!([{"to": "firehose:acme"}]);
    let with = |keys: Value| {
        let mut table = headwater();
        table["keys"] = keys;
        warnings(RawConfig { headwater: Some(table), ..settings() })
    };
    assert_eq!(
        with(json!({"pk": {"tenant": "acme", "routes": routes}})),
        [
            "HEADWATER.routes is used by no write key, since each has routes of its own, and events without a write key are refused; let a key have none, if that is not meant"
        ]
    );
    let some = json!({"pk": {"tenant": "acme", "routes": routes}, "pk_b": {"tenant": "b"}});
    assert_eq!(with(some), [""; 0]);
}

#[test]
fn a_stream_is_not_aggregated_if_one_route_forbids_it() {
    let mut table = headwater();
    table["routes"] = json!([
        {"level": "low", "to": "firehose:a"},
        {"level": "high", "to": "firehose:a", "aggregate": false},
        {"to": "firehose:b"},
    ]);
    let config = Config::parse(RawConfig { headwater: Some(table), ..settings() }).unwrap();
    let aggregation =
        |text| config.destinations.policy_of(&Stream::parse(text).unwrap()).aggregation;
    assert_eq!(
        [aggregation("firehose:a"), aggregation("firehose:b")],
        [Aggregation::Off, Aggregation::default()]
    );
}

#[test]
fn aggregation_has_a_size_or_is_off() {
    for (value, aggregation) in [
        (json!(false), Some(Aggregation::Off)),
        (json!(0), Some(Aggregation::Off)),
        (json!(10_240), AggregateBytes::parse(10_240).map(Aggregation::UpTo)),
        (json!(1_003_520), AggregateBytes::parse(1_003_520).map(Aggregation::UpTo)),
    ] {
        let mut table = headwater();
        table["aggregate_bytes"] = value;
        let config = Config::parse(RawConfig { headwater: Some(table), ..settings() }).unwrap();
        assert_eq!(Some(config.destinations.policy.aggregation), aggregation);
    }
}

#[test]
fn a_text_that_is_no_table_says_why() {
    for (text, why) in [
        ("{\"delivery\":\"direct\",}", "trailing comma at line 1 column 22"),
        ("{\"ip\":\"drop\",\"ip\":\"full\"}", "ip comes twice"),
    ] {
        let headwater = Some(Value::String(text.to_owned()));
        let expected = format!("HEADWATER must be a table, or its JSON text: {why}");
        assert_eq!(error_count(RawConfig { headwater, ..settings() }), [expected]);
    }
}

#[test]
fn the_table_may_come_as_a_text() {
    let text = Value::String(headwater().to_string());
    assert!(Config::parse(RawConfig { headwater: Some(text), ..settings() }).is_ok());
}

#[test]
fn all_missing_settings_are_named_at_once() {
    assert_eq!(
        error_count(RawConfig::default()),
        [
            "AWS_REGION is missing; set it to the region of your streams",
            "AWS_ACCESS_KEY_ID is missing; without it no event can be delivered",
            "AWS_SECRET_ACCESS_KEY is missing; without it no event can be delivered",
            "HEADWATER is missing; set it under [vars.HEADWATER] in wrangler.toml",
        ]
    );
    assert_eq!(
        error_count(RawConfig { headwater: Some(json!({})), ..settings() }),
        [
            "HEADWATER.origins is missing",
            "HEADWATER.routes is missing",
            "HEADWATER.failed_stream is missing",
        ]
    );
}

#[test]
fn a_mistake_is_a_sentence_that_names_its_key() {
    let known = "delivery, shards, previous_shards, linger_ms, buffer_bytes, device_events_per_minute, session, dedupe, spill, origins, ip, gpc, dnt, consent, cookieless, scrub, sensitive_params, sensitive_paths, secrets, routes, names, snowplow, keys, limits, unknown_events, repairs_include_original, clean, max_clock_skew_s, bots, internal_domains, columns, delivery_timeout_ms, aggregate_bytes, failed_stream, renamed_streams, log, snippet, endpoint, protocols, protocol_paths, tee";
    let sites =
        "HEADWATER.origins must list sites such as \"https://shop.example\", or be [\"*\"] for any";
    let last = "HEADWATER.routes must end with a route that has no condition, so that every event has a stream";
    let unsecret =
        "needs the secret HEADWATER_HASH_SECRET, a random text of at least 32 characters";
    let cases = [
        ("origins", json!("*"), sites.to_owned()),
        ("origins", json!([]), sites.to_owned()),
        ("origins", json!(["shop.example"]), sites.to_owned()),
        ("origins", json!(["https://shop.example/"]), sites.to_owned()),
        ("origins", json!(["https://*"]), sites.to_owned()),
        ("origins", json!(["https://*.example"]), sites.to_owned()),
        ("origins", json!(["https://*shop.example"]), sites.to_owned()),
        ("origins", json!(["https://a.*.shop.example"]), sites.to_owned()),
        ("origins", json!(["https://*.*.example"]), sites.to_owned()),
        ("origins", json!(["https://shop.example:443"]), sites.to_owned()),
        ("origins", json!(["https://Shop.example"]), sites.to_owned()),
        ("origins", json!(["https://shop.example", "*"]), sites.to_owned()),
        ("ip", json!("none"), "HEADWATER.ip must be one of \"truncate\", \"drop\", \"hash\", \"full\", not \"none\"".to_owned()),
        ("ip", json!("hash"), format!("HEADWATER.ip = \"hash\" {unsecret}")),
        ("cookieless", json!(true), format!("HEADWATER.cookieless {unsecret}")),
        ("cookieless", json!("yes"), "HEADWATER.cookieless must be true or false, not \"yes\"".to_owned()),
        ("gpc", json!("obey"), "HEADWATER.gpc must be one of \"keep\", \"strip\", \"drop\", not \"obey\"".to_owned()),
        ("consent", json!({"denied": "no"}), "HEADWATER.consent.denied must be one of \"keep\", \"strip\", \"drop\", not \"no\"".to_owned()),
        ("consent", json!({"given": "accept"}), "HEADWATER.consent.given is an unknown key; expected one of denied, unknown".to_owned()),
        ("scrub", json!(["phones"]), "HEADWATER.scrub must list some of \"emails\", \"cards\"".to_owned()),
        ("sensitive_params", json!("token"), "HEADWATER.sensitive_params must be a list of texts".to_owned()),
        ("sensitive_params", json!(["a b"]), "HEADWATER.sensitive_params must list names of 1 to 64 characters of [A-Za-z0-9_.-], not \"a b\"".to_owned()),
        ("sensitive_paths", json!(["/reset"]), "HEADWATER.sensitive_paths must list paths of up to 256 bytes that begin with / and have a segment like :token, such as \"/reset/:token\", not \"/reset\"".to_owned()),
        ("sensitive_paths", json!("/reset/:token"), "HEADWATER.sensitive_paths must be a list of texts".to_owned()),
        ("secrets", json!("drop"), "HEADWATER.secrets must be one of \"remove\", \"keep\", not \"drop\"".to_owned()),
        ("keys", json!([]), "HEADWATER.keys must be a table of write keys, each with a table that has `tenant`".to_owned()),
        ("keys", json!({"pk": {"tenant": "a", "routes": [{"tenant": "b", "to": "firehose:b"}, {"to": "firehose:a"}]}}), "HEADWATER.keys must have a key for the tenant \"b\" of a route".to_owned()),
        ("routes", json!([{"tenant": "b", "to": "firehose:b"}, {"to": "firehose:a"}]), "HEADWATER.routes must name no tenant where there are no keys".to_owned()),
        ("routes", json!([{"metadata": {"tag": null}, "to": "firehose:b"}, {"to": "firehose:a"}]), "HEADWATER.routes[0].metadata must be a table of keys, each with a text, number or boolean".to_owned()),
        ("keys", json!({"a b": {"tenant": "a"}}), "HEADWATER.keys.a b is no write key; a key has 1 to 64 of a-z A-Z 0-9 _ - . :".to_owned()),
        ("keys", json!({"pk": {}}), "HEADWATER.keys.pk.tenant is missing".to_owned()),
        ("keys", json!({"pk": {"tenant": "A"}}), "HEADWATER.keys.pk.tenant must be a name of 1 to 64 of a-z 0-9 _ -".to_owned()),
        ("keys", json!({"pk": {"tenant": "a", "ip": "hash"}}), format!("HEADWATER.keys.pk.ip = \"hash\" {unsecret}")),
        ("keys", json!({"pk": {"tenant": "a", "routes": []}}), last.replace("HEADWATER.", "HEADWATER.keys.pk.")),
        ("keys", json!({"pk": {"tenant": "a", "delivery": "direct"}}), "HEADWATER.keys.pk.delivery is an unknown key; expected one of tenant, origins, ip, gpc, dnt, consent, cookieless, scrub, sensitive_params, sensitive_paths, secrets, names, snowplow, routes".to_owned()),
        ("unknown_events", json!("drop"), "HEADWATER.unknown_events must be one of \"accept\", \"fail\", not \"drop\"".to_owned()),
        ("failed_stream", json!("firehose:events-low"), "HEADWATER.failed_stream must be a stream that no route goes to".to_owned()),
        ("delivery_timeout_ms", json!(0), "HEADWATER.delivery_timeout_ms must be an integer from 100 to 30000, not 0".to_owned()),
        ("limits", json!(1), "HEADWATER.limits must be a table".to_owned()),
        ("limits", json!({"max_depth": 101}), "HEADWATER.limits.max_depth must be an integer from 1 to 100, not 101".to_owned()),
        ("limits", json!({"bytes": 1}), "HEADWATER.limits.bytes is an unknown key; expected one of max_body_bytes, max_inflated_bytes, max_beacons, max_beacon_bytes, max_depth, max_beacon_values, max_request_values, max_record_bytes, max_in_flight_bytes".to_owned()),
        ("failed_stream", json!("events-failed"), "HEADWATER.failed_stream must be firehose:NAME or kinesis:NAME, not \"events-failed\"".to_owned()),
        ("failed_stream", json!(1), "HEADWATER.failed_stream must be a text of the form firehose:NAME or kinesis:NAME".to_owned()),
        ("routes", json!({}), "HEADWATER.routes must be a list of tables with conditions and `to`".to_owned()),
        ("routes", json!([]), last.to_owned()),
        ("routes", json!([{"level": "low", "to": "firehose:a"}]), last.to_owned()),
        ("routes", json!([{"level": "urgent", "to": "firehose:a"}, {"to": "firehose:a"}]), "HEADWATER.routes[0].level must be one of \"low\", \"mid\", \"high\", not \"urgent\"".to_owned()),
        ("routes", json!([{"name": "X*", "to": "firehose:a"}, {"to": "firehose:a"}]), "HEADWATER.routes[0].name must be an event's name, in which a * stands for any characters".to_owned()),
        ("routes", json!([{"to": "firehose:a"}, {"to": "firehose:b"}]), "HEADWATER.routes[0] has no condition, so no event comes to the routes after it".to_owned()),
        ("routes", json!([{"bot": 1, "to": "firehose:a"}, {"to": "firehose:a"}]), "HEADWATER.routes[0].bot must be true or false, not 1".to_owned()),
        ("routes", json!([{"tenant": "", "to": "firehose:a"}, {"to": "firehose:a"}]), "HEADWATER.routes[0].tenant must be a text, not \"\"".to_owned()),
        ("routes", json!([{"metadata": {"tag": []}, "to": "firehose:a"}, {"to": "firehose:a"}]), "HEADWATER.routes[0].metadata must be a table of keys, each with a text, number or boolean".to_owned()),
        ("routes", json!([{"to": "firehose:a", "sample": 1}]), "HEADWATER.routes[0].sample must be a share above 0 and below 1, not 1".to_owned()),
        ("routes", json!([{"to": "firehose:a", "aggregate": 0}]), "HEADWATER.routes[0].aggregate must be true or false, not 0".to_owned()),
        ("routes", json!([{"to": "s3:a"}]), "HEADWATER.routes[0].to must be firehose:NAME or kinesis:NAME, not \"s3:a\"".to_owned()),
        ("aggregate_bytes", json!(5_000), "HEADWATER.aggregate_bytes must be a multiple of 5120 from 5120 to 1003520, or false, not 5000".to_owned()),
        ("aggregate_bytes", json!(true), "HEADWATER.aggregate_bytes must be a multiple of 5120 from 5120 to 1003520, or false, not true".to_owned()),
        ("routes", json!([{"to": "firehose:a", "lvl": 1}]), "HEADWATER.routes[0].lvl is an unknown key; expected one of level, name, tenant, bot, historical, metadata, sample, aggregate, to".to_owned()),
        ("names", json!([]), "HEADWATER.names must be a table of names as sent, each with an event's name".to_owned()),
        ("names", json!({"A": "B"}), "HEADWATER.names must be a table of names as sent, each with an event's name; that of \"A\" is \"B\"".to_owned()),
        ("linger", json!(1), format!("HEADWATER.linger is an unknown key; expected one of {known}")),
        ("unkown_events", json!("accept"), "HEADWATER.unkown_events is an unknown key; did you mean unknown_events?".to_owned()),
        ("limits", json!({"max_beacon": 1}), "HEADWATER.limits.max_beacon is an unknown key; did you mean max_beacons?".to_owned()),
    ];
    for (key, value, sentence) in cases {
        let mut table = headwater();
        table[key] = value;
        assert_eq!(error_count(RawConfig { headwater: Some(table), ..settings() }), [sentence]);
    }
}

#[test]
fn what_a_request_may_become_grows_with_what_it_may_hold() {
    let limits = |limits: Value| {
        let mut settings = settings();
        settings.headwater.as_mut().unwrap()["limits"] = limits;
        let limits = Config::parse(settings).unwrap().limits;
        (limits.max_request_values, limits.max_record_bytes)
    };
    assert_eq!(limits(json!({"max_inflated_bytes": 1})), (50_000, 4_194_304));
    assert_eq!(limits(json!({"max_inflated_bytes": 2_097_152})), (100_000, 8_388_608));
    let set = json!({"max_inflated_bytes": 2_097_152, "max_record_bytes": 7});
    assert_eq!(limits(set), (100_000, 7));
}

#[test]
fn protocols_are_served_that_are_named() {
    let mut settings = settings();
    settings.headwater.as_mut().unwrap()["protocols"] = json!(["segment", "posthog"]);
    settings.headwater.as_mut().unwrap()["names"] = json!({"Order Completed": "order_done"});
    let config = Config::parse(settings.clone()).unwrap();
    assert_eq!(config.protocols, [Protocol::Segment, Protocol::Posthog]);
    let names = &config.tenants.find(None).unwrap().names;
    assert_eq!(names.get("Order Completed").map(String::as_str), Some("order_done"));
    assert!(config.protocol_limits.max_body_bytes > config.limits.max_body_bytes);
    for (listed, problem) in [
        (json!(["segment", "segment"]), "must name \"segment\" once"),
        (
            json!(["mixpanel", "segment"]),
            "must list some of segment, snowplow, posthog, cloudevents, otlp, plausible, umami, \
             ga4, amplitude; \"mixpanel\" is none",
        ),
    ] {
        settings.headwater.as_mut().unwrap()["protocols"] = listed;
        let config = Config::parse(settings.clone()).unwrap();
        assert_eq!(config.protocols, [Protocol::Segment]);
        let instead = "; until then the rest of protocols is served";
        assert_eq!(of(&config.warnings), [format!("HEADWATER.protocols {problem}{instead}")]);
    }
}

#[test]
fn an_address_of_two_protocols_is_a_warning() {
    let warnings = |protocols: &[&str], paths: Value| {
        let mut settings = settings();
        let table = settings.headwater.as_mut().unwrap();
        table["protocols"] = json!(protocols);
        table["protocol_paths"] = paths;
        of(&Config::parse(settings).unwrap().warnings)
    };
    let expected = "HEADWATER.protocols has amplitude before posthog, which both have the address \
         \"/batch\"; amplitude gets it. Give posthog a path of its own in HEADWATER.protocol_paths, if \
         its SDKs use this one";
    let both = ["amplitude", "segment", "posthog"];
    assert_eq!(warnings(&both, json!({})), [expected]);
    assert_eq!(warnings(&both, json!({"/amp": "amplitude"})), [expected]);
    assert!(warnings(&both, json!({"/ph": "posthog"})).is_empty());
    assert!(warnings(&["segment", "posthog"], json!({})).is_empty());
}

#[test]
fn a_protocol_can_have_paths_of_its_own() {
    let mut settings = settings();
    let table = settings.headwater.as_mut().unwrap();
    table["protocols"] = json!(["snowplow", "posthog"]);
    table["endpoint"] = json!("/collect");
    let with = |settings: &mut RawConfig, paths: Value| {
        settings.headwater.as_mut().unwrap()["protocol_paths"] = paths;
        Config::parse(settings.clone()).unwrap()
    };
    let config = with(&mut settings, json!({"/com.shop/t": "snowplow", "/in": "posthog"}));
    let head = |path| DialectRequest { is_post: true, path, query: "", host: "", content_type: "" };
    let served = |path| {
        let served = dialects::served(&config.protocols, &config.protocol_paths, head(path));
        served.map(|address| (address.protocol, address.request.path))
    };
    let tp2 = "/com.snowplowanalytics.snowplow/tp2";
    assert_eq!(served("/com.shop/t"), Some((Protocol::Snowplow, tp2)));
    assert_eq!(served("/in"), Some((Protocol::Posthog, "/e")));
    assert_eq!(served("/in/batch"), Some((Protocol::Posthog, "/batch")));
    assert_eq!(served("/batch"), Some((Protocol::Posthog, "/batch")));
    assert_eq!((served("/inn"), served("/in/v1/nothing")), (None, None));
    let wanted = "HEADWATER.protocol_paths must be a table of paths such as \"/shop\", each with a protocol of HEADWATER.protocols";
    for (paths, problem) in [
        (json!([]), wanted.to_owned()),
        (json!({"/a": "segment"}), format!("{wanted}; that of \"/a\" is \"segment\"")),
        (json!({"a b": "posthog"}), format!("{wanted}; \"a b\" is no path")),
        (
            json!({"/collect": "posthog"}),
            "HEADWATER.protocol_paths must not have \"/collect\", which the worker serves itself"
                .to_owned(),
        ),
    ] {
        let config = with(&mut settings, paths);
        assert!(config.protocol_paths.is_empty());
        let expected = format!("{problem}; until then no such path is served");
        assert_eq!(of(&config.warnings), [expected]);
    }
}

#[test]
fn a_protocol_is_also_sent_to_another_collector() {
    let mut settings = settings();
    let with = |settings: &mut RawConfig, tee: Value| {
        settings.headwater.as_mut().unwrap()["tee"] = tee;
        Config::parse(settings.clone()).unwrap()
    };
    let tee =
        json!({"segment": "https://api.segment.example/", "snowplow": "http://127.0.0.1:9/sp"});
    let found: Vec<_> = with(&mut settings, tee).tee.into_iter().collect();
    let expected = [
        (Protocol::Segment, "https://api.segment.example".to_owned()),
        (Protocol::Snowplow, "http://127.0.0.1:9/sp".to_owned()),
    ];
    assert_eq!(found, expected);
    let wanted = "HEADWATER.tee must be a table of protocols, each with a collector such as \"https://collector.example\"";
    for (tee, problem) in [
        (json!([]), ""),
        (json!({"mixpanel": "https://a.example"}), "; \"mixpanel\" is no protocol"),
        (json!({"segment": "a.example"}), "; that of \"segment\" is \"a.example\""),
        (json!({"segment": "ftp://a.example"}), "; that of \"segment\" is \"ftp://a.example\""),
        (
            json!({"segment": "https://a.example/?b=1"}),
            "; that of \"segment\" is \"https://a.example/?b=1\"",
        ),
        (json!({"segment": 7}), "; that of \"segment\" is 7"),
    ] {
        let config = with(&mut settings, tee);
        assert!(config.tee.is_empty());
        let expected = format!("{wanted}{problem}; until then nothing is sent there");
        assert_eq!(of(&config.warnings), [expected]);
    }
}

#[test]
fn a_server_key_of_two_tenants_is_used_for_neither() {
    let (shared, own) = ("s".repeat(32), "o".repeat(32));
    let mut settings = settings();
    settings.headwater.as_mut().unwrap()["keys"] =
        json!({"pk_a": {"tenant": "a"}, "pk_b": {"tenant": "b"}});
    settings.server_keys = Some(json!({"b": [own, shared], "a": [shared, shared]}).to_string());
    let config = Config::parse(settings).unwrap();
    assert_eq!(
        of(&config.warnings),
        ["HEADWATER_SERVER_KEYS must have a key of its own for each tenant; \"a\" and \"b\" \
          share one, which is used for neither"; 2]
    );
    assert_eq!(config.server_keys.tenant_of(&shared), None);
    assert_eq!(config.server_keys.tenant_of(&own), Some("b"));
    assert!(config.server_keys.of_tenant("a").is_empty());
    assert_eq!(config.server_keys.of_tenant("b").len(), 1);
}

#[test]
fn a_server_key_that_cannot_be_used_is_left_out_with_a_warning() {
    let long = "k".repeat(32);
    let with = |keys: Value| {
        let server_keys = Some(match keys {
            Value::String(text) => text,
            other => other.to_string(),
        });
        let config = Config::parse(RawConfig { server_keys, ..settings() }).unwrap();
        (config.server_keys.of_tenant("default").len(), of(&config.warnings))
    };
    assert_eq!(with(json!({"default": [long, "l".repeat(32)]})), (2, Vec::new()));
    let of_key = |problem: &str| vec![format!("HEADWATER_SERVER_KEYS {problem}")];
    for (keys, count, problem) in [
        (
            json!("sk_1"),
            0,
            "must be a JSON object of tenants, each with its keys; until then there are no server keys",
        ),
        (
            json!({"default": [long, "short"]}),
            1,
            "must have keys of at least 32 characters; key 1 of \"default\" is shorter, and is not used",
        ),
        (json!({"default": 7}), 0, "must have texts as keys; key 0 of \"default\" is none"),
        (json!({"shop": long}), 0, "names the tenant \"shop\", which HEADWATER.keys does not have"),
    ] {
        let (found, warnings) = with(keys);
        assert_eq!((found, warnings), (count, of_key(problem)));
    }
}

#[test]
fn a_stream_set_is_all_of_its_members() {
    let mut settings = settings();
    let table = settings.headwater.as_mut().unwrap();
    table["routes"] = json!([
        {"level": "high", "to": "firehose:e-2"},
        {"level": "low", "to": "firehose:e-{1..3}", "aggregate": false},
        {"to": "kinesis:k-{0..1}"},
    ]);
    table["failed_stream"] = json!("firehose:f-{08..09}");
    let config = Config::parse(settings).unwrap();
    let streams: Vec<String> = config.streams().iter().map(|stream| stream.to_string()).collect();
    let expected = [
        "firehose:e-2",
        "firehose:e-1",
        "firehose:e-3",
        "kinesis:k-0",
        "kinesis:k-1",
        "firehose:f-08",
        "firehose:f-09",
    ];
    assert_eq!(streams, expected);
    assert_eq!(config.stream_sets().len(), 4);
    assert!(config.streams().iter().all(|stream| config.names(stream)));
    let stream = |name| Stream::parse(name).unwrap();
    assert!(!config.names(&stream("firehose:e-4")) && !config.names(&stream("firehose:f-8")));
    assert_eq!(
        config.settings_of(&stream("firehose:e-2")),
        ["HEADWATER.routes[0].to", "HEADWATER.routes[1].to"]
    );
    assert_eq!(config.settings_of(&stream("firehose:f-09")), ["HEADWATER.failed_stream"]);
    let aggregation = |name| config.destinations.policy_of(&stream(name)).aggregation;
    assert_eq!(aggregation("firehose:e-3"), Aggregation::Off);
    assert_ne!(aggregation("kinesis:k-1"), Aggregation::Off);
}

#[test]
fn a_mistake_in_a_stream_set_names_its_key() {
    for (key, value, problem) in [
        (
            "failed_stream",
            json!("firehose:f-{1..0}"),
            "failed_stream has the range \"1..0\", whose first number is above its last",
        ),
        (
            "failed_stream",
            json!("firehose:events-{0..256}"),
            "failed_stream has 257 streams, limit 256",
        ),
        (
            "routes",
            json!([{"to": "firehose:{0..1}-{0..1}"}]),
            "routes[0].to has more than one range of numbers; a set of streams has one, such as {0..15}",
        ),
        (
            "routes",
            json!([{"to": "firehose:events-{faild,failed}"}]),
            "routes[0].to has the range \"{faild,failed}\"; a range is two numbers of at most 9 digits, such as {0..15}, with leading zeros only if both have the same number of digits",
        ),
    ] {
        let mut settings = settings();
        settings.headwater.as_mut().unwrap()[key] = value;
        assert!(error_count(settings).contains(&format!("HEADWATER.{problem}")), "{problem}");
    }
    let mut settings = settings();
    let table = settings.headwater.as_mut().unwrap();
    table["routes"] = json!([{"to": "firehose:e-{0..3}"}]);
    table["failed_stream"] = json!("firehose:e-3");
    let problem = "HEADWATER.failed_stream must be a stream that no route goes to";
    assert_eq!(error_count(settings), [problem]);
}

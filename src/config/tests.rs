use serde_json::json;

use super::operator_keys::OperatorRole;
use super::*;
use crate::delivery::aggregate::{AggregateBytes, Aggregation};
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
    sentences(&Config::parse(settings).unwrap().warnings)
}

pub(crate) fn sentences(errors: &[ConfigError]) -> Vec<String> {
    errors.iter().map(ConfigError::to_string).collect()
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
    assert_eq!((a.routes.sets().len(), b.routes.sets().len()), (2, 1));
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
        sentences(&config.warnings),
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
            Ok(config) => sentences(&config.warnings),
            Err(found) => sentences(&found.errors),
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
        sentences(&config.warnings),
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
        assert_eq!(sentences(&config.warnings), [sentence]);
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
    let known = "delivery, shards, previous_shards, jurisdiction, previous_jurisdiction, linger_ms, buffer_bytes, tenant_share_percent, new_devices_per_day, device_events_per_minute, session, dedupe, spill, origins, ip, gpc, dnt, consent, cookieless, scrub, sensitive_params, sensitive_paths, secrets, routes, names, snowplow, keys, tenant_streams, limits, unknown_events, repairs_include_original, clean, max_clock_skew_s, bots, internal_domains, columns, delivery_timeout_ms, aggregate_bytes, failed_stream, renamed_streams, log, snippet, endpoint, protocols, protocol_paths, tee, demo";
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
        ("keys", json!({"pk": {"tenant": "a", "delivery": "direct"}}), "HEADWATER.keys.pk.delivery is an unknown key; expected one of tenant, origins, ip, gpc, dnt, consent, cookieless, scrub, sensitive_params, sensitive_paths, secrets, names, snowplow, quota, routes".to_owned()),
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

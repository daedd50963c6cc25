use super::*;

const GOOD: &str = r#"
        [[durable_objects.bindings]]
        name = "SHARD"
        class_name = "Shard"
        [[migrations]]
        tag = "v1"
        new_sqlite_classes = ["Shard", "Inspector"]
        [vars]
        AWS_REGION = "eu-west-1"
        [vars.HEADWATER]
        origins = ["*"]
        failed_stream = "firehose:events-failed"
        routes = [{ to = "firehose:events-mid" }]
    "#;
const STAGING: &str = r#"
        [env.staging.vars]
        AWS_REGION = "eu-west-1"
        [env.staging.vars.HEADWATER]
        origins = ["*"]
        failed_stream = "firehose:staging-failed"
        routes = [{ to = "firehose:staging-mid" }]
    "#;

/// The mistakes and the warnings.
fn sentences(text: &str, scope: CheckScope<'_>) -> Vec<String> {
    let report = wrangler(text, scope, &LocalVariables::Stored);
    let found = report.findings.iter().filter(|finding| finding.weight != FaultWeight::Note);
    found.map(ToString::to_string).collect()
}

fn notes(text: &str) -> Vec<String> {
    let report = wrangler(text, CheckScope::All, &LocalVariables::Stored);
    let found = report.findings.iter().filter(|finding| finding.weight == FaultWeight::Note);
    found.map(ToString::to_string).collect()
}

/// All sentences about a file at the top level, with these .dev.vars.
fn with_dev_vars(text: &str, dev_vars: &str) -> Vec<String> {
    let local = LocalVariables::DevVars(variables::dev_vars(dev_vars));
    let report = wrangler(text, CheckScope::Top, &local);
    report.findings.iter().map(ToString::to_string).collect()
}

fn all(text: &str) -> Vec<String> {
    sentences(text, CheckScope::All)
}

#[test]
fn a_good_file_has_no_findings() {
    assert_eq!(all(GOOD), [""; 0]);
    let report = wrangler(GOOD, CheckScope::Top, &LocalVariables::Stored);
    assert!(report.is_good() && report.places == [""]);
}

#[test]
fn the_shipped_file_has_no_findings() {
    let shipped = include_str!("../../../wrangler.toml");
    assert_eq!((all(shipped), notes(shipped)), (Vec::new(), Vec::new()));
}

#[test]
fn each_mistake_names_its_key() {
    for (from, to, expected) in [
        (
            "to = \"firehose:events-mid\"",
            "level = \"urgent\", to = \"firehose:events-mid\"",
            "wrangler.toml: HEADWATER.routes[0].level must be one of \"low\", \"mid\", \"high\", not \"urgent\"",
        ),
        (
            "AWS_REGION = \"eu-west-1\"",
            "AWS_REGION = \"europe\"",
            "wrangler.toml: AWS_REGION must be the name of a region, such as eu-west-1 or us-gov-east-1",
        ),
        (
            "class_name = \"Shard\"",
            "class_name = \"Shards\"",
            "wrangler.toml: SHARD must be bound to the class Shard, not Shards",
        ),
        (
            "[\"Shard\", \"Inspector\"]",
            "[\"Inspector\"]",
            "wrangler.toml: migrations must name the class Shard in new_sqlite_classes, since SHARD is bound to it",
        ),
        (
            "new_sqlite_classes",
            "new_classes",
            "wrangler.toml: migrations must name the class Shard in new_sqlite_classes, since SHARD is bound to it",
        ),
        (
            "firehose:events-mid",
            "firehose:acme",
            "warning: wrangler.toml: HEADWATER.routes[0].to names firehose:acme, which scripts/deploy does not make (it makes firehose:events-low, firehose:events-mid, firehose:events-high, firehose:events-failed, and with StreamsPerLevel=16 sets such as firehose:events-low-{0..15}); create it, and let the worker's user write to it",
        ),
        (
            "AWS_REGION = \"eu-west-1\"",
            "AWS_REGION = \"eu-west-1\"\nAWS_REGOIN = \"eu-west-1\"",
            "warning: wrangler.toml: AWS_REGOIN is an unknown variable; did you mean AWS_REGION?",
        ),
        (
            "AWS_REGION = \"eu-west-1\"",
            "AWS_REGION = \"eu-west-1\"\nAWS_PROFILE = \"dev\"",
            "warning: wrangler.toml: AWS_PROFILE is an unknown variable; expected one of AWS_REGION, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_FIREHOSE, AWS_ENDPOINT_URL_KINESIS, HEADWATER, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, HEADWATER_HASH_SECRET, HEADWATER_OPERATOR_KEY, HEADWATER_OPERATOR_KEYS, HEADWATER_INSPECT_TOKEN, HEADWATER_SERVER_KEYS",
        ),
        (
            "AWS_REGION = \"eu-west-1\"",
            "AWS_REGION = \"eu-west-1\"\nHEADWATER_OPERATOR_KEY = \"0123456789abcdef0123456789abcdef\"",
            "warning: wrangler.toml: HEADWATER_OPERATOR_KEY is a secret and stands in wrangler.toml; remove it there, and npx wrangler secret put HEADWATER_OPERATOR_KEY",
        ),
    ] {
        assert!(GOOD.contains(from), "{from}");
        assert_eq!(all(&GOOD.replacen(from, to, 1)), [expected], "{to}");
    }
    assert_eq!(
        all(&GOOD.replace("\"eu-west-1\"", "1")),
        [
            "wrangler.toml: AWS_REGION must be a text, not 1",
            "wrangler.toml: AWS_REGION is missing; set it to the region of your streams",
        ]
    );
}

#[test]
fn a_problem_of_a_tenant_names_its_key() {
    let with = |routes: &str| {
        all(&format!(
            "{GOOD}[vars.HEADWATER.keys.pk_shop]\ntenant = \"shop\"\nroutes = {routes}\n[vars.HEADWATER.keys.pk_b]\ntenant = \"b\"\n"
        ))
    };
    assert_eq!(
        with("[{ to = \"acme\" }]"),
        [
            "wrangler.toml: HEADWATER.keys.pk_shop.routes[0].to must be firehose:NAME or kinesis:NAME, not \"acme\""
        ]
    );
    assert_eq!(
        with(
            "[{ level = \"low\", to = \"firehose:events-lwo\" }, { to = \"firehose:events-mid\" }]"
        ),
        [
            "warning: wrangler.toml: HEADWATER.keys.pk_shop.routes[0].to names firehose:events-lwo, which scripts/deploy does not make (it makes firehose:events-low, firehose:events-mid, firehose:events-high, firehose:events-failed, and with StreamsPerLevel=16 sets such as firehose:events-low-{0..15}); create it, and let the worker's user write to it"
        ]
    );
}

#[test]
fn no_toml_is_one_line_with_its_place() {
    for (text, start) in [
        ("[vars\n", "wrangler.toml: line 1, column "),
        ("name = 1\nname = 2\n", "wrangler.toml: line 2, column 1: duplicate key"),
        ("[vars]\nAWS_REGION = eu\n", "wrangler.toml: line 2, column "),
    ] {
        let found = all(text);
        assert!(
            matches!(found.as_slice(), [one] if one.starts_with(start) && !one.contains('\n')),
            "{found:?}"
        );
    }
}

#[test]
fn an_environment_inherits_no_variables_and_no_bindings() {
    let bound =
        "[[env.staging.durable_objects.bindings]]\nname = \"SHARD\"\nclass_name = \"Shard\"\n";
    assert_eq!(all(&format!("{GOOD}{STAGING}{bound}")), [""; 0]);
    assert_eq!(
        all(&format!("{GOOD}{STAGING}")),
        [
            "wrangler.toml: [env.staging] SHARD is missing; bind the Durable Object class Shard to it in wrangler.toml, or set HEADWATER.delivery = \"direct\"; an environment inherits no variables and no bindings"
        ]
    );
    assert_eq!(
        all(&format!("{GOOD}[env.staging]\nname = \"a\"\n")),
        [
            "wrangler.toml: [env.staging] AWS_REGION is missing; set it to the region of your streams; an environment inherits no variables and no bindings",
            "wrangler.toml: [env.staging] HEADWATER is missing; set it under [vars.HEADWATER] in wrangler.toml; an environment inherits no variables and no bindings",
        ]
    );
}

#[test]
fn a_top_level_that_is_only_shared_is_a_warning() {
    let direct = STAGING.replace("origins", "delivery = \"direct\"\norigins");
    assert_eq!(
        all(&direct),
        [
            "warning: wrangler.toml: HEADWATER is missing at the top level, so only the environments can be deployed: --env NAME"
        ]
    );
    assert_eq!(sentences(&direct, CheckScope::Environment("staging")), [""; 0]);
    assert_eq!(sentences(&direct, CheckScope::Top).len(), 2);
    assert_eq!(
        sentences(&direct, CheckScope::Environment("prod")),
        ["wrangler.toml: there is no [env.prod]; there are staging"]
    );
}

#[test]
fn a_local_variable_goes_before_that_of_the_file() {
    let local = variables::dev_vars(
        "# a comment\nexport AWS_REGION='us-east-1' \nHEADWATER_OPERATOR_KEY=\"short\" # why\nB=c # d\n\n",
    );
    assert_eq!(local["AWS_REGION"], "us-east-1");
    assert_eq!((&*local["HEADWATER_OPERATOR_KEY"], &*local["B"], local.len()), ("short", "c", 3));
    let local = LocalVariables::DevVars(local);
    let report = wrangler(&GOOD.replace("eu-west-1", "europe"), CheckScope::Top, &local);
    let sentences: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(
        sentences.contains(
            &"warning: .dev.vars: HEADWATER_OPERATOR_KEY must have at least 32 characters; until then no failed event can be replayed, no quarantined record exported, and /readyz shows no details".to_owned()
        ),
        "{sentences:?}"
    );
    assert!(!sentences.iter().any(|it| it.contains("AWS_REGION")), "{sentences:?}");
}

#[test]
fn a_secret_that_dev_vars_lacks_is_missing() {
    let shipped = include_str!("../../../wrangler.toml");
    let good = "AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b\n";
    assert_eq!(with_dev_vars(shipped, good), [""; 0]);
    for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        let expected = format!(".dev.vars: {key} is missing; without it no event can be delivered");
        let empty = good.replace(&format!("{key}="), &format!("{key}= #"));
        let commented = good.replace(key, &format!("# {key}"));
        for dev_vars in [empty, commented] {
            assert_eq!(with_dev_vars(shipped, &dev_vars), [expected.as_str()], "{dev_vars}");
        }
        let misspelt = key.replace("CC", "C");
        let warning =
            format!("warning: .dev.vars: {misspelt} is an unknown variable; did you mean {key}?");
        let dev_vars = good.replace(key, &misspelt);
        assert_eq!(with_dev_vars(shipped, &dev_vars), [expected, warning]);
    }
    assert_eq!(
        with_dev_vars(shipped, &format!("{good}AWS_REGION=\n")),
        [".dev.vars: AWS_REGION is missing; set it to the region of your streams"]
    );
    let hashed = shipped.replacen("failed_stream = ", "ip = \"hash\"\nfailed_stream = ", 1);
    let found = with_dev_vars(&hashed, good);
    assert!(
        matches!(found.as_slice(), [one] if one.contains("HEADWATER_HASH_SECRET")),
        "{found:?}"
    );
}

#[test]
fn a_secret_in_the_file_is_set_in_an_environment_too() {
    let vars = "AWS_ACCESS_KEY_ID = \"a\"\nAWS_SECRET_ACCESS_KEY = \"b\"\n[vars.HEADWATER]";
    let found = with_dev_vars(&GOOD.replace("[vars.HEADWATER]", vars), "");
    assert!(!found.iter().any(|it| it.contains("is missing")), "{found:?}");
}

#[test]
fn a_binding_that_is_missing_is_a_note_with_what_it_is_for() {
    let shipped = include_str!("../../../wrangler.toml");
    let dataset = "[[analytics_engine_datasets]]\nbinding = \"METRICS\"\ndataset = \"headwater\"";
    assert_eq!(
        notes(&shipped.replace(dataset, "")),
        ["note: wrangler.toml: METRICS is not bound; without it, there are no metrics"]
    );
    let misspelt = shipped.replace("\"METRICS\"", "\"METRIC\"");
    assert_eq!(notes(&misspelt), [""; 0]);
    assert_eq!(
        all(&misspelt),
        [
            "warning: wrangler.toml: METRIC is an unknown binding; did you mean METRICS? Without METRICS, there are no metrics"
        ]
    );
    assert_eq!(
        all(&shipped.replace("\"SHARD\"", "\"SHRAD\"")),
        [
            "wrangler.toml: SHARD is missing; bind the Durable Object class Shard to it in wrangler.toml, or set HEADWATER.delivery = \"direct\"",
            "warning: wrangler.toml: SHRAD is an unknown binding; did you mean SHARD? Without SHARD, only `delivery = \"direct\"` works",
        ]
    );
    assert_eq!(
        notes(&format!("{shipped}{STAGING}")),
        [
            "note: wrangler.toml: [env.staging] INSPECTOR is not bound; without it, there is no inspector",
            "note: wrangler.toml: [env.staging] METRICS is not bound; without it, there are no metrics",
            "note: wrangler.toml: [env.staging] RATE_LIMIT is not bound; without it, no client is limited in its rate",
            "note: wrangler.toml: [env.staging] CF_VERSION_METADATA is not bound; without it, `/readyz` does not name the version",
        ]
    );
}

#[test]
fn numbers_are_those_of_javascript() {
    let text = GOOD.replace("origins = ", "shards = 16.0\ndelivery_timeout_ms = 1e3\norigins = ");
    assert_eq!(all(&text), [""; 0]);
    let text = GOOD.replace("origins = ", "shards = 1.5\norigins = ");
    assert_eq!(
        all(&text),
        ["wrangler.toml: HEADWATER.shards must be an integer from 1 to 256, not 1.5"]
    );
}

#[test]
fn values_of_the_store_are_checked_with_one_configuration() {
    let text = include_str!("../../../wrangler.toml");
    let bound = text.replacen(
        "[version_metadata]",
        "[[kv_namespaces]]\nbinding = \"TENANTS\"\nid = \"x\"\n\n[version_metadata]",
        1,
    );
    let bound = format!("{bound}\n[vars.HEADWATER.keys.pk_own]\ntenant = \"own\"\n");
    let check = |values: &str, text: &str, scope| -> Vec<String> {
        let found = tenants(values, text, scope, &LocalVariables::Stored);
        found.iter().map(ToString::to_string).collect()
    };
    let good = r#"{"pk_a": {"tenant": "a", "off": true}, "pk_b": {"tenant": "b"}}"#;
    assert_eq!(check(good, &bound, CheckScope::Top), [""; 0]);
    let bad = r#"{"pk_a": {"tenant": "A"}, "pk_own": {"tenant": "own"}, "pk b": {}, "pk_c": 7}"#;
    assert_eq!(
        check(bad, &bound, CheckScope::Top),
        [
            "TENANTS.pk b is no write key; a key has 1 to 64 of a-z A-Z 0-9 _ - . :",
            "TENANTS.pk_a.tenant must be a name of 1 to 64 of a-z 0-9 _ -",
            "TENANTS.pk_c must be a JSON object, as a table of HEADWATER.keys",
            "TENANTS.pk_own is a key of HEADWATER.keys, which goes first",
        ]
    );
    let quotas =
        r#"{"pk_1": {"tenant": "a", "quota": {"events_per_day": 5}}, "pk_2": {"tenant": "a"}}"#;
    assert_eq!(
        check(quotas, &bound, CheckScope::Top),
        ["TENANTS.pk_2.quota must be that of pk_1, which has the same tenant \"a\""]
    );
    assert_eq!(
        check("[]", &bound, CheckScope::All),
        ["the values must be a JSON object of write keys"]
    );
    let of_own =
        text.replacen("failed_stream", "tenant_streams = [\"firehose:of-a\"]\nfailed_stream", 1);
    let own = r#"{"pk_a": {"tenant": "a", "routes": [{"to": "firehose:of-a"}]}}"#;
    assert_eq!(check(own, &of_own, CheckScope::Top), [""; 0], "before the store is bound");
    assert_eq!(
        check(
            r#"{"pk_a": {"tenant": "a", "snowplow": {"hartbeat_s": 10}}}"#,
            text,
            CheckScope::Top
        ),
        [
            "warning: TENANTS.pk_a.snowplow.hartbeat_s is an unknown key; did you mean heartbeat_s?; until then no cookie is set, and page pings are events of their own"
        ]
    );
    let two = format!("{bound}\n[env.b.vars]\nHEADWATER = {{}}\n");
    assert!(
        check(good, &two, CheckScope::Environment("b"))[0].starts_with("wrangler.toml: [env.b]")
    );
    assert_eq!(check(good, &two, CheckScope::Environment("c")).len(), 1);
}

//! Reads wrangler.toml as wrangler does, and reports the errors that [`Config`] finds in it.
//!
//! This runs on the operator's machine; the worker does not contain it. An environment inherits no
//! variables and no bindings from the top level, but it inherits the migrations.
//! Source: <https://developers.cloudflare.com/workers/wrangler/configuration/>.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Number, Value, json};
use toml::Table;

use crate::base::secret::Secret;
use crate::config::{Binding, Config, ConfigError, ConfigErrors, RawConfig, renamed_words};
use crate::model::stream::Stream;
use crate::ops::bindings::{CLASSES, WranglerBindings, is_near};

/// The secrets, which must not be in wrangler.toml.
const SECRETS: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "HEADWATER_HASH_SECRET",
    "HEADWATER_OPERATOR_KEY",
    "HEADWATER_INSPECT_TOKEN",
];

const VARIABLES: [&str; 5] = [
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_FIREHOSE",
    "AWS_ENDPOINT_URL_KINESIS",
    "HEADWATER",
];

/// The default of the parameter StreamPrefix of scripts/aws/headwater.yaml, which starts the names
/// of the streams that it creates.
pub const STREAM_PREFIX: &str = "events";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultWeight {
    /// Prevents a build or a deployment.
    Mistake,
    /// It works, but probably not as intended.
    Warning,
    /// It works without something that it could have.
    Note,
}

/// A problem, as a sentence that names its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub weight: FaultWeight,
    /// The place and the problem.
    pub sentence: String,
}

impl Finding {
    /// A finding that stops a build.
    pub fn mistake(sentence: impl Into<String>) -> Self {
        Self { weight: FaultWeight::Mistake, sentence: sentence.into() }
    }

    fn warning(sentence: impl Into<String>) -> Self {
        Self { weight: FaultWeight::Warning, sentence: sentence.into() }
    }

    fn note(sentence: impl Into<String>) -> Self {
        Self { weight: FaultWeight::Note, sentence: sentence.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.weight {
            FaultWeight::Mistake => formatter.write_str(&self.sentence),
            FaultWeight::Warning => write!(formatter, "warning: {}", self.sentence),
            FaultWeight::Note => write!(formatter, "note: {}", self.sentence),
        }
    }
}

/// The result of reading wrangler.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// In the order of the places.
    pub findings: Vec<Finding>,
    /// The places that were read: the empty name is the top level, the others are environments.
    pub places: Vec<String>,
}

/// Which configurations of wrangler.toml are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckScope<'a> {
    /// Each that can be deployed.
    All,
    Top,
    Environment(&'a str),
}

/// The variables and secrets that wrangler.toml does not contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalVariables {
    /// Those of the deployed worker: each secret counts as stored with it, where only wrangler can
    /// look.
    Stored,
    /// Those of .dev.vars, which override those of wrangler.toml. No other secret is set.
    DevVars(BTreeMap<String, String>),
}

impl LocalVariables {
    fn get(&self, key: &str) -> Option<&String> {
        match self {
            Self::Stored => None,
            Self::DevVars(variables) => variables.get(key),
        }
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        let variables = match self {
            Self::Stored => None,
            Self::DevVars(variables) => Some(variables.keys()),
        };
        variables.into_iter().flatten()
    }
}

/// Reads `text`, the content of wrangler.toml, together with `local`.
pub fn wrangler(text: &str, scope: CheckScope<'_>, local: &LocalVariables) -> CheckReport {
    let mut report = CheckReport { findings: Vec::new(), places: Vec::new() };
    let top: Table = match text.parse() {
        Ok(top) => top,
        Err(error) => {
            report
                .findings
                .push(Finding::mistake(format!("wrangler.toml: {}", toml_error(&error, text))));
            return report;
        }
    };
    let environments = table(&top, "env").unwrap_or_default();
    let has_environments = environments.values().any(|environment| of_vars(environment).is_some());
    match scope {
        CheckScope::Environment(name) => match environments.get(name) {
            Some(environment) => report.read(name, environment, &top, local),
            None => {
                let names: Vec<&str> = environments.keys().map(String::as_str).collect();
                let there_are = match names.as_slice() {
                    [] => "no environments".to_owned(),
                    names => names.join(", "),
                };
                let problem =
                    format!("wrangler.toml: there is no [env.{name}]; there are {there_are}");
                report.findings.push(Finding::mistake(problem));
            }
        },
        CheckScope::All if has_environments && !has_headwater(&top) => {
            let problem = "wrangler.toml: HEADWATER is missing at the top level, so only the environments can be deployed: --env NAME";
            report.findings.push(Finding::warning(problem));
        }
        CheckScope::All | CheckScope::Top => {
            report.read("", &toml::Value::Table(top.clone()), &top, local)
        }
    }
    if scope == CheckScope::All {
        for (name, environment) in &environments {
            report.read(name, environment, &top, local);
        }
    }
    report
}

impl CheckReport {
    /// Whether nothing prevents a build.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.weight != FaultWeight::Mistake)
    }

    /// Reads `own`, the configuration called `name`.
    fn read(&mut self, name: &str, own: &toml::Value, top: &Table, local: &LocalVariables) {
        self.places.push(name.to_owned());
        let place = match name {
            "" => "wrangler.toml:".to_owned(),
            name => format!("wrangler.toml: [env.{name}]"),
        };
        let vars = own.get("vars").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        // A problem is in the file that sets its variable, or has to.
        let placed = |problem: String| {
            let key = problem.split([' ', '.']).next().unwrap_or_default();
            let is_to_be_local = matches!(local, LocalVariables::DevVars(_))
                && SECRETS.contains(&key)
                && !vars.contains_key(key);
            let is_local = local.get(key).is_some() || is_to_be_local;
            let place = if is_local { ".dev.vars:" } else { place.as_str() };
            format!("{place} {problem}")
        };
        let mut findings: Vec<Finding> = Vec::new();
        let Some(own) = own.as_table() else {
            return self.add(vec![Finding::mistake(placed("must be a table".to_owned()))]);
        };
        let mut mistake = |problem: String| findings.push(Finding::mistake(placed(problem)));
        for (key, value) in &vars {
            let is_text = value.is_str() || key == "HEADWATER";
            if (SECRETS.contains(&key.as_str()) || VARIABLES.contains(&key.as_str())) && !is_text {
                mistake(format!("{key} must be a text, not {}", to_json(value)));
            }
        }
        let bindings = WranglerBindings::of(own, top);
        let bound = CLASSES.map(|(binding, class)| {
            let bound = bindings.class(binding);
            if let Some(other) = bound.filter(|bound| *bound != class) {
                mistake(format!("{binding} must be bound to the class {class}, not {other}"));
            }
            if bound == Some(class) && !is_made(own, top, class) {
                mistake(format!(
                    "migrations must name the class {class} in new_sqlite_classes, since {binding} is bound to it"
                ));
            }
            bound.map_or(Binding::Absent, |_| Binding::Present)
        });
        let read = Config::read(settings(&vars, local, bound));
        let mut warnings: Vec<String> = Vec::new();
        let (errors, found) = match &read {
            Ok(config) => {
                warnings.extend(streams_not_created(config));
                ([].as_slice(), &config.warnings)
            }
            Err(ConfigErrors { errors, warnings }) => (errors.as_slice(), warnings),
        };
        errors.iter().for_each(|error| mistake(shown(error, name)));
        warnings.extend(found.iter().map(ToString::to_string));
        warnings.extend(vars.keys().filter_map(|key| misplaced(key)));
        let names = vars.keys().chain(local.names());
        warnings.extend(names.filter_map(|key| unknown_variable(key)));
        let misspelt = bindings.misspelt();
        warnings.extend(misspelt.iter().map(|(_, sentence)| sentence.clone()));
        warnings.sort_unstable_by_key(|warning| !warning.starts_with("HEADWATER."));
        findings.extend(warnings.into_iter().map(|warning| Finding::warning(placed(warning))));
        let is_said = |name: &str| {
            errors.iter().chain(found).any(|problem| problem.key == name)
                || misspelt.iter().any(|(meant, _)| *meant == name)
        };
        let missing = bindings.missing().filter(|(name, _)| !is_said(name));
        findings.extend(missing.map(|(_, sentence)| Finding::note(placed(sentence))));
        self.add(findings);
    }

    /// Adds `findings`, each once: .dev.vars is read with every environment.
    fn add(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
    }
}

/// Formats `error`. A key that is missing in an environment may be set at the top level.
fn shown(error: &ConfigError, environment: &str) -> String {
    let is_missing = error.problem.starts_with("is missing");
    let is_of_it = !error.key.contains('.') && !SECRETS.contains(&error.key.as_str());
    match is_missing && is_of_it && !environment.is_empty() {
        true => format!("{error}; an environment inherits no variables and no bindings"),
        false => error.to_string(),
    }
}

/// Returns the settings as the worker would read them from its environment.
fn settings(vars: &Table, local: &LocalVariables, [shard, inspector]: [Binding; 2]) -> RawConfig {
    let text = |key: &str| {
        let of_file = || vars.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        local.get(key).cloned().or_else(of_file).filter(|text| !text.is_empty())
    };
    let stored = |key: &str| match local {
        LocalVariables::Stored => Some(text(key).unwrap_or_else(|| "x".repeat(Secret::MIN_CHARS))),
        LocalVariables::DevVars(_) => text(key),
    };
    let headwater = local.get("HEADWATER").map(|text| Value::String(text.clone()));
    RawConfig {
        headwater: headwater.or_else(|| vars.get("HEADWATER").map(to_json)),
        region: text("AWS_REGION"),
        access_key_id: stored("AWS_ACCESS_KEY_ID"),
        secret_access_key: stored("AWS_SECRET_ACCESS_KEY"),
        secret: stored("HEADWATER_HASH_SECRET"),
        operator_key: text("HEADWATER_OPERATOR_KEY"),
        inspect_token: text("HEADWATER_INSPECT_TOKEN"),
        session_token: text("AWS_SESSION_TOKEN"),
        endpoint_url: text("AWS_ENDPOINT_URL"),
        endpoint_url_firehose: text("AWS_ENDPOINT_URL_FIREHOSE"),
        endpoint_url_kinesis: text("AWS_ENDPOINT_URL_KINESIS"),
        shard,
        inspector,
        old_secrets: renamed_words::SECRETS
            .into_iter()
            .map(|(old, _)| old)
            .filter(|old| text(old).is_some())
            .collect(),
    }
}

/// Returns a warning about a variable of wrangler.toml, if it is a secret.
fn misplaced(key: &str) -> Option<String> {
    SECRETS.contains(&key).then(|| format!(
        "{key} is a secret and stands in wrangler.toml; remove it there, and npx wrangler secret put {key}"
    ))
}

/// Returns a warning about a variable of this name, if it is unknown but looks like ours.
fn unknown_variable(key: &str) -> Option<String> {
    let known = || VARIABLES.into_iter().chain(SECRETS);
    if known().any(|known| known == key) {
        return None;
    }
    if let Some(meant) = known().find(|known| is_near(known, key)) {
        return Some(format!("{key} is an unknown variable; did you mean {meant}?"));
    }
    if renamed_words::secret(key).is_some() {
        // The parser warns about it.
        return None;
    }
    let is_like_ours = key.starts_with("HEADWATER") || key.starts_with("AWS_");
    is_like_ours.then(|| {
        let known = known().collect::<Vec<_>>().join(", ");
        format!("{key} is an unknown variable; expected one of {known}")
    })
}

/// Returns a warning for each stream that scripts/deploy does not create. The prefix of those that
/// it creates is taken from the name of the stream of failed events.
fn streams_not_created(config: &Config) -> Vec<String> {
    let failed = config.destinations.failed.to_string();
    let failed = failed.strip_prefix("firehose:").and_then(|name| name.strip_suffix("-failed"));
    let prefix = failed.unwrap_or(STREAM_PREFIX);
    let made = ["low", "mid", "high", "failed"].map(|kind| format!("firehose:{prefix}-{kind}"));
    let is_strange = |stream: &&Stream| {
        let name = stream.to_string();
        name.starts_with("firehose:") && !made.contains(&name)
    };
    let warning = |stream: &Stream| {
        let settings = config.settings_of(stream);
        let names = if settings.len() == 1 { "names" } else { "name" };
        format!(
            "{} {names} {stream}, which scripts/deploy does not make (it makes {}); create it, and let the worker's user write to it",
            settings.join(", "),
            made.join(", ")
        )
    };
    let mut strange: Vec<&Stream> = config.streams().into_iter().filter(is_strange).collect();
    strange.sort_unstable_by_key(|stream| config.settings_of(stream));
    strange.into_iter().map(warning).collect()
}

fn table(of: &Table, key: &str) -> Option<Table> {
    of.get(key)?.as_table().cloned()
}

fn of_vars(of: &toml::Value) -> Option<&toml::Value> {
    of.get("vars")?.get("HEADWATER")
}

fn has_headwater(top: &Table) -> bool {
    top.get("vars").is_some_and(|vars| vars.get("HEADWATER").is_some())
}

/// Whether a migration creates `class` with SQLite storage.
fn is_made(own: &Table, top: &Table, class: &str) -> bool {
    let migrations = own.get("migrations").or_else(|| top.get("migrations"));
    let migrations = migrations.and_then(toml::Value::as_array).into_iter().flatten();
    let made = migrations.filter_map(|it| it.get("new_sqlite_classes")?.as_array()).flatten();
    made.into_iter().any(|name| name.as_str() == Some(class))
}

/// Converts a value as wrangler does: JavaScript has only one kind of number.
fn to_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            json!(*number as i64)
        }
        toml::Value::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        toml::Value::Boolean(is_so) => json!(is_so),
        toml::Value::Datetime(moment) => json!(moment.to_string()),
        toml::Value::Array(items) => items.iter().map(to_json).collect(),
        toml::Value::Table(members) => {
            let members = members.iter().map(|(key, value)| (key.clone(), to_json(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// Formats a syntax error in one line, with its place.
fn toml_error(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    format!("line {line}, column {column}: {message}")
}

/// Parses `text`, the content of .dev.vars.
pub fn dev_vars(text: &str) -> BTreeMap<String, String> {
    let variable = |line: &str| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        let (name, value) = line.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.starts_with('#') {
            return None;
        }
        let quoted = ['\'', '"', '`'].into_iter().find_map(|quote| {
            let (inner, _) = value.strip_prefix(quote)?.rsplit_once(quote)?;
            Some(inner)
        });
        let plain = || value.split_once('#').map_or(value, |(value, _)| value).trim();
        Some((name.to_owned(), quoted.unwrap_or_else(plain).to_owned()))
    };
    text.lines().filter_map(variable).collect()
}

#[cfg(test)]
mod tests {
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
        let local = LocalVariables::DevVars(super::dev_vars(dev_vars));
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
        let shipped = include_str!("../../wrangler.toml");
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
                "warning: wrangler.toml: HEADWATER.routes[0].to names firehose:acme, which scripts/deploy does not make (it makes firehose:events-low, firehose:events-mid, firehose:events-high, firehose:events-failed); create it, and let the worker's user write to it",
            ),
            (
                "AWS_REGION = \"eu-west-1\"",
                "AWS_REGION = \"eu-west-1\"\nAWS_REGOIN = \"eu-west-1\"",
                "warning: wrangler.toml: AWS_REGOIN is an unknown variable; did you mean AWS_REGION?",
            ),
            (
                "AWS_REGION = \"eu-west-1\"",
                "AWS_REGION = \"eu-west-1\"\nAWS_PROFILE = \"dev\"",
                "warning: wrangler.toml: AWS_PROFILE is an unknown variable; expected one of AWS_REGION, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_FIREHOSE, AWS_ENDPOINT_URL_KINESIS, HEADWATER, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, HEADWATER_HASH_SECRET, HEADWATER_OPERATOR_KEY, HEADWATER_INSPECT_TOKEN",
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
                "warning: wrangler.toml: HEADWATER.keys.pk_shop.routes[0].to names firehose:events-lwo, which scripts/deploy does not make (it makes firehose:events-low, firehose:events-mid, firehose:events-high, firehose:events-failed); create it, and let the worker's user write to it"
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
        let local = dev_vars(
            "# a comment\nexport AWS_REGION='us-east-1' \nHEADWATER_OPERATOR_KEY=\"short\" # why\nB=c # d\n\n",
        );
        assert_eq!(local["AWS_REGION"], "us-east-1");
        assert_eq!(
            (&*local["HEADWATER_OPERATOR_KEY"], &*local["B"], local.len()),
            ("short", "c", 3)
        );
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
        let shipped = include_str!("../../wrangler.toml");
        let good = "AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b\n";
        assert_eq!(with_dev_vars(shipped, good), [""; 0]);
        for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let expected =
                format!(".dev.vars: {key} is missing; without it no event can be delivered");
            let empty = good.replace(&format!("{key}="), &format!("{key}= #"));
            let commented = good.replace(key, &format!("# {key}"));
            for dev_vars in [empty, commented] {
                assert_eq!(with_dev_vars(shipped, &dev_vars), [expected.as_str()], "{dev_vars}");
            }
            let misspelt = key.replace("CC", "C");
            let warning = format!(
                "warning: .dev.vars: {misspelt} is an unknown variable; did you mean {key}?"
            );
            let dev_vars = good.replace(key, &misspelt);
            assert_eq!(with_dev_vars(shipped, &dev_vars), [expected, warning]);
        }
        assert_eq!(
            with_dev_vars(shipped, &format!("{good}AWS_REGION=\n")),
            [".dev.vars: AWS_REGION is missing; set it to the region of your streams"]
        );
        let hashed = shipped.replace("failed_stream = ", "ip = \"hash\"\nfailed_stream = ");
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
        let shipped = include_str!("../../wrangler.toml");
        let dataset =
            "[[analytics_engine_datasets]]\nbinding = \"METRICS\"\ndataset = \"headwater\"";
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
                "note: wrangler.toml: [env.staging] CF_VERSION_METADATA is not bound; without it, `/readyz` does not name the version",
            ]
        );
    }

    #[test]
    fn numbers_are_those_of_javascript() {
        let text =
            GOOD.replace("origins = ", "shards = 16.0\ndelivery_timeout_ms = 1e3\norigins = ");
        assert_eq!(all(&text), [""; 0]);
        let text = GOOD.replace("origins = ", "shards = 1.5\norigins = ");
        assert_eq!(
            all(&text),
            ["wrangler.toml: HEADWATER.shards must be an integer from 1 to 256, not 1.5"]
        );
    }
}

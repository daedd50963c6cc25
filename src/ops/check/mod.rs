//! Reads wrangler.toml as wrangler does, and reports the errors that [`Config`] finds in it.
//!
//! This runs on the operator's machine; the worker does not contain it. An environment inherits no
//! variables and no bindings from the top level, but it inherits the migrations.
//! Source: <https://developers.cloudflare.com/workers/wrangler/configuration/>.

pub mod finding;
pub mod variables;

use std::collections::BTreeMap;

use toml::Table;

use crate::config::tenant::Tenant;
use crate::config::{Binding, Config, ConfigError, ConfigErrors, RawConfig, STORE};
use crate::model::quota::DailyQuota;
use crate::model::stream::{Service, Stream};
use crate::model::stream_set::StreamSet;
use crate::ops::bindings::{CLASSES, WranglerBindings};
use crate::pipeline::decode;
use finding::{FaultWeight, Finding};
use variables::{
    LocalVariables, SECRETS, VARIABLES, misplaced, settings, to_json, unknown_variable,
};

/// The default of the parameter StreamPrefix of scripts/aws/headwater.yaml, which starts the names
/// of the streams that it creates.
pub const STREAM_PREFIX: &str = "events";

/// The largest value of its parameter StreamsPerLevel.
const MOST_PER_LEVEL: u32 = 16;

/// The result of reading wrangler.toml.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// In the order of the places.
    pub findings: Vec<Finding>,
    /// The places that were read: the empty name is the top level, the others are environments.
    pub places: Vec<String>,
    /// The configurations without errors.
    pub configs: Vec<Config>,
    /// Whether the key-value store counts as bound.
    store: Binding,
}

/// Which configurations of wrangler.toml are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckScope<'a> {
    /// Each that can be deployed.
    All,
    Top,
    Environment(&'a str),
}

/// Reads `text`, the content of wrangler.toml, together with `local`.
pub fn wrangler(text: &str, scope: CheckScope<'_>, local: &LocalVariables) -> CheckReport {
    with_store(text, scope, local, Binding::Absent)
}

/// Like [`wrangler`]. Each configuration has the key-value store if `store` is there, whether it is
/// bound or not.
fn with_store(
    text: &str,
    scope: CheckScope<'_>,
    local: &LocalVariables,
    store: Binding,
) -> CheckReport {
    let mut report = CheckReport { store, ..CheckReport::default() };
    let top: Table = match text.parse() {
        Ok(top) => top,
        Err(error) => {
            let problem = format!("wrangler.toml: {}", toml_error(&error, text));
            return CheckReport::stopped_by(Finding::mistake(problem));
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

/// Checks values of the key-value store: `values` is a JSON object of write keys, each with its value.
/// They inherit from one configuration of `text`, the content of wrangler.toml, which need not bind
/// the store yet.
pub fn tenants(
    values: &str,
    text: &str,
    scope: CheckScope<'_>,
    local: &LocalVariables,
) -> Vec<Finding> {
    let report = with_store(text, scope, local, Binding::Present);
    let (true, [config]) = (report.is_good(), report.configs.as_slice()) else {
        let is_mistake = |finding: &Finding| finding.weight == FaultWeight::Mistake;
        let several = "wrangler.toml: name one configuration, with --top or --env NAME";
        let mistakes: Vec<Finding> = report.findings.into_iter().filter(is_mistake).collect();
        return if mistakes.is_empty() { vec![Finding::mistake(several)] } else { mistakes };
    };
    let Ok(values) = decode::object(values) else {
        return vec![Finding::mistake("the values must be a JSON object of write keys")];
    };
    let (mut findings, mut firsts) = (Vec::new(), BTreeMap::new());
    for (key, value) in values {
        if config.tenants.find(Some(&key)).is_some() {
            let problem = format!("{STORE}.{key} is a key of HEADWATER.keys, which goes first");
            findings.push(Finding::mistake(problem));
            continue;
        }
        let (read, warnings) = config.stored_tenant_and_warnings(&key, &value.to_string());
        match read {
            Ok(stored) => {
                let other_quota = other_quota(&mut firsts, &key, &stored.tenant);
                findings.extend(other_quota.map(Finding::mistake));
            }
            Err(errors) => {
                findings.extend(errors.iter().map(|error| Finding::mistake(error.to_string())));
            }
        }
        findings.extend(warnings.iter().map(|warning| Finding::warning(warning.to_string())));
    }
    findings
}

/// Returns the problem if an earlier key of the tenant has another quota: the keys share it.
fn other_quota(
    firsts: &mut BTreeMap<String, (String, Option<DailyQuota>)>,
    key: &str,
    tenant: &Tenant,
) -> Option<String> {
    let quota = tenant.of_items.quota;
    let first = firsts.entry(tenant.name.clone()).or_insert_with(|| (key.to_owned(), quota));
    (first.1 != quota).then(|| {
        let (first, name) = (&first.0, &tenant.name);
        format!("{STORE}.{key}.quota must be that of {first}, which has the same tenant {name:?}")
    })
}

impl CheckReport {
    /// The report if nothing could be read.
    pub fn stopped_by(finding: Finding) -> Self {
        Self { findings: vec![finding], ..Self::default() }
    }

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
        let [shard, inspector] = CLASSES.map(|(binding, class)| {
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
        let tenants = match self.store {
            Binding::Present => Binding::Present,
            Binding::Absent => bindings.store(),
        };
        let variables = settings(&vars, local);
        let read = Config::read(RawConfig { shard, inspector, tenants, ..variables });
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
        self.configs.extend(read.ok());
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

/// Returns a warning for each stream or stream set that scripts/deploy does not create. The prefix
/// of those that it creates is taken from the name of the stream of failed events.
fn streams_not_created(config: &Config) -> Vec<String> {
    let failed = config.destinations.failed.to_string();
    let failed = failed.strip_prefix("firehose:").and_then(|name| name.strip_suffix("-failed"));
    let prefix = failed.unwrap_or(STREAM_PREFIX);
    let made = ["low", "mid", "high", "failed"].map(|kind| format!("firehose:{prefix}-{kind}"));
    let members = ["low", "mid", "high"].map(|kind| {
        StreamSet::parse(&format!("firehose:{prefix}-{kind}-{{0..{}}}", MOST_PER_LEVEL - 1))
    });
    let is_made = |stream: &Stream| {
        let is_member =
            |set: &Result<StreamSet, _>| set.as_ref().is_ok_and(|set| set.contains(stream));
        made.contains(&stream.to_string()) || members.iter().any(is_member)
    };
    let is_strange = |set: &&StreamSet| {
        set.first().service == Service::Firehose && !set.members().all(|stream| is_made(&stream))
    };
    let warning = |set: &StreamSet| {
        let settings = config.settings_of(set.first());
        let names = if settings.len() == 1 { "names" } else { "name" };
        format!(
            "{} {names} {set}, which scripts/deploy does not make (it makes {}, and with StreamsPerLevel=16 sets such as firehose:{prefix}-low-{{0..15}}); create it, and let the worker's user write to it",
            settings.join(", "),
            made.join(", ")
        )
    };
    let mut strange: Vec<&StreamSet> =
        config.stream_sets().into_iter().filter(is_strange).collect();
    strange.sort_unstable_by_key(|set| config.settings_of(set.first()));
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

/// Formats a syntax error in one line, with its place.
fn toml_error(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    format!("line {line}, column {column}: {message}")
}

#[cfg(test)]
mod tests;

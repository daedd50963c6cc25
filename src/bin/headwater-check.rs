//! Checks the configuration and the event schemas of a checkout with the worker's own parsers. Then
//! compiles the schemas to the catalogue that the worker loads.
//!
//! scripts/check and scripts/build compile and call it. Each error, warning and note is a line on
//! standard error, or an object of a JSON array on standard output. The exit code is 1 if there is
//! an error, and 2 if the arguments are wrong.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io, process};

use headwater::ops::check;
use headwater::ops::check::finding::{FaultWeight, Finding};
use headwater::ops::check::variables::{self, LocalVariables};
use headwater::ops::check::{CheckReport, CheckScope};
use headwater::schema::compile::{emit, folder};

const USAGE: &str = "usage: headwater-check [--root DIR] [--top | --env NAME] [--dev] [--json] [--quiet] [--catalogue FILE] [--tenants]";

struct Arguments {
    /// The root of the checkout.
    root: PathBuf,
    top: bool,
    environment: Option<String>,
    /// Reads the variables of .dev.vars, too: each secret has to be there.
    dev: bool,
    /// Prints no notes, and no line if there is no error.
    quiet: bool,
    /// Prints the findings as JSON on standard output.
    json: bool,
    /// Checks the values of the key-value store on standard input instead, a JSON object of write keys.
    tenants: bool,
    /// The file for the catalogue, which is written if the schemas have no error.
    catalogue: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Some(arguments) = arguments(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if arguments.tenants {
        return tenants(&arguments);
    }
    let events = folder::events(&arguments.root.join(folder::SCHEMAS), folder::SCHEMAS);
    let count = events.as_ref().map_or(0, Vec::len);
    let problems = match (events, &arguments.catalogue) {
        (Err(problems), _) => problems,
        (Ok(_), None) => Vec::new(),
        (Ok(events), Some(file)) => match write(file, &emit::catalogue(&events)) {
            Ok(()) => Vec::new(),
            Err(error) => vec![format!("{}: {error}", file.display())],
        },
    };
    let report = configuration(&arguments);
    let of_schemas = problems.into_iter().map(Finding::mistake);
    let is_good = report.is_good() && of_schemas.len() == 0;
    let is_shown = |finding: &Finding| !arguments.quiet || finding.weight != FaultWeight::Note;
    let shown = of_schemas.chain(report.findings).filter(is_shown);
    if arguments.json {
        println!("{}", serde_json::Value::Array(shown.map(|finding| document(&finding)).collect()));
    } else {
        shown.for_each(|finding| eprintln!("{finding}"));
    }
    if is_good && !arguments.quiet && !arguments.json {
        println!("check: {count} schemas and {} have no mistake", places(&report.places));
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn document(finding: &Finding) -> serde_json::Value {
    let weight = match finding.weight {
        FaultWeight::Mistake => "mistake",
        FaultWeight::Warning => "warning",
        FaultWeight::Note => "note",
    };
    serde_json::json!({ "weight": weight, "text": finding.sentence })
}

fn arguments(mut given: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments {
        root: PathBuf::from("."),
        top: false,
        environment: None,
        dev: false,
        quiet: false,
        json: false,
        tenants: false,
        catalogue: None,
    };
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--root" => arguments.root = PathBuf::from(given.next()?),
            "--env" => arguments.environment = Some(given.next()?),
            "--top" => arguments.top = true,
            "--dev" => arguments.dev = true,
            "--tenants" => arguments.tenants = true,
            "--quiet" => arguments.quiet = true,
            "--json" => arguments.json = true,
            "--catalogue" => arguments.catalogue = Some(PathBuf::from(given.next()?)),
            _ => return None,
        }
    }
    (arguments.environment.is_none() || !arguments.top).then_some(arguments)
}

/// Replaces `file` atomically by one with `bytes`, unless it has them already.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(file).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let whole = file.with_extension(format!("{}.tmp", process::id()));
    fs::write(&whole, bytes)?;
    fs::rename(&whole, file)
}

/// Checks the values on standard input.
fn tenants(arguments: &Arguments) -> ExitCode {
    let findings = match (io::read_to_string(io::stdin()), wrangler(arguments)) {
        (Ok(values), Ok(text)) => {
            check::tenants(&values, &text, scope(arguments), &local(arguments))
        }
        (Err(error), _) => vec![Finding::mistake(format!("the values: {error}"))],
        (_, Err(unread)) => vec![unread],
    };
    findings.iter().for_each(|finding| eprintln!("{finding}"));
    let is_good = findings.iter().all(|finding| finding.weight != FaultWeight::Mistake);
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn configuration(arguments: &Arguments) -> CheckReport {
    match wrangler(arguments) {
        Ok(text) => check::wrangler(&text, scope(arguments), &local(arguments)),
        Err(unread) => CheckReport::stopped_by(unread),
    }
}

/// Reads wrangler.toml.
fn wrangler(arguments: &Arguments) -> Result<String, Finding> {
    let text = fs::read_to_string(arguments.root.join("wrangler.toml"));
    text.map_err(|error| Finding::mistake(format!("wrangler.toml: {error}")))
}

fn scope(arguments: &Arguments) -> CheckScope<'_> {
    match &arguments.environment {
        Some(name) => CheckScope::Environment(name),
        None if arguments.top => CheckScope::Top,
        None => CheckScope::All,
    }
}

fn local(arguments: &Arguments) -> LocalVariables {
    match arguments.dev {
        true => {
            let text = fs::read_to_string(arguments.root.join(".dev.vars")).unwrap_or_default();
            LocalVariables::DevVars(variables::dev_vars(&text))
        }
        false => LocalVariables::Stored,
    }
}

/// Formats the places.
fn places(places: &[String]) -> String {
    let shown = |place: &String| match place.as_str() {
        "" => "wrangler.toml".to_owned(),
        name => format!("[env.{name}]"),
    };
    places.iter().map(shown).collect::<Vec<_>>().join(", ")
}

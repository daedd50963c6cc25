//! A schema of the catalogue: a JSON Schema, and facts about the event.

use serde_json::{Map, Value};

use super::keyword::DRAFT;
use super::{Error, schema};
use crate::model::level::Level;
use crate::schema::rule::Node;

/// One event, ready to be encoded.
#[derive(Debug)]
pub struct CompiledEvent {
    /// The file's name without `.json`.
    pub name: String,
    /// `$id`.
    pub id: String,
    /// `x-version`.
    pub version: String,
    /// `x-level`.
    pub level: Option<Level>,
    /// `x-session-start`.
    pub opens_session: bool,
    /// `x-partition`: each key with its values.
    pub partition: Vec<(String, Vec<String>)>,
    pub nodes: &'static [Node],
}

/// Compiles the file `file_name` with the text `content`, or returns every mistake in it.
pub fn compile(file_name: &str, content: &str) -> Result<CompiledEvent, Vec<Error>> {
    let name = file_name
        .strip_suffix(".json")
        .filter(|name| is_name(name))
        .ok_or_else(|| vec![error("file name", "must be [a-z][a-z0-9_.]{0,63} and .json")])?;
    let document: Value = serde_json::from_str(content)
        .map_err(|problem| vec![error("file", format!("is no JSON: {problem}"))])?;
    let Value::Object(mut keywords) = document else {
        return Err(vec![error("file", "must be an object")]);
    };
    let mut errors = Vec::new();
    for (keyword, wanted) in [
        ("$schema", Some(DRAFT.to_owned())),
        ("$id", Some(format!("/schemas/{name}.json"))),
        ("title", None),
        ("description", None),
    ] {
        // Each is removed, so that the schema's own rules do not report it again.
        match (keywords.remove(keyword), wanted) {
            (Some(Value::String(found)), Some(wanted)) if found == wanted => {}
            (_, Some(wanted)) => errors.push(error(keyword, format!("must be {wanted:?}"))),
            (Some(Value::String(found)), None) if !found.is_empty() => {}
            (_, None) => errors.push(error(keyword, "must be a text")),
        }
    }
    let mut note = |error| errors.push(error);
    let version = version(&mut keywords).map_err(&mut note);
    let level = level(&mut keywords).map_err(&mut note);
    let opens_session = opening(&mut keywords).map_err(&mut note);
    let partition = partition(&mut keywords).map_err(&mut note);
    let nodes = schema(&Value::Object(keywords)).map_err(|found| errors.extend(found));
    match (version, level, opens_session, partition, nodes) {
        (Ok(version), Ok(level), Ok(opens_session), Ok(partition), Ok(nodes))
            if errors.is_empty() =>
        {
            let (name, id) = (name.to_owned(), format!("/schemas/{name}.json"));
            Ok(CompiledEvent { name, id, version, level, opens_session, partition, nodes })
        }
        _ => Err(errors),
    }
}

fn error(keyword: &str, problem: impl Into<String>) -> Error {
    Error { pointer: String::new(), keyword: keyword.to_owned(), problem: problem.into() }
}

/// Whether it is an `EventName`.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.'))
}

fn version(keywords: &mut Map<String, Value>) -> Result<String, Error> {
    match keywords.remove("x-version") {
        Some(Value::String(version)) if is_version(&version) => Ok(version),
        Some(_) => Err(error("x-version", "must be a semantic version such as \"1.0.0\"")),
        None => Err(error("x-version", "is missing")),
    }
}

/// A version of <https://semver.org>, the three numbers only.
fn is_version(text: &str) -> bool {
    let is_number = |part: &str| {
        matches!(part.len(), 1..=9)
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    text.split('.').count() == 3 && text.split('.').all(is_number)
}

fn level(keywords: &mut Map<String, Value>) -> Result<Option<Level>, Error> {
    match keywords.remove("x-level") {
        None => Ok(None),
        Some(level) if level == "low" => Ok(Some(Level::Low)),
        Some(level) if level == "mid" => Ok(Some(Level::Mid)),
        Some(level) if level == "high" => Ok(Some(Level::High)),
        Some(other) => Err(error("x-level", format!("must be one of low, mid, high, not {other}"))),
    }
}

fn opening(keywords: &mut Map<String, Value>) -> Result<bool, Error> {
    match keywords.remove("x-session-start") {
        None => Ok(false),
        Some(Value::Bool(opening)) => Ok(opening),
        Some(_) => Err(error("x-session-start", "must be true or false")),
    }
}

/// The most values of a key: Firehose has 500 partitions at a time.
const MAX_PARTITIONS: usize = 100;

fn partition(keywords: &mut Map<String, Value>) -> Result<Vec<(String, Vec<String>)>, Error> {
    const WANTED: &str =
        "must be an object that lists the values of each key, such as {\"tag\": [\"a\", \"b\"]}";
    let keys = match keywords.remove("x-partition") {
        None => return Ok(Vec::new()),
        Some(Value::Object(keys)) => keys,
        Some(_) => return Err(error("x-partition", WANTED)),
    };
    let key = |(name, values): (String, Value)| {
        if !is_name(&name) || name.contains('.') {
            return Err(error("x-partition", "must have keys that match [a-z][a-z0-9_]*"));
        }
        let problem = format!(
            "must list 1 to {MAX_PARTITIONS} different texts of 1 to 64 characters for {name}"
        );
        let values = partition_values(values).ok_or_else(|| error("x-partition", problem))?;
        Ok((name, values))
    };
    keys.into_iter().map(key).collect()
}

fn partition_values(values: Value) -> Option<Vec<String>> {
    let Value::Array(values) = values else { return None };
    let mut texts: Vec<String> = Vec::new();
    for value in values {
        match value {
            Value::String(text)
                if (1..=64).contains(&text.chars().count()) && !texts.contains(&text) =>
            {
                texts.push(text);
            }
            _ => return None,
        }
    }
    (1..=MAX_PARTITIONS).contains(&texts.len()).then_some(texts)
}

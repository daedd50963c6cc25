//! The summary sentence: whether events can be made durable, what prevents it, since when, and how
//! long the spill has room. It says only what is known.

use super::diagnosis::{Diagnosis, FailingStream, Spilled, WaitingStream};
use super::format::{Timestamp, count, span};
use crate::config::STORE;
use crate::model::shard_address::ShardAddress;

/// Age of the last delivery attempt after which the summary mentions it, in seconds.
const STALE_S: u64 = 300;

/// The summary mentions when the spill will be full if that is sooner than this, in seconds.
const NEAR_S: u64 = 604_800;

/// The used share from which the summary says how full a spill is, in per cent.
const NOTEWORTHY_PERCENT: u64 = 50;

/// Whether streams, tenants and shards are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// For the operator.
    Shown,
    /// For anyone.
    Withheld,
}

/// Builds the summary of `diagnosis` at `now`.
pub fn summary(diagnosis: &Diagnosis, names: Names, now: Timestamp) -> String {
    let obstacles = obstacles(diagnosis, names, now);
    let verdict = match (diagnosis.is_ready(), obstacles.is_empty()) {
        (true, true) => format!("ready: {}", streams(diagnosis)),
        (true, false) => format!("ready, but {}", obstacles.join("; ")),
        (false, _) => format!("not ready: {}", obstacles.join("; ")),
    };
    match &diagnosis.spilled {
        None if diagnosis.failing.is_empty() => verdict,
        None => format!("{verdict}; what it does not take is answered 503, and clients keep it"),
        Some(spilled) => verdict + &waiting(spilled, diagnosis, names, now),
    }
}

/// Builds the summary of a worker whose configuration has errors.
pub fn of_mistakes(problems: &[String]) -> String {
    let mistake = problems.first().map_or("the configuration can't be read", String::as_str);
    match problems.len() {
        0 | 1 => format!("not ready: {mistake}"),
        all => {
            let more = count(all.saturating_sub(1) as u64, "more mistake");
            format!("not ready: {mistake}; and {more} in the configuration")
        }
    }
}

/// Counts the streams, and those not tried yet.
fn streams(diagnosis: &Diagnosis) -> String {
    let streams = count(diagnosis.streams as u64, "stream");
    match diagnosis.unknown {
        0 => streams,
        unknown if unknown == diagnosis.streams => format!("{streams}, none tried yet"),
        unknown => format!("{streams}, {unknown} of them not tried yet"),
    }
}

/// Lists the problems, the worst first.
fn obstacles(diagnosis: &Diagnosis, names: Names, now: Timestamp) -> Vec<String> {
    let mut obstacles = Vec::new();
    if let Some((first, others)) = diagnosis.failing.split_first() {
        let alike = others.iter().filter(|other| other.cause == first.cause).count();
        let otherwise = others.len().saturating_sub(alike);
        let mut sentence = failing(first, names, now);
        if alike > 0 {
            sentence.push_str(&format!(", the same with {}", count(alike as u64, "more stream")));
        }
        obstacles.push(sentence);
        if otherwise > 0 {
            let otherwise = count(otherwise as u64, "more stream");
            obstacles.push(format!("other trouble with {otherwise}"));
        }
    }
    if let [WaitingStream { stream, records, .. }, others @ ..] = diagnosis.stranded.as_slice() {
        let wait = if *records == 1 { "waits" } else { "wait" };
        let stream = match names {
            Names::Shown => stream.as_str(),
            Names::Withheld => "a stream",
        };
        let mut stranded =
            format!("{} {wait} for {stream}, which no route names", count(*records, "record"));
        if !others.is_empty() {
            let others = count(others.len() as u64, "more such stream");
            stranded.push_str(&format!(", and there are records for {others}"));
        }
        obstacles.push(stranded);
    }
    if !diagnosis.silent.is_empty() {
        let answer = if diagnosis.silent.len() == 1 { "does not answer" } else { "do not answer" };
        let silent = named(&diagnosis.silent, names);
        obstacles.push(format!("{silent} {answer}, so that what waits there is not known"));
    }
    let full = diagnosis.spilled.as_ref().map(|spilled| spilled.full.as_slice());
    if let Some(full) = full.filter(|full| !full.is_empty()) {
        obstacles.push(format!("there is no room in the spill of {}", named(full, names)));
    }
    obstacles
}

/// Says which stream fails, how, and since when.
fn failing(failing: &FailingStream, names: Names, now: Timestamp) -> String {
    let FailingStream { stream, cause, code, since, last_at, tenants, .. } = failing;
    let stream = match (names, tenants.as_slice()) {
        (Names::Shown, []) => stream.clone(),
        (Names::Shown, [one]) if one == STORE => format!("{stream} of tenants in {STORE}"),
        (Names::Shown, [one]) => format!("{stream} of the tenant {one}"),
        (Names::Shown, several) if several.iter().any(|one| one == STORE) => {
            let others = count(several.len().saturating_sub(1) as u64, "tenant");
            format!("{stream} of {others} and of those in {STORE}")
        }
        (Names::Shown, several) => format!("{stream} of {}", count(several.len() as u64, "tenant")),
        (Names::Withheld, []) => "a stream".to_owned(),
        (Names::Withheld, _) => "a tenant's stream".to_owned(),
    };
    let since = since.shown(now);
    let stale = match last_at.seconds_to(now) {
        ago if ago < STALE_S => String::new(),
        ago => format!(", last tried {} ago", span(ago)),
    };
    format!("{stream} {} since {since} ({code}){stale}", cause.does())
}

/// Describes the spill, as the rest of the sentence.
fn waiting(spilled: &Spilled, diagnosis: &Diagnosis, names: Names, now: Timestamp) -> String {
    let mut parts = vec![String::new()];
    if spilled.records > 0 {
        let wait = if spilled.records == 1 { "waits" } else { "wait" };
        let (records, shards) = (count(spilled.records, "record"), count(spilled.shards, "shard"));
        parts.push(match names {
            Names::Shown => format!("{records} {wait} in {shards} {}", by_stream(&spilled.waiting)),
            Names::Withheld => format!("{records} {wait}{}", of_streams(&spilled.waiting)),
        });
        if let Some(at) = spilled.last_drained_at {
            parts.push(format!("the last left at {}", at.shown(now)));
        }
        let is_near = |seconds: &u64| *seconds < NEAR_S && spilled.full.is_empty();
        if let Some(seconds) = spilled.full_in_s.filter(is_near) {
            parts.push(format!("room for about {} more", span(seconds)));
        } else if spilled.used_percent >= NOTEWORTHY_PERCENT {
            parts.push(format!("the fullest spill is {} % full", spilled.used_percent));
        }
    } else if diagnosis.silent.is_empty() {
        let mark = if diagnosis.failing.is_empty() { "," } else { ";" };
        parts = vec![format!("{mark} nothing waits")];
    }
    match (spilled.full_tenants.as_slice(), names) {
        ([], _) => {}
        ([tenant], Names::Shown) => {
            parts.push(format!("the tenant {tenant} has its share of the spill"));
        }
        (tenants, _) => {
            let have = if tenants.len() == 1 { "has its" } else { "have their" };
            let tenants = count(tenants.len() as u64, "tenant");
            parts.push(format!("{tenants} {have} share of the spill"));
        }
    }
    if spilled.quarantined > 0 {
        parts.push(format!("{} quarantined", count(spilled.quarantined, "record")));
    }
    if spilled.unreadable > 0 {
        parts.push(format!("{} unreadable to this version", count(spilled.unreadable, "row")));
    }
    parts.join("; ")
}

/// Lists the streams of spilled records, each with the age of its oldest record. One stream's age
/// says nothing about another's.
fn by_stream(waiting: &[WaitingStream]) -> String {
    const NAMED: usize = 2;
    let of = |waiting: &WaitingStream| {
        format!("for {}, the oldest for {}", waiting.stream, span(waiting.oldest_s))
    };
    match waiting {
        [one] => of(one),
        several => {
            let named = several.iter().take(NAMED);
            let mut named: Vec<String> =
                named.map(|it| format!("{} {}", count(it.records, "record"), of(it))).collect();
            if let Some(more) = several.len().checked_sub(NAMED).filter(|more| *more > 0) {
                named.push(format!("the rest for {}", count(more as u64, "more stream")));
            }
            format!("({})", named.join("; "))
        }
    }
}

/// Like [`by_stream`], without names.
fn of_streams(waiting: &[WaitingStream]) -> String {
    match waiting {
        [one] => format!(", the oldest for {}", span(one.oldest_s)),
        several => format!(" for {}", count(several.len() as u64, "stream")),
    }
}

/// Names shards by their addresses, or counts them if they are many.
fn named(shards: &[ShardAddress], names: Names) -> String {
    match shards {
        [_] if names == Names::Withheld => "a shard".to_owned(),
        many if names == Names::Withheld => count(many.len() as u64, "shard"),
        [one] => format!("shard {one}"),
        [one, other] => format!("shards {one} and {other}"),
        many => count(many.len() as u64, "shard"),
    }
}

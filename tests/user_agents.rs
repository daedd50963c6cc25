//! Agents that other projects collected and labelled, and how many of them we recognize alike.
//!
//! The rates are floors just under what was measured. With `--nocapture` the misses are
//! listed; with `USER_AGENTS` set to a folder that `scripts/tables/user_agents.py --whole`
//! wrote, all agents are asked about, not the sample.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use headwater::model::request::ClientHints;
use headwater::pipeline::enrich::bot::bot;
use headwater::pipeline::enrich::user_agent::agent;

/// One line of a file of cases; an empty field was not asked about.
struct Case {
    source: String,
    agent: String,
    browser: String,
    major: String,
    os: String,
    class: String,
    sender: String,
}

fn cases(file: &str) -> Vec<Case> {
    let folder = std::env::var_os("USER_AGENTS").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/user-agents")
    });
    read(&folder.join(format!("{file}.tsv")))
}

/// The cases of a file that there is no larger one of.
fn cases_of(file: &str) -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/user-agents");
    read(&folder.join(format!("{file}.tsv")))
}

fn read(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let case = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let mut next = || fields.next().unwrap();
        Case {
            source: next(),
            agent: next(),
            browser: next(),
            major: next(),
            os: next(),
            class: next(),
            sender: next(),
        }
    };
    text.lines().skip(1).map(case).collect()
}

/// The share of labels that we recognize alike, in percent.
struct Rate {
    what: String,
    asked: u32,
    alike: u32,
}

impl Rate {
    fn new(what: &str) -> Self {
        Self { what: what.to_owned(), asked: 0, alike: 0 }
    }

    fn ask(&mut self, expected: &str, found: &str, case: &Case) {
        if expected.is_empty() {
            return;
        }
        self.asked += 1;
        if expected == found {
            self.alike += 1;
        } else {
            println!("{}: {expected:?}, not {found:?}: {} {}", self.what, case.source, case.agent);
        }
    }

    fn is_at_least(&self, floor: f64) {
        let percent = 100.0 * f64::from(self.alike) / f64::from(self.asked);
        println!("{}: {percent:.1} % of {}", self.what, self.asked);
        assert!(percent >= floor, "{}: {percent:.1} %, floor {floor} %", self.what);
    }
}

/// iPadOS counts as iOS, since the labels don't distinguish it.
fn folded(os: &str) -> &str {
    if os == "iPadOS" { "iOS" } else { os }
}

fn rates(file: &str) -> [Rate; 5] {
    let mut rates = ["browser", "browser's major version", "os", "device class", "no bot"]
        .map(|what| Rate::new(&format!("{file}, {what}")));
    for case in cases(file) {
        let found = agent(Some(&case.agent), &ClientHints::default());
        let [browser, major, os, class, person] = &mut rates;
        let name = found.browser.as_deref().unwrap_or_default();
        browser.ask(&case.browser, name, &case);
        if case.browser == name {
            let version = found.browser_version.as_deref().unwrap_or_default();
            major.ask(&case.major, version.split('.').next().unwrap(), &case);
        }
        os.ask(folded(&case.os), folded(found.os.unwrap_or_default()), &case);
        class.ask(&case.class, found.device_class.map_or("", |class| class.as_str()), &case);
        if case.sender == "person" {
            let bot = bot(Some(&case.agent), &ClientHints::default());
            person.ask("person", &bot.map_or("person".to_owned(), |bot| format!("{bot:?}")), &case);
        }
    }
    rates
}

#[test]
fn labelled_agents_are_recognized_alike() {
    let [browser, major, os, class, person] = rates("browsers");
    browser.is_at_least(77.0);
    major.is_at_least(93.0);
    os.is_at_least(86.0);
    class.is_at_least(98.0);
    person.is_at_least(96.0);
}

#[test]
fn visitors_of_2026_are_recognized_as_their_browsers_report() {
    let [_, _, os, class, person] = rates("visitors");
    os.is_at_least(97.0);
    class.is_at_least(99.5);
    person.is_at_least(100.0);
}

#[test]
fn programs_and_people_are_distinguished() {
    let mut programs = Rate::new("programs found (recall)");
    let mut people = Rate::new("people let alone");
    let mut found_rightly = Rate::new("found are programs (precision)");
    for case in cases("programs") {
        let bot = bot(Some(&case.agent), &ClientHints::default());
        let found = if bot.is_some() { "bot" } else { "person" };
        if bot.is_some() {
            found_rightly.asked += 1;
            found_rightly.alike += u32::from(case.sender == "bot");
        }
        match case.sender.as_str() {
            "bot" => programs.ask("bot", found, &case),
            _ => people.ask(
                "person",
                &bot.map_or("person".to_owned(), |bot| format!("{bot:?}")),
                &case,
            ),
        }
    }
    programs.is_at_least(95.0);
    people.is_at_least(99.9);
    found_rightly.is_at_least(99.5);
}

#[test]
fn isbots_crawlers_are_labelled_and_its_people_are_not() {
    let mut crawlers = Rate::new("isbot's crawlers labelled");
    let mut people = Rate::new("isbot's people unlabelled");
    for case in cases_of("isbot") {
        let bot = bot(Some(&case.agent), &ClientHints::default());
        let found = if bot.is_some() { "bot" } else { "person" };
        let rate = if case.sender == "bot" { &mut crawlers } else { &mut people };
        rate.ask(&case.sender, found, &case);
    }
    assert!(crawlers.asked > 600 && people.asked > 500);
    crawlers.is_at_least(91.5);
    people.is_at_least(100.0);
}

/// `cargo test --release --test user_agents -- --ignored --nocapture` prints it.
#[test]
#[ignore = "a measurement, of an optimized build"]
fn an_agents_cost_is_printed() {
    let cases = cases("visitors");
    let hints = ClientHints::default();
    let measure = |what: &str, derives: &dyn Fn(&str) -> bool| {
        let round = |_| {
            let started = Instant::now();
            let derived = cases.iter().filter(|case| derives(&case.agent)).count();
            (started.elapsed() / u32::try_from(cases.len()).unwrap(), derived)
        };
        // The least of many rounds is what other work on the machine disturbed least.
        let (each, derived) = (0..500).map(round).min().unwrap();
        println!("{what}: {each:?} each ({derived} told)");
    };
    measure("agent", &|text| agent(Some(text), &hints).os.is_some());
    measure("bot", &|text| bot(Some(text), &hints).is_some());
}

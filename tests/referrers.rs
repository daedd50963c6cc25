//! What other projects say of referrers, and how often we say the same.
//!
//! The projects differ among themselves, in names (`Brave`, `Brave Search`) and in kinds (an
//! online shop's search, a forum), so that the rates are floors, just under what was measured:
//! a table that gets worse fails. `cargo test --test referrers -- --nocapture` lists the misses.

use headwater::pipeline::enrich::referrer::{Referrer, referrer};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    from: String,
    url: String,
    page: Option<String>,
    medium: String,
    source: Option<String>,
    term: Option<String>,
}

/// How many cases agree, of how many.
#[derive(Default)]
struct Rate {
    same: u32,
    of: u32,
}

impl Rate {
    fn count(&mut self, what: &str, case: &Case, wanted: Option<&str>, derived: Option<&str>) {
        // Names differ in case and in what follows the brand.
        let letters = |text: Option<&str>| -> String {
            let text = text.unwrap_or_default().trim().to_lowercase();
            text.chars().filter(|letter| letter.is_alphanumeric()).collect()
        };
        let (wanted_letters, derived_letters) = (letters(wanted), letters(derived));
        let same = match what {
            "source" => derived.is_some() && derived_letters.starts_with(&wanted_letters),
            _ => wanted_letters == derived_letters,
        };
        self.of += 1;
        self.same += u32::from(same);
        if !same {
            println!("{what}: {wanted:?} says {}, {derived:?} we, of {}", case.from, case.url);
        }
    }

    fn percent(&self) -> f64 {
        100.0 * f64::from(self.same) / f64::from(self.of)
    }
}

fn rates(cases: &[Case]) -> [f64; 3] {
    let [mut medium, mut source, mut term] = [const { Rate { same: 0, of: 0 } }; 3];
    for case in cases {
        let derived = referrer(Some(&case.url), case.page.as_deref(), &[]);
        let Some(Referrer {
            medium: derived_medium,
            source: derived_source,
            term: derived_term,
            ..
        }) = derived
        else {
            panic!("{} tells nothing", case.url);
        };
        let derived_medium = serde_json::to_value(derived_medium).unwrap();
        medium.count("medium", case, Some(&case.medium), derived_medium.as_str());
        if case.source.is_some() {
            source.count("source", case, case.source.as_deref(), derived_source);
        }
        if case.medium == "search" {
            term.count("term", case, case.term.as_deref(), derived_term.as_deref());
        }
    }
    println!("{} cases, {} with a source, {} searches", medium.of, source.of, term.of);
    [medium.percent(), source.percent(), term.percent()]
}

fn cases(of: &[&str]) -> Vec<Case> {
    let all: Vec<Case> =
        serde_json::from_str(include_str!("vectors/referrers/referrers.json")).unwrap();
    all.into_iter().filter(|case| of.contains(&case.from.as_str())).collect()
}

fn assert_at_least(rates: [f64; 3], floors: [f64; 3]) {
    println!("medium {:.1} %, source {:.1} %, term {:.1} %", rates[0], rates[1], rates[2]);
    for (rate, floor) in rates.into_iter().zip(floors) {
        assert!(rate >= floor, "{rates:?} against {floors:?}");
    }
}

#[test]
fn urls_of_other_parsers_tests_are_read_as_they_expect() {
    let cases = cases(&["referer-parser", "pyreferrer", "inbound"]);
    assert!(cases.len() >= 60, "{}", cases.len());
    assert_at_least(rates(&cases), [95.0, 95.0, 97.0]);
}

#[test]
fn the_sites_of_another_list_are_known() {
    let cases = cases(&["ghost"]);
    assert!(cases.len() >= 400, "{}", cases.len());
    assert_at_least(rates(&cases), [98.0, 96.0, 100.0]);
}

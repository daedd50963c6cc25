//! Compiles a regular expression to the table of an automaton.

use std::collections::BTreeMap;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::{Input, MatchKind};

use super::{list, regex, text};
use crate::schema::rule::Pattern;

/// The most states of a table. A pattern that needs more is a mistake, or needs another form.
const MAX_STATES: usize = 2_000;
/// The most memory, in bytes, that a build spends on one pattern.
const MAX_BYTES: usize = 16 << 20;

/// Compiles `source`, or returns what is wrong with it.
pub fn compile(source: &str) -> Result<&'static Pattern, String> {
    let regex = regex::translate(source)?;
    // Minimizing a huge table takes hours, so its size is checked first.
    table(source, &automaton(&regex, PatternSize::AsItComes)?)?;
    table(source, &automaton(&regex, PatternSize::Least)?)
}

#[derive(PartialEq)]
enum PatternSize {
    AsItComes,
    Least,
}

fn automaton(regex: &str, size: PatternSize) -> Result<dense::DFA<Vec<u32>>, String> {
    dense::Builder::new()
        .configure(
            dense::Config::new()
                .start_kind(StartKind::Unanchored)
                .match_kind(MatchKind::All)
                .minimize(size == PatternSize::Least)
                .dfa_size_limit(Some(MAX_BYTES))
                .determinize_size_limit(Some(MAX_BYTES)),
        )
        .thompson(thompson::Config::new().nfa_size_limit(Some(MAX_BYTES)))
        .build(regex)
        .map_err(|error| format!("is no pattern, or too large a one: {error}"))
}

fn table(source: &str, dfa: &dense::DFA<Vec<u32>>) -> Result<&'static Pattern, String> {
    let start = dfa
        .start_state_forward(&Input::new(""))
        .map_err(|error| format!("can't be searched for: {error}"))?;
    let mut states = States { dfa, numbers: BTreeMap::new(), queue: Vec::new() };
    let start = states.number(start);
    let mut rows: Vec<Vec<u16>> = Vec::new();
    let mut ends = Vec::new();
    while let Some(state) = states.queue.get(rows.len()).copied() {
        if rows.len() == MAX_STATES {
            return Err(format!("is too large: more than {MAX_STATES} states"));
        }
        rows.push((0..=u8::MAX).map(|byte| states.number(dfa.next_state(state, byte))).collect());
        ends.push(dfa.is_match_state(dfa.next_eoi_state(state)));
    }
    let (classes, columns) = classes(&rows);
    let next = rows.iter().flat_map(|row| columns.iter().map(|byte| row[*byte])).collect();
    Ok(Box::leak(Box::new(Pattern {
        source: text(source),
        classes: Box::leak(Box::new(classes)),
        stride: columns.len(),
        start,
        next: list(next),
        ends: list(ends),
    })))
}

/// The states found so far. All that match are one state, and so are all that can never match.
struct States<'a> {
    dfa: &'a dense::DFA<Vec<u32>>,
    numbers: BTreeMap<StateID, u16>,
    queue: Vec<StateID>,
}

impl States<'_> {
    fn number(&mut self, state: StateID) -> u16 {
        if self.dfa.is_match_state(state) {
            return Pattern::ACCEPT;
        }
        if self.dfa.is_dead_state(state) || self.dfa.is_quit_state(state) {
            return Pattern::REJECT;
        }
        *self.numbers.entry(state).or_insert_with(|| {
            self.queue.push(state);
            // Past MAX_STATES the caller returns an error.
            u16::try_from(self.queue.len() - 1).unwrap_or(Pattern::REJECT)
        })
    }
}

/// Groups bytes that every state treats alike. Returns the class of each byte, and one byte of each
/// class.
fn classes(rows: &[Vec<u16>]) -> ([u8; 256], Vec<usize>) {
    let mut classes = [0; 256];
    let mut columns: Vec<usize> = Vec::new();
    for byte in 0..256 {
        let alike = |other: &usize| rows.iter().all(|row| row[byte] == row[*other]);
        let class = columns.iter().position(alike).unwrap_or_else(|| {
            columns.push(byte);
            columns.len() - 1
        });
        classes[byte] = u8::try_from(class).expect("there are no more classes than bytes");
    }
    (classes, columns)
}

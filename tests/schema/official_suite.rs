//! The official test suite: each of its schemas is taken and gives its verdicts, or is refused
//! for a keyword that we do not support.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::oracle::Pair;

#[derive(Deserialize)]
struct Group {
    description: String,
    schema: Value,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    description: String,
    data: Value,
    valid: bool,
}

#[test]
fn the_official_suite_passes_and_the_crate_says_the_same() {
    let mut ran = 0;
    let mut wrong = Vec::new();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for path in files() {
        let groups: Vec<Group> = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for group in groups {
            let file = path.file_name().unwrap().to_string_lossy();
            let place = format!("{file}: {}", group.description);
            let pair = match Pair::new(&group.schema) {
                Ok(pair) => pair,
                Err(errors) => {
                    *refused.entry(errors[0].keyword.clone()).or_default() += group.tests.len();
                    continue;
                }
            };
            for case in group.tests {
                ran += 1;
                let verdict = pair.verdict(&case.data);
                if verdict != Ok(case.valid) {
                    let Case { description, valid, .. } = case;
                    wrong
                        .push(format!("{place}: {description}: valid is {valid}, but {verdict:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{ran} cases ran; refused: {refused:?}");
    let expected = [
        ("$anchor", 8),
        ("$dynamicRef", 2),
        ("$id", 20),
        ("$ref", 14),
        ("unevaluatedItems", 64),
        ("unevaluatedProperties", 3),
    ];
    assert_eq!(refused, expected.map(|(keyword, cases)| (keyword.to_owned(), cases)).into());
    assert_eq!(ran, 1_131);
}

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/json-schema-test-suite");
    let mut files: Vec<PathBuf> = ["", "optional", "optional/format"]
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

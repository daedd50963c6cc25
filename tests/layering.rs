//! The layers of the crate: a module imports only from its own layer and from those to its left.
//!
//! What a test module imports does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, from the one that imports nothing to the one that may import all.
const LAYERS: [&str; 10] = [
    "base", "model", "schema", "pipeline", "delivery", "shard", "config", "ingest", "ops",
    "runtime",
];

/// The stages of `pipeline` under the same rule. Decoding comes first on the way of a beacon, but it cleans
/// an envelope as beacons are cleaned.
const STAGES: [&str; 7] = ["clean", "decode", "validate", "privacy", "enrich", "route", "encode"];

/// Imports to the left that are forbidden all the same: delivery moves records and knows no stage.
const FORBIDDEN: [(&str, &str); 2] = [("delivery", "pipeline"), ("shard", "pipeline")];

/// The crates of the platform, which only `runtime` may name.
const PLATFORM: [&str; 3] = ["worker", "js_sys", "wasm_bindgen"];

/// A path that a source file names: the line that it begins in, and its segments after `crate`.
struct Import {
    line: usize,
    path: Vec<String>,
}

struct Source {
    file: PathBuf,
    module: Vec<String>,
    code: String,
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for (file, text) in files() {
        let module = file.with_extension("");
        let mut module: Vec<String> =
            module.iter().skip(1).map(|part| part.to_str().unwrap().to_owned()).collect();
        module.pop_if(|last| last == "mod");
        let is_of_a_layer = module.len() > 1 || LAYERS.contains(&module[0].as_str());
        if is_of_a_layer && module[0] != "bin" && !is_of_tests(&file) {
            sources.push(Source { file, module, code: without_comments_and_tests(&text) });
        }
    }
    sources
}

/// The test code of the crate: whole files, and the ends of others after as many empty lines.
fn test_code() -> Vec<(PathBuf, String)> {
    let with_tests = |(file, text): (PathBuf, String)| {
        let lines = match is_of_tests(&file) {
            true => 0,
            false => without_comments_and_tests(&text).lines().count(),
        };
        let tests = text.lines().skip(lines).flat_map(|line| [line, "\n"]);
        (file, "\n".repeat(lines) + &tests.collect::<String>())
    };
    files().into_iter().map(with_tests).collect()
}

/// The files of `src` with their texts, in order.
fn files() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(root).unwrap().to_owned();
                files.push((file, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn is_of_tests(file: &Path) -> bool {
    file.with_extension("").iter().any(|part| part == "tests")
}

/// The code of a file, line for line, up to its tests, which stand at its end.
fn without_comments_and_tests(text: &str) -> String {
    let mut code = String::new();
    let mut is_test_only = false;
    for line in text.lines() {
        let opens_inline_module = |line: &str| line.contains("mod ") && line.ends_with('{');
        if is_test_only && opens_inline_module(line) {
            break;
        }
        is_test_only = line.trim() == "#[cfg(test)]";
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// Every path in the crate that `source` names. A path that begins with `super` or `self` is
/// resolved.
fn imports(source: &Source) -> Vec<Import> {
    let mut imports = Vec::new();
    let children =
        source.code.lines().filter_map(|line| Some(line.strip_suffix(';')?.rsplit_once("mod ")?.1));
    let children: Vec<String> = children.map(|child| format!("{child}::")).collect();
    let roots =
        ["crate::", "super::", "self::"].into_iter().chain(children.iter().map(String::as_str));
    let roots: Vec<&str> = roots.collect();
    for (line, text) in source.code.lines().enumerate() {
        for root in &roots {
            for (at, _) in text.match_indices(root) {
                let before = text[..at].chars().next_back();
                if before.is_some_and(|it| it.is_alphanumeric() || it == '_' || it == ':') {
                    continue;
                }
                // The rest of the statement, which may go on for some lines.
                let rest: String = source.code.lines().skip(line).collect::<Vec<_>>().join("\n");
                let rest = &rest[at..];
                for path in expand(rest) {
                    imports.push(Import { line: line + 1, path: resolve(&source.module, &path) });
                }
            }
        }
    }
    imports
}

/// The paths that a text begins with: one, or those of a tree in braces.
fn expand(text: &str) -> Vec<Vec<String>> {
    let mut segments = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(rest.len());
        let (segment, after) = rest.split_at(end);
        if !segment.is_empty() {
            segments.push(segment.to_owned());
        }
        let Some(after) = after.strip_prefix("::") else { return vec![segments] };
        if let Some(tree) = after.trim_start().strip_prefix('{') {
            let branches = branches(tree);
            let with_prefix = |branch: Vec<String>| [segments.clone(), branch].concat();
            return branches.into_iter().map(with_prefix).collect();
        }
        rest = after;
    }
}

/// The paths of a tree, from behind its opening brace on.
fn branches(tree: &str) -> Vec<Vec<String>> {
    let (mut depth, mut start, mut paths) = (0_usize, 0, Vec::new());
    for (at, character) in tree.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let branch = tree[start..at].trim();
                if !branch.is_empty() {
                    paths.extend(expand(branch));
                }
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    paths
}

fn resolve(module: &[String], path: &[String]) -> Vec<String> {
    let ups = path.iter().take_while(|segment| *segment == "super").count();
    match path[0].as_str() {
        "crate" => path[1..].to_vec(),
        "self" => [module, &path[1..]].concat(),
        "super" => [&module[..module.len().saturating_sub(ups)], &path[ups..]].concat(),
        // A module of its own.
        _ => [module, path].concat(),
    }
}

#[test]
fn layers_import_only_to_the_left() {
    let place = |layer: &str| LAYERS.iter().position(|known| *known == layer);
    let mut faults = Vec::new();
    for source in sources() {
        for Import { line, path } in imports(&source) {
            let (own, other) = (source.module[0].as_str(), path[0].as_str());
            let is_right = place(other) > place(own) || place(other).is_none();
            if is_right || FORBIDDEN.contains(&(own, other)) {
                let file = source.file.display();
                faults.push(format!("{file}:{line}: {own} imports {}", path.join("::")));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn stages_import_only_earlier_stages() {
    let place = |stage: &str| STAGES.iter().position(|known| *known == stage);
    let mut faults = Vec::new();
    for source in sources().iter().filter(|it| it.module[0] == "pipeline" && it.module.len() > 1) {
        for Import { line, path } in imports(source) {
            if path[0] == "pipeline"
                && let (Some(own), Some(other)) =
                    (place(&source.module[1]), path.get(1).and_then(|it| place(it)))
                && other > own
            {
                let file = source.file.display();
                faults.push(format!("{file}:{line}: a later stage, {}", path.join("::")));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn only_the_runtime_names_the_platform() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.module[0] != "runtime") {
        for (line, text) in source.code.lines().enumerate() {
            for name in PLATFORM {
                let named = [format!("use {name}::"), format!("#[{name}"), format!(" {name}::")];
                if named.iter().any(|it| text.contains(it)) {
                    let file = source.file.display();
                    faults.push(format!("{file}:{}: {}", line + 1, text.trim()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_two_files_import_each_other_in_a_circle() {
    let sources = sources();
    let modules: BTreeSet<&[String]> = sources.iter().map(|it| it.module.as_slice()).collect();
    let mut imported: BTreeMap<&[String], BTreeSet<&[String]>> = BTreeMap::new();
    for source in &sources {
        for Import { path, .. } in imports(source) {
            let file = (1..=path.len()).rev().find_map(|end| modules.get(&path[..end])).copied();
            let own = source.module.as_slice();
            // A folder's own file names its parts, and they share what it defines.
            if let Some(file) = file.filter(|file| !file.starts_with(own)) {
                imported.entry(own).or_default().insert(file);
            }
        }
    }
    // What imports nothing that is left, or is imported by nothing that is left, is no part of a circle.
    loop {
        let used: BTreeSet<&[String]> = imported.values().flatten().copied().collect();
        let is_free = |own: &[String], others: &BTreeSet<&[String]>| {
            !used.contains(own) || !others.iter().any(|other| imported.contains_key(other))
        };
        let free: Vec<&[String]> =
            imported.iter().filter(|(own, others)| is_free(own, others)).map(|it| *it.0).collect();
        if free.is_empty() {
            break;
        }
        free.iter().for_each(|own| drop(imported.remove(own)));
    }
    let circle: Vec<String> = imported
        .iter()
        .map(|(own, others)| {
            let others: Vec<String> = others
                .iter()
                .filter(|other| imported.contains_key(*other))
                .map(|other| other.join("::"))
                .collect();
            format!("{} imports {}", own.join("::"), others.join(", "))
        })
        .collect();
    assert!(circle.is_empty(), "\n{}", circle.join("\n"));
}

/// Tests may share a name among each other: each has a model, a world and a fault of its own. None has a
/// name of the crate's.
#[test]
fn no_type_name_is_defined_twice() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        for (line, name) in defined_types(&source.code) {
            let place = format!("{}:{line}", source.file.display());
            places.entry(name).or_default().push(place);
        }
    }
    let count = places.len();
    for (file, code) in test_code() {
        for (line, name) in defined_types(&code) {
            if let Some(places) = places.get_mut(&name) {
                places.push(format!("{}:{line}", file.display()));
            }
        }
    }
    let twice: Vec<String> = places
        .iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect();
    assert!(count > 300 && twice.is_empty(), "\n{}", twice.join("\n"));
}

/// The types that a text defines, each with its line.
fn defined_types(code: &str) -> Vec<(usize, String)> {
    let mut types = Vec::new();
    for (line, text) in code.lines().enumerate() {
        let mut words = text.split_whitespace().skip_while(|word| word.starts_with("pub"));
        if matches!(words.next(), Some("struct" | "enum" | "trait" | "union")) {
            let name = words.next().unwrap_or_default().chars();
            let name = name.take_while(|it| it.is_alphanumeric() || *it == '_').collect();
            types.push((line + 1, name));
        }
    }
    types
}

/// The names in backticks of the architecture's page: `layer`, `module::function`, `Type::function`.
#[test]
fn the_architecture_names_what_exists() {
    let page = include_str!("../src/docs/architecture.md");
    let code: String = sources().into_iter().map(|source| source.code).collect();
    let is_defined = |name: &str| {
        let keywords = ["fn", "struct", "enum", "mod"];
        keywords.iter().any(|keyword| {
            let definition = format!("{keyword} {name}");
            code.match_indices(&definition).any(|(at, _)| {
                let next = code[at + definition.len()..].chars().next();
                next.is_some_and(|next| !next.is_alphanumeric() && next != '_')
            })
        })
    };
    // Columns and keys, which other tests compare.
    let others = ["event_id", "linger_ms", "src"];
    let names = page.split('`').skip(1).step_by(2);
    let names =
        names.filter(|name| name.chars().all(|it| it.is_ascii_alphanumeric() || "_:".contains(it)));
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 50, "{names:?}");
    let parts =
        names.iter().filter(|name| !others.contains(name)).flat_map(|name| name.split("::"));
    let unknown: Vec<&str> =
        parts.filter(|part| !LAYERS.contains(part) && !is_defined(part)).collect();
    assert!(unknown.is_empty(), "no code has {unknown:?}");
}

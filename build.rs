//! Compiles the event schemas of `www/schemas` to constants, or says what is wrong with them.

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

#[path = "src/schema/compile/mod.rs"]
mod compile;
#[path = "src/schema/number.rs"]
#[allow(dead_code, reason = "the worker uses the rest")]
mod number;
#[path = "src/schema/rule.rs"]
#[allow(dead_code, reason = "the worker uses the rest")]
mod rule;

const SCHEMAS: &str = "www/schemas";

fn main() {
    println!("cargo::rerun-if-changed={SCHEMAS}");
    if let Err(problems) = build() {
        for problem in problems {
            println!("cargo::error={problem}");
        }
        process::exit(1);
    }
}

fn build() -> Result<(), Vec<String>> {
    let io_problem = |path: &Path, error: io::Error| vec![format!("{}: {error}", path.display())];
    let (mut events, mut problems) = (Vec::new(), Vec::new());
    let folder = Path::new(SCHEMAS);
    let entries: io::Result<Vec<PathBuf>> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut paths = entries.map_err(|error| io_problem(folder, error))?;
    paths.sort();
    for path in paths {
        let content = fs::read_to_string(&path).map_err(|error| io_problem(&path, error))?;
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        match compile::event::compile(&file_name, &content) {
            Ok(event) => events.push(event),
            Err(error) => problems.push(format!("{}{error}", path.display())),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("catalogue.rs");
    fs::write(&out, compile::emit::catalogue(events)).map_err(|error| io_problem(&out, error))
}

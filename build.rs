//! Compiles the event schemas of `www/schemas` to constants, or says what is wrong with them.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

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
    let events = compile::folder::events(Path::new(SCHEMAS), SCHEMAS)?;
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("catalogue.rs");
    fs::write(&out, compile::emit::catalogue(events))
        .map_err(|error| vec![format!("{}: {error}", out.display())])
}

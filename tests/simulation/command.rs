//! `scripts/simulate`: a day of a fleet, by its size.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test program")]

mod fleet;

use std::process::ExitCode;

use fleet::Fleet;
use fleet::constants::Constants;
use fleet::settings::Settings;

fn main() -> ExitCode {
    // Cargo adds an argument of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let settings = match Settings::parse(&arguments) {
        Ok(settings) => settings,
        Err(mistake) => {
            eprintln!("simulate: {mistake}");
            return ExitCode::from(2);
        }
    };
    let command = settings.command();
    println!("{command}");
    let report = Fleet::new(settings).run();
    print!("{}", report.text(&Constants::read()));
    for violation in &report.violations {
        eprintln!("violated: {violation}");
    }
    if report.violations.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("to run it again: {command}");
    ExitCode::FAILURE
}

//! Reads a folder of schemas.

use std::path::Path;
use std::{fs, io};

use super::event::{self, CompiledEvent};

/// The folder of the schemas in a checkout.
pub const SCHEMAS: &str = "www/schemas";

/// Compiles the schemas of `folder`, sorted by file name. Otherwise returns every mistake of all
/// files, a line each, which begins with `shown` and the file's name.
pub fn events(folder: &Path, shown: &str) -> Result<Vec<CompiledEvent>, Vec<String>> {
    let unread = |path: &str, error: io::Error| format!("{path}: {error}");
    let entries = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    let mut paths = entries.map_err(|error| vec![unread(shown, error)])?;
    paths.sort();
    let (mut events, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = format!("{shown}/{name}");
        match fs::read_to_string(&path) {
            Err(error) => problems.push(unread(&file, error)),
            Ok(content) => match event::compile(&name, &content) {
                Ok(event) => events.push(event),
                Err(errors) => {
                    problems.extend(errors.iter().map(|error| format!("{file}: {error}")));
                }
            },
        }
    }
    if problems.is_empty() { Ok(events) } else { Err(problems) }
}

/// Returns the events of this checkout, which have no mistake.
pub fn shipped() -> Vec<CompiledEvent> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMAS);
    events(&folder, SCHEMAS).unwrap_or_else(|problems| panic!("{}", problems.join("\n")))
}

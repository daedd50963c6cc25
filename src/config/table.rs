//! Reads one table of the configuration, key by key, and records every error.

use serde_json::{Map, Value};

use super::{ConfigError, renamed_words};
use crate::base::text::is_one_letter_off;

/// A table whose keys are removed as they are read. The keys that remain at the end are unknown.
pub struct ConfigTable<'a> {
    path: String,
    fields: Map<String, Value>,
    known: Vec<String>,
    errors: &'a mut Vec<ConfigError>,
    warnings: &'a mut Vec<ConfigError>,
}

impl<'a> ConfigTable<'a> {
    /// Wraps the table `value` at `path`. Any other value is an error.
    pub fn new(
        path: String,
        value: Value,
        errors: &'a mut Vec<ConfigError>,
        warnings: &'a mut Vec<ConfigError>,
    ) -> Option<Self> {
        match value {
            Value::Object(fields) => {
                Some(Self { path, fields, known: Vec::new(), errors, warnings })
            }
            _ => {
                errors.push(ConfigError::new(path, "must be a table"));
                None
            }
        }
    }

    /// Removes the value at `key`, if it is set.
    pub fn optional(&mut self, key: &str) -> Option<Value> {
        self.known.push(key.to_owned());
        self.fields.remove(key)
    }

    /// The value at `key`, which is not removed.
    pub fn peek(&self, key: &str) -> Option<&Value> {
        self.fields.get(key)
    }

    /// Removes the value at `key`; it is an error if it is missing. If it has its old name, the
    /// error is [`Self::finish`]'s.
    pub fn required(&mut self, key: &str) -> Option<Value> {
        let value = self.optional(key);
        let has_old_name =
            renamed_words::old_key(key).is_some_and(|old| self.fields.contains_key(old));
        if value.is_none() && !has_old_name {
            self.error(key, "is missing");
        }
        value
    }

    /// Calls `read` if `key` is set; it is an error if it is missing.
    pub fn required_with<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        if !self.fields.contains_key(key) {
            self.required(key);
            return None;
        }
        read(self)
    }

    /// Calls `read` if `key` is set; otherwise returns `base`.
    pub fn or_inherit<T: Clone>(
        &mut self,
        base: &T,
        key: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        match self.fields.contains_key(key) {
            true => read(self),
            false => {
                self.optional(key);
                Some(base.clone())
            }
        }
    }

    /// Reads a text that is not empty, if `key` is set.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.optional(key)? {
            Value::String(text) if !text.is_empty() => Some(text),
            other => {
                self.error(key, format!("must be a text, not {other}"));
                None
            }
        }
    }

    pub fn boolean(&mut self, key: &str) -> Option<bool> {
        let value = self.optional(key)?;
        if value.as_bool().is_none() {
            self.error(key, format!("must be true or false, not {value}"));
        }
        value.as_bool()
    }

    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.optional(key)?;
        let texts = value.as_array().and_then(|list| {
            list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        if texts.is_none() {
            self.error(key, "must be a list of texts");
        }
        texts
    }

    /// Reads one of the named `choices`, if `key` is set.
    pub fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let index = self.choice_index(key, &mut choices.iter().map(|(name, _)| *name))?;
        choices.get(index).map(|(_, choice)| *choice)
    }

    /// Reads one of `names`, if `key` is set. Returns its index.
    #[inline(never)]
    fn choice_index(&mut self, key: &str, names: &mut dyn Iterator<Item = &str>) -> Option<usize> {
        let value = self.optional(key)?;
        let names: Vec<&str> = names.collect();
        let chosen = names.iter().position(|name| value.as_str() == Some(name));
        if chosen.is_none() {
            let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            let renamed = value.as_str().and_then(renamed_words::value);
            let renamed = renamed.filter(|new| names.contains(new));
            let hint = renamed.map(|new| format!("; it is {new:?} now")).unwrap_or_default();
            self.error(key, format!("must be one of {}, not {value}{hint}", quoted.join(", ")));
        }
        chosen
    }

    /// Reads an integer from `least` to `max`, if `key` is set.
    pub fn number(&mut self, key: &str, least: u64, max: u64) -> Option<u64> {
        let value = self.optional(key)?;
        let number = value.as_u64().filter(|number| (least..=max).contains(number));
        if number.is_none() {
            self.error(key, format!("must be an integer from {least} to {max}, not {value}"));
        }
        number
    }

    /// Reads a share from 0 to 1, if `key` is set.
    pub fn share(&mut self, key: &str) -> Option<f64> {
        let value = self.optional(key)?;
        let share = value.as_f64().filter(|share| (0.0..=1.0).contains(share));
        if share.is_none() {
            self.error(key, format!("must be a share from 0 to 1, not {value}"));
        }
        share
    }

    /// Reads `value` as a table inside this one, and rejects its unknown keys.
    pub fn nested<T>(
        &mut self,
        key: &str,
        value: Value,
        read: impl FnOnce(&mut ConfigTable<'_>) -> T,
    ) -> Option<T> {
        let path = format!("{}.{key}", self.path);
        let mut table = ConfigTable::new(path, value, self.errors, self.warnings)?;
        let read = read(&mut table);
        table.finish();
        Some(read)
    }

    /// Records an error in the value of `key`.
    pub fn error(&mut self, key: &str, problem: impl Into<String>) {
        self.errors.push(ConfigError::new(format!("{}.{key}", self.path), problem));
    }

    /// Records a warning: the value of `key` works, but probably not as intended.
    pub fn warn(&mut self, key: &str, problem: impl Into<String>) {
        self.warnings.push(ConfigError::new(format!("{}.{key}", self.path), problem));
    }

    /// Reads a part that the collection of events does not depend on. An error in it becomes a
    /// warning that says what applies `instead`.
    pub fn part<T>(&mut self, instead: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.errors.len();
        let read = read(self);
        let error_count = self.errors.split_off(before.min(self.errors.len()));
        self.warnings.extend(error_count.into_iter().map(|ConfigError { key, problem }| {
            ConfigError::new(key, format!("{problem}; until then {instead}"))
        }));
        read
    }

    pub fn error_count(&self) -> usize {
        self.errors.len()
    }

    /// Records an error for each key that was not read.
    pub fn finish(self) {
        for key in self.fields.keys() {
            let is_known = |new: &&str| self.known.iter().any(|known| known == new);
            let meant = || self.known.iter().find(|known| is_one_letter_off(known, key));
            let problem = match (renamed_words::key(key).filter(is_known), meant()) {
                (Some(new), _) => format!("is called {new} now"),
                (None, Some(meant)) => format!("is an unknown key; did you mean {meant}?"),
                (None, None) => {
                    format!("is an unknown key; expected one of {}", self.known.join(", "))
                }
            };
            self.errors.push(ConfigError::new(format!("{}.{key}", self.path), problem));
        }
    }
}

//! Reads one table of the configuration, key by key, and notes every mistake.

use serde_json::{Map, Value};

use super::ConfigError;

/// A table whose keys are taken one by one; what is left at the end is unknown.
pub struct ConfigTable<'a> {
    path: String,
    fields: Map<String, Value>,
    known: Vec<String>,
    errors: &'a mut Vec<ConfigError>,
    warnings: &'a mut Vec<ConfigError>,
}

impl<'a> ConfigTable<'a> {
    /// The table `value` that stands at `path`.
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

    /// The value at `key`, if it is there.
    pub fn optional(&mut self, key: &str) -> Option<Value> {
        self.known.push(key.to_owned());
        self.fields.remove(key)
    }

    /// The value at `key`, which stays to be read.
    pub fn peek(&self, key: &str) -> Option<&Value> {
        self.fields.get(key)
    }

    /// The value at `key`; its absence is a mistake.
    pub fn required(&mut self, key: &str) -> Option<Value> {
        let value = self.optional(key);
        if value.is_none() {
            self.refuse(key, "is missing");
        }
        value
    }

    /// What `read` makes of `key`, whose absence is a mistake.
    pub fn needed<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if !self.fields.contains_key(key) {
            self.required(key);
            return None;
        }
        read(self)
    }

    /// What `read` makes of `key`, or `base` where the key is not there.
    pub fn inherited<T: Clone>(
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

    /// A text that is not empty, if the key is there.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.optional(key)? {
            Value::String(text) if !text.is_empty() => Some(text),
            other => {
                self.refuse(key, format!("must be a text, not {other}"));
                None
            }
        }
    }

    /// `true` or `false`, if the key is there.
    pub fn boolean(&mut self, key: &str) -> Option<bool> {
        let value = self.optional(key)?;
        if value.as_bool().is_none() {
            self.refuse(key, format!("must be true or false, not {value}"));
        }
        value.as_bool()
    }

    /// A list of texts, if the key is there.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.optional(key)?;
        let texts = value.as_array().and_then(|list| {
            list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        if texts.is_none() {
            self.refuse(key, "must be a list of texts");
        }
        texts
    }

    /// One of the named choices, if the key is there.
    pub fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.optional(key)?;
        let chosen = choices.iter().find(|(name, _)| value.as_str() == Some(name));
        if chosen.is_none() {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
            self.refuse(key, format!("must be one of {}, not {value}", names.join(", ")));
        }
        chosen.map(|(_, choice)| *choice)
    }

    /// An integer from `least` to `most`, if the key is there.
    pub fn number(&mut self, key: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.optional(key)?;
        let number = value.as_u64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.refuse(key, format!("must be an integer from {least} to {most}, not {value}"));
        }
        number
    }

    /// A share from 0 to 1, if the key is there.
    pub fn share(&mut self, key: &str) -> Option<f64> {
        let value = self.optional(key)?;
        let share = value.as_f64().filter(|share| (0.0..=1.0).contains(share));
        if share.is_none() {
            self.refuse(key, format!("must be a share from 0 to 1, not {value}"));
        }
        share
    }

    /// Reads a table inside of this one.
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

    /// Notes a mistake in the value of `key`.
    pub fn refuse(&mut self, key: &str, problem: impl Into<String>) {
        self.errors.push(ConfigError::new(format!("{}.{key}", self.path), problem));
    }

    /// Notes something about `key` that works, but hardly as it was meant.
    pub fn warn(&mut self, key: &str, problem: impl Into<String>) {
        self.warnings.push(ConfigError::new(format!("{}.{key}", self.path), problem));
    }

    /// Reads a part that the collection of events does not depend on. A mistake in it is a
    /// warning, which says what holds `instead`.
    pub fn part<T>(&mut self, instead: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.errors.len();
        let read = read(self);
        let mistakes = self.errors.split_off(before.min(self.errors.len()));
        self.warnings.extend(mistakes.into_iter().map(|ConfigError { key, problem }| {
            ConfigError::new(key, format!("{problem}; until then {instead}"))
        }));
        read
    }

    /// How many mistakes were noted so far.
    pub fn mistakes(&self) -> usize {
        self.errors.len()
    }

    /// Notes every key that nobody asked for.
    pub fn finish(self) {
        for key in self.fields.keys() {
            let problem =
                format!("is no setting of this version; there are {}", self.known.join(", "));
            self.errors.push(ConfigError::new(format!("{}.{key}", self.path), problem));
        }
    }
}

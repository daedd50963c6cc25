//! The SQLite storage of a shard's or the inspector's Durable Object.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};

use crate::base::clock::Milliseconds;
use crate::shard::storage::{Storage, StorageError, Table};

#[wasm_bindgen(module = "/src/runtime/js/storage.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn open(storage: &JsValue, table: &str, is_numbered: bool) -> Result<(), JsValue>;
    #[wasm_bindgen(catch)]
    fn get(storage: &JsValue, table: &str, key: JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    fn put(storage: &JsValue, table: &str, key: JsValue, value: &[u8]) -> Result<(), JsValue>;
    #[wasm_bindgen(catch, js_name = deleteRow)]
    fn delete_row(storage: &JsValue, table: &str, key: JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(catch)]
    fn change(storage: &JsValue, table: &str, keys: Array, values: Array) -> Result<(), JsValue>;
    #[wasm_bindgen(catch)]
    fn keys(storage: &JsValue, table: &str, after: JsValue, max: f64) -> Result<String, JsValue>;
    #[wasm_bindgen(catch, js_name = setAlarm)]
    fn set_alarm(storage: &JsValue, at: f64) -> Result<(), JsValue>;
    #[wasm_bindgen(catch, js_name = clearAlarm)]
    fn clear_alarm(storage: &JsValue) -> Result<(), JsValue>;
}

#[derive(Debug, Clone)]
pub struct Sqlite {
    storage: JsValue,
}

impl Sqlite {
    pub const fn of(storage: JsValue) -> Self {
        Self { storage }
    }

    /// Creates the shard's tables that do not exist yet.
    pub fn open(&self) -> Result<(), StorageError> {
        Table::ALL.into_iter().try_for_each(|table| self.open_table(table))
    }

    /// Sets the alarm to `at`, in place of any other.
    pub fn wake_at(&self, at: Milliseconds) -> Result<(), StorageError> {
        set_alarm(&self.storage, at as f64).map_err(error)
    }

    /// Deletes the alarm.
    pub fn wake_never(&self) -> Result<(), StorageError> {
        clear_alarm(&self.storage).map_err(error)
    }

    /// Creates a table, if it does not exist yet, in an object that is no shard.
    pub fn open_table(&self, table: Table) -> Result<(), StorageError> {
        open(&self.storage, table.name(), table.is_numbered()).map_err(error)
    }
}

impl Storage for Sqlite {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let value = get(&self.storage, table.name(), bound(table, key)).map_err(error)?;
        Ok(value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec))
    }

    fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        put(&self.storage, table.name(), bound(table, key), value).map_err(error)
    }

    fn delete(&self, table: Table, key: &[u8]) -> Result<(), StorageError> {
        delete_row(&self.storage, table.name(), bound(table, key)).map_err(error)
    }

    fn change(
        &self,
        table: Table,
        changes: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<(), StorageError> {
        let (keys, values) = (Array::new(), Array::new());
        for (key, value) in changes {
            keys.push(&bound(table, key));
            let value = value.as_deref().map(|value| Uint8Array::from(value).into());
            values.push(&value.unwrap_or(JsValue::UNDEFINED));
        }
        change(&self.storage, table.name(), keys, values).map_err(error)
    }

    fn keys(&self, table: Table, after: &[u8], max: usize) -> Result<Vec<Vec<u8>>, StorageError> {
        let keys =
            keys(&self.storage, table.name(), bound(table, after), max as f64).map_err(error)?;
        Ok(keys.split_whitespace().map(bytes).collect())
    }
}

/// Returns `key` as the database has it in `table`. The empty key comes before each number.
fn bound(table: Table, key: &[u8]) -> JsValue {
    match (table.is_numbered(), key.as_array()) {
        (true, Some(number)) => JsValue::from_f64(u64::from_be_bytes(*number) as f64),
        (true, None) => JsValue::from_f64(-1.0),
        (false, _) => Uint8Array::from(key).into(),
    }
}

/// Decodes a hexadecimal text.
fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.bytes().map(|digit| (digit as char).to_digit(16).unwrap_or_default());
    let digits: Vec<u8> = digits.map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit)).collect()
}

/// The message of a thrown value.
fn error(thrown: JsValue) -> StorageError {
    let message = thrown.dyn_ref::<js_sys::Error>().map(|error| error.message().into());
    StorageError(message.unwrap_or_else(|| "unknown".to_owned()))
}

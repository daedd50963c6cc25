//! The key-value store `TENANTS`, and what this isolate knows of it.

use std::cell::RefCell;
use std::rc::Rc;

use worker::wasm_bindgen::JsValue;

use super::io::Latch;
use crate::config::stored_tenant::StoredTenant;
use crate::ingest::tenant_cache::TenantCache;

pub struct TenantStore {
    pub store: JsValue,
    pub cache: RefCell<TenantCache<StoredValue, Latch>>,
}

/// The value of an entry.
#[derive(Clone)]
pub enum StoredValue {
    Tenant(Rc<StoredTenant>),
    /// The write key of the tenant that the entry names.
    Key(Rc<str>),
}

impl TenantStore {
    pub fn new(store: JsValue) -> Self {
        Self { store, cache: RefCell::default() }
    }
}

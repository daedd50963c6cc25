//! Looks up write keys that the configuration does not have in the key-value store `TENANTS`.
//!
//! [`TenantCache`] decides what is read. One request reads an entry in its own I/O context; others
//! that need it wait in theirs.

use std::net::IpAddr;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use worker::Env;

use super::bindings::{self, now_ms};
use super::log::{self, Component};
use super::tenant_store::{StoredValue, TenantStore};
use super::{io, metrics, rate_limiter};
use crate::config::stored_tenant::{
    KeySwitch, MAX_VALUE_BYTES, StoredTenant, entry_of_name, named_key,
};
use crate::config::{Binding, Config, STORE};
use crate::ingest::authorize::{StoredAnswer, StoredName, to_look_up};
use crate::ingest::error::sentences;
use crate::ingest::tenant_cache::{EntryLookup, EntryRead, TenantEntry};
use crate::model::request::RequestContext;

/// How long a read may take, in milliseconds. The cache takes a longer one for lost.
const READ_MS: u64 = 2_000;

/// How long a request waits for another one's read, in milliseconds.
const WAIT_MS: u64 = 2_500;

/// Under what the reads of a client are counted. No tenant has this name.
const SENDER: &str = "/tenants";

/// Who asks for an entry.
#[derive(Clone, Copy)]
enum Asker {
    /// A request whose client, at this address, is not counted yet.
    Request(Option<IpAddr>),
    /// One that is counted, or the worker itself.
    Counted,
}

/// Returns what the store has for a request; `None` if it is not asked. A read counts as a request of
/// its client.
pub async fn of_request(context: &RequestContext, env: &Env) -> Option<StoredAnswer> {
    Some(begin(context, env, Asker::Request(context.ip))?.await)
}

/// Like [`of_request`], for a request that its client's rate limit has counted.
pub async fn of_counted_request(context: &RequestContext, env: &Env) -> Option<StoredAnswer> {
    Some(begin(context, env, Asker::Counted)?.await)
}

/// Begins to find the tenant of a request, unless the store is not asked.
fn begin<'a>(
    context: &'a RequestContext,
    env: &'a Env,
    asker: Asker,
) -> Option<LocalBoxFuture<'a, StoredAnswer>> {
    let config = bindings::config(env).ok().filter(|config| config.store == Binding::Present)?;
    let (name, keys) = match to_look_up(context, &config)? {
        StoredName::Server(name) => (Some(name.to_owned()), Vec::new()),
        StoredName::Keys(keys) => (None, keys.into_iter().rev().map(str::to_owned).collect()),
    };
    Some(find(name, keys, config, env, asker))
}

/// Returns the tenant called `name`, as the store has it, even if its key is off.
pub async fn named(name: &str, env: &Env) -> TenantEntry<Rc<StoredTenant>> {
    let found = match bindings::config(env) {
        Ok(config) if config.store == Binding::Present => {
            find(Some(name.to_owned()), Vec::new(), config, env, Asker::Counted).await
        }
        _ => StoredAnswer::Unknown,
    };
    match found {
        StoredAnswer::Found { tenant, .. } => TenantEntry::Found(tenant),
        StoredAnswer::Unknown => TenantEntry::Unknown,
        StoredAnswer::Invalid => TenantEntry::Invalid,
        StoredAnswer::Unavailable | StoredAnswer::RateLimited => TenantEntry::Unavailable,
    }
}

/// Finds a tenant by its name, or by `keys`, the first of which is the last: the first one that exists,
/// if possible one that is on. Boxed, since few requests come here.
fn find<'a>(
    name: Option<String>,
    keys: Vec<String>,
    config: Rc<Config>,
    env: &'a Env,
    asker: Asker,
) -> LocalBoxFuture<'a, StoredAnswer> {
    Box::pin(async move {
        let mut entries = keys;
        entries.extend(name.as_deref().and_then(entry_of_name));
        let mut best = StoredAnswer::Unknown;
        while let Some(entry) = entries.pop() {
            let Some(found) = read(&entry, &config, env, asker).await else {
                return StoredAnswer::RateLimited;
            };
            let found = match found {
                TenantEntry::Found(StoredValue::Key(key)) => {
                    entries.push(key.as_ref().to_owned());
                    continue;
                }
                TenantEntry::Found(StoredValue::Tenant(tenant)) => {
                    // The key may be another tenant's by now.
                    if name.as_ref().is_some_and(|name| *name != tenant.tenant.name) {
                        continue;
                    }
                    let is_on = tenant.key == KeySwitch::On;
                    let found = StoredAnswer::Found { tenant, verified: name.is_some() };
                    if is_on {
                        return found;
                    }
                    found
                }
                TenantEntry::Unknown => continue,
                TenantEntry::Unavailable => StoredAnswer::Unavailable,
                TenantEntry::Invalid => StoredAnswer::Invalid,
            };
            if matches!(best, StoredAnswer::Unknown) {
                best = found;
            }
        }
        best
    })
}

/// Returns an entry, which is read if it has to be; `None` if the client has asked for too much.
async fn read(
    entry: &str,
    config: &Config,
    env: &Env,
    asker: Asker,
) -> Option<TenantEntry<StoredValue>> {
    let bindings = bindings::bound(env);
    let store = bindings.tenants.as_ref();
    let Some(TenantStore { store, cache }) = store else { return Some(TenantEntry::Unknown) };
    if let Asker::Request(address) = asker
        && cache.borrow_mut().is_new(entry, now_ms())
        && !rate_limiter::passes(SENDER, address, env).await
    {
        return None;
    }
    let mut has_waited = false;
    let latch = loop {
        let looked_up = cache.borrow_mut().look_up(entry, now_ms());
        match looked_up {
            EntryLookup::Known(known) => return Some(known),
            EntryLookup::Read(latch) => break latch,
            EntryLookup::Wait(_) if has_waited => return Some(TenantEntry::Unavailable),
            EntryLookup::Wait(latch) => latch.released(WAIT_MS).await,
        }
        has_waited = true;
    };
    let value = io::entry(store, entry, MAX_VALUE_BYTES, READ_MS).await;
    let (read, problem) = match parsed(entry, value, config) {
        Ok(read) => (read, None),
        Err(problem @ ReadError::Unavailable) => (EntryRead::Failed, Some(problem)),
        Err(problem @ ReadError::Invalid(_)) => (EntryRead::Invalid, Some(problem)),
    };
    let (known, failures) = {
        let mut cache = cache.borrow_mut();
        (cache.complete(entry, read, now_ms()), cache.failures_to_log(now_ms()))
    };
    latch.release();
    if let Some(problem) = problem {
        metrics::tenants(env, problem.as_str());
        if let Some(count) = failures {
            let message = format!("{problem}; failed reads since the last such line: {count}");
            log::error(Component::Tenants, message);
        }
    }
    Some(known)
}

/// Why a read found no value that can be used.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("{STORE} does not answer")]
    Unavailable,
    /// The operator's mistake. No client's text is in it, since the entry exists.
    #[error("{0}")]
    Invalid(String),
}

impl ReadError {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Invalid(_) => "invalid",
        }
    }
}

/// Parses what was read of an entry.
fn parsed(
    entry: &str,
    value: Result<Option<Vec<u8>>, io::EntryError>,
    config: &Config,
) -> Result<EntryRead<StoredValue>, ReadError> {
    let invalid = |problem: &str| ReadError::Invalid(format!("{STORE}.{entry} {problem}"));
    let bytes = match value {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(EntryRead::Missing),
        Err(io::EntryError::Unreadable) => return Err(ReadError::Unavailable),
        Err(io::EntryError::TooLarge) => {
            return Err(invalid(&format!("must have at most {MAX_VALUE_BYTES} bytes")));
        }
    };
    let text = String::from_utf8(bytes).map_err(|_| invalid("must be a text in UTF-8"))?;
    let value = match entry.contains('/') {
        true => {
            let key = named_key(&text).ok_or_else(|| invalid("must be a write key"))?;
            StoredValue::Key(key.into())
        }
        false => {
            let tenant = config.stored_tenant(entry, &text);
            let tenant = tenant.map_err(|errors| ReadError::Invalid(sentences(&errors)))?;
            StoredValue::Tenant(Rc::new(tenant))
        }
    };
    Ok(EntryRead::Found { value, bytes: StoredTenant::memory(text.len()) })
}

//! The client of a request: what its `User-Agent` and its hints show.
//!
//! Few browsers send most requests, and to read their texts takes longer than anything else about
//! a lone beacon. So the clients that were read last are remembered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::bot::{self, Bot};
use super::user_agent::{self, MAX_AGENT_BYTES, UserAgent};
use crate::base::codec::ByteWriter;
use crate::base::text::truncate_to_bytes;
use crate::model::request::ClientHints;

/// What the texts of a client show.
#[derive(Debug)]
pub struct Client {
    /// The `User-Agent` header, cut to 1,024 bytes, since each event of the request carries it.
    pub user_agent: Option<String>,
    pub agent: UserAgent,
    /// The system in lower case, as cleaning rules name it.
    pub platform: Option<String>,
    /// The program that made the request, if one did.
    pub bot: Option<Bot>,
}

impl Client {
    /// Makes the client of a visitor of whom only a server is known, which is no bot.
    pub fn unknown() -> Self {
        Self { user_agent: None, agent: UserAgent::default(), platform: None, bot: None }
    }

    /// Reads the texts of a client.
    pub fn read(user_agent: Option<&str>, hints: &ClientHints) -> Self {
        let agent = user_agent::agent(user_agent, hints);
        Self {
            user_agent: user_agent.map(|text| truncate_to_bytes(text, MAX_AGENT_BYTES).to_owned()),
            platform: agent.os.map(str::to_ascii_lowercase),
            agent,
            bot: bot::bot(user_agent, hints),
        }
    }
}

/// The clients that were read last.
///
/// Texts are compared, not hashed, so chosen ones cannot make the search slow.
#[derive(Debug, Clone, Default)]
pub struct ClientCache(RefCell<KnownClients>);

#[derive(Debug, Clone, Default)]
struct KnownClients {
    clients: BTreeMap<Vec<u8>, Rc<Client>>,
    bytes: usize,
}

/// A cache changes nothing that it is used for, so all are equal.
impl PartialEq for ClientCache {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl ClientCache {
    /// The most bytes of all clients: some four hundred.
    const MAX_BYTES: usize = 262_144;
    /// The bytes of a client besides its texts, about.
    const CLIENT_BYTES: usize = 400;
    /// Longer texts are no browser's, and are read each time.
    const MAX_KEY_BYTES: usize = 2_048;

    /// Returns the client with these texts. If there is no room for a new one, all others are
    /// forgotten: those that matter are back soon.
    pub fn client(&self, user_agent: Option<&str>, hints: &ClientHints) -> Rc<Client> {
        let key = key(user_agent, hints);
        let KnownClients { clients, bytes } = &mut *self.0.borrow_mut();
        if let Some(client) = clients.get(&key) {
            return Rc::clone(client);
        }
        let client = Rc::new(Client::read(user_agent, hints));
        if key.len() <= Self::MAX_KEY_BYTES {
            // The client has parts of the texts again.
            let of_client = key.len().saturating_mul(2).saturating_add(Self::CLIENT_BYTES);
            if bytes.saturating_add(of_client) > Self::MAX_BYTES {
                clients.clear();
                *bytes = 0;
            }
            *bytes = bytes.saturating_add(of_client);
            clients.insert(key, Rc::clone(&client));
        }
        client
    }
}

/// Joins the texts, each after its length, so that no two clients have the same key.
fn key(user_agent: Option<&str>, hints: &ClientHints) -> Vec<u8> {
    let ClientHints { ua, mobile, platform, full_version_list, platform_version, model } = hints;
    let hints = [ua, mobile, platform, full_version_list, platform_version, model];
    let texts = [user_agent].into_iter().chain(hints.map(Option::as_deref));
    let mut key = Vec::with_capacity(512);
    for text in texts {
        match text {
            Some(text) => key.put_bytes(text.as_bytes()),
            None => key.put_u32(u32::MAX),
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(platform: Option<&str>) -> ClientHints {
        ClientHints { platform: platform.map(str::to_owned), ..ClientHints::default() }
    }

    #[test]
    fn a_client_is_read_once_and_by_all_its_texts() {
        let cache = ClientCache::default();
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0";
        let known = cache.client(Some(chrome), &hints(None));
        assert!(Rc::ptr_eq(&known, &cache.client(Some(chrome), &hints(None))));
        let linux = cache.client(Some(chrome), &hints(Some("\"Linux\"")));
        let windows = cache.client(Some(chrome), &hints(Some("\"Windows\"")));
        assert_eq!(
            [&known, &linux, &windows].map(|client| client.platform.as_deref()),
            [Some("linux"), Some("linux"), Some("windows")]
        );
        for other in [None, Some(""), Some("curl/8.5.0")] {
            let client = cache.client(other, &hints(None));
            assert_eq!(client.user_agent.as_deref(), other);
        }
    }

    #[test]
    fn clients_stay_within_their_bytes() {
        let cache = ClientCache::default();
        for index in 0..3_000 {
            cache.client(Some(&format!("program/{index}")), &hints(None));
            let known = cache.0.borrow();
            let keys: usize = known.clients.keys().map(Vec::len).sum();
            assert!(known.bytes <= ClientCache::MAX_BYTES && keys < known.bytes);
        }
        let before = cache.0.borrow().clients.len();
        cache.client(Some(&"x".repeat(ClientCache::MAX_KEY_BYTES)), &hints(None));
        assert_eq!(cache.0.borrow().clients.len(), before);
    }

    #[test]
    fn a_long_user_agent_is_cut_between_characters() {
        for (sent, kept) in [
            ("ä".repeat(512), "ä".repeat(512)),
            ("ä".repeat(513), "ä".repeat(512)),
            (format!("a{}", "ä".repeat(512)), format!("a{}", "ä".repeat(511))),
        ] {
            assert_eq!(Client::read(Some(&sent), &hints(None)).user_agent, Some(kept));
        }
    }
}

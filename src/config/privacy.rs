//! Privacy settings: `ip`, `gpc`, `dnt`, `consent`, `cookieless`, `scrub`, `sensitive_params`,
//! `sensitive_paths` and `secrets`.

use super::table::ConfigTable;
use crate::base::secret::Secret;
use crate::pipeline::privacy::ip::IpPolicy;
use crate::pipeline::privacy::scrub::ScrubConfig;
use crate::pipeline::privacy::sensitive_params::Secrets;
use crate::pipeline::privacy::{DeviceIdSource, PrivacyAction, PrivacyPolicy};

/// Whether `HEADWATER_HASH_SECRET` is set, which hashes need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HasSecret {
    Yes,
    No,
}

impl HasSecret {
    pub const fn of(secret: Option<&Secret>) -> Self {
        if secret.is_some() { Self::Yes } else { Self::No }
    }
}

const ACTIONS: [(&str, PrivacyAction); 3] =
    [("keep", PrivacyAction::Keep), ("strip", PrivacyAction::Strip), ("drop", PrivacyAction::Drop)];

const NEEDS_SECRET: &str =
    "needs the secret HEADWATER_HASH_SECRET, a random text of at least 32 characters";

/// Parses the privacy settings of `table`. A missing one is as in `base`.
pub fn privacy(
    table: &mut ConfigTable<'_>,
    base: &PrivacyPolicy,
    has_secret: HasSecret,
) -> PrivacyPolicy {
    let mut privacy = base.clone();
    let ips = [
        ("truncate", IpPolicy::Truncate),
        ("drop", IpPolicy::Drop),
        ("hash", IpPolicy::Hash),
        ("full", IpPolicy::Full),
    ];
    if let Some(ip) = table.choice("ip", &ips) {
        privacy.ip = ip;
        if ip == IpPolicy::Hash && has_secret == HasSecret::No {
            table.error("ip", format!("= \"hash\" {NEEDS_SECRET}"));
        }
    }
    privacy.gpc = table.choice("gpc", &ACTIONS).unwrap_or(privacy.gpc);
    privacy.dnt = table.choice("dnt", &ACTIONS).unwrap_or(privacy.dnt);
    if let Some(value) = table.optional("consent") {
        table.nested("consent", value, |table| {
            privacy.consent_denied =
                table.choice("denied", &ACTIONS).unwrap_or(privacy.consent_denied);
            privacy.consent_unknown =
                table.choice("unknown", &ACTIONS).unwrap_or(privacy.consent_unknown);
        });
    }
    if let Some(cookieless) = table.boolean("cookieless") {
        privacy.device_ids =
            if cookieless { DeviceIdSource::Cookieless } else { DeviceIdSource::Client };
        if cookieless && has_secret == HasSecret::No {
            table.error("cookieless", NEEDS_SECRET);
        }
    }
    if let Some(kinds) = table.texts("scrub") {
        privacy.scrub = ScrubConfig {
            emails: kinds.iter().any(|kind| kind == "emails"),
            cards: kinds.iter().any(|kind| kind == "cards"),
        };
        if kinds.iter().any(|kind| kind != "emails" && kind != "cards") {
            table.error("scrub", "must list some of \"emails\", \"cards\"");
        }
    }
    if let Some(names) = table.texts("sensitive_params")
        && let Err(error) = privacy.sensitive.replace_names(&names)
    {
        table.error("sensitive_params", error.to_string());
    }
    if let Some(paths) = table.texts("sensitive_paths")
        && let Err(error) = privacy.sensitive.replace_paths(&paths)
    {
        table.error("sensitive_paths", error.to_string());
    }
    let secrets = [("remove", Secrets::Remove), ("keep", Secrets::Keep)];
    privacy.sensitive.secrets =
        table.choice("secrets", &secrets).unwrap_or(privacy.sensitive.secrets);
    privacy
}

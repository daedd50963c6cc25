//! The parameters of URLs whose values are removed.
//!
//! A list of names, by the operator or by default, and the look of a secret. Names match regardless
//! of case, `-`, `_` and `.`, and of the marks that mails, routes and PHP add to them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;

use super::click_ids::{CLICK_ENDS, NO_CLICKS, PERSONS, PERSONS_EXACTLY};
use super::token::{self, is_jwt, is_secret};
use super::url_path::{Paths, PathsError};
use crate::model::campaign::CLICK_IDS;

/// The most names in a list.
const MAX_NAMES: usize = 200;

/// The most characters in a name.
pub(super) const MAX_NAME_CHARS: usize = 64;

/// The names that are sensitive unless the operator lists others.
///
/// `code` and `state` of OAuth are absent: a code expires within minutes
/// (<https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2>), and shops and forms use both for
/// coupons and countries. So are `key`, `id`, `name`, `hash` and `user`, which mean anything, and
/// advertisers' click ids, which [`crate::model::campaign`] reads.
#[rustfmt::skip]
const DEFAULT: &[&str] = &[
    // Tokens and keys.
    "token", "access_token", "id_token", "refresh_token", "auth_token", "reset_token",
    "reset_password_token", "confirmation_token", "invitation_token", "unlock_token",
    "login_token", "magic_token", "session_token", "security_token", "csrf_token", "xsrf_token",
    "oauth_token", "oauth_verifier", "oauth_signature", "code_verifier", "assertion",
    "saml_request", "saml_response", "relay_state", "ticket", "jwt", "bearer", "auth",
    "authorization", "api_key", "api_token", "access_key", "secret_key", "private_key", "secret",
    "client_secret", "csrf", "xsrf", "otp", "otp_code",
    // One-time secrets of resets, confirmations and invitations, as Firebase, Supabase, Clerk,
    // WordPress, Devise and others name them.
    "oob_code", "token_hash", "reset_key", "reset_code", "reset_hash", "confirmation_code",
    "confirmation_key", "confirm_token", "confirm_key", "confirm_code", "invite_token", "invite_key",
    "verification_code", "verification_token", "verification_key", "verify_token", "verify_code",
    "verify_key", "activation_code", "activation_key", "activation_token", "email_token",
    "login_code", "login_key", "signin_token", "signup_token", "magic_link", "magic_code",
    "recovery_token", "recovery_code", "recovery_key", "password_token", "password_reset_token",
    "unsubscribe_token", "one_time_code", "one_time_token", "mfa_code", "totp", "passcode",
    "session_key", "session_secret", "user_token", "sso_token", "auth_key", "auth_code",
    "access_code", "id_token_hint", "login_hint", "clerk_ticket", "client_assertion",
    // Signed links, which are keys themselves.
    "signature", "sig", "x_amz_signature", "x_amz_credential", "x_amz_security_token",
    "x_goog_signature", "x_goog_credential", "policy_signature",
    // Sessions.
    "session", "session_id", "sid", "jsessionid", "phpsessid", "aspsessionid", "cfid", "cftoken",
    // Passwords and personal data.
    "password", "passwd", "passphrase", "pass", "pwd", "new_password", "old_password", "pin",
    "email", "email_address", "user_email", "customer_email", "mail", "em", "phone", "tel", "phone_number", "telephone",
    "mobile_number", "ssn", "iban", "card_number", "cc_number", "cvv", "cvc", "date_of_birth",
    "birthdate", "dob",
];

/// The parts of a URL to remove.
///
/// Names of parameters match regardless of case, `-`, `_` and `.`: `api_key` is also `apiKey` and
/// `API-KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SensitiveParams {
    /// The names' letters and digits, in lower case.
    names: Vec<String>,
    /// Lower-case names that match only as written: without its `_`, `__s` would be `s`.
    exact: &'static [&'static str],
    /// Whether names of the same words as the default ones match, too.
    alike: bool,
    /// Whether names that end as those of click ids match, too.
    clicks: bool,
    /// Whether texts that look like secrets are removed under any name, and from the path.
    pub secrets: Secrets,
    /// The operator's paths with segments to remove.
    pub(super) paths: Paths,
}

/// Whether texts that look like secrets are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    Keep,
    Remove,
}

/// The operator's error: an unusable list of names, as a sentence without its subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SensitiveParamsError {
    #[error("has {0} names, limit {MAX_NAMES}")]
    TooMany(usize),
    /// A name that no parameter can have.
    #[error("must list names of 1 to {MAX_NAME_CHARS} characters of [A-Za-z0-9_.-], not {0:?}")]
    BadName(String),
}

impl Default for SensitiveParams {
    fn default() -> Self {
        let names = Self::of(DEFAULT.iter().copied(), &[]);
        Self { alike: true, secrets: Secrets::Remove, ..names }
    }
}

impl SensitiveParams {
    /// Replaces the default names with the operator's; an empty list names nothing.
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self, SensitiveParamsError> {
        let mut sensitive = Self::default();
        sensitive.replace_names(names).map(|()| sensitive)
    }

    /// As [`Self::parse`], but keeps all other settings.
    pub fn replace_names<S: AsRef<str>>(
        &mut self,
        names: &[S],
    ) -> Result<(), SensitiveParamsError> {
        if names.len() > MAX_NAMES {
            return Err(SensitiveParamsError::TooMany(names.len()));
        }
        let fits = |name: &str| {
            name.len() <= MAX_NAME_CHARS
                && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_joint(byte))
        };
        if let Some(name) = names.iter().map(AsRef::as_ref).find(|name| !fits(name)) {
            return Err(SensitiveParamsError::BadName(crate::base::text::truncate_for_display(
                name,
            )));
        }
        self.names = Self::of(names.iter().map(AsRef::as_ref), &[]).names;
        self.alike = false;
        Ok(())
    }

    /// Sets the operator's paths, such as `/reset/:token`.
    pub fn replace_paths<S: AsRef<str>>(&mut self, paths: &[S]) -> Result<(), PathsError> {
        self.paths = Paths::parse(paths)?;
        Ok(())
    }

    /// Lists our own names, without checks; removes nothing else.
    pub(in crate::pipeline) fn of<'a>(
        names: impl Iterator<Item = &'a str>,
        exact: &'static [&'static str],
    ) -> Self {
        let mut names: Vec<String> =
            names.map(|name| letters(name).map(char::from).collect()).collect();
        names.sort_unstable_by(|a, b| by_length(a.as_bytes(), b.as_bytes()));
        names.dedup();
        Self {
            names,
            exact,
            alike: false,
            clicks: false,
            secrets: Secrets::Keep,
            paths: Paths::default(),
        }
    }

    /// Whether a parameter called `written` is sensitive. The name may be percent-encoded, and each
    /// part of `user[password]` counts. The mark of a scrubbed e-mail address is no part.
    pub(in crate::pipeline) fn names(&self, written: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || is_joint(byte);
        if written.bytes().all(is_plain) {
            return self.has(written);
        }
        let decoded = plain_name(written);
        // An address takes up the whole word before its `@`, so no name stands before its mark.
        let is_mark = |start: usize| {
            let before = decoded.as_bytes().get(..start).unwrap_or_default();
            !matches!(before, [.., byte, b'['] if is_plain(*byte) || *byte == b']')
        };
        let mut start = 0_usize;
        decoded.split(['[', ']']).any(|part| {
            let at = start;
            start = start.saturating_add(part.len()).saturating_add(1);
            !(part == "email" && is_mark(at)) && self.has(part.trim())
        })
    }

    fn has(&self, name: &str) -> bool {
        if name.is_empty() {
            return false;
        }
        let mut buffer = [0; MAX_NAME_CHARS];
        let mut length = 0_usize;
        for letter in letters(name) {
            // A name that does not fit is on no list.
            let Some(place) = buffer.get_mut(length) else {
                return false;
            };
            *place = letter;
            length = length.saturating_add(1);
        }
        let letters = buffer.get(..length).unwrap_or_default();
        self.names.binary_search_by(|known| by_length(known.as_bytes(), letters)).is_ok()
            || self.exact.iter().any(|exact| name.eq_ignore_ascii_case(exact))
            || (self.alike && is_of_secret(name))
            || (self.clicks && is_of_click(letters))
    }

    /// Whether `value`, under the name `name` if it has one, looks like a secret. A click's id does
    /// not; a JSON Web Token does under any name.
    pub(super) fn is_secret_value(&self, name: Option<&str>, value: &str) -> bool {
        if self.secrets == Secrets::Keep || value.len() < token::MIN_RANDOM_BYTES {
            return false;
        }
        let value = match value.contains('%') {
            true => decoded(value),
            false => Cow::Borrowed(value),
        };
        is_jwt(&value) || (is_secret(&value) && !name.is_some_and(is_click))
    }
}

/// Orders shorter names first: most differ in length, and the others in their first letters.
fn by_length(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Returns the bytes of a name that count, in lower case.
fn letters(name: &str) -> impl Iterator<Item = u8> + '_ {
    name.bytes().filter(|byte| !is_joint(*byte)).map(|byte| byte.to_ascii_lowercase())
}

fn is_joint(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.')
}

/// Whether the letters of a name end as those of a network's click id.
fn is_of_click(letters: &[u8]) -> bool {
    CLICK_ENDS.iter().any(|end| letters.ends_with(end.as_bytes()))
        && !NO_CLICKS.iter().any(|word| letters == word.as_bytes())
}

/// Removes the encoding of a parameter's name, and marks that mails, routes and PHP add to it.
fn plain_name(written: &str) -> Cow<'_, str> {
    let mut written = written.trim_start_matches(['/', '!', '?', '&', '+']);
    while let Some(rest) = written.strip_prefix("amp;") {
        written = rest.trim_start_matches(['&', '+']);
    }
    // In a query, `+` is a blank.
    let written = written.trim_end_matches('+');
    match written.contains('%') {
        true => {
            let decoded = decoded(written).into_owned();
            Cow::Owned(decoded.trim_matches(|c: char| c.is_whitespace() || c == '+').to_owned())
        }
        false => Cow::Borrowed(written),
    }
}

/// Whether `name` ends in words for secrets or personal data: `billingEmail`,
/// `checkout-reset-code`.
fn is_of_secret(name: &str) -> bool {
    let (rest, last) = split_last_word(name);
    let is =
        |word: &str, words: &[&str]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
    let before = || split_last_word(rest).1;
    let follows = |words: &[&str]| is(before(), words);
    match last {
        _ if is(last, &["token"]) => !before().is_empty() && !follows(NO_SECRETS_OF),
        _ if is(last, OWN_WORDS) => !before().is_empty(),
        _ if is(last, &["code", "hash", "key", "link"]) => follows(SECRETS_OF),
        _ => false,
    }
}

/// Splits `name` before its last word, which begins behind a joint or with a capital behind a small
/// letter. The joints at its end are left out.
fn split_last_word(name: &str) -> (&str, &str) {
    let name = name.trim_end_matches(['-', '_', '.']);
    let is_start = |pair: &[u8]| match pair {
        [before, here] => {
            is_joint(*before) || (before.is_ascii_lowercase() && here.is_ascii_uppercase())
        }
        _ => false,
    };
    let start = name.as_bytes().windows(2).rposition(is_start).map_or(0, |at| at.saturating_add(1));
    name.split_at_checked(start).unwrap_or(("", name))
}

/// Words before `token` that make it no secret.
const NO_SECRETS_OF: &[&str] =
    &["page", "next", "prev", "previous", "cursor", "continuation", "sync", "design"];

/// Words that are sufficient at the end of a name.
#[rustfmt::skip]
const OWN_WORDS: &[&str] = &[
    "email", "iban", "jwt", "otp", "passcode", "passphrase", "passwd", "password", "phone", "pwd", "secret", "signature",
    "ssn", "telephone",
];

/// Words before `code`, `hash`, `key` or `link` that make it a secret.
#[rustfmt::skip]
const SECRETS_OF: &[&str] = &[
    "access", "activate", "activation", "api", "auth", "confirm", "confirmation", "login", "magic", "mfa", "oob", "otp",
    "password", "private", "recover", "recovery", "reset", "secret", "security", "session", "signin", "token", "totp",
    "unlock", "unsubscribe", "validation", "verification", "verify",
];

/// Whether a parameter of this name passes a click, or another id that the operator wants unless
/// the person objects.
fn is_click(name: &str) -> bool {
    let name = plain_name(name);
    name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("utm_"))
        || identifying_names().names(&name)
}

/// Decodes percent-encoding; bytes that are not UTF-8 become U+FFFD.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// Returns the names of the parameters that identify a click or a person.
pub fn identifying_names() -> &'static SensitiveParams {
    static NAMES: LazyLock<SensitiveParams> = LazyLock::new(|| {
        let names = CLICK_IDS.iter().map(|(name, _)| *name).chain(PERSONS.iter().copied());
        SensitiveParams { clicks: true, ..SensitiveParams::of(names, PERSONS_EXACTLY) }
    });
    &NAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_cannot_be_used_is_refused_in_a_sentence() {
        let long = "x".repeat(65);
        for name in ["", "-", "a b", "a=b", "tökén", "a[b]", &long] {
            let sentence = SensitiveParams::parse(&["ok", name]).unwrap_err().to_string();
            assert_eq!(
                sentence,
                format!("must list names of 1 to 64 characters of [A-Za-z0-9_.-], not {name:?}")
            );
        }
        let many = vec!["a"; 201];
        assert_eq!(
            SensitiveParams::parse(&many).unwrap_err().to_string(),
            "has 201 names, limit 200"
        );
    }

    #[test]
    fn every_default_name_would_be_taken_from_an_operator_too() {
        let parsed = SensitiveParams::parse(DEFAULT).unwrap();
        assert_eq!(SensitiveParams { alike: true, ..parsed }, SensitiveParams::default());
    }

    #[test]
    fn a_part_in_brackets_counts_unless_it_is_the_mark_of_an_address() {
        let names = SensitiveParams::default();
        for name in [
            "email",
            "user[email]",
            "a[b][email]",
            "a[][email]",
            "user%5Bemail%5D",
            "[password]",
            "/a:[email][token]",
        ] {
            assert!(names.names(name), "{name}");
        }
        for name in ["[email]", "/a:[email]/eq", "a b/[email]", "[user]", "a[b]"] {
            assert!(!names.names(name), "{name}");
        }
    }

    #[test]
    fn ids_of_persons_are_identifying_and_words_are_not() {
        let names = identifying_names();
        for name in PERSONS.iter().chain(PERSONS_EXACTLY) {
            assert!(names.names(name) && names.names(&name.to_uppercase()), "{name}");
        }
        for name in [
            "gps_adid",
            "ef_id",
            "s_kwcid",
            "klaviyo_id",
            "_kx",
            "hsenc",
            "_hsmi",
            "ttclid",
            "li_fat_id",
            "epik",
            "rdt_cid",
            "ScCid",
            "irclickid",
            "awclid",
            "ysclid",
            "ymclid",
            "syclid",
            "rb_clickid",
            "bsft_clkid",
            "unicorn_click_id",
            "external-click-id",
            "clickid",
            "obclid",
            "mindbox-click-id",
            "spUserID",
            "omnisendContactID",
            "elqTrackId",
        ] {
            assert!(names.names(name), "{name}");
        }
        for name in [
            "s",
            "ga",
            "gl",
            "ke",
            "scid",
            "q",
            "utm_source",
            "page",
            "id",
            "fbx",
            "euclid",
            "cid",
            "mc_cid",
            "adid",
            "ad_id",
            "clicks",
            "click",
            "itm_source",
            "uid",
            "io_lv",
            "braid",
        ] {
            assert!(!names.names(name), "{name}");
        }
    }
}

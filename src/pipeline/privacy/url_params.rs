//! Removes secrets and personal data from URLs.
//!
//! URLs contain data that no analyst should see: tokens of password resets, single sign-on answers,
//! sessions, passwords before the host. A removed value leaves its name, so that pages stay
//! distinct. The URL need not be well formed.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;

use super::click_ids::{PERSONS, PERSONS_EXACTLY};
use super::token::{is_jwt, is_key, is_secret};
use super::url_path::{Paths, PathsError};
use crate::base::url::cut;
use crate::model::campaign::CLICK_IDS;

/// Replaces a removed value.
pub const REMOVED: &str = "[removed]";

/// The most names in a list.
const MAX_NAMES: usize = 200;

/// The most characters in a name.
const MAX_NAME_CHARS: usize = 64;

/// How deep URLs within URLs are searched. A login's return URL contains one, and an identity
/// provider's contains one within one.
const MAX_DEPTH: u8 = 3;

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
    /// Whether texts that look like secrets are removed under any name, and from the path.
    pub secrets: Secrets,
    /// The operator's paths with segments to remove.
    paths: Paths,
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
            return Err(SensitiveParamsError::BadName(crate::base::text::shown(name)));
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
        Self { names, exact, alike: false, secrets: Secrets::Keep, paths: Paths::default() }
    }

    /// Whether a parameter called `written` is sensitive. The name may be percent-encoded, and each
    /// part of `user[password]` counts.
    pub(in crate::pipeline) fn names(&self, written: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || is_joint(byte);
        if written.bytes().all(is_plain) {
            return self.has(written);
        }
        let decoded = plain_name(written);
        decoded.split(['[', ']']).any(|part| self.has(part.trim()))
    }

    fn has(&self, name: &str) -> bool {
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
    }

    /// Whether `value`, under the name `name` if it has one, looks like a secret. A click's id does
    /// not; a JSON Web Token does under any name.
    fn is_secret_value(&self, name: Option<&str>, value: &str) -> bool {
        if self.secrets == Secrets::Keep || value.len() < super::token::MIN_RANDOM_BYTES {
            return false;
        }
        let value = match value.contains('%') {
            true => decoded(value),
            false => Cow::Borrowed(value),
        };
        is_jwt(&value) || (is_secret(&value) && !name.is_some_and(is_click))
    }

    /// Whether `url` obviously has nothing to remove: no user, no parameter in its path, nothing
    /// encoded, no sensitive name and no long word.
    fn miss(&self, url: &str) -> bool {
        let ends = |mark| matches!(mark, '?' | '&' | '#');
        let named = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| self.names(name));
        let in_doubt = url.bytes().any(|byte| matches!(byte, b'@' | b';' | b'%'))
            || (url.contains('=') && url.split(ends).any(named))
            || (self.secrets == Secrets::Remove && has_long_word(url))
            || !self.paths.is_empty();
        !in_doubt
    }

    /// Whether `text` contains a sensitive parameter with a value.
    fn stand_in(&self, text: &str, depth: u8) -> bool {
        text.split(|mark| is_separator(mark) || mark == '#').any(|pair| {
            match pair.split_once('=') {
                None => {
                    pair.split('/').any(|segment| self.is_secret_value(None, segment))
                        || self.stand_inside(pair, depth)
                }
                Some((name, value)) => {
                    let is_there = !value.is_empty() && value != REMOVED;
                    is_there
                        && (self.names(name)
                            || self.is_secret_value(Some(name), value)
                            || self.stand_inside(value, depth))
                }
            }
        })
    }

    /// Whether `value` is an encoded URL that contains one.
    fn stand_inside(&self, value: &str, depth: u8) -> bool {
        // A value without a percent sign needs no search.
        let marks = ["%3D", "%3d", "%2F", "%2f", "%25"];
        let encoded = value.contains('%') && marks.iter().any(|mark| value.contains(mark));
        match depth.checked_sub(1) {
            Some(depth) if encoded => self.stand_in(&decoded(value), depth),
            _ => false,
        }
    }
}

/// Orders shorter names first: most differ in length.
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
    let (mut before, mut last) = ("", "");
    let mut start = 0_usize;
    let bytes = name.as_bytes();
    for at in 0..=bytes.len() {
        let here = bytes.get(at);
        let is_joint = here.is_none_or(|byte| is_joint(*byte));
        let is_hump =
            at.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_lowercase)
                && here.is_some_and(u8::is_ascii_uppercase);
        if is_joint || is_hump {
            let word = name.get(start..at).unwrap_or_default();
            if !word.is_empty() {
                (before, last) = (last, word);
            }
            start = at.saturating_add(usize::from(is_joint));
        }
    }
    let is =
        |word: &str, words: &[&str]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
    if before.is_empty() {
        return false;
    }
    match last {
        _ if is(last, &["token"]) => !is(
            before,
            &["page", "next", "prev", "previous", "cursor", "continuation", "sync", "design"],
        ),
        _ if is(last, OWN_WORDS) => true,
        _ if is(last, &["code", "hash", "key", "link"]) => is(before, SECRETS_OF),
        _ => false,
    }
}

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

/// Segments after which a path may have a key that grants access.
#[rustfmt::skip]
const KEYS_BEHIND: &[&str] = &[
    "activate", "activation", "confirm", "confirmation", "invitation", "invitations", "invite", "invites", "magic",
    "onetime", "otp", "recover", "recovery", "reset", "token", "unlock", "unsubscribe", "verification", "verify",
];

fn is_key_behind(segment: &str) -> bool {
    segment
        .split(['-', '_', '.'])
        .any(|word| KEYS_BEHIND.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Whether a parameter of this name passes a click, or another id that the operator wants unless
/// the person objects.
fn is_click(name: &str) -> bool {
    let name = plain_name(name);
    let ends = |end: &str| {
        let start = name.len().saturating_sub(end.len());
        name.get(start..).is_some_and(|rest| rest.eq_ignore_ascii_case(end))
    };
    name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("utm_"))
        || ["clid", "clickid", "click_id", "braid"].iter().any(|end| ends(end))
        || identifying_names().names(&name)
}

/// Whether `url` contains a word of letters, digits, hyphens and underscores that may be a key.
fn has_long_word(url: &str) -> bool {
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let words = url.as_bytes().split(|byte| !is_of_word(byte));
    let mut long = words.filter(|word| word.len() >= super::token::MIN_KEY_BYTES);
    long.any(|word| {
        word.iter().any(|byte| !matches!(byte, b'a'..=b'z' | b'-' | b'_'))
            || word.len() >= super::token::MIN_RANDOM_BYTES
    })
}

fn is_separator(mark: char) -> bool {
    matches!(mark, '&' | ';' | '?')
}

/// Decodes percent-encoding; bytes that are not UTF-8 become U+FFFD.
fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// A URL and the parts that were removed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactedUrl<'a> {
    /// Borrowed if nothing was removed.
    pub url: Cow<'a, str>,
    /// The removed parts in order: `userinfo`, `path`, or a parameter's name in lower case, of at
    /// most 64 characters.
    pub removed: Vec<String>,
    /// How many of them were found by form or place, not by name.
    pub secrets: usize,
}

/// Removes the user and password before the host, and the values of sensitive parameters. These may
/// be in the path (`;jsessionid=…`), the query, the fragment (`#access_token=…`) or a URL that a
/// parameter holds. Idempotent.
pub fn without_sensitive<'a>(url: &'a str, names: &SensitiveParams) -> RedactedUrl<'a> {
    if names.miss(url) {
        return RedactedUrl { url: Cow::Borrowed(url), removed: Vec::new(), secrets: 0 };
    }
    let (rest, fragment) = cut(url, '#');
    let (head, query) = cut(rest, '?');
    let url_of = String::with_capacity(url.len());
    let mut writer = UrlWriter { names, url: url_of, removed: Vec::new(), secrets: 0 };
    writer.head(head);
    for (mark, part) in [('?', query), ('#', fragment)] {
        if let Some(part) = part {
            writer.url.push(mark);
            writer.parameters(part);
        }
    }
    let UrlWriter { url: stripped, removed, secrets, .. } = writer;
    match removed.is_empty() {
        true => RedactedUrl { url: Cow::Borrowed(url), removed, secrets },
        false => RedactedUrl { url: Cow::Owned(stripped), removed, secrets },
    }
}

/// Writes a URL part by part.
struct UrlWriter<'n> {
    names: &'n SensitiveParams,
    url: String,
    removed: Vec<String>,
    secrets: usize,
}

impl UrlWriter<'_> {
    /// Writes scheme, host and path.
    fn head(&mut self, head: &str) {
        let (scheme, rest) = match head.split_once("//") {
            Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => (scheme, rest),
            _ => return self.path(head),
        };
        self.url.push_str(scheme);
        self.url.push_str("//");
        let end = rest.find(['/', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                self.removed.push("userinfo".to_owned());
                self.url.push_str(host);
            }
            None => self.url.push_str(authority),
        }
        self.path(path);
    }

    fn path(&mut self, path: &str) {
        for (index, piece) in path.split(';').enumerate() {
            if index == 0 {
                self.segments(piece);
                continue;
            }
            self.url.push(';');
            match piece.split_once('=') {
                Some((name, value)) => {
                    let end = value.find('/').unwrap_or(value.len());
                    let (value, rest) = value.split_at_checked(end).unwrap_or((value, ""));
                    match self.names.names(name) {
                        true => self.pair(name, value),
                        false => self.value(name, value),
                    }
                    self.segments(rest);
                }
                None => self.segments(piece),
            }
        }
    }

    /// Writes the segments of a path, or of a route in a fragment.
    fn segments(&mut self, path: &str) {
        let Some(start) = path.find(['/', '\\']) else { return self.segment(path, false) };
        let (first, path) = path.split_at_checked(start).unwrap_or(("", path));
        self.segment(first, false);
        let marked = self.names.paths.marked(path);
        let mut is_behind = is_key_behind(first);
        for (index, piece) in path.split_inclusive(['/', '\\']).enumerate() {
            let segment = piece.trim_end_matches(['/', '\\']);
            match marked.contains(&index) && !segment.is_empty() && segment != REMOVED {
                true => self.removed_segment(),
                false => self.segment(segment, is_behind),
            }
            is_behind |= is_key_behind(segment);
            self.url.push_str(piece.get(segment.len()..).unwrap_or_default());
        }
    }

    fn segment(&mut self, segment: &str, is_behind: bool) {
        let is_key_here =
            || self.names.secrets == Secrets::Remove && is_behind && is_key(&decoded(segment));
        match self.names.is_secret_value(None, segment) || is_key_here() {
            true => self.removed_segment(),
            false => self.url.push_str(segment),
        }
    }

    fn removed_segment(&mut self) {
        self.url.push_str(REMOVED);
        self.removed.push("path".to_owned());
        self.secrets = self.secrets.saturating_add(1);
    }

    /// Writes a parameter whose name is not sensitive.
    fn value(&mut self, name: &str, value: &str) {
        if self.names.is_secret_value(Some(name), value) {
            self.secrets = self.secrets.saturating_add(1);
            return self.pair(name, value);
        }
        self.url.push_str(name);
        self.url.push('=');
        self.url.push_str(value);
    }

    /// Writes a query, or a fragment that may be one.
    fn parameters(&mut self, text: &str) {
        for piece in text.split_inclusive(['&', '#']) {
            let pair = piece.trim_end_matches(['&', '#']);
            self.parameter(pair);
            self.url.push_str(piece.get(pair.len()..).unwrap_or_default());
        }
    }

    /// Writes the text between two `&`. A `;` or `?` in it may begin another parameter, or belong
    /// to a secret. So everything from a sensitive name on is removed.
    fn parameter(&mut self, piece: &str) {
        let mut rest = piece;
        loop {
            let end = rest.find(is_separator).unwrap_or(rest.len());
            let (part, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            match part.split_once('=') {
                Some((name, value)) if self.names.names(name) => {
                    let written = rest.get(name.len().saturating_add(1)..).unwrap_or(value);
                    return self.pair(name, written);
                }
                Some((name, value)) if self.names.stand_inside(value, MAX_DEPTH) => {
                    self.pair(name, value);
                }
                Some((name, value)) => self.value(name, value),
                None => self.segments(part),
            }
            let mut marks = after.chars();
            match marks.next() {
                Some(mark) => self.url.push(mark),
                None => return,
            }
            rest = marks.as_str();
        }
    }

    /// Writes a sensitive parameter; one without a value has nothing to remove.
    fn pair(&mut self, name: &str, value: &str) {
        self.url.push_str(name);
        self.url.push('=');
        if value.is_empty() || value == REMOVED {
            return self.url.push_str(value);
        }
        self.url.push_str(REMOVED);
        self.removed.push(name.chars().take(MAX_NAME_CHARS).collect::<String>().to_lowercase());
    }
}

/// Returns the names of the parameters that identify a click or a person.
pub fn identifying_names() -> &'static SensitiveParams {
    static NAMES: LazyLock<SensitiveParams> = LazyLock::new(|| {
        let names = CLICK_IDS.iter().map(|(name, _)| *name).chain(PERSONS.iter().copied());
        SensitiveParams::of(names, PERSONS_EXACTLY)
    });
    &NAMES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stripped(url: &str) -> (String, Vec<String>) {
        let RedactedUrl { url, removed, .. } = without_sensitive(url, &SensitiveParams::default());
        (url.into_owned(), removed)
    }

    #[test]
    fn secrets_are_removed_and_their_names_stay() {
        let cases = [
            ("https://a.example/?token=abc&x=1", "https://a.example/?token=[removed]&x=1", "token"),
            (
                "https://a.example/?x=1&apiKey=abc#top",
                "https://a.example/?x=1&apiKey=[removed]#top",
                "apikey",
            ),
            ("https://a.example/?API-KEY=abc", "https://a.example/?API-KEY=[removed]", "api-key"),
            (
                "https://a.example/?acc%65ss%5Ftoken=abc",
                "https://a.example/?acc%65ss%5Ftoken=[removed]",
                "acc%65ss%5ftoken",
            ),
            (
                "https://a.example/?user[password]=abc",
                "https://a.example/?user[password]=[removed]",
                "user[password]",
            ),
            ("https://a.example/?token[]=abc", "https://a.example/?token[]=[removed]", "token[]"),
            (
                "https://a.example/?x=1&amp;token=abc",
                "https://a.example/?x=1&amp;token=[removed]",
                "token",
            ),
            (
                "https://a.example/?x=1;token=abc;def&y=2",
                "https://a.example/?x=1;token=[removed]&y=2",
                "token",
            ),
            ("https://a.example/?token=a=b=", "https://a.example/?token=[removed]", "token"),
            (
                "https://a.example/#access_token=abc&token_type=bearer",
                "https://a.example/#access_token=[removed]&token_type=bearer",
                "access_token",
            ),
            (
                "https://a.example/#/cb?id_token=abc",
                "https://a.example/#/cb?id_token=[removed]",
                "id_token",
            ),
            (
                "https://a.example/#/id_token=abc",
                "https://a.example/#/id_token=[removed]",
                "/id_token",
            ),
            (
                "https://a.example/x;jsessionid=abc/y?z=1",
                "https://a.example/x;jsessionid=[removed]/y?z=1",
                "jsessionid",
            ),
            ("https://me:pw@a.example/", "https://a.example/", "userinfo"),
            ("//me@a.example/", "//a.example/", "userinfo"),
            (
                "https://a.example/?next=/reset?token=abc&y=2",
                "https://a.example/?next=/reset?token=[removed]&y=2",
                "token",
            ),
            (
                "https://a.example/?next=%2Freset%3Ftoken%3Dabc",
                "https://a.example/?next=[removed]",
                "next",
            ),
            (
                "https://a.example/?next=%252Freset%253Ftoken%253Dabc",
                "https://a.example/?next=[removed]",
                "next",
            ),
            ("/reset?token=abc", "/reset?token=[removed]", "token"),
            ("?email=bob%40mail.example", "?email=[removed]", "email"),
        ];
        for (url, expected, removed) in cases {
            let removed = vec![removed.to_owned()];
            assert_eq!(stripped(url), (expected.to_owned(), removed), "{url}");
        }
    }

    #[test]
    fn insensitive_parameters_stay() {
        for url in [
            "https://a.example/?q=token&code=SUMMER20&state=ZH&key=1",
            "https://a.example/?token&sid=",
            "https://a.example/token=abc",
            "https://a.example/@bob/post",
            "https://a.example/?next=%2Fcart%3Fid%3D7",
            "https://a.example/#top",
            "https://a.example/#/tokens/7",
            "https://a.example/?tokens=3&passport=x&utm_source=email",
            "https://a.example/?gclid=abc&fbclid=def",
            "https://a.example/?password=[removed]",
            "",
            "?&&;;=#=&",
        ] {
            let names = SensitiveParams::default();
            let RedactedUrl { url: same, removed, .. } = without_sensitive(url, &names);
            assert!(matches!(same, Cow::Borrowed(_)) && removed.is_empty(), "{url}");
        }
    }

    #[test]
    fn one_time_secrets_are_removed_in_any_spelling() {
        for name in [
            "oobCode",
            "oob_code",
            "OOB-CODE",
            "oobcode",
            "token_hash",
            "tokenHash",
            "resetKey",
            "reset_key",
            "reset-key",
            "resetCode",
            "reset_code",
            "confirmation_code",
            "confirmationCode",
            "invite_token",
            "inviteToken",
            "passwordResetToken",
            "checkout_reset_code",
            "my-verification-token",
            "emailVerificationCode",
            "magicLinkToken",
            "customer_email",
            "customerEmail",
            "billing-email",
            "em",
            "tel",
            "user[resetToken]",
            "+token",
            "token+",
            "%2Btoken",
            "%20token",
            "amp;token",
            "amp;amp;token",
            "newPassword",
            "clientSecret",
        ] {
            for before in ["?", "?a=1&", "#", "#/reset?"] {
                let url = format!("https://shop.example/p{before}{name}=SECRET&b=2");
                let expected = format!("https://shop.example/p{before}{name}=[removed]&b=2");
                assert_eq!(stripped(&url).0, expected, "{url}");
            }
        }
        for name in [
            "page_token",
            "nextPageToken",
            "token_type",
            "promo_code",
            "couponCode",
            "country_code",
            "zipcode",
            "product_code",
            "invite_code",
            "sort_key",
            "primaryKey",
            "cache_hash",
            "template",
            "totem",
            "item",
            "hotel",
            "theme",
            "email_id",
            "phone_model",
            "secret_santa",
            "passport_office",
            "tokens",
            "emails",
            "s",
            "key",
            "hash",
            "id",
        ] {
            let url = format!("https://shop.example/p?{name}=7");
            assert_eq!(stripped(&url), (url.clone(), vec![]), "{url}");
        }
    }

    #[test]
    fn secrets_are_removed_from_any_value_and_from_the_path() {
        const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.dozjgNryP4J3jVmNHl0w5N";
        const RANDOM: &str = "kX9vQ2mZp7LrT4wYb8Nc";
        for secret in [JWT, RANDOM, "V1StGXR8_Z5jdHi6B-myT"] {
            for (before, after) in [
                ("https://shop.example/a?x=", "&y=1"),
                ("https://shop.example/a?x=", "#top"),
                ("https://shop.example/a?", ""),
                ("https://shop.example/a/", ""),
                ("https://shop.example/a/", "/b?c=1"),
                ("https://shop.example/a#", ""),
                ("https://shop.example/a#x=", "&y=1"),
                ("https://shop.example/#/a/", "?b=1"),
                ("https://shop.example/#!/a/", "/b"),
                ("https://shop.example/a;x=", "/b"),
                ("/a/", ""),
                ("a/", "/"),
                ("?x=", ""),
            ] {
                let url = format!("{before}{secret}{after}");
                let names = SensitiveParams::default();
                let found = without_sensitive(&url, &names);
                assert_eq!(found.url, format!("{before}[removed]{after}"), "{url}");
                assert_eq!(found.secrets, 1, "{url}");
            }
        }
        for name in ["utm_content", "utm_x", "gclid", "somenetwork_clid", "mkt_tok"] {
            let found = stripped(&format!("https://shop.example/?{name}={JWT}&a=1")).0;
            assert_eq!(found, format!("https://shop.example/?{name}=[removed]&a=1"));
        }
        let nested = format!("https://shop.example/login?next=%2Fa%2F{RANDOM}%3Fb%3D1");
        assert_eq!(stripped(&nested).0, "https://shop.example/login?next=[removed]");
        let kept = SensitiveParams { secrets: Secrets::Keep, ..SensitiveParams::default() };
        for url in [format!("/reset/{RANDOM}"), format!("?x={JWT}")] {
            assert_eq!(without_sensitive(&url, &kept).url, url);
        }
    }

    #[test]
    fn only_a_key_in_its_place_is_removed() {
        let keys = [
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "d41d8cd98f00b204e9800998ecf8427e",
            "507f1f77bcf86cd799439011",
            "kX9vQ2mZp7LrT4wY",
        ];
        for key in keys {
            for path in [
                "/reset",
                "/password-reset",
                "/de/users/confirm",
                "/reset/MQ",
                "/invite",
                "/verify_email",
            ] {
                let url = format!("https://shop.example{path}/{key}/?a=1");
                let expected = format!("https://shop.example{path}/[removed]/?a=1");
                assert_eq!(stripped(&url).0, expected, "{url}");
            }
            let url = format!("https://shop.example/products/{key}?variant={key}");
            assert_eq!(stripped(&url).0, url);
        }
    }

    #[test]
    fn ids_slugs_articles_and_clicks_stay() {
        const GCLID: &str = "Cj0KCQjw-r-vBhC-ARIsAGgUO2Bb3xQ7Lk9V4nRw8McXT7pQz2";
        for url in [
            format!("https://shop.example/?gclid={GCLID}&wbraid={GCLID}&utm_id={GCLID}"),
            format!("https://shop.example/?fbclid={GCLID}&msclkid={GCLID}&mkt_tok={GCLID}&_gl={GCLID}"),
            format!("https://shop.example/?somenetwork_clid={GCLID}&aff_click_id={GCLID}"),
            "https://shop.example/reset/how-to-reset-your-password-in-2024".to_owned(),
            "https://shop.example/blog/how-to-make-sourdough-bread-at-home-in-2024".to_owned(),
            "https://shop.example/p/samsung-galaxy-s24-ultra-256gb-titanium?sku=AB12-CD34-EF56-GH78-IJ90".to_owned(),
            "https://shop.example/assets/main.8f3a9c2d1e4b5a6f7c8d.js?v=9fceb02d0ae598e95dc970b74767f19372d61af8".to_owned(),
            "https://shop.example/images/kX9vQ2mZp7LrT4wYb8Nc.webp".to_owned(),
            "https://shop.example/c/TheQuickBrownFoxJumpsOverTheLazyDog".to_owned(),
            "https://shop.example/search?q=a%20very%20long%20question%20about%20shoes%202024".to_owned(),
            "https://a-very-long-subdomain-of-a-preview-4f7a9c2d1e.shop.example/".to_owned(),
            "https://shop.example/order/12345678901234567890123".to_owned(),
        ] {
            assert_eq!(stripped(&url), (url.clone(), vec![]), "{url}");
        }
    }

    #[test]
    fn an_operator_names_paths() {
        let mut names = SensitiveParams::default();
        names.replace_paths(&["/u/:name", "/*/ticket/:code"]).unwrap();
        for (url, expected) in [
            ("https://a.example/u/anna?x=1", "https://a.example/u/[removed]?x=1"),
            ("https://a.example/u/anna/orders", "https://a.example/u/[removed]/orders"),
            ("/de/ticket/7", "/de/ticket/[removed]"),
            ("https://a.example/#/u/anna", "https://a.example/#/u/[removed]"),
            ("https://a.example/u/", "https://a.example/u/"),
            ("https://a.example/x/u/anna", "https://a.example/x/u/anna"),
        ] {
            let once = without_sensitive(url, &names);
            assert_eq!(once.url, expected);
            assert!(matches!(without_sensitive(&once.url, &names).url, Cow::Borrowed(_)), "{url}");
        }
    }

    #[test]
    fn the_operators_names_replace_the_default_ones() {
        let names = SensitiveParams::parse(&["Voucher-Code"]).unwrap();
        let url = "https://me@a.example/?token=1&voucher_code=2";
        assert_eq!(
            without_sensitive(url, &names).url,
            "https://a.example/?token=1&voucher_code=[removed]"
        );
        let none = SensitiveParams::parse::<&str>(&[]).unwrap();
        assert_eq!(without_sensitive("?token=1", &none).url, "?token=1");
    }

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
    fn every_default_name_is_valid_in_a_configuration() {
        let parsed = SensitiveParams::parse(DEFAULT).unwrap();
        assert_eq!(SensitiveParams { alike: true, ..parsed }, SensitiveParams::default());
    }

    proptest! {
        #[test]
        fn twice_is_once_and_no_secret_is_left(
            url in "(https?://|/|\\?)?([a-z@:/?#&;=.%]|token=|%3D|%253D|amp;|\\[removed\\]|ä){0,30}|.{0,60}"
        ) {
            let names = SensitiveParams::default();
            let once = without_sensitive(&url, &names).url.into_owned();
            let twice = without_sensitive(&once, &names);
            prop_assert_eq!(&twice.url, &once);
            prop_assert_eq!(twice.removed, Vec::<String>::new());
        }

        #[test]
        fn a_token_never_survives(before in "[?#]([a-z/?&;=%]{0,12}[?&;#])?", value in "[A-Z]{8}", after in "[a-z&;=]{0,12}") {
            let url = format!("https://a.example/{before}token={value}{after}");
            prop_assert!(!stripped(&url).0.contains(&value), "{}", url);
        }
    }

    #[test]
    fn ids_of_persons_are_identifying_and_words_are_not() {
        let names = identifying_names();
        for name in PERSONS.iter().chain(PERSONS_EXACTLY) {
            assert!(names.names(name) && names.names(&name.to_uppercase()), "{name}");
        }
        for name in ["s", "ga", "gl", "ke", "scid", "q", "utm_source", "page", "id", "fbx"] {
            assert!(!names.names(name), "{name}");
        }
    }
}

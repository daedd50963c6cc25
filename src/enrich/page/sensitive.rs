//! Takes secrets and personal data out of addresses.
//!
//! Addresses carry what should never reach an analyst: tokens of password resets, single
//! sign-on answers, sessions, passwords before the host. What is taken out leaves its
//! name behind, so that the page is still told from others. It must not need the address
//! to be well formed.

use std::borrow::Cow;
use std::cmp::Ordering;

use percent_encoding::percent_decode_str;

use super::cut;

/// What stands in the place of a value that was taken out.
pub const REMOVED: &str = "[removed]";

/// The most names that a list may have.
const MAX_NAMES: usize = 200;

/// The most characters that a name may have.
const MAX_NAME_CHARS: usize = 64;

/// How deep an address inside of an address is looked into: a way back from a login holds
/// one, and a way back from an identity provider one inside of one.
const MAX_DEPTH: u8 = 3;

/// The names that are sensitive unless the operator lists others.
///
/// Left out on purpose: `code` and `state` of OAuth, since the one is spent within minutes
/// (<https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2>) and shops and forms use both
/// for coupons and countries; `key`, `id`, `name`, `hash` and `user`, which mean anything;
/// the click ids of advertisers, which `campaign` reads.
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
    // Signed links, which are keys themselves.
    "signature", "sig", "x_amz_signature", "x_amz_credential", "x_amz_security_token",
    "x_goog_signature", "x_goog_credential", "policy_signature",
    // Sessions.
    "session", "session_id", "sid", "jsessionid", "phpsessid", "aspsessionid", "cfid", "cftoken",
    // What people know or are.
    "password", "passwd", "passphrase", "pass", "pwd", "new_password", "old_password", "pin",
    "email", "email_address", "user_email", "mail", "phone", "phone_number", "telephone",
    "mobile_number", "ssn", "iban", "card_number", "cc_number", "cvv", "cvc", "date_of_birth",
    "birthdate", "dob",
];

/// The names of parameters whose values are taken out. Case, `-`, `_` and `.` don't count:
/// `api_key` is also `apiKey` and `API-KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SensitiveNames(Vec<String>);

/// The operator's: a list of names that can't be used, as a sentence without its subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SensitiveNamesError {
    /// Too many names.
    #[error("has {0} names, limit {MAX_NAMES}")]
    TooMany(usize),
    /// A name that no parameter can have.
    #[error("must list names of 1 to {MAX_NAME_CHARS} characters of [A-Za-z0-9_.-], not {0:?}")]
    BadName(String),
}

impl Default for SensitiveNames {
    fn default() -> Self {
        Self::of(DEFAULT.iter().copied())
    }
}

impl SensitiveNames {
    /// Takes the operator's list in the place of the default one; an empty list names nothing.
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self, SensitiveNamesError> {
        if names.len() > MAX_NAMES {
            return Err(SensitiveNamesError::TooMany(names.len()));
        }
        let fits = |name: &str| {
            name.len() <= MAX_NAME_CHARS
                && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_joint(byte))
        };
        match names.iter().map(AsRef::as_ref).find(|name| !fits(name)) {
            Some(name) => Err(SensitiveNamesError::BadName(crate::failed::shown(name))),
            None => Ok(Self::of(names.iter().map(AsRef::as_ref))),
        }
    }

    /// The names as they are, for those that are ours.
    pub(in crate::enrich) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut names: Vec<String> =
            names.map(|name| letters(name).map(char::from).collect()).collect();
        names.sort_unstable_by(|a, b| by_length(a.as_bytes(), b.as_bytes()));
        names.dedup();
        Self(names)
    }

    /// Whether a parameter of the name `written` is sensitive: the name may be percent-encoded,
    /// and in `user[password]` each part counts.
    fn names(&self, written: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || is_joint(byte);
        if written.bytes().all(is_plain) {
            return self.has(written);
        }
        let written = written.trim_start_matches(['/', '!', '?', '&']);
        let written = written.strip_prefix("amp;").unwrap_or(written);
        let decoded = match written.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
            true => decoded(written),
            false => Cow::Borrowed(written),
        };
        decoded.split(['[', ']']).any(|part| self.has(part.trim()))
    }

    fn has(&self, name: &str) -> bool {
        let mut buffer = [0; MAX_NAME_CHARS];
        let mut length = 0_usize;
        for letter in letters(name) {
            // A name that has no place here is on no list.
            let Some(place) = buffer.get_mut(length) else {
                return false;
            };
            *place = letter;
            length = length.saturating_add(1);
        }
        let name = buffer.get(..length).unwrap_or_default();
        self.0.binary_search_by(|known| by_length(known.as_bytes(), name)).is_ok()
    }

    /// Whether it is seen at once that nothing is to be taken out of `url`: it has no user, no
    /// parameter in its path, nothing encoded and no name that is sensitive.
    fn miss(&self, url: &str) -> bool {
        let ends = |mark| matches!(mark, '?' | '&' | '#');
        let named = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| self.names(name));
        let in_doubt = url.bytes().any(|byte| matches!(byte, b'@' | b';' | b'%'))
            || (url.contains('=') && url.split(ends).any(named));
        !in_doubt
    }

    /// Whether some sensitive parameter with a value stands in `text`.
    fn stand_in(&self, text: &str, depth: u8) -> bool {
        text.split(|mark| is_separator(mark) || mark == '#').any(|pair| {
            match pair.split_once('=') {
                None => self.stand_inside(pair, depth),
                Some((name, value)) => {
                    let is_there = !value.is_empty() && value != REMOVED;
                    is_there && (self.names(name) || self.stand_inside(value, depth))
                }
            }
        })
    }

    /// Whether `value` is an encoded address that has one.
    fn stand_inside(&self, value: &str, depth: u8) -> bool {
        // What has no percent sign is told at once.
        let encoded = value.contains('%')
            && (value.contains("%3D") || value.contains("%3d") || value.contains("%25"));
        match depth.checked_sub(1) {
            Some(depth) if encoded => self.stand_in(&decoded(value), depth),
            _ => false,
        }
    }
}

/// Shorter names first: most are told apart by their length.
fn by_length(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// What counts of a name.
fn letters(name: &str) -> impl Iterator<Item = u8> + '_ {
    name.bytes().filter(|byte| !is_joint(*byte)).map(|byte| byte.to_ascii_lowercase())
}

fn is_joint(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.')
}

fn is_separator(mark: char) -> bool {
    matches!(mark, '&' | ';' | '?')
}

/// `text` without its percent-encoding; what is not UTF-8 then becomes U+FFFD.
fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// An address and what was taken out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stripped<'a> {
    /// Borrowed when nothing was taken out.
    pub url: Cow<'a, str>,
    /// The names of what was taken out, in their order: `userinfo`, or a parameter's name in
    /// lower case, of at most 64 characters.
    pub removed: Vec<String>,
}

/// `url` without the user and password before its host, and without the values of sensitive
/// parameters in its path (`;jsessionid=…`), its query, its fragment (`#access_token=…`) and
/// the addresses that its parameters hold. Applied twice it changes nothing more.
pub fn without_sensitive<'a>(url: &'a str, names: &SensitiveNames) -> Stripped<'a> {
    if names.miss(url) {
        return Stripped { url: Cow::Borrowed(url), removed: Vec::new() };
    }
    let (rest, fragment) = cut(url, '#');
    let (head, query) = cut(rest, '?');
    let mut writer = Writer { names, url: String::with_capacity(url.len()), removed: Vec::new() };
    writer.head(head);
    for (mark, part) in [('?', query), ('#', fragment)] {
        if let Some(part) = part {
            writer.url.push(mark);
            writer.parameters(part);
        }
    }
    let Writer { url: stripped, removed, .. } = writer;
    match removed.is_empty() {
        true => Stripped { url: Cow::Borrowed(url), removed },
        false => Stripped { url: Cow::Owned(stripped), removed },
    }
}

/// Writes an address part by part.
struct Writer<'n> {
    names: &'n SensitiveNames,
    url: String,
    removed: Vec<String>,
}

impl Writer<'_> {
    /// Scheme, host and path.
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
            if index > 0 {
                self.url.push(';');
            }
            match piece.split_once('=') {
                Some((name, value)) if index > 0 && self.names.names(name) => {
                    let end = value.find('/').unwrap_or(value.len());
                    let (value, rest) = value.split_at_checked(end).unwrap_or((value, ""));
                    self.pair(name, value);
                    self.url.push_str(rest);
                }
                _ => self.url.push_str(piece),
            }
        }
    }

    /// A query, or a fragment that may be one.
    fn parameters(&mut self, text: &str) {
        for piece in text.split_inclusive(['&', '#']) {
            let pair = piece.trim_end_matches(['&', '#']);
            self.parameter(pair);
            self.url.push_str(piece.get(pair.len()..).unwrap_or_default());
        }
    }

    /// What stands between two `&`. A `;` or `?` in it may begin a parameter of its own, or
    /// belong to a secret: so that from a sensitive name on, all of it is taken out.
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
                _ => self.url.push_str(part),
            }
            let mut marks = after.chars();
            match marks.next() {
                Some(mark) => self.url.push(mark),
                None => return,
            }
            rest = marks.as_str();
        }
    }

    /// A sensitive parameter; one without a value has nothing to take out.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stripped(url: &str) -> (String, Vec<String>) {
        let Stripped { url, removed } = without_sensitive(url, &SensitiveNames::default());
        (url.into_owned(), removed)
    }

    #[test]
    fn secrets_are_taken_out_and_their_names_stay() {
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
    fn what_is_not_sensitive_stays_as_it_is() {
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
            let names = SensitiveNames::default();
            let Stripped { url: same, removed } = without_sensitive(url, &names);
            assert!(matches!(same, Cow::Borrowed(_)) && removed.is_empty(), "{url}");
        }
    }

    #[test]
    fn the_operators_names_replace_the_default_ones() {
        let names = SensitiveNames::parse(&["Voucher-Code"]).unwrap();
        let url = "https://me@a.example/?token=1&voucher_code=2";
        assert_eq!(
            without_sensitive(url, &names).url,
            "https://a.example/?token=1&voucher_code=[removed]"
        );
        let none = SensitiveNames::parse::<&str>(&[]).unwrap();
        assert_eq!(without_sensitive("?token=1", &none).url, "?token=1");
    }

    #[test]
    fn a_list_that_cannot_be_used_is_refused_in_a_sentence() {
        let long = "x".repeat(65);
        for name in ["", "-", "a b", "a=b", "tökén", "a[b]", &long] {
            let sentence = SensitiveNames::parse(&["ok", name]).unwrap_err().to_string();
            assert_eq!(
                sentence,
                format!("must list names of 1 to 64 characters of [A-Za-z0-9_.-], not {name:?}")
            );
        }
        let many = vec!["a"; 201];
        assert_eq!(
            SensitiveNames::parse(&many).unwrap_err().to_string(),
            "has 201 names, limit 200"
        );
    }

    #[test]
    fn every_default_name_would_be_taken_from_an_operator_too() {
        assert_eq!(SensitiveNames::parse(DEFAULT), Ok(SensitiveNames::default()));
    }

    proptest! {
        #[test]
        fn twice_is_once_and_no_secret_is_left(
            url in "(https?://|/|\\?)?([a-z@:/?#&;=.%]|token=|%3D|%253D|amp;|\\[removed\\]|ä){0,30}|.{0,60}"
        ) {
            let names = SensitiveNames::default();
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
}

//! The key pair for requests to AWS.

use std::cell::RefCell;
use std::fmt;

use chrono::NaiveDate;

/// The longest access key id, in characters.
///
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html>
const MAX_ACCESS_KEY_ID: usize = 128;

/// A key pair: long-lived, or temporary with a session token.
#[derive(Clone)]
#[cfg_attr(
    not(feature = "runtime"),
    expect(dead_code, reason = "only the signer reads the secret parts")
)]
pub struct Credentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: Option<String>,
    /// The signing keys that were last derived, one for each scope.
    pub(super) signing_keys: RefCell<Vec<SigningKey>>,
}

/// The key for the signatures of one day in one scope. It takes five hashes to derive.
#[derive(Clone)]
#[cfg_attr(not(feature = "runtime"), expect(dead_code, reason = "only the signer reads it"))]
pub(super) struct SigningKey {
    pub(super) day: NaiveDate,
    pub(super) region: String,
    pub(super) service: String,
    pub(super) key: Vec<u8>,
}

impl Credentials {
    /// Checks that each part of the key can be sent in a request.
    ///
    /// # Errors
    ///
    /// [`CredentialsError::AccessKeyId`], [`CredentialsError::SecretAccessKey`] or
    /// [`CredentialsError::SessionToken`] names the invalid part. It is empty or has a character that
    /// no AWS key has, such as a pasted line break.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Result<Self, CredentialsError> {
        let access_key_id = access_key_id.into();
        let secret_access_key = secret_access_key.into();
        if !is_access_key_id(&access_key_id) {
            return Err(CredentialsError::AccessKeyId);
        }
        if !is_graphic(&secret_access_key) {
            return Err(CredentialsError::SecretAccessKey);
        }
        if session_token.as_deref().is_some_and(|token| !is_graphic(token)) {
            return Err(CredentialsError::SessionToken);
        }
        Ok(Self {
            access_key_id,
            secret_access_key,
            session_token,
            signing_keys: RefCell::default(),
        })
    }
}

/// Shows only the access key id, which every request carries in the open.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// Which part of a key is invalid. No variant contains any of it.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The access key id is invalid.
    #[error("the access key id must be 1 to {MAX_ACCESS_KEY_ID} letters, digits or underscores")]
    AccessKeyId,
    /// The secret access key is invalid.
    #[error("the secret access key must be visible ASCII characters, with no space or line break")]
    SecretAccessKey,
    /// The session token is invalid.
    #[error("the session token must be visible ASCII characters, with no space or line break")]
    SessionToken,
}

fn is_access_key_id(text: &str) -> bool {
    (1..=MAX_ACCESS_KEY_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_graphic(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtoken==";

    #[test]
    fn debug_shows_neither_secret_nor_token() {
        let temporary = Credentials::new(ACCESS_KEY_ID, SECRET, Some(TOKEN.to_owned())).unwrap();
        for shown in
            [format!("{temporary:?}"), format!("{temporary:#?}"), format!("{:?}", Some(&temporary))]
        {
            assert!(shown.contains(ACCESS_KEY_ID), "{shown}");
            assert!(!shown.contains(SECRET), "{shown}");
            assert!(!shown.contains(TOKEN), "{shown}");
        }
    }

    #[test]
    fn refuses_an_unusable_key_without_repeating_it() {
        let long = "A".repeat(MAX_ACCESS_KEY_ID + 1);
        for id in ["", "AKID\n", "AKID EXAMPLE", "AKID/x", "AKÏD", &long] {
            let error = Credentials::new(id, SECRET, None).unwrap_err();
            assert!(matches!(error, CredentialsError::AccessKeyId), "{id:?}");
        }
        for part in ["", "hush-hush\n", " hush-hush", "hush\u{7f}", "hüsh-hush"] {
            let secret = Credentials::new(ACCESS_KEY_ID, part, None).unwrap_err();
            assert!(matches!(secret, CredentialsError::SecretAccessKey), "{part:?}");
            let token = Credentials::new(ACCESS_KEY_ID, SECRET, Some(part.to_owned()));
            let token = token.unwrap_err();
            assert!(matches!(token, CredentialsError::SessionToken), "{part:?}");
            for shown in [format!("{secret} {secret:?}"), format!("{token} {token:?}")] {
                assert!(!shown.contains("hush") && !shown.contains("hüsh"));
            }
        }
    }
}

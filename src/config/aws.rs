//! Where and as whom to call AWS: the deployment facts, with the SDKs' own names.

use http::Uri;

use super::{ConfigError, Settings};
use crate::sink::sigv4::{Credentials, SigningError};

/// Where and as whom to call AWS.
#[derive(Debug, Clone)]
pub struct Aws {
    /// Such as `eu-west-1`.
    pub region: String,
    /// The address of Amazon Data Firehose.
    pub firehose: Uri,
    /// The key that signs.
    pub credentials: Credentials,
}

impl Aws {
    /// Reads the deployment facts, and notes every mistake.
    pub(super) fn parse(settings: &Settings, errors: &mut Vec<ConfigError>) -> Option<Self> {
        let region = region(settings.region.as_deref(), errors);
        let credentials = credentials(settings, errors);
        let firehose = match (&settings.endpoint_url_firehose, &settings.endpoint_url) {
            (Some(url), _) => endpoint("AWS_ENDPOINT_URL_FIREHOSE", url, errors),
            (None, Some(url)) => endpoint("AWS_ENDPOINT_URL", url, errors),
            (None, None) => region.as_deref().and_then(|region| {
                // China is a partition with a domain of its own.
                let suffix =
                    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                endpoint("AWS_REGION", &format!("https://firehose.{region}.{suffix}/"), errors)
            }),
        };
        Some(Aws { region: region?, firehose: firehose?, credentials: credentials? })
    }
}

fn region(region: Option<&str>, errors: &mut Vec<ConfigError>) -> Option<String> {
    match region {
        None => errors.push(ConfigError::new(
            "AWS_REGION",
            "is missing; set it to the region of your streams",
        )),
        Some(region) if is_region(region) => return Some(region.to_owned()),
        Some(_) => {
            errors.push(ConfigError::new(
                "AWS_REGION",
                "must be a region such as eu-west-1: lower case letters, digits and hyphens",
            ));
        }
    }
    None
}

fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn credentials(settings: &Settings, errors: &mut Vec<ConfigError>) -> Option<Credentials> {
    let mut required = |key: &str, value: &Option<String>| {
        if value.is_none() {
            errors.push(ConfigError::new(key, "is missing; without it no event can be delivered"));
        }
        value.clone()
    };
    let id = required("AWS_ACCESS_KEY_ID", &settings.access_key_id);
    let secret = required("AWS_SECRET_ACCESS_KEY", &settings.secret_access_key);
    match Credentials::new(id?, secret?, settings.session_token.clone()) {
        Ok(credentials) => Some(credentials),
        Err(error) => {
            let key = match error {
                SigningError::SecretAccessKey => "AWS_SECRET_ACCESS_KEY",
                SigningError::SessionToken => "AWS_SESSION_TOKEN",
                _ => "AWS_ACCESS_KEY_ID",
            };
            errors.push(ConfigError::new(key, format!("can't be used: {error}")));
            None
        }
    }
}

fn endpoint(key: &str, url: &str, errors: &mut Vec<ConfigError>) -> Option<Uri> {
    let uri = url.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some()
            && uri.query().is_none()
    });
    if uri.is_none() {
        errors.push(ConfigError::new(key, "must be an address such as http://127.0.0.1:4566"));
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::{mistakes, settings};
    use super::*;

    #[test]
    fn an_endpoint_of_the_service_goes_before_the_common_one() {
        let general = Some("http://127.0.0.1:4566".to_owned());
        let special = Some("http://127.0.0.1:4567".to_owned());
        let endpoint = |endpoint_url: &Option<String>, endpoint_url_firehose: &Option<String>| {
            let (endpoint_url, endpoint_url_firehose) =
                (endpoint_url.clone(), endpoint_url_firehose.clone());
            let settings = Settings { endpoint_url, endpoint_url_firehose, ..settings() };
            Config::parse(settings).unwrap().aws.firehose.to_string()
        };
        assert_eq!(endpoint(&general, &None), "http://127.0.0.1:4566/");
        assert_eq!(endpoint(&general, &special), "http://127.0.0.1:4567/");
        let china = Config::parse(Settings { region: Some("cn-north-1".to_owned()), ..settings() })
            .unwrap();
        assert_eq!(china.aws.firehose, "https://firehose.cn-north-1.amazonaws.com.cn/");
    }

    #[test]
    fn a_credential_that_cannot_be_one_is_named_and_not_shown() {
        for (settings, key) in [
            (
                Settings { access_key_id: Some("AKID\n".to_owned()), ..settings() },
                "AWS_ACCESS_KEY_ID",
            ),
            (
                Settings { secret_access_key: Some("s3cr3t\n".to_owned()), ..settings() },
                "AWS_SECRET_ACCESS_KEY",
            ),
            (
                Settings { session_token: Some("s3cr3t s3cr3t".to_owned()), ..settings() },
                "AWS_SESSION_TOKEN",
            ),
        ] {
            let told = mistakes(settings);
            assert!(
                matches!(told.as_slice(), [one] if one.starts_with(key) && !one.contains("s3cr3t")),
                "{told:?}"
            );
        }
        for (region, url) in [("eu west", "http://127.0.0.1"), ("eu-west-1", "127.0.0.1:4566")] {
            let (region, endpoint_url) = (Some(region.to_owned()), Some(url.to_owned()));
            assert_eq!(mistakes(Settings { region, endpoint_url, ..settings() }).len(), 1);
        }
    }
}

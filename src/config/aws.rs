//! AWS region, endpoints and credentials, under the names that the AWS SDKs use.

use http::Uri;

use super::{ConfigError, RawConfig};
use crate::delivery::aws::credentials::{Credentials, CredentialsError};
use crate::model::stream::Service;

/// AWS region, endpoints and credentials.
#[derive(Debug, Clone)]
pub struct Aws {
    /// Such as `eu-west-1`.
    pub region: String,
    firehose: Uri,
    kinesis: Uri,
    pub credentials: Credentials,
}

impl Aws {
    /// Parses the region, the endpoints and the credentials, and records every error.
    pub(super) fn parse(settings: &RawConfig, errors: &mut Vec<ConfigError>) -> Option<Self> {
        let region = region(settings.region.as_deref(), errors);
        let credentials = credentials(settings, errors);
        let of_all = settings.endpoint_url.as_deref();
        let of_all = of_all.map(|url| endpoint("AWS_ENDPOINT_URL", url, errors));
        let mut address =
            |service: Service, key: &str, own: &Option<String>| match (own, &of_all, &region) {
                (Some(url), ..) => endpoint(key, url, errors),
                (None, Some(of_all), _) => of_all.clone(),
                (None, None, Some(region)) => {
                    endpoint("AWS_REGION", &service_address(service, region), errors)
                }
                (None, None, None) => None,
            };
        let firehose = address(
            Service::Firehose,
            "AWS_ENDPOINT_URL_FIREHOSE",
            &settings.endpoint_url_firehose,
        );
        let kinesis =
            address(Service::Kinesis, "AWS_ENDPOINT_URL_KINESIS", &settings.endpoint_url_kinesis);
        Some(Aws {
            region: region?,
            firehose: firehose?,
            kinesis: kinesis?,
            credentials: credentials?,
        })
    }

    pub const fn endpoint(&self, service: Service) -> &Uri {
        match service {
            Service::Firehose => &self.firehose,
            Service::Kinesis => &self.kinesis,
        }
    }
}

/// The endpoint of a service in a region. Regions in China are a partition with its own domain.
fn service_address(service: Service, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{}.{region}.{suffix}/", service.name())
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
                "must be the name of a region, such as eu-west-1 or us-gov-east-1",
            ));
        }
    }
    None
}

/// Whether `text` is two to four words of 2 to 12 letters and a number of 1 or 2 digits, joined
/// by hyphens.
/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>
fn is_region(text: &str) -> bool {
    let is_word = |part: &&str| {
        (2..=12).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let is_number =
        |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_digit());
    let mut parts = text.rsplit('-');
    parts.next().filter(is_number).is_some()
        && parts.clone().all(|part| is_word(&part))
        && (2..=4).contains(&parts.count())
}

fn credentials(settings: &RawConfig, errors: &mut Vec<ConfigError>) -> Option<Credentials> {
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
                CredentialsError::SecretAccessKey => "AWS_SECRET_ACCESS_KEY",
                CredentialsError::SessionToken => "AWS_SESSION_TOKEN",
                CredentialsError::AccessKeyId => "AWS_ACCESS_KEY_ID",
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
    use super::super::tests::{error_count, settings};
    use super::*;

    #[test]
    fn an_endpoint_of_the_service_goes_before_the_common_one() {
        let address = |number: u16| Some(format!("http://127.0.0.1:{number}"));
        let (firehose, kinesis) = (
            "https://firehose.eu-west-1.amazonaws.com/",
            "https://kinesis.eu-west-1.amazonaws.com/",
        );
        for (of_all, of_firehose, of_kinesis, expected) in [
            (None, None, None, [firehose, kinesis]),
            (address(1), None, None, ["http://127.0.0.1:1/", "http://127.0.0.1:1/"]),
            (address(1), address(2), None, ["http://127.0.0.1:2/", "http://127.0.0.1:1/"]),
            (address(1), None, address(3), ["http://127.0.0.1:1/", "http://127.0.0.1:3/"]),
            (None, address(2), None, ["http://127.0.0.1:2/", kinesis]),
            (None, None, address(3), [firehose, "http://127.0.0.1:3/"]),
        ] {
            let settings = RawConfig {
                endpoint_url: of_all,
                endpoint_url_firehose: of_firehose,
                endpoint_url_kinesis: of_kinesis,
                ..settings()
            };
            let aws = Config::parse(settings).unwrap().aws;
            assert_eq!(aws.endpoint(Service::Firehose), expected[0]);
            assert_eq!(aws.endpoint(Service::Kinesis), expected[1]);
        }
        let china =
            Config::parse(RawConfig { region: Some("cn-north-1".to_owned()), ..settings() });
        let aws = china.unwrap().aws;
        let firehose = aws.endpoint(Service::Firehose);
        assert_eq!(firehose, "https://firehose.cn-north-1.amazonaws.com.cn/");
    }

    #[test]
    fn a_region_has_the_form_of_one() {
        for region in [
            "eu-west-1",
            "us-east-2",
            "us-gov-east-1",
            "us-isob-east-1",
            "cn-northwest-1",
            "ap-southeast-7",
            "eusc-de-east-1",
            "mx-central-1",
            "il-central-1",
            "xy-north-12",
        ] {
            let read = Config::parse(RawConfig { region: Some(region.to_owned()), ..settings() });
            assert_eq!(read.unwrap().aws.region, region);
        }
        for none in [
            "europe",
            "eu-west",
            "eu_west_1",
            "EU-WEST-1",
            "eu-west-1a",
            "eu-west-1 ",
            "-1",
            "1",
            "eu--1",
            "eu-west-123",
            "eu-west-1-2",
            "euwest1",
            "eu-1-west",
            "eu-west-1-x",
        ] {
            assert_eq!(
                error_count(RawConfig { region: Some(none.to_owned()), ..settings() }),
                ["AWS_REGION must be the name of a region, such as eu-west-1 or us-gov-east-1"],
                "{none}"
            );
        }
    }

    #[test]
    fn an_invalid_endpoint_is_one_error() {
        let bad = Some("127.0.0.1:4566".to_owned());
        let sentence = |key| format!("{key} must be an address such as http://127.0.0.1:4566");
        for (settings, keys) in [
            (RawConfig { endpoint_url: bad.clone(), ..settings() }, vec!["AWS_ENDPOINT_URL"]),
            (
                RawConfig {
                    endpoint_url_firehose: bad.clone(),
                    endpoint_url_kinesis: bad.clone(),
                    ..settings()
                },
                vec!["AWS_ENDPOINT_URL_FIREHOSE", "AWS_ENDPOINT_URL_KINESIS"],
            ),
        ] {
            assert_eq!(error_count(settings), keys.into_iter().map(sentence).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_credential_that_cannot_be_one_is_named_and_not_shown() {
        for (settings, key) in [
            (
                RawConfig { access_key_id: Some("AKID\n".to_owned()), ..settings() },
                "AWS_ACCESS_KEY_ID",
            ),
            (
                RawConfig { secret_access_key: Some("s3cr3t\n".to_owned()), ..settings() },
                "AWS_SECRET_ACCESS_KEY",
            ),
            (
                RawConfig { session_token: Some("s3cr3t s3cr3t".to_owned()), ..settings() },
                "AWS_SESSION_TOKEN",
            ),
        ] {
            let found = error_count(settings);
            assert!(
                matches!(found.as_slice(), [one] if one.starts_with(key) && !one.contains("s3cr3t")),
                "{found:?}"
            );
        }
        for (region, url) in [("eu west", "http://127.0.0.1"), ("eu-west-1", "127.0.0.1:4566")] {
            let (region, endpoint_url) = (Some(region.to_owned()), Some(url.to_owned()));
            assert_eq!(error_count(RawConfig { region, endpoint_url, ..settings() }).len(), 1);
        }
    }
}

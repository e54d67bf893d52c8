use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_smithy_http_client::tls;

use super::options::S3Options;

/// The region that stores without regions are content with.
const ANY_REGION: &str = "us-east-1";

/// How often a request is sent before its failure is ours.
const ATTEMPTS: u32 = 6;

/// A client, and what was found out while it was made.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) client: Client,
    /// Whether the SDK adds and checks checksums of its own.
    pub(super) checksums: bool,
}

/// Finds keys and region where the AWS tools find them, and makes a client. Nothing is sent to the store yet.
pub(super) async fn connect(options: &S3Options) -> Connected {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .region(region(options))
        .retry_config(
            RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(options.patience / 60),
        )
        .timeout_config(timeouts(options.patience))
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled().grace_period(options.patience).build(),
        );
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(keys) = &options.credentials {
        let (key, secret, token) = (keys.key.clone(), keys.secret.clone(), keys.token.clone());
        loader = loader.credentials_provider(Credentials::new(key, secret, token, None, "dbm"));
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let shared = loader.load().await;
    let custom = shared.endpoint_url().is_some();
    // Stores that are not Amazon's differ in the checksums that they know:
    // https://docs.aws.amazon.com/sdkref/latest/guide/feature-dataintegrity.html
    // They all know Content-MD5, which is sent where the SDK's own are not.
    let checksums = options.checksum_when_supported.unwrap_or(!custom);
    let (calculation, validation) = match checksums {
        true => (RequestChecksumCalculation::WhenSupported, ResponseChecksumValidation::WhenSupported),
        false => (RequestChecksumCalculation::WhenRequired, ResponseChecksumValidation::WhenRequired),
    };
    let config = Builder::from(&shared)
        .force_path_style(options.path_style.unwrap_or(custom))
        .request_checksum_calculation(calculation)
        .response_checksum_validation(validation)
        .build();
    Connected { client: Client::from_conf(config), checksums }
}

fn region(options: &S3Options) -> RegionProviderChain {
    let fallback = options.fallback_region.clone().unwrap_or_else(|| ANY_REGION.to_owned());
    let given = RegionProviderChain::first_try(options.region.clone().map(Region::new));
    let chain = match options.endpoint {
        // The machine's own region says nothing of somebody else's store, and asking for it takes seconds.
        Some(_) => {
            let profile = match &options.profile {
                Some(profile) => ProfileFileRegionProvider::builder().profile_name(profile).build(),
                None => ProfileFileRegionProvider::new(),
            };
            given.or_else(EnvironmentVariableRegionProvider::new()).or_else(profile)
        }
        None => given.or_default_provider(),
    };
    chain.or_else(Region::new(fallback))
}

/// For requests with little in them.
pub(super) fn timeouts(patience: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(patience.min(Duration::from_secs(10)))
        .read_timeout(patience)
        .operation_attempt_timeout(patience)
        .build()
}

/// For requests that carry so many bytes, or make the store work on them: the slowest that is waited for is 64 KiB/s.
pub(super) fn timeouts_for(patience: Duration, bytes: u64) -> TimeoutConfig {
    let time = patience + Duration::from_secs(bytes / (64 << 10));
    TimeoutConfig::builder()
        .connect_timeout(patience.min(Duration::from_secs(10)))
        .read_timeout(time)
        .operation_attempt_timeout(time)
        .build()
}

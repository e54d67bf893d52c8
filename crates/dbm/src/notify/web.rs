//! One request to a web server, with the client that the stores on S3 use.

use std::time::Duration;

use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

/// How often it is tried.
const ATTEMPTS: u32 = 3;

/// Sends a text, and again where the server did not answer or was not well.
///
/// # Errors
/// Why it did not arrive, without the address, which may be a secret.
pub(super) async fn post(
    url: &str,
    kind: &'static str,
    headers: &[(String, String)],
    body: &str,
    timeout: Duration,
) -> Result<(), String> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err("its address does not begin with http:// or https://".to_owned());
    }
    let connector = Connector::builder()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build();
    let mut attempt = 1;
    loop {
        let failed = match tokio::time::timeout(timeout, send(&connector, url, kind, headers, body)).await {
            Ok(Ok(200..300)) => return Ok(()),
            Ok(Ok(status)) if status >= 500 || [408, 429].contains(&status) => {
                format!("the server answered {status}")
            }
            // What the server did not like once it will not like again.
            Ok(Ok(status)) => return Err(format!("the server answered {status}")),
            Ok(Err(error)) => error,
            Err(_) => format!("there was no answer in {timeout:?}"),
        };
        if attempt == ATTEMPTS {
            return Err(format!("{failed} ({ATTEMPTS} times)"));
        }
        tokio::time::sleep(Duration::from_secs(attempt.into())).await;
        attempt += 1;
    }
}

async fn send(
    connector: &Connector,
    url: &str,
    kind: &'static str,
    headers: &[(String, String)],
    body: &str,
) -> Result<u16, String> {
    let wrong = || "its address or a header cannot be used".to_owned();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST").map_err(|_| wrong())?;
    request.set_uri(url).map_err(|_| wrong())?;
    let own = [("content-type", kind), ("user-agent", concat!("dbm/", env!("CARGO_PKG_VERSION")))];
    for (name, value) in own {
        request.headers_mut().insert(name, value);
    }
    for (name, value) in headers {
        request.headers_mut().try_insert(name.clone(), value.clone()).map_err(|_| wrong())?;
    }
    let answer = connector.call(request).await.map_err(|error| match error.is_timeout() {
        true => "there was no answer in time".to_owned(),
        false if url.starts_with("https://") => {
            "the server cannot be reached, or its certificate is not one to trust".to_owned()
        }
        false => "the server cannot be reached".to_owned(),
    })?;
    Ok(answer.status().as_u16())
}

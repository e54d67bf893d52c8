//! TLS through rustls, with libpq's meaning of `sslmode` and `sslrootcert`.

#[cfg(test)]
mod tests;
mod verify;

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Host, RootCert, Settings, SslMode, SslNegotiation};
use crate::{Error, ErrorKind, Result};
use verify::{Trust, Verifier};

/// What makes connections encrypted, as the settings want it.
pub(super) async fn connector(settings: &Settings) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(Arc::clone(&provider), trust(settings).await?);
    let builder = client(provider)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match (&settings.ssl_cert, &settings.ssl_key) {
        (Some(cert), Some(key)) => {
            let (chain, key_der) = (certificates(cert).await?, key_of(key).await?);
            builder.with_client_auth_cert(chain, key_der).map_err(|cause| {
                let message = format!(
                    "the key {} cannot be used with the certificate {}",
                    key.display(),
                    cert.display()
                );
                Error::new(ErrorKind::Usage, message)
                    .with_hint("sslcert and sslkey must belong together")
                    .with_source(cause)
            })?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => {
            return Err(Error::new(
                ErrorKind::Usage,
                "the URL has one of sslcert and sslkey without the other",
            )
            .with_hint("give both, or none"));
        }
    };
    if settings.ssl_negotiation == SslNegotiation::Direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

fn client(
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::new(ErrorKind::Internal, "TLS cannot be set up").with_source(cause))
}

/// Whom to believe.
///
/// As in libpq, root certificates are used whatever the mode, once they are named.
async fn trust(settings: &Settings) -> Result<Trust> {
    let roots = match &settings.ssl_root_cert {
        None if matches!(settings.ssl_mode, SslMode::VerifyCa | SslMode::VerifyFull) => {
            let message = format!("sslmode={} needs to know whom to trust", settings.ssl_mode.word());
            return Err(Error::new(ErrorKind::Usage, message).with_hint(
                "add sslrootcert=/path/to/ca.pem to the URL, or sslrootcert=system for the system's certificates",
            ));
        }
        None => return Ok(Trust::Anybody),
        Some(RootCert::System) => {
            let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
            found
                .map_err(|cause| {
                    Error::new(ErrorKind::Internal, "reading certificates failed").with_source(cause)
                })?
                .certs
        }
        Some(RootCert::File(file)) => certificates(file).await?,
    };
    let mut store = RootCertStore::empty();
    if store.add_parsable_certificates(roots.iter().cloned()).0 == 0 {
        return Err(Error::new(ErrorKind::Io, "the system has no trusted certificates")
            .with_hint("install the package ca-certificates, or name a file: sslrootcert=/path/to/ca.pem"));
    }
    Ok(Trust::Roots { store, certificates: roots, name_matters: settings.ssl_mode == SslMode::VerifyFull })
}

async fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = read(file).await?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => {
            Err(Error::new(ErrorKind::Usage, format!("{} holds no certificate in PEM form", file.display()))
                .with_hint("the file must have a -----BEGIN CERTIFICATE----- block"))
        }
    }
}

async fn key_of(file: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&read(file).await?).map_err(|_| {
        Error::new(ErrorKind::Usage, format!("{} holds no private key in PEM form", file.display()))
            .with_hint("keys under a passphrase are not supported: openssl pkey -in KEY -out PLAIN_KEY")
    })
}

async fn read(file: &Path) -> Result<Vec<u8>> {
    tokio::fs::read(file).await.map_err(|cause| {
        Error::new(ErrorKind::Io, format!("{} cannot be read", file.display()))
            .with_hint("check the path in the URL and the file's permissions")
            .with_source(cause)
    })
}

/// What a failed handshake means.
pub(super) fn explain(cause: rustls::Error, host: &Host, place: &str) -> Error {
    let (message, hint) = match &cause {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                format!("the certificate of {place} is not for `{}`", host.name_for_tls()),
                "write the host as the certificate's subjectAltName has it (a common name alone does not count), or sslmode=verify-ca",
            ),
            CertificateError::UnknownIssuer => (
                format!("the certificate of {place} is signed by nobody whom sslrootcert trusts"),
                "check that sslrootcert names the certificate that signed the server's",
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                format!("the certificate of {place} has expired"),
                "renew it on the server, and check this machine's clock",
            ),
            other if verify::is_version_1(other) => (
                format!("the certificate of {place} is of version 1, which cannot be verified"),
                "make it anew with extensions (openssl x509 -req … -extfile with a subjectAltName), or sslmode=require",
            ),
            _ => (
                format!("the certificate of {place} cannot be trusted"),
                "check the server's certificate and sslrootcert",
            ),
        },
        rustls::Error::AlertReceived(_) => (
            format!("{place} broke off the TLS handshake"),
            "the server may want a client certificate: sslcert and sslkey in the URL; its log says more",
        ),
        _ => (
            format!("no TLS connection with {place}"),
            "check sslmode in the URL and the server's TLS settings",
        ),
    };
    Error::new(ErrorKind::Connection, message).with_hint(hint).with_source(cause)
}

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Whose certificates are believed.
#[derive(Debug)]
pub(super) enum Trust {
    /// Everybody's. Encryption keeps listeners out, not somebody in between.
    Anybody,
    /// Those signed by one of these.
    Roots {
        store: RootCertStore,
        /// The same, as they are in the file: a server's own certificate in it is trusted as it is.
        certificates: Vec<CertificateDer<'static>>,
        /// Whether the certificate must bear the host's name.
        name_matters: bool,
    },
}

/// libpq's `sslmode` as a verifier.
///
/// That the server holds the key to its certificate is checked in every mode: channel binding rests on it.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    trust: Trust,
}

impl Verifier {
    pub(super) fn new(provider: Arc<CryptoProvider>, trust: Trust) -> Self {
        Self { provider, trust }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Trust::Roots { store, certificates, name_matters } = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&parsed, store, intermediates, now, algorithms) {
            // What `openssl req -x509` makes may sign others too; as its own root, OpenSSL takes it. Its dates
            // were looked at before this error.
            Err(Error::InvalidCertificate(CertificateError::Other(OtherError(why))))
                if is_ca_as_server(&*why) && certificates.iter().any(|root| root == end_entity) => {}
            outcome => outcome?,
        }
        if *name_matters {
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// webpki's `CaUsedAsEndEntity`, which rustls hands on without a type of its own.
fn is_ca_as_server(why: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    why.to_string() == "CaUsedAsEndEntity"
}

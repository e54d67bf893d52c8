use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};

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
            Err(Error::InvalidCertificate(why))
                if matches!(reason(&why), Some(webpki::Error::CaUsedAsEndEntity))
                    && certificates.iter().any(|root| root == end_entity) => {}
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
        let algorithms = &self.provider.signature_verification_algorithms;
        match verify_tls13_signature(message, cert, dss, algorithms) {
            // Its key is as good as any other's.
            Err(Error::InvalidCertificate(why)) if is_version_1(&why) => {
                let key = key_of_version_1(cert).ok_or(Error::InvalidCertificate(why))?;
                verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
            }
            outcome => outcome,
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The reason that rustls hands on without a type of its own.
///
/// Of another version of webpki than rustls's it would be none: then no certificate is believed for it.
fn reason(error: &CertificateError) -> Option<&webpki::Error> {
    match error {
        CertificateError::Other(OtherError(why)) => why.downcast_ref(),
        _ => None,
    }
}

/// Whether a certificate is of X.509's first version, which has no extensions and which webpki does not verify.
pub(super) fn is_version_1(error: &CertificateError) -> bool {
    matches!(reason(error), Some(webpki::Error::UnsupportedCertVersion))
}

/// The public key in a certificate of version 1, as its DER stands in there.
fn key_of_version_1(cert: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let inner = webpki::anchor_from_trusted_cert(cert).ok()?.subject_public_key_info;
    // webpki cuts off the tag and the length of the SEQUENCE. Keys are shorter than 64 KiB.
    let mut der = vec![0x30];
    match (u8::try_from(inner.len()), u16::try_from(inner.len())) {
        (Ok(short @ ..0x80), _) => der.push(short),
        (Ok(short), _) => der.extend([0x81, short]),
        (_, Ok(long)) => {
            der.push(0x82);
            der.extend(long.to_be_bytes());
        }
        _ => return None,
    }
    der.extend_from_slice(&inner);
    Some(der.into())
}

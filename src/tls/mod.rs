//! TLS as a client, with as much trust as the caller asks for.
//!
//! The only file that knows rustls, beside the one that reads its settings from Mesos' variables.
//! rustls speaks TLS 1.3, and 1.2 with ECDHE and AEAD alone.

mod trust;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;

use rustls::client::VerifierBuilderError;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, Error, RootCertStore};

/// What a handshake needs. Clones share it.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ClientConfig>);

/// Whom to believe.
#[derive(Debug)]
pub enum Trust {
    /// Whoever answers, as `curl -k` does.
    Anyone,
    /// Whom one of these vouches for, whatever its name.
    AnyNameOf(RootCertStore),
}

/// What is shown to a server that asks for it.
#[derive(Debug)]
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// Why there can be no handshake at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the certificates of the authorities can't be used")]
    Roots(#[source] VerifierBuilderError),
    #[error("TLS can't be set up")]
    Client(#[source] Error),
}

impl Tls {
    pub fn new(trust: Trust, identity: Option<Identity>) -> Result<Self, SetupError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = trust::verifier(trust, &provider).map_err(SetupError::Roots)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(SetupError::Client)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match identity {
            Some(Identity { chain, key }) => builder
                .with_client_auth_cert(chain, key)
                .map_err(SetupError::Client)?,
            None => builder.with_no_client_auth(),
        };
        Ok(Self(Arc::new(config)))
    }

    /// The handshake. The caller sets the deadline.
    pub async fn shake_hands(
        &self,
        stream: TcpStream,
        peer: IpAddr,
    ) -> io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::clone(&self.0));
        connector
            .connect(ServerName::IpAddress(peer.into()), stream)
            .await
    }
}

/// Equal are those that were made at once.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tls {}

//! https to an agent that serves it.
//!
//! Nothing in an executor's environment tells that its agent speaks TLS: the operator hands the
//! agent's own libprocess variables on (`--executor_environment_variables`), and they mean here what
//! they mean there. libprocess checks an agent's certificate only if it is told to. Here it is
//! checked as soon as there is something to check it against: the whole chain, but not the name,
//! since an executor dials its own host by an address that few certificates have.
//!
//! rustls speaks TLS 1.3, and 1.2 with ECDHE and AEAD alone; an agent's default ciphers have none
//! of these: docs/operations.md tells what to set.
//!
//! Specified in <https://mesos.apache.org/documentation/latest/ssl/>.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::env::Vars;

/// What a handshake with the agent needs. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Tls(Arc<ClientConfig>);

/// What is wrong with the variables that tell of TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{variable}={} can't be read", path.display())]
    File {
        variable: String,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{variable}={} holds no PEM as it should", path.display())]
    Pem {
        variable: String,
        path: PathBuf,
        source: pem::Error,
    },
    #[error("{variable}={} holds a certificate that can't be used", path.display())]
    Certificate {
        variable: String,
        path: PathBuf,
        source: Error,
    },
    #[error("{given} is set, and {missing} is not")]
    Missing {
        given: String,
        missing: &'static str,
    },
    #[error("TLS to the agent can't be set up")]
    Setup(#[source] Error),
    #[error("the certificates of the agent's authorities can't be used")]
    Roots(#[source] rustls::client::VerifierBuilderError),
}

impl Tls {
    /// None where the agent is not said to serve https.
    pub(super) fn from_vars(vars: &impl Vars) -> Result<Option<Self>, TlsError> {
        let settings = Settings(vars);
        if settings.flag("ENABLED") != Some(true) {
            return Ok(None);
        }
        let provider = Arc::new(ring::default_provider());
        let roots = settings.roots()?;
        let wanted = settings
            .flag("VERIFY_SERVER_CERT")
            .or(settings.flag("VERIFY_CERT"));
        let verifier: Arc<dyn ServerCertVerifier> = match wanted {
            Some(true) if roots.is_empty() => {
                return Err(TlsError::Missing {
                    given: "LIBPROCESS_SSL_VERIFY_SERVER_CERT".to_owned(),
                    missing: "LIBPROCESS_SSL_CA_FILE",
                });
            }
            Some(false) => Arc::new(AnyAgent(Arc::clone(&provider))),
            None if roots.is_empty() => Arc::new(AnyAgent(Arc::clone(&provider))),
            _ => {
                let roots = Arc::new(roots);
                let chain =
                    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
                Arc::new(AnyName(chain.build().map_err(TlsError::Roots)?))
            }
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match settings.identity()? {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(TlsError::Setup)?,
            None => builder.with_no_client_auth(),
        };
        Ok(Some(Self(Arc::new(config))))
    }

    /// The handshake. The caller sets the deadline.
    pub(super) async fn shake_hands(
        &self,
        stream: TcpStream,
        agent: IpAddr,
    ) -> io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::clone(&self.0));
        connector
            .connect(ServerName::IpAddress(agent.into()), stream)
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

/// libprocess' variables, by their old prefix too.
struct Settings<'a, V>(&'a V);

impl<V: Vars> Settings<'_, V> {
    fn text(&self, name: &str) -> Option<(String, String)> {
        ["LIBPROCESS_SSL_", "SSL_"].into_iter().find_map(|prefix| {
            let variable = format!("{prefix}{name}");
            let value = self.0.var(&variable)?.into_string().ok()?;
            (!value.is_empty()).then_some((variable, value))
        })
    }

    fn flag(&self, name: &str) -> Option<bool> {
        let (_, value) = self.text(name)?;
        Some(value == "true" || value == "1")
    }

    fn path(&self, name: &str) -> Option<(String, PathBuf)> {
        self.text(name)
            .map(|(variable, value)| (variable, PathBuf::from(value)))
    }

    /// The authorities whose word is taken for an agent's.
    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        if let Some((variable, path)) = self.path("CA_FILE") {
            add(&mut roots, &variable, &path)?;
        }
        if let Some((variable, folder)) = self.path("CA_DIR") {
            let unreadable = |source| TlsError::File {
                variable: variable.clone(),
                path: folder.clone(),
                source,
            };
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                if path.is_file() {
                    add(&mut roots, &variable, &path)?;
                }
            }
        }
        Ok(roots)
    }

    /// What this executor shows an agent that asks for it.
    #[allow(clippy::type_complexity, reason = "a chain and its key")]
    fn identity(
        &self,
    ) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, TlsError> {
        let (certificates, key) = match (self.path("CERT_FILE"), self.path("KEY_FILE")) {
            (None, None) => return Ok(None),
            (Some(certificates), Some(key)) => (certificates, key),
            (Some((given, _)), None) => {
                let missing = "LIBPROCESS_SSL_KEY_FILE";
                return Err(TlsError::Missing { given, missing });
            }
            (None, Some((given, _))) => {
                let missing = "LIBPROCESS_SSL_CERT_FILE";
                return Err(TlsError::Missing { given, missing });
            }
        };
        let chain = read_chain(&certificates.0, &certificates.1)?;
        let text = read(&key.0, &key.1)?;
        let (variable, path) = key;
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|source| TlsError::Pem {
            variable,
            path,
            source,
        })?;
        Ok(Some((chain, key)))
    }
}

fn add(roots: &mut RootCertStore, variable: &str, path: &Path) -> Result<(), TlsError> {
    for certificate in read_chain(variable, path)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Certificate {
                variable: variable.to_owned(),
                path: path.to_owned(),
                source,
            })?;
    }
    Ok(())
}

fn read_chain(variable: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(variable, path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    chain.map_err(|source| TlsError::Pem {
        variable: variable.to_owned(),
        path: path.to_owned(),
        source,
    })
}

fn read(variable: &str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File {
        variable: variable.to_owned(),
        path: path.to_owned(),
        source,
    })
}

/// Believes in every agent that an authority vouches for, whatever its name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The name is looked at last: whoever only has another one has a good chain.
        match self
            .0
            .verify_server_cert(end_entity, intermediates, name, ocsp, now)
        {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Believes in every agent, as libprocess does unless it is told otherwise.
#[derive(Debug)]
struct AnyAgent(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyAgent {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::ServerConfig;
    use rustls::server::WebPkiClientVerifier;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// An authority, and an agent's certificate of it: the agent's name is not its address.
    struct Cluster {
        folder: tempfile::TempDir,
        authority: CertifiedIssuer<'static, KeyPair>,
    }

    impl Cluster {
        fn new() -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let authority = CertifiedIssuer::self_signed(params, key).unwrap();
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
            let cluster = Self { folder, authority };
            for name in ["agent", "executor"] {
                let key = KeyPair::generate().unwrap();
                let params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
                let certificate = params.signed_by(&key, &cluster.authority).unwrap();
                fs::write(cluster.path(&format!("{name}.pem")), certificate.pem()).unwrap();
                fs::write(cluster.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
            }
            cluster
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// TLS by libprocess' variables, paths of this cluster.
        fn tls(&self, vars: &[(&str, &str)]) -> Result<Option<Tls>, TlsError> {
            Tls::from_vars(&|asked: &str| {
                let asked = asked.strip_prefix("LIBPROCESS_SSL_")?;
                if asked == "ENABLED" {
                    return Some(OsString::from("true"));
                }
                let (_, value) = vars.iter().find(|(name, _)| *name == asked)?;
                Some(match asked {
                    name if name.ends_with("_FILE") => self.path(value).into(),
                    _ => OsString::from(value),
                })
            })
        }

        /// Whether an executor with these variables comes to terms with the agent.
        async fn agree(&self, vars: &[(&str, &str)], asks_executors: bool) -> bool {
            let provider = Arc::new(ring::default_provider());
            let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .unwrap();
            let server = if asks_executors {
                let mut roots = RootCertStore::empty();
                roots.add(self.authority.der().clone()).unwrap();
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                server.with_client_cert_verifier(verifier.build().unwrap())
            } else {
                server.with_no_client_auth()
            };
            let chain = read_chain("", &self.path("agent.pem")).unwrap();
            let key = PrivateKeyDer::from_pem_file(self.path("agent.key")).unwrap();
            let server = server.with_single_cert(chain, key).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let agent = async {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = TlsAcceptor::from(Arc::new(server)).accept(stream).await?;
                stream.write_all(b"hello").await?;
                stream.shutdown().await
            };
            let executor = async {
                let tls = self.tls(vars).unwrap().unwrap();
                let stream = TcpStream::connect(address).await?;
                let mut stream = tls.shake_hands(stream, address.ip()).await?;
                let mut word = String::new();
                stream.read_to_string(&mut word).await?;
                io::Result::Ok(word)
            };
            let (_, heard) = tokio::join!(agent, executor);
            heard.is_ok_and(|word| word == "hello")
        }
    }

    #[tokio::test]
    async fn the_chain_is_checked_and_the_name_is_not() {
        let (ours, theirs) = (Cluster::new(), Cluster::new());
        assert!(ours.agree(&[("CA_FILE", "ca.pem")], false).await);
        let foreign = theirs.path("ca.pem");
        fs::copy(foreign, ours.path("foreign.pem")).unwrap();
        assert!(!ours.agree(&[("CA_FILE", "foreign.pem")], false).await);
        let unchecked = [("CA_FILE", "foreign.pem"), ("VERIFY_SERVER_CERT", "false")];
        assert!(ours.agree(&unchecked, false).await);
    }

    #[tokio::test]
    async fn a_folder_of_authorities_will_do() {
        let cluster = Cluster::new();
        let folder = cluster.path("authorities");
        fs::create_dir(&folder).unwrap();
        fs::copy(cluster.path("ca.pem"), folder.join("0a1b2c3d.0")).unwrap();
        assert!(
            cluster
                .agree(&[("CA_DIR", folder.to_str().unwrap())], false)
                .await
        );
    }

    #[tokio::test]
    async fn without_authorities_every_agent_is_believed_as_libprocess_does() {
        assert!(Cluster::new().agree(&[], false).await);
    }

    #[tokio::test]
    async fn an_agent_that_asks_for_a_certificate_gets_one() {
        let cluster = Cluster::new();
        assert!(!cluster.agree(&[("CA_FILE", "ca.pem")], true).await);
        let with = [
            ("CA_FILE", "ca.pem"),
            ("CERT_FILE", "executor.pem"),
            ("KEY_FILE", "executor.key"),
        ];
        assert!(cluster.agree(&with, true).await);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let cluster = Cluster::new();
        let words: Vec<String> = [
            vec![("VERIFY_SERVER_CERT", "true")],
            vec![("CERT_FILE", "executor.pem")],
            vec![("CERT_FILE", "executor.pem"), ("KEY_FILE", "executor.pem")],
            vec![("CA_FILE", "none.pem")],
        ]
        .iter()
        .map(|vars| cluster.tls(vars).unwrap_err().to_string())
        .map(|text| text.replace(cluster.folder.path().to_str().unwrap(), ""))
        .collect();
        insta::assert_snapshot!(words.join("\n"), @r"
        LIBPROCESS_SSL_VERIFY_SERVER_CERT is set, and LIBPROCESS_SSL_CA_FILE is not
        LIBPROCESS_SSL_CERT_FILE is set, and LIBPROCESS_SSL_KEY_FILE is not
        LIBPROCESS_SSL_KEY_FILE=/executor.pem holds no PEM as it should
        LIBPROCESS_SSL_CA_FILE=/none.pem can't be read
        ");
    }

    #[test]
    fn an_agent_without_tls_is_the_usual_one() {
        assert!(Tls::from_vars(&|_: &str| None).unwrap().is_none());
    }
}

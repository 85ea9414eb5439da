//! https to an agent that serves it.
//!
//! Nothing in an executor's environment tells that its agent speaks TLS: the operator hands the
//! agent's own libprocess variables on (`--executor_environment_variables`), and they mean here what
//! they mean there. libprocess checks an agent's certificate only if it is told to. Here it is
//! checked as soon as there is something to check it against: the whole chain, but not the name,
//! since an executor dials its own host by an address that few certificates have.
//!
//! An agent's default ciphers have none of those that [`crate::tls`] speaks: docs/operations.md tells
//! what to set.
//!
//! Specified in <https://mesos.apache.org/documentation/latest/ssl/>.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error, RootCertStore};

use super::env::Vars;
use crate::tls::{Identity, SetupError, Tls, Trust};

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
    #[error("there can be no TLS to the agent")]
    Setup(#[from] SetupError),
}

/// None where the agent is not said to serve https.
pub(super) fn from_vars(vars: &impl Vars) -> Result<Option<Tls>, TlsError> {
    let settings = Settings(vars);
    if settings.flag("ENABLED") != Some(true) {
        return Ok(None);
    }
    let roots = settings.roots()?;
    let wanted = settings
        .flag("VERIFY_SERVER_CERT")
        .or(settings.flag("VERIFY_CERT"));
    let trust = match wanted {
        Some(true) if roots.is_empty() => {
            return Err(TlsError::Missing {
                given: "LIBPROCESS_SSL_VERIFY_SERVER_CERT".to_owned(),
                missing: "LIBPROCESS_SSL_CA_FILE",
            });
        }
        // As libprocess does unless it is told otherwise.
        None if roots.is_empty() => Trust::Anyone,
        Some(false) => Trust::Anyone,
        _ => Trust::AnyNameOf(roots),
    };
    Ok(Some(Tls::new(trust, settings.identity()?)?))
}

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
    fn identity(&self) -> Result<Option<Identity>, TlsError> {
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
        Ok(Some(Identity { chain, key }))
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::ServerConfig;
    use rustls::crypto::ring;
    use rustls::server::WebPkiClientVerifier;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
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
            from_vars(&|asked: &str| {
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
        assert!(from_vars(&|_: &str| None).unwrap().is_none());
    }
}

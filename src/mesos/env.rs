//! What the agent tells an executor in its environment.
//!
//! The environment is read once, in `main`; here it is a [`Vars`], so that no test touches the real
//! one. Every error names its variable, and none shows a value that may be secret.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::duration::{self, DurationError};
use super::endpoint::{Endpoint, EndpointError};
use super::id::{AgentId, ContainerId, ExecutorId, FrameworkId};
use super::tls::{self, TlsError};
use super::token::Token;

/// The agent's default for `--executor_shutdown_grace_period`.
const SHUTDOWN_GRACE_PERIOD: Duration = Duration::from_secs(5);
/// The agent's default for `--recovery_timeout`.
const RECOVERY_TIMEOUT: Duration = Duration::from_mins(15);
/// The agent's default for `--executor_reregistration_timeout`.
const SUBSCRIPTION_BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Variables by name: the process's environment, or a test's.
pub trait Vars {
    fn var(&self, name: &str) -> Option<OsString>;
}

impl<F: Fn(&str) -> Option<OsString>> Vars for F {
    fn var(&self, name: &str) -> Option<OsString> {
        self(name)
    }
}

/// An executor's part of its environment, understood.
#[derive(Clone, Debug)]
pub struct ExecutorEnv {
    pub framework_id: FrameworkId,
    pub executor_id: ExecutorId,
    pub agent_id: AgentId,
    pub endpoint: Endpoint,
    /// The sandbox as the host sees it; its last segment is the container's id.
    pub directory: PathBuf,
    /// The sandbox as this process sees it. A task's environment can set it: to be checked.
    pub sandbox: PathBuf,
    /// What is allowed when the agent goes away; none when the framework does not checkpoint, and
    /// the loss of the agent is the end.
    pub recovery: Option<Recovery>,
    /// How long after a SHUTDOWN the agent kills what is left.
    pub shutdown_grace_period: Duration,
    pub token: Option<Token>,
}

/// How an executor of a checkpointing framework comes back to its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How long an agent may stay away.
    pub timeout: Duration,
    /// How long a restarted agent waits for its executors: they have to try more often.
    pub backoff_max: Duration,
}

/// What is wrong with the environment.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    #[error("{name} is not set: a Mesos agent sets it")]
    Missing { name: &'static str },
    #[error("{name} is not valid UTF-8")]
    NotUnicode { name: &'static str },
    #[error("{name}={value:?} is not a duration")]
    Duration {
        name: &'static str,
        value: String,
        source: DurationError,
    },
    #[error("{name}={value:?} names no agent")]
    Endpoint {
        name: &'static str,
        value: String,
        source: EndpointError,
    },
    #[error("{name}={value:?} is not an absolute path")]
    RelativePath { name: &'static str, value: PathBuf },
    #[error("{name} can't be part of an HTTP header")]
    Token { name: &'static str },
    #[error("the agent is said to serve https, and that can't be spoken")]
    Tls(#[source] TlsError),
}

impl ExecutorEnv {
    /// Reads what is needed; the first thing that is wrong is the error.
    pub fn from_vars(vars: &impl Vars) -> Result<Self, EnvError> {
        let domain_socket = optional(vars, "MESOS_DOMAIN_SOCKET")
            .map(|value| absolute("MESOS_DOMAIN_SOCKET", value))
            .transpose()?;
        // Over its domain socket the agent never speaks TLS.
        let tls = match domain_socket {
            Some(_) => None,
            None => tls::from_vars(vars).map_err(EnvError::Tls)?,
        };
        let pid = text(vars, "MESOS_SLAVE_PID")?;
        let endpoint =
            Endpoint::new(&pid, domain_socket, tls).map_err(|source| EnvError::Endpoint {
                name: "MESOS_SLAVE_PID",
                value: pid,
                source,
            })?;
        let directory = absolute("MESOS_DIRECTORY", required(vars, "MESOS_DIRECTORY")?)?;
        let sandbox = optional(vars, "MESOS_SANDBOX")
            .map(|value| absolute("MESOS_SANDBOX", value))
            .transpose()?
            .unwrap_or_else(|| directory.clone());
        Ok(Self {
            framework_id: text(vars, "MESOS_FRAMEWORK_ID")?.into(),
            executor_id: text(vars, "MESOS_EXECUTOR_ID")?.into(),
            agent_id: text(vars, "MESOS_SLAVE_ID")?.into(),
            endpoint,
            directory,
            sandbox,
            recovery: recovery(vars)?,
            shutdown_grace_period: duration(vars, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD")?
                .unwrap_or(SHUTDOWN_GRACE_PERIOD),
            token: token(vars)?,
        })
    }

    /// The container's id as `MESOS_DIRECTORY` tells it; SUBSCRIBED tells it too.
    pub fn container_id(&self) -> Option<ContainerId> {
        let name = self.directory.file_name()?.to_str()?;
        Some(ContainerId::from(name))
    }
}

/// None where the framework does not checkpoint. The agent says `1` or `0`; its documentation, `true`.
fn recovery(vars: &impl Vars) -> Result<Option<Recovery>, EnvError> {
    let checkpoint = optional(vars, "MESOS_CHECKPOINT");
    if !checkpoint.is_some_and(|value| value == "1" || value == "true") {
        return Ok(None);
    }
    Ok(Some(Recovery {
        timeout: duration(vars, "MESOS_RECOVERY_TIMEOUT")?.unwrap_or(RECOVERY_TIMEOUT),
        backoff_max: duration(vars, "MESOS_SUBSCRIPTION_BACKOFF_MAX")?
            .unwrap_or(SUBSCRIPTION_BACKOFF_MAX),
    }))
}

fn token(vars: &impl Vars) -> Result<Option<Token>, EnvError> {
    let name = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";
    let Some(value) = optional(vars, name) else {
        return Ok(None);
    };
    let token = value.to_str().and_then(Token::new);
    token.map(Some).ok_or(EnvError::Token { name })
}

fn duration(vars: &impl Vars, name: &'static str) -> Result<Option<Duration>, EnvError> {
    let Some(value) = optional(vars, name) else {
        return Ok(None);
    };
    let value = unicode(name, value)?;
    match duration::parse(&value) {
        Ok(duration) => Ok(Some(duration)),
        Err(source) => Err(EnvError::Duration {
            name,
            value,
            source,
        }),
    }
}

fn absolute(name: &'static str, value: OsString) -> Result<PathBuf, EnvError> {
    let value = PathBuf::from(value);
    if value.is_absolute() {
        Ok(value)
    } else {
        Err(EnvError::RelativePath { name, value })
    }
}

fn text(vars: &impl Vars, name: &'static str) -> Result<String, EnvError> {
    unicode(name, required(vars, name)?)
}

fn unicode(name: &'static str, value: OsString) -> Result<String, EnvError> {
    value
        .into_string()
        .map_err(|_| EnvError::NotUnicode { name })
}

fn required(vars: &impl Vars, name: &'static str) -> Result<OsString, EnvError> {
    optional(vars, name).ok_or(EnvError::Missing { name })
}

/// An empty variable says as little as a missing one.
fn optional(vars: &impl Vars, name: &str) -> Option<OsString> {
    vars.var(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    const AGENT: &[(&str, &str)] = &[
        ("MESOS_FRAMEWORK_ID", "f-1"),
        ("MESOS_EXECUTOR_ID", "e-1"),
        ("MESOS_SLAVE_ID", "s-1"),
        ("MESOS_SLAVE_PID", "slave(1)@127.0.0.1:5051"),
        ("MESOS_DIRECTORY", "/var/lib/mesos/runs/c-1"),
        ("MESOS_SANDBOX", "/mnt/mesos/sandbox"),
        ("MESOS_CHECKPOINT", "1"),
        ("MESOS_RECOVERY_TIMEOUT", "15mins"),
        ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
        ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "90secs"),
        ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "s3cret"),
    ];

    /// The agent's environment, with one variable set or, when empty, gone.
    fn with(name: &str, value: &str) -> Result<ExecutorEnv, EnvError> {
        ExecutorEnv::from_vars(&|asked: &str| {
            let set = (name, value);
            let found = std::iter::once(&set)
                .chain(AGENT)
                .find(|(name, _)| *name == asked)?;
            Some(OsString::from(found.1))
        })
    }

    #[test]
    fn an_agents_environment_is_understood() {
        let env = with("OTHER", "x").unwrap();
        assert_eq!(env.framework_id, FrameworkId::from("f-1"));
        assert_eq!(env.executor_id, ExecutorId::from("e-1"));
        assert_eq!(env.agent_id, AgentId::from("s-1"));
        assert_eq!(env.container_id(), Some(ContainerId::from("c-1")));
        assert_eq!(env.sandbox, PathBuf::from("/mnt/mesos/sandbox"));
        assert_eq!(env.shutdown_grace_period, Duration::from_secs(90));
        let recovery = env.recovery.unwrap();
        assert_eq!(recovery.timeout, Duration::from_mins(15));
        assert_eq!(recovery.backoff_max, Duration::from_secs(2));
    }

    #[test]
    fn the_token_is_not_in_what_debug_prints() {
        assert!(!format!("{:?}", with("OTHER", "x").unwrap()).contains("s3cret"));
        let error = with("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "s3cret\n").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }

    #[test]
    fn without_checkpointing_there_is_no_recovery() {
        for value in ["0", "", "false"] {
            assert_eq!(with("MESOS_CHECKPOINT", value).unwrap().recovery, None);
        }
    }

    #[test]
    fn what_the_agent_leaves_out_has_its_default() {
        let env = with("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "").unwrap();
        assert_eq!(env.shutdown_grace_period, SHUTDOWN_GRACE_PERIOD);
        assert!(
            with("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "")
                .unwrap()
                .token
                .is_none()
        );
        let env = with("MESOS_SANDBOX", "").unwrap();
        assert_eq!(env.sandbox, env.directory);
    }

    #[test]
    fn errors_name_the_variable() {
        let messages: Vec<String> = [
            ("MESOS_FRAMEWORK_ID", ""),
            ("MESOS_SLAVE_PID", "slave(1)"),
            ("MESOS_SLAVE_PID", "slave(1)@agent:5051"),
            ("MESOS_RECOVERY_TIMEOUT", "15m"),
            ("MESOS_DIRECTORY", "sandbox"),
            ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "a\nb"),
        ]
        .into_iter()
        .map(|(name, value)| {
            let error = with(name, value).unwrap_err();
            let source = std::error::Error::source(&error);
            match source {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            }
        })
        .collect();
        insta::assert_snapshot!(messages.join("\n"), @r#"
        MESOS_FRAMEWORK_ID is not set: a Mesos agent sets it
        MESOS_SLAVE_PID="slave(1)" names no agent: it is not of the form id@address:port
        MESOS_SLAVE_PID="slave(1)@agent:5051" names no agent: it has no IP address and port behind the @
        MESOS_RECOVERY_TIMEOUT="15m" is not a duration: its unit is none of ns, us, ms, secs, mins, hrs, days, weeks
        MESOS_DIRECTORY="sandbox" is not an absolute path
        MESOS_EXECUTOR_AUTHENTICATION_TOKEN can't be part of an HTTP header
        "#);
    }

    #[test]
    fn a_domain_socket_makes_https_irrelevant() {
        let env = ExecutorEnv::from_vars(&|name: &str| match name {
            "MESOS_DOMAIN_SOCKET" => Some(OsString::from("/run/agent.sock")),
            "LIBPROCESS_SSL_ENABLED" => Some(OsString::from("true")),
            _ => AGENT
                .iter()
                .find(|var| var.0 == name)
                .map(|var| var.1.into()),
        });
        assert!(
            env.unwrap()
                .endpoint
                .to_string()
                .contains("/run/agent.sock")
        );
    }

    #[test]
    fn a_variable_that_is_no_text_is_named() {
        let error = ExecutorEnv::from_vars(&|name: &str| match name {
            "MESOS_EXECUTOR_ID" => Some(OsString::from_vec(vec![0xff])),
            _ => AGENT
                .iter()
                .find(|var| var.0 == name)
                .map(|var| var.1.into()),
        });
        assert_eq!(
            error.unwrap_err().to_string(),
            "MESOS_EXECUTOR_ID is not valid UTF-8"
        );
    }
}

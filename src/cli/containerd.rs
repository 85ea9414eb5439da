//! Which containerd a command works with: `--containerd ADDRESS|auto|managed`.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Environment;
use super::exit::{self, CommandError};
use super::host_flags::HostFlags;
use crate::executor::config::Config;
use crate::executor::with_causes;
use crate::supervisor::managed::{self, Managed, ManagedError};

/// Where programs are, for who has no PATH; and what root's programs are added by.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What a containerd of our own has of our environment, beside PATH: proxies for its pulls.
const HANDED_ON: [&str; 8] = [
    "HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
/// Between two pictures of the spinner.
const TICK: Duration = Duration::from_millis(120);

/// What `--containerd` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ContainerdChoice {
    /// The one that runs; where none does, one of our own.
    #[default]
    Auto,
    /// One of our own, whatever runs.
    Managed,
    /// The one at this socket.
    Address(PathBuf),
}

impl FromStr for ContainerdChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "managed" => Self::Managed,
            address => Self::Address(plain(address)),
        })
    }
}

/// containerd's own tools write addresses as URLs.
fn plain(address: &str) -> PathBuf {
    address.strip_prefix("unix:").map_or_else(
        || PathBuf::from(address),
        |path| Path::new("/").join(path.trim_start_matches('/')),
    )
}

/// The containerd that a command works with, and what must be done when it is done.
#[derive(Debug)]
pub(super) struct Containerd {
    pub(super) socket: PathBuf,
    managed: Option<Managed>,
}

impl Containerd {
    /// Finds it, or starts it. With `auto`: the one that `CONTAINERD_ADDRESS` names, then the one that
    /// the configuration does; if neither listens, one of our own.
    pub(super) async fn open(
        host: &HostFlags,
        config: &Config,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        let elsewhere = |socket| {
            Ok(Self {
                socket,
                managed: None,
            })
        };
        match &host.containerd {
            ContainerdChoice::Address(socket) => return elsewhere(socket.clone()),
            ContainerdChoice::Auto => {
                let mut known = addresses(config, environment);
                if let Some(socket) = known.find(|socket| UnixStream::connect(socket).is_ok()) {
                    return elsewhere(socket);
                }
            }
            ContainerdChoice::Managed => {}
        }
        let folders = host.folders();
        let progress = Progress::start("starting a containerd of our own");
        let managed = Managed::open(&folders, &variables(environment)).await;
        drop(progress);
        Ok(Self {
            socket: Managed::socket(&folders),
            managed: Some(managed.map_err(|error| not_ready(host, config, environment, error))?),
        })
    }

    /// The one to clean up in, as far as no record names another. One of our own is started only
    /// where one has left something.
    pub(super) async fn open_for_cleanup(
        host: &HostFlags,
        config: &Config,
        environment: &Environment,
        dry_run: bool,
    ) -> Self {
        let folders = host.folders();
        let mut managed = None;
        if !dry_run && managed::is_wanted(&folders) {
            match Managed::open(&folders, &variables(environment)).await {
                Ok(opened) => managed = Some(opened),
                // What can be done without it is done.
                Err(error) => exit::warn(&format!("compose-executor: {}", with_causes(&error))),
            }
        }
        Self {
            socket: likely_socket(host, config, environment),
            managed,
        }
    }

    /// One of our own, for who wants to know how it ends.
    pub(super) fn into_managed(self) -> Option<Managed> {
        self.managed
    }

    /// Lets go of it: one of our own that nobody else uses ends.
    pub(super) async fn close(self) {
        if let Some(managed) = self.managed
            && let Err(error) = managed.close().await
        {
            exit::warn(&format!(
                "compose-executor: {}: `compose-executor cleanup` takes it away",
                with_causes(&error)
            ));
        }
    }
}

/// Where the containerd of a command would be, for who only asks it something: nothing is started.
pub(super) fn likely_socket(
    host: &HostFlags,
    config: &Config,
    environment: &Environment,
) -> PathBuf {
    let managed = || Managed::socket(&host.folders());
    match &host.containerd {
        ContainerdChoice::Address(socket) => socket.clone(),
        ContainerdChoice::Managed => managed(),
        ContainerdChoice::Auto => addresses(config, environment)
            .chain([managed()])
            .find(|socket| UnixStream::connect(socket).is_ok())
            .unwrap_or_else(|| config.containerd.address.clone()),
    }
}

fn addresses(config: &Config, environment: &Environment) -> impl Iterator<Item = PathBuf> {
    let named = environment
        .get("CONTAINERD_ADDRESS")
        .and_then(|address| address.to_str())
        .map(plain);
    named.into_iter().chain([config.containerd.address.clone()])
}

/// Tells, beside what went wrong, where nobody answered before.
fn not_ready(
    host: &HostFlags,
    config: &Config,
    environment: &Environment,
    error: ManagedError,
) -> CommandError {
    let tried: Vec<_> = addresses(config, environment)
        .map(|socket| socket.display().to_string())
        .collect();
    match host.containerd {
        ContainerdChoice::Auto => CommandError::NoContainerd {
            tried: tried.join(", "),
            source: error,
        },
        _ => CommandError::Managed(error),
    }
}

/// Where the programs are that a containerd of our own would run.
pub(super) fn search_path(environment: &Environment) -> OsString {
    let mut path = environment.get("PATH").cloned().unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    // Runtimes are in /usr/sbin, which a user's PATH may lack even when he is root.
    path.push(PATH);
    path
}

fn variables(environment: &Environment) -> Vec<(OsString, OsString)> {
    let handed_on = HANDED_ON
        .iter()
        .filter_map(|name| Some(((*name).into(), environment.get(name)?.clone())));
    handed_on
        .chain([("PATH".into(), search_path(environment))])
        .collect()
}

/// Shows people at a terminal that something takes its time.
#[derive(Debug)]
struct Progress(ProgressBar);

impl Progress {
    fn start(words: &'static str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{spinner} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::new_spinner()
            .with_style(style)
            .with_message(words);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(text: &str) -> ContainerdChoice {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_a_path_or_a_url() {
        assert_eq!(choice("auto"), ContainerdChoice::Auto);
        assert_eq!(choice("managed"), ContainerdChoice::Managed);
        for address in ["/run/c.sock", "unix:///run/c.sock", "unix:/run/c.sock"] {
            let socket = PathBuf::from("/run/c.sock");
            assert_eq!(
                choice(address),
                ContainerdChoice::Address(socket),
                "{address}"
            );
        }
    }

    #[test]
    fn the_environments_address_comes_before_the_configurations() {
        let named =
            |value: &str| Environment::new(vec![("CONTAINERD_ADDRESS".into(), value.into())]);
        let tried = |environment: &Environment| -> Vec<PathBuf> {
            addresses(&Config::default(), environment).collect()
        };
        let system = PathBuf::from("/run/containerd/containerd.sock");
        assert_eq!(tried(&named("")), std::slice::from_ref(&system));
        assert_eq!(tried(&named("unix:///a.sock")), ["/a.sock".into(), system]);
    }

    #[test]
    fn a_daemon_gets_few_variables() {
        let environment = Environment::new(vec![
            ("PATH".into(), "/opt/bin".into()),
            ("SECRET".into(), "x".into()),
            ("HTTPS_PROXY".into(), "http://proxy".into()),
        ]);
        let got = variables(&environment);
        let names: Vec<_> = got.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["HTTPS_PROXY", "PATH"]);
        let path = got[1].1.to_str().unwrap();
        assert!(path.starts_with("/opt/bin:/usr/local/sbin:"), "{path}");
    }
}

//! What others bring: containerd, the runtimes, the network's plugins.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::Check;
use crate::cli::Environment;
use crate::cli::containerd::{likely_socket, search_path};
use crate::cli::host_flags::HostFlags;
use crate::containerd::{Client, Namespace, Server};
use crate::executor::config::Config;
use crate::executor::with_causes;
use crate::supervisor::host::NAMESPACE;
use crate::supervisor::runtime::RuntimeChoice;
use crate::sys::cgroup::Hierarchies;
use crate::sys::process::Namespaces;

/// The oldest that is known to work.
const OLDEST: (u32, u32) = (1, 6);
/// Where distributions and CNI itself put plugins.
const PLUGIN_FOLDERS: [&str; 2] = ["/opt/cni/bin", "/usr/lib/cni"];
/// Those that a bridge network of our own needs.
const PLUGINS: [&str; 4] = ["bridge", "host-local", "loopback", "portmap"];
/// How long a program may take to tell its version.
const VERSION: Duration = Duration::from_secs(10);

pub(super) async fn checks(
    host: &HostFlags,
    config: &Config,
    environment: &Environment,
) -> Vec<Check> {
    let search = search_path(environment);
    let search: Vec<PathBuf> = std::env::split_paths(&search).collect();
    let socket = likely_socket(host, config, environment);
    let mut checks = vec![containerd(&socket, config, &search).await];
    checks.extend(runtimes(config.containerd.runtime, &search).await);
    checks.push(plugins());
    checks
}

async fn containerd(socket: &Path, config: &Config, search: &[PathBuf]) -> Check {
    const NAME: &str = "containerd";
    let Ok(namespace) = Namespace::from_str(NAMESPACE) else {
        return Check::bad(NAME, format!("{NAMESPACE} is no namespace"));
    };
    let client = match Client::connect(socket, namespace).await {
        Ok(client) => client,
        Err(error) => return no_containerd(&with_causes(&error), search),
    };
    let server = client.server();
    let found = format!("{} at {}", server.version, socket.display());
    if version(&server.version).is_none_or(|it| it < OLDEST) {
        return Check::bad(NAME, found).remedy("install containerd 1.6 or later");
    }
    let snapshotter = &config.containerd.snapshotter;
    if !server.snapshotters().any(|name| name == snapshotter) {
        let lacks = format!("{found} has no snapshotter \"{snapshotter}\"");
        let names: Vec<_> = server.snapshotters().collect();
        return Check::bad(NAME, lacks).remedy(format!(
            "set containerd.snapshotter in the configuration to one of: {}",
            names.join(", ")
        ));
    }
    match elsewhere(server) {
        Some(what) => Check::bad(NAME, format!("{found} {what}"))
            .remedy("run containerd and pods in the same mount and PID namespaces: the host's"),
        None => Check::good(NAME, found),
    }
}

/// Whether paths and processes mean something else to it than to us.
fn elsewhere(server: &Server) -> Option<String> {
    let pid = server.pid.and_then(|pid| u32::try_from(pid).ok());
    let Some(theirs) = pid.and_then(|pid| Namespaces::of(pid).ok()) else {
        return Some("does not tell its process".to_owned());
    };
    let ours = Namespaces::of_this_process().ok()?;
    let kinds = [
        ("mount", theirs.mount == ours.mount),
        ("PID", theirs.pid == ours.pid),
    ];
    let (kind, _) = kinds.into_iter().find(|(_, same)| !same)?;
    Some(format!("is in another {kind} namespace"))
}

fn no_containerd(error: &str, search: &[PathBuf]) -> Check {
    match find("containerd", search) {
        Some(program) => {
            Check::poor("containerd", format!("none answers: {error}")).remedy(format!(
                "start it; or let `up` start {} for itself. An executor never does",
                program.display()
            ))
        }
        None => Check::bad(
            "containerd",
            format!("none answers, and none is installed: {error}"),
        )
        .remedy("install containerd 1.6 or later (Debian: apt-get install containerd)"),
    }
}

async fn runtimes(choice: RuntimeChoice, search: &[PathBuf]) -> Vec<Check> {
    let held = Hierarchies::of_this_process()
        .ok()
        .filter(|hierarchies| !hierarchies.is_v2_only())
        .map(|hierarchies| hierarchies.unified_controllers())
        .filter(|controllers| !controllers.is_empty());
    let crun = installed("crun", search).await;
    let runc = installed("runc", search).await;
    vec![
        of_crun(crun.as_deref(), held.as_deref(), choice, runc.is_some()),
        of_runc(runc.as_deref(), choice, crun.is_some() && held.is_none()),
    ]
}

/// `held` are the controllers that version 2 has beside version 1: crun refuses such a host.
fn of_crun(
    crun: Option<&str>,
    held: Option<&str>,
    choice: RuntimeChoice,
    else_runc: bool,
) -> Check {
    let needed = choice == RuntimeChoice::Crun || !else_runc;
    let check = |found: String| {
        if needed && choice != RuntimeChoice::Runc {
            Check::bad("crun", found)
        } else {
            Check::poor("crun", found)
        }
    };
    match (crun, held) {
        (None, _) => check("is not installed".to_owned())
            .remedy("it starts containers in half of runc's time: apt-get install crun"),
        (Some(version), Some(held)) => check(format!(
            "{version} refuses this host: control groups of version 2 hold {held} beside version 1"
        ))
        .remedy(mounts(held)),
        (Some(version), None) => Check::good("crun", version),
    }
}

/// A hierarchy of version 1 for each controller takes it from version 2.
fn mounts(held: &str) -> String {
    let mount = |name: &str| {
        let place = format!("/sys/fs/cgroup/{name}");
        format!("mkdir -p {place} && mount -t cgroup -o {name} cgroup {place}")
    };
    let all: Vec<_> = held.split_whitespace().map(mount).collect();
    format!("at each boot, before containerd: {}", all.join(" && "))
}

fn of_runc(runc: Option<&str>, choice: RuntimeChoice, else_crun: bool) -> Check {
    match runc {
        Some(version) => Check::good("runc", version),
        None if choice != RuntimeChoice::Runc && else_crun => {
            Check::good("runc", "is not installed, and not needed: crun is")
        }
        None => Check::bad("runc", "is not installed").remedy("apt-get install runc"),
    }
}

fn plugins() -> Check {
    let is_there = |plugin: &&&str| {
        PLUGIN_FOLDERS
            .iter()
            .any(|folder| Path::new(folder).join(plugin).is_file())
    };
    let missing: Vec<_> = PLUGINS
        .iter()
        .filter(|plugin| !is_there(plugin))
        .copied()
        .collect();
    if missing.is_empty() {
        return Check::good("CNI plugins", PLUGINS.join(" "));
    }
    Check::poor("CNI plugins", format!("without {}", missing.join(", "))).remedy(
        "pods can't have networks of their own: apt-get install containernetworking-plugins",
    )
}

/// A program's version, if it is there and tells one.
async fn installed(program: &str, search: &[PathBuf]) -> Option<String> {
    let path = find(program, search)?;
    let output = Command::new(&path)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(VERSION, output).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // `runc version 1.1.5+ds1`.
    let version = text.lines().next()?.rsplit(' ').next()?;
    Some(format!("{version} at {}", path.display()))
}

fn find(program: &str, search: &[PathBuf]) -> Option<PathBuf> {
    let mut paths = search.iter().map(|folder| folder.join(program));
    paths.find(|path| path.is_file())
}

/// The first two numbers of `1.6.20~ds1`, `v2.1.9`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim_start_matches('v').split(['.', '~', '-', '+']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(version("1.6.20~ds1"), Some((1, 6)));
        assert_eq!(version("v2.1.9"), Some((2, 1)));
        assert_eq!(version("main"), None);
        assert!(version("1.10.0") > Some(OLDEST));
    }

    #[test]
    fn crun_on_a_hybrid_host_comes_with_its_remedy() {
        let check = of_crun(Some("1.8.1"), Some("hugetlb"), RuntimeChoice::Auto, true);
        assert_eq!(check.state, State::Warning);
        assert_eq!(
            check.remedy.as_deref(),
            Some(
                "at each boot, before containerd: mkdir -p /sys/fs/cgroup/hugetlb && mount -t cgroup -o hugetlb cgroup /sys/fs/cgroup/hugetlb"
            )
        );
        let check = of_crun(Some("1.8.1"), Some("hugetlb"), RuntimeChoice::Crun, true);
        assert_eq!(check.state, State::Failed);
        let check = of_crun(Some("1.8.1"), None, RuntimeChoice::Crun, false);
        assert_eq!(check.state, State::Ok);
    }

    #[test]
    fn one_runtime_is_enough() {
        assert_eq!(
            of_crun(None, None, RuntimeChoice::Auto, true).state,
            State::Warning
        );
        assert_eq!(
            of_crun(None, None, RuntimeChoice::Auto, false).state,
            State::Failed
        );
        assert_eq!(of_runc(None, RuntimeChoice::Auto, true).state, State::Ok);
        assert_eq!(
            of_runc(None, RuntimeChoice::Runc, true).state,
            State::Failed
        );
    }
}

//! The network namespace of a pod: made where the plan says so, joined where Mesos has made one.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::pod::plan::NetworkPlan;
use crate::sys::{PathError, netns, sysfs};

/// What Docker sets in a network of its own: any user may bind low ports and send pings, since
/// nobody else is there to be harmed.
const SYSCTLS: [(&str, &str); 2] = [
    ("net/ipv4/ip_unprivileged_port_start", "0"),
    ("net/ipv4/ping_group_range", "0 2147483647"),
];

/// Why there is no network for the pod.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("the pod's network namespace can't be made")]
    Create(#[source] PathError),
    #[error("the executor's network namespace can't be joined")]
    Join(#[source] PathError),
    #[error("the pod's network namespace can't be removed")]
    Remove(#[source] PathError),
    #[error("the addresses in the pod's network namespace can't be read")]
    Addresses(#[source] PathError),
    #[error("the pod's network namespace has no /sys that a service may write to")]
    Sys(#[source] PathError),
}

/// A pod's network, which is there.
#[derive(Clone, Debug)]
pub struct PodNetwork {
    plan: NetworkPlan,
}

impl PodNetwork {
    /// Makes what the plan wants. The folder of a namespace's path must be there.
    pub fn set_up(plan: &NetworkPlan) -> Result<Self, NetworkError> {
        match plan {
            NetworkPlan::Own { netns } => {
                netns::create(netns).map_err(NetworkError::Create)?;
                netns::within(netns, set_sysctls)
                    .and_then(|set| set)
                    .map_err(NetworkError::Create)?;
            }
            NetworkPlan::Executor { netns } => {
                fs::metadata(netns).map_err(|source| {
                    NetworkError::Join(PathError {
                        attempt: "find",
                        path: netns.clone(),
                        source,
                    })
                })?;
            }
            NetworkPlan::Host => {}
        }
        Ok(Self { plan: plan.clone() })
    }

    /// The namespace that the pod's containers join; none for the host's.
    pub fn netns(&self) -> Option<&Path> {
        self.plan.netns().map(PathBuf::as_path)
    }

    /// Takes away what [`Self::set_up`] made. What is gone already is no error.
    pub fn tear_down(&self) -> Result<(), NetworkError> {
        match &self.plan {
            NetworkPlan::Own { netns } => netns::remove(netns).map_err(NetworkError::Remove),
            NetworkPlan::Executor { .. } | NetworkPlan::Host => Ok(()),
        }
    }
}

/// By which addresses a pod is reached, where they are its own. Of a network that it shares with
/// its executor or its host, Mesos knows them itself.
pub fn addresses(plan: &NetworkPlan) -> Result<Vec<IpAddr>, NetworkError> {
    match plan {
        NetworkPlan::Own { netns } => netns::addresses(netns).map_err(NetworkError::Addresses),
        NetworkPlan::Executor { .. } | NetworkPlan::Host => Ok(Vec::new()),
    }
}

/// Makes the network's /sys writable for the services that mount it so, as long as the descriptor is
/// open; none where it is the host's, which is. Before any container is made: else the /sys of
/// whichever is first decides.
pub fn writable_sys(plan: &NetworkPlan) -> Result<Option<OwnedFd>, NetworkError> {
    let sys = plan.netns().map(|netns| {
        netns::within(netns, sysfs::detached)
            .and_then(|made| made)
            .map_err(NetworkError::Sys)
    });
    sys.transpose()
}

/// In the namespace of the calling thread: /proc/sys/net shows each its own.
fn set_sysctls() -> Result<(), PathError> {
    for (name, value) in SYSCTLS {
        let path = Path::new("/proc/sys").join(name);
        match fs::write(&path, value) {
            // Linux before 4.11 has no such setting.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.map_err(|source| PathError {
                attempt: "write",
                path,
                source,
            })?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_network_needs_nothing_made() {
        let network = PodNetwork::set_up(&NetworkPlan::Host).unwrap();
        assert_eq!(network.netns(), None);
        network.tear_down().unwrap();
    }

    #[test]
    fn a_namespace_that_mesos_made_is_joined_and_left_alone() {
        let netns = PathBuf::from("/proc/self/ns/net");
        let network = PodNetwork::set_up(&NetworkPlan::Executor {
            netns: netns.clone(),
        })
        .unwrap();
        assert_eq!(network.netns(), Some(netns.as_path()));
        network.tear_down().unwrap();
        assert!(netns.exists());
    }

    #[test]
    fn a_namespace_that_is_missing_is_named() {
        let netns = PathBuf::from("/proc/0/ns/net");
        let error = PodNetwork::set_up(&NetworkPlan::Executor { netns }).unwrap_err();
        let NetworkError::Join(source) = error else {
            panic!("{error:?}");
        };
        assert_eq!(source.to_string(), "cannot find /proc/0/ns/net");
    }
}

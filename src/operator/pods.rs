//! The pods of a host, and which of them somebody means.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::containerd::{Client, ConnectError, Namespace};
use crate::journal::{EndedPod, Folders, PodLock, ReadError, Record, ServiceRecord, Stored};
use crate::sys::process::{self, Identity, PidFd};
use crate::sys::{PathError, host};

/// A pod that has a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPod {
    pub record: Record,
    pub owner: OwnerState,
}

/// Whether the process that runs a pod lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerState {
    Alive,
    /// `cleanup` takes away what is left.
    Dead,
    /// It has taken the pod away, but for what it wrote.
    Ended,
}

/// Which pods are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    All,
    /// Each by its id, its task's id, or the beginning of either.
    Named(Vec<String>),
    /// Those of a project, wherever it is.
    Project(String),
    /// Those whose project is in this folder, or in the nearest one above that has any.
    Folder(PathBuf),
}

/// Why no pods can be told.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    #[error("the pods of this host can't be told")]
    Path(#[from] PathError),
    #[error(
        "no pod of this host has the id, the task or a prefix \"{word}\"; {}",
        there_are(pods)
    )]
    Unknown { word: String, pods: Vec<String> },
    #[error("\"{word}\" may mean more than one pod: {}", some(pods))]
    Ambiguous { word: String, pods: Vec<String> },
    #[error("no pod of the project \"{0}\" is on this host")]
    NoProject(String),
    #[error("no pod of a project in {} is on this host; --pod names any", .0.display())]
    NoFolder(PathBuf),
    #[error("no pod is on this host")]
    None,
    #[error("there is more than one pod, name one with --pod: {}", some(.0))]
    Many(Vec<String>),
    #[error("the pod {pod} has no service \"{service}\"; it has {}", known.join(", "))]
    Service {
        pod: String,
        service: String,
        known: Vec<String>,
    },
    #[error("none of the pods has a service \"{service}\"; {}", they_have(known))]
    ServiceOfNone {
        service: String,
        known: BTreeSet<String>,
    },
}

/// Why a pod's containerd can't be asked.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    #[error("the pod's record names no namespace of containerd's: \"{0}\"")]
    Namespace(String),
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// All pods that have a record, the oldest first, and the records that can't be read.
pub fn all(folders: &Folders) -> Result<(Vec<HostPod>, Vec<ReadError>), PathError> {
    let (mut pods, mut unreadable) = (Vec::new(), Vec::new());
    for id in folders.recorded()? {
        match Record::read(&folders.record(&id), &id) {
            Ok(Some(Stored::Known(record))) => {
                let owner = if PodLock::is_held(&folders.lock(&id))? {
                    OwnerState::Alive
                } else {
                    OwnerState::Dead
                };
                let record = *record;
                pods.push(HostPod { record, owner });
            }
            // Gone since it was listed, or of a later version: not ours to show.
            Ok(None | Some(Stored::Newer { .. })) => {}
            Err(error) => unreadable.push(error),
        }
    }
    pods.sort_by(|one, other| {
        let key = |pod: &HostPod| (pod.record.created, pod.record.pod.as_str().to_owned());
        key(one).cmp(&key(other))
    });
    Ok((pods, unreadable))
}

/// The pods that are over, but for what they wrote; the one that ended last first.
pub fn ended(folders: &Folders) -> Result<Vec<HostPod>, PathError> {
    let pods = EndedPod::all(folders)?.into_iter().map(|ended| HostPod {
        record: ended.record,
        owner: OwnerState::Ended,
    });
    Ok(pods.collect())
}

/// That one of these pods at least has a service of this name.
pub fn one_has(pods: &[HostPod], service: &str) -> Result<(), SelectError> {
    match pods {
        [pod] => pod.service(service).map(drop),
        pods if pods.iter().any(|pod| pod.service(service).is_ok()) => Ok(()),
        pods => Err(SelectError::ServiceOfNone {
            service: service.to_owned(),
            known: pods.iter().flat_map(HostPod::services).collect(),
        }),
    }
}

impl Selector {
    /// Those of the pods that are meant.
    ///
    /// # Errors
    /// If a word means none of them, or more than one. A project without pods is no error.
    pub fn of(&self, pods: Vec<HostPod>) -> Result<Vec<HostPod>, SelectError> {
        let keep = |wanted: &dyn Fn(&Record) -> bool| -> Vec<HostPod> {
            let kept = pods.iter().filter(|pod| wanted(&pod.record));
            kept.cloned().collect()
        };
        match self {
            Self::All => Ok(pods),
            Self::Project(name) => Ok(keep(&|record| record.project == *name)),
            Self::Folder(folder) => {
                let real = real(folder);
                let mut above = real.ancestors();
                let nearest = above.find_map(|folder| {
                    let kept = keep(&|record| self::real(&record.sandbox) == folder);
                    (!kept.is_empty()).then_some(kept)
                });
                Ok(nearest.unwrap_or_default())
            }
            Self::Named(words) => {
                let mut named: Vec<HostPod> = Vec::new();
                for word in words {
                    let pod = one(&pods, word)?;
                    if !named.contains(pod) {
                        named.push(pod.clone());
                    }
                }
                Ok(named)
            }
        }
    }

    /// The one pod that is meant.
    pub fn one_of(&self, pods: Vec<HostPod>) -> Result<HostPod, SelectError> {
        let mut meant = self.of(pods)?;
        match (meant.len(), self) {
            (0, Self::Project(name)) => Err(SelectError::NoProject(name.clone())),
            (0, Self::Folder(folder)) => Err(SelectError::NoFolder(folder.clone())),
            (0, _) => Err(SelectError::None),
            (1, _) => Ok(meant.remove(0)),
            _ => Err(SelectError::Many(titles(&meant))),
        }
    }
}

/// A whole id means its pod even where it begins another's.
fn one<'a>(pods: &'a [HostPod], word: &str) -> Result<&'a HostPod, SelectError> {
    let find = |wanted: &dyn Fn(&str) -> bool| -> Vec<&'a HostPod> {
        pods.iter()
            .filter(|pod| wanted(pod.record.pod.as_str()) || wanted(&pod.record.task))
            .collect()
    };
    let exact = find(&|name| name == word);
    let found = if exact.is_empty() && !word.is_empty() {
        find(&|name| name.starts_with(word))
    } else {
        exact
    };
    match found.as_slice() {
        [] => Err(SelectError::Unknown {
            word: word.to_owned(),
            pods: titles(pods),
        }),
        [pod] => Ok(pod),
        many => Err(SelectError::Ambiguous {
            word: word.to_owned(),
            pods: many.iter().map(|pod| pod.title()).collect(),
        }),
    }
}

/// The same folder without links; a folder that is gone stays as it was called.
fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// How many pods an error names.
const NAMED: usize = 10;

fn some(pods: &[String]) -> String {
    let named = pods[..pods.len().min(NAMED)].join(", ");
    match pods.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more; `ps -A` lists all"),
    }
}

fn there_are(pods: &[String]) -> String {
    match pods {
        [] => "there is none".to_owned(),
        pods => format!("there are: {}", some(pods)),
    }
}

fn they_have(services: &BTreeSet<String>) -> String {
    if services.is_empty() {
        return "there is no pod".to_owned();
    }
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    format!("they have {}", services.join(", "))
}

fn titles(pods: &[HostPod]) -> Vec<String> {
    pods.iter().map(HostPod::title).collect()
}

impl HostPod {
    /// The pod's id and its task's.
    pub fn title(&self) -> String {
        format!("{} ({})", self.record.pod, self.record.task)
    }

    pub fn service(&self, service: &str) -> Result<&ServiceRecord, SelectError> {
        let mut services = self.record.services.iter();
        services
            .find(|known| known.service == service)
            .ok_or_else(|| SelectError::Service {
                pod: self.title(),
                service: service.to_owned(),
                known: self.services(),
            })
    }

    /// The names of its services, in the order of the file.
    pub fn services(&self) -> Vec<String> {
        let services = self.record.services.iter();
        services.map(|service| service.service.clone()).collect()
    }

    /// The process that runs it, held; none if it is dead.
    pub(super) fn hold_owner(&self) -> Result<Option<PidFd>, process::Error> {
        if self.owner != OwnerState::Alive {
            return Ok(None);
        }
        let maker = &self.record.maker;
        let held = match PidFd::open(maker.pid) {
            Err(error) if error.is_gone() => return Ok(None),
            held => held?,
        };
        // Looked at after the descriptor was taken: the number can't have been given to another
        // since.
        let identity = Identity {
            pid: maker.pid,
            start_time: maker.start_time,
        };
        let is_of_this_boot = host::boot_id().is_ok_and(|boot| boot == maker.boot);
        Ok((is_of_this_boot && identity.is_alive()).then_some(held))
    }

    /// The containerd that its containers are in.
    pub async fn connect(&self) -> Result<Client, ReachError> {
        connect(
            &self.record.containerd.socket,
            &self.record.containerd.namespace,
        )
        .await
    }
}

/// A client of this containerd.
pub(super) async fn connect(socket: &Path, namespace: &str) -> Result<Client, ReachError> {
    let namespace =
        Namespace::from_str(namespace).map_err(|_| ReachError::Namespace(namespace.to_owned()))?;
    Ok(Client::connect(socket, namespace).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::example_record;
    use crate::pod::names::PodId;

    fn pod(id: &str, task: &str, folder: &str) -> HostPod {
        let mut record = example_record(&PodId::try_from(id).unwrap());
        task.clone_into(&mut record.task);
        record.sandbox = folder.into();
        HostPod {
            record,
            owner: OwnerState::Alive,
        }
    }

    fn three() -> Vec<HostPod> {
        vec![
            pod("0123456789ab", "web-1", "/a"),
            pod("0123ffffffff", "web-12", "/b"),
            pod("fedcba987654", "db", "/a"),
        ]
    }

    fn named(word: &str) -> Result<String, SelectError> {
        let selector = Selector::Named(vec![word.to_owned()]);
        selector.of(three()).map(|pods| pods[0].record.task.clone())
    }

    #[test]
    fn a_pod_is_meant_by_its_id_its_task_or_a_prefix() {
        assert_eq!(named("fedcba987654").unwrap(), "db");
        assert_eq!(named("fe").unwrap(), "db");
        assert_eq!(named("web-1").unwrap(), "web-1", "though web-12 begins so");
        assert_eq!(named("web-12").unwrap(), "web-12");
        assert!(
            matches!(named("0123"), Err(SelectError::Ambiguous { pods, .. }) if pods.len() == 2)
        );
        for word in ["nope", ""] {
            assert!(matches!(named(word), Err(SelectError::Unknown { .. })));
        }
    }

    #[test]
    fn a_word_that_does_not_mean_one_pod_is_told_with_those_it_may_mean() {
        let told = |word| named(word).unwrap_err().to_string();
        insta::assert_snapshot!(told("0123"), @r#""0123" may mean more than one pod: 0123456789ab (web-1), 0123ffffffff (web-12)"#);
        insta::assert_snapshot!(told("nope"), @r#"no pod of this host has the id, the task or a prefix "nope"; there are: 0123456789ab (web-1), 0123ffffffff (web-12), fedcba987654 (db)"#);
        let selector = Selector::Named(vec!["x".to_owned()]);
        let none = selector.of(Vec::new()).unwrap_err().to_string();
        assert!(none.ends_with("; there is none"), "{none}");
        let many: Vec<_> = (0..12)
            .map(|n| pod(&format!("{n:012x}"), "t", "/a"))
            .collect();
        let many = selector.of(many).unwrap_err().to_string();
        assert!(
            many.ends_with("(t) and 2 more; `ps -A` lists all"),
            "{many}"
        );
    }

    #[test]
    fn a_project_is_meant_by_its_name_or_its_folder() {
        let in_a = Selector::Folder("/a".into());
        assert_eq!(in_a.of(three()).unwrap().len(), 2);
        let below_b = Selector::Folder("/b/src/deep".into());
        assert_eq!(below_b.one_of(three()).unwrap().record.task, "web-12");
        let elsewhere = Selector::Folder("/c".into());
        assert!(matches!(
            elsewhere.one_of(three()),
            Err(SelectError::NoFolder(_))
        ));
        assert_eq!(
            Selector::Project("web".to_owned())
                .of(three())
                .unwrap()
                .len(),
            3
        );
        let none = Selector::Project("other".to_owned()).one_of(three());
        assert!(matches!(none, Err(SelectError::NoProject(_))));
        assert!(matches!(in_a.one_of(three()), Err(SelectError::Many(_))));
    }

    #[test]
    fn a_service_that_is_not_there_is_told_with_those_that_are() {
        let pod = pod("0123456789ab", "web-1", "/a");
        assert_eq!(pod.service("web").unwrap().service, "web");
        let error = pod.service("wbe").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the pod 0123456789ab (web-1) has no service \"wbe\"; it has web"
        );
        assert!(one_has(&three(), "web").is_ok());
        let told = |pods: &[HostPod]| one_has(pods, "wbe").unwrap_err().to_string();
        assert_eq!(told(&[pod]), error.to_string());
        insta::assert_snapshot!(told(&three()), @r#"none of the pods has a service "wbe"; they have web"#);
        insta::assert_snapshot!(told(&[]), @r#"none of the pods has a service "wbe"; there is no pod"#);
    }
}

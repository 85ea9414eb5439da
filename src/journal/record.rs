//! The record of a pod: what it is, whose, and by which names its parts are found.
//!
//! It is complete before anything is made and holds no secret. Readers pass over fields they don't
//! know; a record of a newer schema is read as far as [`Stored::Newer`] goes, and kept.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::folders::failed;
use crate::pod::names::{CgroupPath, PodId};
use crate::pod::plan::PodPlan;
use crate::sys::{PathError, durable, host, process};

/// The schema that is written and read.
pub const SCHEMA: u32 = 1;

/// Who a pod is run for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// None for `up`.
    pub mesos: Option<MesosRecord>,
    /// The folder that the project's relative paths are meant in.
    pub sandbox: PathBuf,
    /// Whether the cgroup that pods are put below is ours to remove when it is empty.
    pub base_is_ours: bool,
    /// The hierarchies where it is not, since Mesos has made it there:
    /// [`owned_by_launcher`](crate::sys::cgroup::Hierarchies::owned_by_launcher).
    pub base_others: Vec<String>,
}

/// A pod's record, as it is on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub schema: u32,
    #[serde(with = "pod_id")]
    pub pod: PodId,
    /// The task's id, or the project's name.
    pub task: String,
    pub project: String,
    /// Seconds since 1970.
    pub created: u64,
    pub maker: Maker,
    pub mesos: Option<MesosRecord>,
    pub sandbox: PathBuf,
    /// The folder of the services' own logs; none where no service keeps one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<PathBuf>,
    pub cgroup: CgroupRecord,
    pub containerd: ContainerdRecord,
    /// In the order of the file.
    pub services: Vec<ServiceRecord>,
}

/// The process that runs the pod. The lock tells whether it lives; this is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    pub boot: String,
    pub pid: u32,
    /// In clock ticks since boot.
    pub start_time: u64,
    pub version: String,
}

/// What Mesos calls the pod's executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MesosRecord {
    pub framework: String,
    pub executor: String,
    pub container: String,
}

/// Where the pod's processes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupRecord {
    /// The pod's cgroup, in every hierarchy.
    pub pod: String,
    /// The one above it, if that is to be removed with the last pod in it.
    pub base: Option<String>,
    /// The hierarchies where the one above is someone else's.
    pub others: Vec<String>,
}

/// Where the pod's objects are, and what holds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerdRecord {
    pub socket: PathBuf,
    pub namespace: String,
    pub snapshotter: String,
    pub lease: String,
    /// The pause container; its id is also the name of the shim's group and of the sandbox.
    pub pause: String,
}

/// A service's container. Its snapshot has the container's id for a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    pub service: String,
    pub container: String,
    pub image: String,
    pub cgroup: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What a record's file has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    Known(Box<Record>),
    /// Written by a later version: where its processes are is all that is taken from it.
    Newer {
        schema: u32,
        cgroup: Option<String>,
    },
}

/// Why a record can't be read. One that is not there is no error.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("{} is no record", path.display())]
    Parse {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{} names the cgroup \"{cgroup}\", which is not the pod's", path.display())]
    Cgroup { path: PathBuf, cgroup: String },
}

impl Record {
    /// The record of a pod that this process is about to make.
    pub fn of(
        plan: &PodPlan,
        owner: Owner,
        socket: &Path,
        namespace: &str,
        snapshotter: &str,
    ) -> Result<Self, PathError> {
        let pod = plan.sandbox.cgroup.as_str();
        let base = pod.rsplit_once('/').map(|(base, _)| base.to_owned());
        let services = plan.containers.iter().map(|container| ServiceRecord {
            service: container.service.value.clone(),
            container: container.id.to_string(),
            image: container.image.value.clone(),
            cgroup: container.cgroup.to_string(),
            labels: container.labels.clone(),
        });
        Ok(Self {
            schema: SCHEMA,
            pod: plan.id.clone(),
            task: plan.task.clone(),
            project: plan.project.clone(),
            created: now().as_secs(),
            maker: Maker::this_process()?,
            mesos: owner.mesos,
            sandbox: owner.sandbox,
            logs: plan.logs.clone(),
            cgroup: CgroupRecord {
                pod: pod.to_owned(),
                base: base.filter(|_| owner.base_is_ours),
                others: owner.base_others,
            },
            containerd: ContainerdRecord {
                socket: socket.to_owned(),
                namespace: namespace.to_owned(),
                snapshotter: snapshotter.to_owned(),
                lease: Self::lease_of(&plan.id),
                pause: plan.sandbox.id.to_string(),
            },
            services: services.collect(),
        })
    }

    /// The one lease of a pod.
    pub fn lease_of(pod: &PodId) -> String {
        format!("pod-{pod}")
    }

    /// The ids of the pod's containers, services first, pause last: the order in which they go.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        let services = self
            .services
            .iter()
            .map(|service| service.container.as_str());
        services.chain([self.containerd.pause.as_str()])
    }

    /// Reads a pod's record; none where there is none.
    ///
    /// # Errors
    /// Also if the record names a cgroup that no pod of this id can have: it would be killed.
    pub fn read(path: &Path, pod: &PodId) -> Result<Option<Stored>, ReadError> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(|source| failed("read", path, source))?,
        };
        let stored = Self::parse(&text).map_err(|source| ReadError::Parse {
            path: path.to_owned(),
            source,
        })?;
        let cgroup = match &stored {
            Stored::Known(record) => Some(&record.cgroup.pod),
            Stored::Newer { cgroup, .. } => cgroup.as_ref(),
        };
        match cgroup {
            Some(cgroup) if !is_pods_cgroup(cgroup, pod) => Err(ReadError::Cgroup {
                path: path.to_owned(),
                cgroup: cgroup.clone(),
            }),
            _ => Ok(Some(stored)),
        }
    }

    fn parse(text: &[u8]) -> serde_json::Result<Stored> {
        let envelope: Envelope = serde_json::from_slice(text)?;
        if envelope.schema > SCHEMA {
            return Ok(Stored::Newer {
                schema: envelope.schema,
                cgroup: envelope.cgroup.and_then(|cgroup| cgroup.pod),
            });
        }
        serde_json::from_slice(text).map(|record| Stored::Known(Box::new(record)))
    }

    /// Writes the record, to the disk.
    pub(super) fn write(&self, path: &Path) -> Result<(), PathError> {
        let mut text = serde_json::to_vec_pretty(self).expect("a record is plain data");
        text.push(b'\n');
        durable::write(path, &text, 0o600)
    }
}

impl Maker {
    fn this_process() -> Result<Self, PathError> {
        let identity = process::Identity::of_this_process();
        Ok(Self {
            boot: host::boot_id()?,
            pid: std::process::id(),
            // Without /proc there would have been no boot id.
            start_time: identity.map(|own| own.start_time).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}

/// What every schema has, now and later.
#[derive(Deserialize)]
struct Envelope {
    schema: u32,
    #[serde(default)]
    cgroup: Option<CgroupEnvelope>,
}

#[derive(Deserialize)]
struct CgroupEnvelope {
    #[serde(default)]
    pod: Option<String>,
}

fn is_pods_cgroup(path: &str, pod: &PodId) -> bool {
    CgroupPath::try_from(path).is_ok() && path.ends_with(&format!("/pod-{pod}"))
}

pub(super) fn now() -> std::time::Duration {
    // A clock that is set before 1970 is no reason not to write a record.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

mod pod_id {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::pod::names::PodId;

    pub(super) fn serialize<S: Serializer>(pod: &PodId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(pod.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PodId, D::Error> {
        let text = String::deserialize(from)?;
        PodId::try_from(text.as_str()).map_err(serde::de::Error::custom)
    }
}

/// A record for tests.
#[cfg(test)]
pub(crate) fn example(pod: &PodId) -> Record {
    Record {
        schema: SCHEMA,
        pod: pod.clone(),
        task: "web-42".to_owned(),
        project: "web".to_owned(),
        created: 1_700_000_000,
        maker: Maker {
            boot: "b".to_owned(),
            pid: 7,
            start_time: 8,
            version: "0".to_owned(),
        },
        mesos: None,
        sandbox: "/sandbox".into(),
        logs: None,
        cgroup: CgroupRecord {
            pod: format!("/mesos/c/pod-{pod}"),
            base: Some("/mesos/c".to_owned()),
            others: vec!["freezer".to_owned()],
        },
        containerd: ContainerdRecord {
            socket: "/run/containerd/containerd.sock".into(),
            namespace: "compose-executor".to_owned(),
            snapshotter: "overlayfs".to_owned(),
            lease: Record::lease_of(pod),
            pause: format!("pod-{pod}"),
        },
        services: vec![ServiceRecord {
            service: "web".to_owned(),
            container: format!("web-42-{pod}.web"),
            image: "docker.io/library/nginx:1".to_owned(),
            cgroup: format!("/mesos/c/pod-{pod}/svc-web"),
            labels: BTreeMap::new(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> PodId {
        PodId::try_from("0123456789ab").unwrap()
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        assert_eq!(Record::read(&path, &pod()).unwrap(), None);
        let record = example(&pod());
        record.write(&path).unwrap();
        let read = Record::read(&path, &pod()).unwrap();
        assert_eq!(read, Some(Stored::Known(Box::new(record))));
    }

    #[test]
    fn the_shape_on_disk_is_this() {
        let mut record = example(&pod());
        record.mesos = Some(MesosRecord {
            framework: "f".to_owned(),
            executor: "e".to_owned(),
            container: "c".to_owned(),
        });
        insta::assert_json_snapshot!(record, @r#"
        {
          "schema": 1,
          "pod": "0123456789ab",
          "task": "web-42",
          "project": "web",
          "created": 1700000000,
          "maker": {
            "boot": "b",
            "pid": 7,
            "start_time": 8,
            "version": "0"
          },
          "mesos": {
            "framework": "f",
            "executor": "e",
            "container": "c"
          },
          "sandbox": "/sandbox",
          "cgroup": {
            "pod": "/mesos/c/pod-0123456789ab",
            "base": "/mesos/c",
            "others": [
              "freezer"
            ]
          },
          "containerd": {
            "socket": "/run/containerd/containerd.sock",
            "namespace": "compose-executor",
            "snapshotter": "overlayfs",
            "lease": "pod-0123456789ab",
            "pause": "pod-0123456789ab"
          },
          "services": [
            {
              "service": "web",
              "container": "web-42-0123456789ab.web",
              "image": "docker.io/library/nginx:1",
              "cgroup": "/mesos/c/pod-0123456789ab/svc-web"
            }
          ]
        }
        "#);
    }

    #[test]
    fn of_a_newer_schema_only_the_cgroup_is_taken() {
        let text =
            br#"{"schema": 2, "cgroup": {"pod": "/x/pod-0123456789ab", "new": 1}, "pod": 5}"#;
        assert_eq!(
            Record::parse(text).unwrap(),
            Stored::Newer {
                schema: 2,
                cgroup: Some("/x/pod-0123456789ab".to_owned())
            }
        );
        assert!(Record::parse(br#"{"schema": 3, "cgroup": null}"#).is_ok());
        assert!(Record::parse(b"{}").is_err());
    }

    #[test]
    fn a_cgroup_that_is_not_the_pods_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        for cgroup in [
            "/",
            "/system.slice",
            "/a/../pod-0123456789ab",
            "pod-0123456789ab",
        ] {
            let mut record = example(&pod());
            cgroup.clone_into(&mut record.cgroup.pod);
            record.write(&path).unwrap();
            let error = Record::read(&path, &pod()).unwrap_err();
            assert!(matches!(error, ReadError::Cgroup { .. }), "{cgroup}");
        }
    }
}

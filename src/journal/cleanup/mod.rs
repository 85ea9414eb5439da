//! `compose-executor cleanup`: takes away what dead owners left on the host.
//!
//! A pod whose lock is held is alive and is not touched, whatever it looks like. For any other the
//! record tells what to look for; each thing that is found is removed, in an order in which nothing
//! can come back: processes, containerd's objects, shims, mounts, folders, cgroups, and last the
//! record. All of it may have happened before or be done by somebody else meanwhile: what is not
//! there any more is success. What fails is told and does not keep the rest from being done; the
//! record stays then, for the next run.

mod findings;
mod pod;
mod report;
mod runtime;
mod shims;
mod sweep;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::folders::Folders;
use super::lock::{LockError, PodLock};
use crate::pod::names::PodId;
use crate::sys::cgroup::Hierarchies;

use findings::{Findings, blocking, chain};
use pod::PodCleanup;

pub use report::{CleanedPod, Kind, Outcome, PodState, Remnant, Report};
pub use runtime::{Connect, Marked, Object, Runtime};

/// What to clean up, and how.
#[derive(Clone, Debug)]
pub struct Options {
    pub folders: Folders,
    /// Tell what would be removed, and leave it.
    pub dry_run: bool,
    /// These pods only; all where there is none.
    pub pods: Vec<PodId>,
    /// Look in this containerd for objects of ours that no record names.
    pub sweep: Option<Sweep>,
    /// After so long no further pod is begun.
    pub within: Duration,
    /// Where shims keep their sockets and runtimes their state; `/run/containerd`.
    pub shim_state: PathBuf,
}

impl Options {
    pub fn new(folders: Folders) -> Self {
        Self {
            folders,
            dry_run: false,
            pods: Vec::new(),
            sweep: None,
            within: Duration::from_mins(5),
            shim_state: PathBuf::from("/run/containerd"),
        }
    }
}

/// The containerd to sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    pub socket: PathBuf,
    pub namespace: String,
}

/// Cleans up, and tells of every pod that there was anything of.
pub async fn run<C: Connect>(options: &Options, connect: &C) -> Report {
    let mut report = Report::new(options.dry_run);
    let cgroups = match Hierarchies::of_this_process() {
        Ok(cgroups) => cgroups,
        Err(error) => {
            report.errors.push(chain(&error));
            return report;
        }
    };
    let pods = match options.folders.all_pods() {
        Ok(pods) => pods,
        Err(error) => {
            report.errors.push(chain(&error));
            return report;
        }
    };
    let end = Instant::now() + options.within;
    let chosen = |pod: &PodId| options.pods.is_empty() || options.pods.contains(pod);
    let pods = pods.into_iter().filter(chosen).collect();
    // Most are alive, and each executor looks at all of a host: that takes one look.
    for (pod, live) in tell_live(options.folders.clone(), pods).await {
        let cleaned = match live {
            Some(live) => live,
            None if Instant::now() >= end => CleanedPod::postponed(&pod),
            None => clean_one(options, connect, &cgroups, &pod).await,
        };
        report.pods.push(cleaned);
    }
    if let Some(sweep) = &options.sweep {
        match sweep::run(options, connect, sweep).await {
            Ok(orphans) => report.orphans = orphans,
            Err(error) => report.errors.push(error),
        }
    }
    report
}

/// Which pods have an owner who would take them away himself. In doubt it has to be found out.
async fn tell_live(folders: Folders, pods: Vec<PodId>) -> Vec<(PodId, Option<CleanedPod>)> {
    blocking(move || {
        let tell = |pod: PodId| {
            let held = PodLock::is_held(&folders.lock(&pod)).unwrap_or(false);
            let live = held.then(|| CleanedPod::live(&folders, &pod));
            (pod, live)
        };
        pods.into_iter().map(tell).collect()
    })
    .await
}

/// Holding the pod's lock keeps another cleanup from it, and shows that it has no owner. A dry run
/// only asks: it makes no file.
async fn clean_one<C: Connect>(
    options: &Options,
    connect: &C,
    cgroups: &Hierarchies,
    pod: &PodId,
) -> CleanedPod {
    let folders = options.folders.clone();
    let dry_run = options.dry_run;
    let path = folders.lock(pod);
    let owner = blocking(move || {
        if dry_run {
            let held = PodLock::is_held(&path).map_err(|error| chain(&error))?;
            return Ok(if held {
                OwnerState::Lives
            } else {
                OwnerState::Dead(None)
            });
        }
        folders.ensure().map_err(|error| chain(&error))?;
        match PodLock::acquire(&path) {
            Ok(lock) => Ok(OwnerState::Dead(Some(lock))),
            Err(LockError::Held(_)) => Ok(OwnerState::Lives),
            Err(error) => Err(chain(&error)),
        }
    });
    match owner.await {
        Ok(OwnerState::Dead(lock)) => {
            let cleanup = PodCleanup {
                options,
                connect,
                cgroups,
                pod,
                findings: Findings::new(options.dry_run),
            };
            cleanup.run(lock).await
        }
        Ok(OwnerState::Lives) => CleanedPod::live(&options.folders, pod),
        Err(error) => {
            let mut findings = Findings::new(options.dry_run);
            findings.failed(Kind::Lock, options.folders.lock(pod).display(), error);
            CleanedPod::of(pod, None, findings)
        }
    }
}

/// Whether a pod has somebody who would take it away himself.
enum OwnerState {
    Lives,
    /// With the lock, if it was taken.
    Dead(Option<PodLock>),
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use super::super::record::{Record, example};
    use super::super::step::Step;
    use super::super::writer::Journal;
    use super::*;

    /// A containerd of a few objects. What is removed is struck off, unless it is stuck.
    #[derive(Clone, Default)]
    struct Fake {
        objects: Arc<Mutex<Vec<Object>>>,
        removed: Arc<Mutex<Vec<String>>>,
        stuck: Arc<Mutex<Option<Object>>>,
        orphans: Vec<Marked>,
        down: bool,
    }

    impl Runtime for Fake {
        type Error = io::Error;

        async fn exists(&self, object: &Object) -> io::Result<bool> {
            Ok(self.objects.lock().unwrap().contains(object))
        }

        async fn remove(&self, object: &Object) -> io::Result<()> {
            if self.stuck.lock().unwrap().as_ref() == Some(object) {
                return Err(io::Error::other("stuck"));
            }
            self.objects.lock().unwrap().retain(|it| it != object);
            let name = format!("{} {object}", object.kind());
            self.removed.lock().unwrap().push(name);
            Ok(())
        }

        async fn marked(&self, _: &str) -> io::Result<Vec<Marked>> {
            Ok(self.orphans.clone())
        }
    }

    impl Connect for Fake {
        type Runtime = Self;
        type Error = io::Error;

        async fn connect(&self, _: &Path, namespace: &str) -> io::Result<Self> {
            assert_eq!(namespace, "compose-executor");
            if self.down {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Ok(self.clone())
        }
    }

    struct Host {
        _base: tempfile::TempDir,
        options: Options,
        fake: Fake,
    }

    const POD: &str = "0123456789ab";

    fn pod() -> PodId {
        PodId::try_from(POD).unwrap()
    }

    /// The record of a pod in cgroups that no host has.
    fn record() -> Record {
        let mut record = example(&pod());
        record.cgroup.pod = format!("/compose-executor-unit-test/pod-{POD}");
        record.cgroup.base = None;
        record.services[0].cgroup = format!("{}/svc-web", record.cgroup.pod);
        record
    }

    impl Host {
        fn new() -> Self {
            let base = tempfile::tempdir().unwrap();
            let folders = Folders::new(base.path().join("root"), base.path().join("state"));
            folders.ensure().unwrap();
            let shim_state = base.path().join("containerd");
            let options = Options {
                shim_state,
                ..Options::new(folders)
            };
            Self {
                _base: base,
                options,
                fake: Fake::default(),
            }
        }

        /// A pod whose owner has made everything; it dies when the journal is dropped.
        fn with_pod(self) -> (Self, Journal) {
            let folders = &self.options.folders;
            let journal = Journal::create(folders, record()).unwrap();
            let image = Step::Image {
                name: "sandbox/web:1".to_owned(),
            };
            journal.intent(&image).unwrap();
            fs::create_dir_all(folders.pod_state(&pod()).join("io/0")).unwrap();
            let web = format!("web-42-{POD}.web");
            let pause = format!("pod-{POD}");
            let snapshot = Object::Snapshot {
                snapshotter: "overlayfs".to_owned(),
                key: web.clone(),
            };
            *self.fake.objects.lock().unwrap() = vec![
                Object::Lease(pause.clone()),
                Object::Image("sandbox/web:1".to_owned()),
                snapshot,
                Object::Container(pause.clone()),
                Object::Container(web.clone()),
                Object::Task(pause),
                Object::Task(web),
            ];
            (self, journal)
        }

        fn clean(&self) -> Report {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(run(&self.options, &self.fake))
        }

        fn is_empty(&self) -> bool {
            self.options.folders.all_pods().unwrap().is_empty()
                && self.fake.objects.lock().unwrap().is_empty()
        }
    }

    #[test]
    fn a_dead_pod_goes_in_an_order_in_which_it_can() {
        let (host, journal) = Host::new().with_pod();
        drop(journal);
        let report = host.clean();
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.pods[0].state, PodState::Removed);
        assert_eq!(
            *host.fake.removed.lock().unwrap(),
            [
                "task web-42-0123456789ab.web",
                "task pod-0123456789ab",
                "container web-42-0123456789ab.web",
                "container pod-0123456789ab",
                "snapshot web-42-0123456789ab.web",
                "image sandbox/web:1",
                "lease pod-0123456789ab",
            ]
        );
        assert!(host.is_empty());
        assert_eq!(host.clean().pods, []);
    }

    #[test]
    fn a_live_pod_is_left_alone() {
        let (host, journal) = Host::new().with_pod();
        let report = host.clean();
        assert_eq!(report.pods[0].state, PodState::Live);
        assert_eq!(report.pods[0].task.as_deref(), Some("web-42"));
        assert!(report.is_complete() && !report.has_remnants());
        assert_eq!(host.fake.objects.lock().unwrap().len(), 7);
        drop(journal);
    }

    #[test]
    fn a_failure_keeps_the_record_and_nothing_else() {
        let (host, journal) = Host::new().with_pod();
        drop(journal);
        let stuck = Object::Container(format!("pod-{POD}"));
        *host.fake.stuck.lock().unwrap() = Some(stuck.clone());
        let report = host.clean();
        assert_eq!(report.pods[0].state, PodState::Incomplete);
        assert_eq!(*host.fake.objects.lock().unwrap(), [stuck]);
        assert!(host.options.folders.record(&pod()).exists());
        assert!(!host.options.folders.pod_state(&pod()).exists());

        *host.fake.stuck.lock().unwrap() = None;
        assert!(host.clean().is_complete());
        assert!(host.is_empty());
    }

    #[test]
    fn a_dry_run_tells_all_and_changes_nothing() {
        let (mut host, journal) = Host::new().with_pod();
        drop(journal);
        fs::remove_file(host.options.folders.lock(&pod())).unwrap();
        host.options.dry_run = true;
        let first = host.clean();
        assert!(first.has_remnants());
        assert_eq!(first.pods[0].state, PodState::Dead);
        // Seven objects, the folder and the record.
        assert_eq!(first.pods[0].remnants.len(), 9, "{first}");
        assert_eq!(host.clean(), first);
        assert!(!host.options.folders.lock(&pod()).exists());
        assert_eq!(host.fake.objects.lock().unwrap().len(), 7);
    }

    #[test]
    fn without_containerd_the_rest_is_done() {
        let (mut host, journal) = Host::new().with_pod();
        drop(journal);
        host.fake.down = true;
        let report = host.clean();
        assert_eq!(report.pods[0].state, PodState::Incomplete);
        assert!(!host.options.folders.pod_state(&pod()).exists());
        host.fake.down = false;
        assert!(host.clean().is_complete());
        assert!(host.is_empty());
    }

    #[test]
    fn a_record_of_a_later_version_stays() {
        let host = Host::new();
        let folders = &host.options.folders;
        fs::create_dir(folders.pod_root(&pod())).unwrap();
        let text = format!(r#"{{"schema": 9, "cgroup": {{"pod": "/nowhere/pod-{POD}"}}}}"#);
        fs::write(folders.record(&pod()), text).unwrap();
        let report = host.clean();
        assert_eq!(report.pods[0].state, PodState::Incomplete);
        assert!(folders.record(&pod()).exists());
    }

    #[test]
    fn what_a_crash_left_before_the_record_goes() {
        let host = Host::new();
        let folders = &host.options.folders;
        fs::write(folders.lock(&pod()), "").unwrap();
        fs::create_dir(folders.pod_root(&pod())).unwrap();
        fs::write(folders.pod_root(&pod()).join(".record.json.new"), "{").unwrap();
        assert!(host.clean().is_complete());
        assert!(host.is_empty());
    }

    #[test]
    fn without_time_pods_are_postponed() {
        let (mut host, journal) = Host::new().with_pod();
        drop(journal);
        host.options.within = Duration::ZERO;
        let report = host.clean();
        assert_eq!(report.pods[0].state, PodState::Postponed);
        assert!(!report.is_complete());
    }

    #[test]
    fn a_sweep_takes_what_no_record_leads_to() {
        let (mut host, journal) = Host::new().with_pod();
        let marked = |pod: &str, name: &str| Marked {
            object: Object::Container(name.to_owned()),
            pod: pod.to_owned(),
        };
        host.fake.orphans = vec![
            marked(POD, "live"),
            marked("ffffffffffff", "orphan"),
            marked("not a pod", "odd"),
        ];
        host.options.sweep = Some(Sweep {
            socket: "/run/containerd/containerd.sock".into(),
            namespace: "compose-executor".to_owned(),
        });
        let report = host.clean();
        let names: Vec<&str> = report.orphans.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["orphan", "odd"]);
        assert!(report.is_complete());
        drop(journal);
    }
}

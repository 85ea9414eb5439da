//! What the tests of this folder start from: a service that says nothing but its image and command.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use oci_spec::runtime::PosixRlimitType;
use serde_json::Value;

use super::devices::HostDevices;
use super::host::{Arch, HostFacts, KernelVersion};
use super::image::ImageDefaults;
use super::mounts::ContainerFiles;
use super::namespaces::PauseRef;
use super::seccomp_file::SeccompFile;
use super::spec::ContainerInput;
use super::user::Accounts;
use super::{Capabilities, Capability};
use crate::compose::model::ByteSize;
use crate::compose::source::{SourceId, Span, Spanned};
use crate::pod::life::LifePlan;
use crate::pod::logging::LoggingPlan;
use crate::pod::names::{CgroupPath, ContainerId, PodId};
use crate::pod::plan::{
    CapabilityPlan, ContainerPlan, DnsPlan, LimitsPlan, NamespacesPlan, NetworkPlan, PodLimits,
    ProcessPlan, RightsPlan, SandboxPlan, SeccompPlan, StopPlan,
};

/// Where the fixture's service stands in its file.
pub(super) const SERVICE: Span = Span {
    source: SourceId(0),
    start: 10,
    end: 13,
};

pub(super) fn spanned<T>(value: T, start: u32) -> Spanned<T> {
    let source = SourceId(0);
    let end = start + 1;
    Spanned::new(value, Span { source, start, end })
}

/// Owns what a [`ContainerInput`] borrows.
pub(super) struct Fixture {
    pub(super) plan: ContainerPlan,
    pub(super) sandbox: SandboxPlan,
    pub(super) image: ImageDefaults,
    pub(super) accounts: Accounts,
    pub(super) files: ContainerFiles,
    pub(super) devices: HostDevices,
    pub(super) seccomp: Option<SeccompFile>,
    pub(super) host: HostFacts,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let pod = PodId::try_from("0123456789ab").unwrap();
        let cgroup = CgroupPath::try_from("/mesos/4f0a").unwrap().pod(&pod);
        Self {
            plan: ContainerPlan {
                service: Spanned::new("web".into(), SERVICE),
                id: ContainerId::service("task", &pod, "web"),
                cgroup: cgroup.service("web"),
                image: spanned("nginx:1".into(), 20),
                process: ProcessPlan {
                    entrypoint: None,
                    command: Some(vec!["nginx".into()]),
                    environment: Vec::new(),
                    task_environment: Vec::new(),
                    working_dir: None,
                    user: None,
                    groups: Vec::new(),
                    tty: false,
                    init: false,
                    rlimits: Vec::new(),
                    oom_score_adj: None,
                },
                hostname: "task".into(),
                domainname: None,
                dns: DnsPlan::default(),
                hosts: Vec::new(),
                mounts: Vec::new(),
                volumes_from: Vec::new(),
                read_only: false,
                runtime: None,
                namespaces: NamespacesPlan::default(),
                sysctls: BTreeMap::new(),
                limits: LimitsPlan::default(),
                rights: RightsPlan {
                    privileged: false,
                    capabilities: CapabilityPlan::default(),
                    no_new_privileges: true,
                    seccomp: SeccompPlan::Default,
                    apparmor: None,
                    selinux: None,
                    unmasked: false,
                    devices: Vec::new(),
                    device_rules: Vec::new(),
                },
                stop: StopPlan {
                    signal: None,
                    grace: Duration::from_secs(10),
                },
                life: LifePlan::default(),
                logging: LoggingPlan::Common,
                labels: BTreeMap::new(),
                annotations: BTreeMap::new(),
            },
            sandbox: SandboxPlan {
                id: ContainerId::pause(&pod),
                cgroup,
                network: NetworkPlan::Own {
                    netns: "/run/netns/pod".into(),
                },
                hostname: "task".into(),
                shm_size: ByteSize(64 << 20),
                pids_limit: 4096,
                limits: PodLimits::default(),
                sysctls: BTreeMap::new(),
            },
            image: ImageDefaults::default(),
            accounts: Accounts::default(),
            files: ContainerFiles {
                shm: PathBuf::from("/run/pod/shm"),
                hosts: PathBuf::from("/run/pod/web/hosts"),
                hostname: PathBuf::from("/run/pod/web/hostname"),
                resolv_conf: PathBuf::from("/run/pod/resolv.conf"),
                init: PathBuf::from("/lib/pause/init"),
            },
            devices: HostDevices::default(),
            seccomp: None,
            host: HostFacts {
                arch: Arch::X86_64,
                kernel: KernelVersion { major: 6, minor: 1 },
                cgroup_namespace: true,
                swap_limit: true,
                bounding: every_capability(),
                rlimits: vec![(PosixRlimitType::RlimitNofile, 1 << 20)],
                oom_score_floor: -1000,
                masked_paths: Vec::new(),
            },
        }
    }

    pub(super) fn input(&self) -> ContainerInput<'_> {
        ContainerInput {
            plan: &self.plan,
            sandbox: &self.sandbox,
            image: &self.image,
            accounts: &self.accounts,
            files: &self.files,
            devices: &self.devices,
            seccomp: self.seccomp.as_ref(),
            pause: PauseRef::Unknown,
        }
    }
}

/// More than containers get, as containerd has them under systemd.
fn every_capability() -> Capabilities {
    use Capability::{
        AuditWrite, Chown, DacOverride, DacReadSearch, Fowner, Fsetid, Kill, Mknod, NetAdmin,
        NetBindService, NetRaw, Setfcap, Setgid, Setpcap, Setuid, SysAdmin, SysChroot, SysPtrace,
        SysResource,
    };
    Capabilities::from([
        AuditWrite,
        Chown,
        DacOverride,
        DacReadSearch,
        Fowner,
        Fsetid,
        Kill,
        Mknod,
        NetAdmin,
        NetBindService,
        NetRaw,
        Setfcap,
        Setgid,
        Setpcap,
        Setuid,
        SysAdmin,
        SysChroot,
        SysPtrace,
        SysResource,
    ])
}

/// A document for a snapshot: what fits on a line stands on one, and so does a list of words.
pub(super) fn lines(json: &Value) -> String {
    fn write(json: &Value, indent: usize, out: &mut String) {
        const WIDTH: usize = 140;
        let flat = json.to_string();
        let words = json
            .as_array()
            .is_some_and(|items| items.iter().all(Value::is_string));
        if words || (indent > 0 && indent + flat.len() <= WIDTH) {
            out.push_str(&flat);
            return;
        }
        let inner = " ".repeat(indent + 2);
        let (open, close) = if json.is_array() {
            ("[", "]")
        } else {
            ("{", "}")
        };
        out.push_str(open);
        let members = json.as_object().into_iter().flatten();
        let members = members.map(|(key, value)| (format!("\"{key}\": "), value));
        let items = json.as_array().into_iter().flatten();
        let items = items.map(|value| (String::new(), value));
        for (place, (key, value)) in members.chain(items).enumerate() {
            out.push_str(if place == 0 { "\n" } else { ",\n" });
            out.push_str(&inner);
            out.push_str(&key);
            write(value, indent + 2, out);
        }
        out.push('\n');
        out.push_str(&" ".repeat(indent));
        out.push_str(close);
    }
    let mut out = String::new();
    write(json, 0, &mut out);
    out
}

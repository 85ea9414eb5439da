//! A service's document, put together.

use oci_spec::runtime::{Root, Spec};

use super::base::BaseSpecs;
use super::devices::HostDevices;
use super::error::SpecError;
use super::host::HostFacts;
use super::image::ImageDefaults;
use super::mounts::{self, ContainerFiles};
use super::namespaces::{self, PauseRef};
use super::seccomp_file::SeccompFile;
use super::user::Accounts;
use super::{capabilities, devices, process, resources, sandbox};
use crate::pod::plan::{ContainerPlan, SandboxPlan, SeccompPlan, SelinuxPlan};

/// All that is known of a container before it is made.
#[derive(Clone, Copy, Debug)]
pub struct ContainerInput<'a> {
    pub plan: &'a ContainerPlan,
    pub sandbox: &'a SandboxPlan,
    pub image: &'a ImageDefaults,
    pub accounts: &'a Accounts,
    pub files: &'a ContainerFiles,
    /// Those that the plan names.
    pub devices: &'a HostDevices,
    /// The profile, where the plan names a file.
    pub seccomp: Option<&'a SeccompFile>,
    pub pause: PauseRef,
}

/// A service's document. Its root is `rootfs` in the bundle, where containerd mounts the snapshot.
pub fn container_spec(
    base: &BaseSpecs,
    host: &HostFacts,
    input: &ContainerInput<'_>,
) -> Result<Spec, SpecError> {
    let ContainerInput { plan, sandbox, .. } = *input;
    let process = process::process(&base.container.process, input, host)?;
    let granted = capabilities::bounding(&process);

    let rights = &plan.rights;
    let mut linux = base.container.linux.clone();
    resources::fill(&mut linux, plan, input.devices, host)?;
    devices::fill(&mut linux, rights, input.devices);
    linux
        .set_namespaces(Some(namespaces::of_service(
            input.pause,
            &sandbox.network,
            &plan.namespaces,
            host,
        )))
        .set_seccomp(match (&rights.seccomp, input.seccomp) {
            (SeccompPlan::Unconfined, _) => None,
            (SeccompPlan::File(_), Some(file)) => {
                Some(file.resolve(host.arch, host.kernel, &granted))
            }
            // A file that nobody has read confines no less than the default.
            (SeccompPlan::Default | SeccompPlan::File(_), _) => {
                Some(base.seccomp.resolve(host.arch, host.kernel, &granted))
            }
        })
        .set_mount_label(rights.selinux.as_ref().map(SelinuxPlan::label));
    if !plan.sysctls.is_empty() {
        linux.set_sysctl(Some(plan.sysctls.clone().into_iter().collect()));
    }
    if let Some(propagation) = mounts::root_propagation(plan) {
        linux.set_rootfs_propagation(Some(propagation.to_owned()));
    }
    if let Some(name) = &plan.domainname {
        // The specification's own field is younger than runc 1.1.
        let sysctls = linux.sysctl_mut().get_or_insert_default();
        sysctls.insert("kernel.domainname".to_owned(), name.clone());
    }
    if rights.unmasked {
        linux
            .set_masked_paths(Some(Vec::new()))
            .set_readonly_paths(Some(Vec::new()));
    } else if let Some(masked) = linux.masked_paths_mut() {
        masked.extend(host.masked_paths.iter().cloned());
    }

    let mut root = Root::default();
    root.set_path("rootfs".into())
        .set_readonly(Some(plan.read_only));
    let mut spec = base.container.with(process, linux);
    let standard = spec.mounts_mut().take().unwrap_or_default();
    spec.set_mounts(Some(mounts::mounts(standard, plan, input.files)?))
        .set_root(Some(root))
        .set_hostname(Some(plan.hostname.clone()));
    let annotations = spec.annotations_mut().get_or_insert_default();
    annotations.extend(plan.annotations.clone());
    sandbox::join_group(&mut spec, input.sandbox);
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::super::fixture::{Fixture, lines, spanned};
    use super::super::json::to_json;
    use super::super::sandbox::pause_spec;
    use super::*;
    use crate::compose::model::{ByteSize, Cpus, Propagation};
    use crate::pod::plan::{LimitsPlan, MountPlan, MountSource, Submounts};

    /// The document without the system calls, which have tests of their own.
    fn document(fixture: &Fixture) -> Value {
        let spec = container_spec(&BaseSpecs::embedded(), &fixture.host, &fixture.input());
        let mut json = to_json(&spec.unwrap());
        json["linux"]["seccomp"]["syscalls"] = json!("…");
        json
    }

    #[test]
    fn a_service_that_says_nothing_gets_the_defaults() {
        insta::assert_snapshot!(lines(&document(&Fixture::new())), @r#"
        {
          "ociVersion": "1.0.2",
          "root": {"path":"rootfs","readonly":false},
          "mounts": [
            {"destination":"/proc","type":"proc","source":"proc","options":["nosuid","noexec","nodev"]},
            {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","strictatime","mode=755","size=65536k"]},
            {"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","noexec","nodev","ro"]},
            {
              "destination": "/dev/pts",
              "type": "devpts",
              "source": "devpts",
              "options": ["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620","gid=5"]
            },
            {"destination":"/dev/mqueue","type":"mqueue","source":"mqueue","options":["nosuid","noexec","nodev"]},
            {"destination":"/dev/shm","type":"bind","source":"/run/pod/shm","options":["rbind","rprivate","nosuid","noexec","nodev","rw"]},
            {"destination":"/etc/hosts","type":"bind","source":"/run/pod/web/hosts","options":["rbind","rprivate","nosuid","noexec","nodev","rw"]},
            {
              "destination": "/etc/hostname",
              "type": "bind",
              "source": "/run/pod/web/hostname",
              "options": ["rbind","rprivate","nosuid","noexec","nodev","rw"]
            },
            {
              "destination": "/etc/resolv.conf",
              "type": "bind",
              "source": "/run/pod/resolv.conf",
              "options": ["rbind","rprivate","nosuid","noexec","nodev","rw"]
            },
            {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","noexec","nodev","relatime","ro"]}
          ],
          "process": {
            "user": {"uid":0,"gid":0,"additionalGids":[0]},
            "args": ["nginx"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","HOSTNAME=task","HOME=/"],
            "cwd": "/",
            "capabilities": {
              "bounding": ["CAP_AUDIT_WRITE","CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_MKNOD","CAP_NET_BIND_SERVICE","CAP_SETFCAP","CAP_SETGID","CAP_SETPCAP","CAP_SETUID","CAP_SYS_CHROOT"],
              "effective": ["CAP_AUDIT_WRITE","CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_MKNOD","CAP_NET_BIND_SERVICE","CAP_SETFCAP","CAP_SETGID","CAP_SETPCAP","CAP_SETUID","CAP_SYS_CHROOT"],
              "inheritable": [],
              "permitted": ["CAP_AUDIT_WRITE","CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_MKNOD","CAP_NET_BIND_SERVICE","CAP_SETFCAP","CAP_SETGID","CAP_SETPCAP","CAP_SETUID","CAP_SYS_CHROOT"],
              "ambient": []
            },
            "rlimits": [{"type":"RLIMIT_NOFILE","hard":1048576,"soft":1024},{"type":"RLIMIT_CORE","hard":0,"soft":0}],
            "noNewPrivileges": true,
            "oomScoreAdj": 0
          },
          "hostname": "task",
          "annotations": {"io.containerd.runc.v2.group":"pod-0123456789ab"},
          "linux": {
            "resources": {
              "devices": [
                {"allow":false,"access":"rwm"},
                {"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},
                {"allow":true,"type":"c","major":1,"minor":5,"access":"rwm"},
                {"allow":true,"type":"c","major":1,"minor":7,"access":"rwm"},
                {"allow":true,"type":"c","major":1,"minor":8,"access":"rwm"},
                {"allow":true,"type":"c","major":1,"minor":9,"access":"rwm"},
                {"allow":true,"type":"c","major":5,"minor":0,"access":"rwm"},
                {"allow":true,"type":"c","major":5,"minor":2,"access":"rwm"},
                {"allow":true,"type":"c","major":136,"access":"rwm"}
              ]
            },
            "cgroupsPath": "/mesos/4f0a/pod-0123456789ab/svc-web",
            "namespaces": [
              {"type":"mount"},
              {"type":"uts"},
              {"type":"pid","path":"/proc/PAUSE/ns/pid"},
              {"type":"ipc","path":"/proc/PAUSE/ns/ipc"},
              {"type":"network","path":"/run/netns/pod"},
              {"type":"cgroup"}
            ],
            "seccomp": {"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],"syscalls":"…"},
            "maskedPaths": ["/proc/acpi","/proc/asound","/proc/interrupts","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/sched_debug","/proc/scsi","/proc/timer_list","/proc/timer_stats","/sys/devices/virtual/powercap","/sys/firmware"],
            "readonlyPaths": ["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]
          }
        }
        "#);
    }

    /// A service that says all that a plan can hold.
    fn talkative() -> Fixture {
        let mut fixture = Fixture::new();
        let process = &mut fixture.plan.process;
        process.entrypoint = Some(vec!["/bin/app".into()]);
        process.command = Some(vec!["--port".into(), "80".into()]);
        process.environment = vec![("MODE".into(), Some("production".into()))];
        process.task_environment = vec![("MESOS_TASK_ID".into(), "task".into())];
        process.working_dir = Some("/srv/app".into());
        process.user = Some(spanned("1000:1000".into(), 30));
        process.tty = true;
        fixture.plan.hostname = "web".into();
        fixture.plan.read_only = true;
        fixture.plan.limits = LimitsPlan {
            memory: Some(ByteSize(128 << 20)),
            cpus: Some(Cpus { nanos: 250_000_000 }),
            pids: Some(100),
            ..LimitsPlan::default()
        };
        fixture.plan.mounts = vec![
            MountPlan {
                source: MountSource::Tmpfs {
                    options: vec!["mode=1777".into()],
                },
                target: spanned("/tmp".into(), 40),
                read_only: false,
            },
            MountPlan {
                source: MountSource::Bind {
                    path: "/sandbox/conf".into(),
                    create: false,
                    submounts: Submounts::AsTop,
                    propagation: Propagation::RPrivate,
                    pinned: "/run/pod/binds/0".into(),
                },
                target: spanned("/srv/app/conf".into(), 50),
                read_only: true,
            },
        ];
        fixture.image.env = vec!["PATH=/bin".into(), "MODE=test".into()];
        fixture.host.rlimits = vec![(oci_spec::runtime::PosixRlimitType::RlimitNofile, 20_000)];
        fixture.host.masked_paths = vec!["/sys/devices/system/cpu/cpu0/thermal_throttle".into()];
        fixture
    }

    #[test]
    fn a_service_gets_what_it_says() {
        insta::assert_snapshot!(lines(&document(&talkative())), @r#"
        {
          "ociVersion": "1.0.2",
          "root": {"path":"rootfs","readonly":true},
          "mounts": [
            {"destination":"/proc","type":"proc","source":"proc","options":["nosuid","noexec","nodev"]},
            {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","strictatime","mode=755","size=65536k"]},
            {"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","noexec","nodev","ro"]},
            {"destination":"/tmp","type":"tmpfs","source":"tmpfs","options":["nosuid","nodev","noexec","size=64m","mode=1777"]},
            {
              "destination": "/dev/pts",
              "type": "devpts",
              "source": "devpts",
              "options": ["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620","gid=5"]
            },
            {"destination":"/dev/mqueue","type":"mqueue","source":"mqueue","options":["nosuid","noexec","nodev"]},
            {"destination":"/dev/shm","type":"bind","source":"/run/pod/shm","options":["rbind","rprivate","nosuid","noexec","nodev","rw"]},
            {"destination":"/etc/hosts","type":"bind","source":"/run/pod/web/hosts","options":["rbind","rprivate","nosuid","noexec","nodev","ro"]},
            {
              "destination": "/etc/hostname",
              "type": "bind",
              "source": "/run/pod/web/hostname",
              "options": ["rbind","rprivate","nosuid","noexec","nodev","ro"]
            },
            {
              "destination": "/etc/resolv.conf",
              "type": "bind",
              "source": "/run/pod/resolv.conf",
              "options": ["rbind","rprivate","nosuid","noexec","nodev","ro"]
            },
            {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","noexec","nodev","relatime","ro"]},
            {"destination":"/srv/app/conf","type":"bind","source":"/run/pod/binds/0","options":["rbind","rprivate","nosuid","nodev","ro"]}
          ],
          "process": {
            "terminal": true,
            "user": {"uid":1000,"gid":1000,"additionalGids":[1000]},
            "args": ["/bin/app","--port","80"],
            "env": ["PATH=/bin","HOSTNAME=web","HOME=/","TERM=xterm","MODE=production","MESOS_TASK_ID=task"],
            "cwd": "/srv/app",
            "capabilities": {
              "bounding": ["CAP_AUDIT_WRITE","CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_MKNOD","CAP_NET_BIND_SERVICE","CAP_SETFCAP","CAP_SETGID","CAP_SETPCAP","CAP_SETUID","CAP_SYS_CHROOT"],
              "effective": [],
              "inheritable": [],
              "permitted": [],
              "ambient": []
            },
            "rlimits": [{"type":"RLIMIT_NOFILE","hard":20000,"soft":1024},{"type":"RLIMIT_CORE","hard":0,"soft":0}],
            "noNewPrivileges": true,
            "oomScoreAdj": 0
          },
          "hostname": "web",
          "annotations": {"io.containerd.runc.v2.group":"pod-0123456789ab"},
          "linux": {
            "resources": {
              "devices": [
                {"allow":false,"access":"rwm"},
                {"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},
                {"allow":true,"type":"c","major":1,"minor":5,"access":"rwm"},
                {"allow":true,"type":"c","major":1,"minor":7,"access":"rwm"},
                {"allow":true,"type":"c","major":1,"minor":8,"access":"rwm"},
                {"allow":true,"type":"c","major":1,"minor":9,"access":"rwm"},
                {"allow":true,"type":"c","major":5,"minor":0,"access":"rwm"},
                {"allow":true,"type":"c","major":5,"minor":2,"access":"rwm"},
                {"allow":true,"type":"c","major":136,"access":"rwm"}
              ],
              "memory": {"limit":134217728,"swap":134217728},
              "cpu": {"quota":25000,"period":100000},
              "pids": {"limit":100}
            },
            "cgroupsPath": "/mesos/4f0a/pod-0123456789ab/svc-web",
            "namespaces": [
              {"type":"mount"},
              {"type":"uts"},
              {"type":"pid","path":"/proc/PAUSE/ns/pid"},
              {"type":"ipc","path":"/proc/PAUSE/ns/ipc"},
              {"type":"network","path":"/run/netns/pod"},
              {"type":"cgroup"}
            ],
            "seccomp": {"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],"syscalls":"…"},
            "maskedPaths": ["/proc/acpi","/proc/asound","/proc/interrupts","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/sched_debug","/proc/scsi","/proc/timer_list","/proc/timer_stats","/sys/devices/virtual/powercap","/sys/firmware","/sys/devices/system/cpu/cpu0/thermal_throttle"],
            "readonlyPaths": ["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]
          }
        }
        "#);
    }

    #[test]
    fn a_privileged_service_is_neither_filtered_nor_masked() {
        let mut fixture = Fixture::new();
        let rights = &mut fixture.plan.rights;
        rights.privileged = true;
        rights.unmasked = true;
        rights.no_new_privileges = false;
        rights.seccomp = SeccompPlan::Unconfined;
        let base = BaseSpecs::embedded();
        let spec = container_spec(&base, &fixture.host, &fixture.input()).unwrap();
        let linux = spec.linux().as_ref().unwrap();
        assert_eq!(linux.seccomp(), &None);
        assert_eq!(linux.masked_paths(), &Some(Vec::new()));
        assert_eq!(linux.readonly_paths(), &Some(Vec::new()));
        let process = spec.process().as_ref().unwrap();
        assert_eq!(process.no_new_privileges(), Some(false));
        assert_eq!(capabilities::bounding(process), fixture.host.bounding);
        for path in ["/sys", "/sys/fs/cgroup"] {
            let mounts = spec.mounts().as_ref().unwrap();
            let mount = mounts.iter().find(|it| it.destination() == Path::new(path));
            let options = mount.unwrap().options().clone().unwrap();
            assert!(options.contains(&"rw".to_owned()), "{path}: {options:?}");
            assert!(!options.contains(&"ro".to_owned()), "{path}: {options:?}");
        }
    }

    #[test]
    fn a_service_can_have_settings_annotations_and_an_init_of_its_own() {
        let mut fixture = Fixture::new();
        fixture.plan.sysctls = [("kernel.msgmax".into(), "9000".into())].into();
        fixture.plan.annotations = [("org.example".into(), "hi".into())].into();
        fixture.plan.process.init = true;
        fixture.plan.rights.seccomp = SeccompPlan::File(spanned("/s.json".into(), 50));
        let profile = br#"{"defaultAction": "SCMP_ACT_ALLOW"}"#;
        fixture.seccomp = Some(SeccompFile::parse(profile).unwrap());
        let document = to_json(
            &container_spec(&BaseSpecs::embedded(), &fixture.host, &fixture.input()).unwrap(),
        );
        assert_eq!(document["linux"]["sysctl"]["kernel.msgmax"], "9000");
        assert_eq!(document["annotations"]["org.example"], "hi");
        assert_eq!(
            document["annotations"]["io.containerd.runc.v2.group"],
            "pod-0123456789ab"
        );
        assert_eq!(
            document["linux"]["seccomp"]["defaultAction"],
            "SCMP_ACT_ALLOW"
        );
        let mounts = document["mounts"].as_array().unwrap();
        let init = mounts.iter().find(|it| it["destination"] == "/dev/init");
        assert_eq!(init.unwrap()["source"], "/lib/pause/init");
    }

    #[test]
    fn settings_of_shared_namespaces_are_made_by_pause() {
        let mut fixture = Fixture::new();
        fixture.sandbox.sysctls = [("net.core.somaxconn".into(), "1024".into())].into();
        let base = BaseSpecs::embedded();
        let pause = pause_spec(&base, &fixture.host, &fixture.sandbox, Path::new("/pause"));
        let sysctls = &to_json(&pause)["linux"]["sysctl"];
        assert_eq!(sysctls["net.core.somaxconn"], "1024");
        assert_eq!(sysctls["net.ipv4.ip_unprivileged_port_start"], "0");
    }

    #[test]
    fn pause_holds_the_namespaces_and_can_do_nothing() {
        let fixture = Fixture::new();
        let root = Path::new("/var/lib/compose-executor/pause/3f2a");
        let spec = pause_spec(
            &BaseSpecs::embedded(),
            &fixture.host,
            &fixture.sandbox,
            root,
        );
        insta::assert_snapshot!(lines(&to_json(&spec)), @r#"
        {
          "ociVersion": "1.0.2",
          "root": {"path":"/var/lib/compose-executor/pause/3f2a","readonly":true},
          "mounts": [
            {"destination":"/proc","type":"proc","source":"proc","options":["nosuid","noexec","nodev"]},
            {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","noexec","strictatime","mode=755","size=64k"]}
          ],
          "process": {
            "user": {"uid":65535,"gid":65535},
            "args": ["/pause"],
            "env": [],
            "cwd": "/",
            "capabilities": {"bounding":[],"effective":[],"inheritable":[],"permitted":[],"ambient":[]},
            "rlimits": [{"type":"RLIMIT_NOFILE","hard":64,"soft":64},{"type":"RLIMIT_CORE","hard":0,"soft":0}],
            "noNewPrivileges": true,
            "oomScoreAdj": 0
          },
          "hostname": "task",
          "annotations": {"io.containerd.runc.v2.group":"pod-0123456789ab"},
          "linux": {
            "sysctl": {"net.ipv4.ip_unprivileged_port_start":"0","net.ipv4.ping_group_range":"0 2147483647"},
            "resources": {"devices":[{"allow":false,"access":"rwm"}]},
            "cgroupsPath": "/mesos/4f0a/pod-0123456789ab/pause",
            "namespaces": [{"type":"mount"},{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"network","path":"/run/netns/pod"},{"type":"cgroup"}],
            "maskedPaths": ["/proc/acpi","/proc/asound","/proc/interrupts","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/sched_debug","/proc/scsi","/proc/timer_list","/proc/timer_stats"],
            "readonlyPaths": ["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]
          }
        }
        "#);
    }

    #[test]
    fn a_pod_in_the_hosts_network_leaves_its_settings_alone() {
        let mut fixture = Fixture::new();
        fixture.sandbox.network = crate::pod::plan::NetworkPlan::Host;
        let base = BaseSpecs::embedded();
        let pause = pause_spec(&base, &fixture.host, &fixture.sandbox, Path::new("/pause"));
        assert_eq!(pause.linux().as_ref().unwrap().sysctl(), &None);
        let namespaces = |json: Value| json["linux"]["namespaces"].to_string();
        assert!(!namespaces(to_json(&pause)).contains("network"));
        assert!(!namespaces(document(&fixture)).contains("network"));
    }
}

//! Every field of a policy, with its value in each profile. This table is the only place to look, and
//! to add one: types, file format, profiles, `policy show` and the table in `docs/policy.md` follow.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::external_volume::ExternalVolumes;
use super::file::{Override, Whose};
use super::host_path::HostPaths;
use super::limit::Limit;
use super::names::{Devices, Names, Ulimits};
use super::profile::{Ports, Profile, Seccomp, Up};
use super::setting::{Origin, Row, Setting};
use crate::compose;
use crate::compose::model::ByteSize;

/// Capabilities that a container has anyway, and that the standards' baseline lets it add:
/// Docker's, less `NET_RAW`.
pub(super) const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The sysctls that the standards call safe: of a pod's own namespaces.
pub(super) const BASELINE_SYSCTLS: [&str; 14] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// The types that `SELinux` confines containers by.
const SELINUX_TYPES: [&str; 4] = [
    "container_engine_t",
    "container_init_t",
    "container_kvm_t",
    "container_t",
];

/// A field: its text, type, and value in the profiles privileged, baseline and restricted.
macro_rules! fields {
    ($(
        $(#[$table_doc:meta])*
        $table:ident: $Table:ident, $Written:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = [$privileged:expr, $baseline:expr, $restricted:expr];
            )+
        }
    )+) => {
        $(
            $(#[$table_doc])*
            #[derive(Clone, Debug)]
            pub struct $Table {
                $($(#[doc = $doc])+ pub $field: Setting<$type>,)+
            }

            /// The same as the operator wrote it.
            #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
            #[serde(default, deny_unknown_fields)]
            pub(super) struct $Written {
                $($field: Option<Spanned<$type>>,)+
            }

            impl $Table {
                fn of(profile: Profile, origin: &Origin) -> Self {
                    Self {
                        $($field: Setting::new(
                            concat!(stringify!($table), ".", stringify!($field)),
                            match profile {
                                Profile::Privileged => $privileged,
                                Profile::Baseline => $baseline,
                                Profile::Restricted => $restricted,
                            },
                            origin.clone(),
                        ),)+
                    }
                }

                fn lay(&mut self, written: &$Written, origin: &dyn Fn(Range<usize>) -> Origin) {
                    $(if let Some(value) = &written.$field {
                        self.$field.set(value.get_ref().clone(), origin(value.span()));
                    })+
                }

                fn rows(&self) -> Vec<Row> {
                    vec![$(self.$field.row(),)+]
                }
            }
        )+

        /// What is allowed, and why.
        #[derive(Clone, Debug)]
        pub struct Policy {
            pub profile: Setting<Profile>,
            pub up: Setting<Up>,
            $(pub $table: $Table,)+
        }

        /// `[policy]` as the operator wrote it.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct WrittenPolicy {
            pub(super) profile: Option<Spanned<Profile>>,
            pub(super) up: Option<Spanned<Up>>,
            $($table: $Written,)+
            pub(super) overrides: Vec<Override>,
        }

        /// One of `[[policy.overrides]]`.
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct WrittenOverride {
            #[serde(rename = "match")]
            pub(super) whose: Whose,
            pub(super) profile: Option<Spanned<Profile>>,
            $(#[serde(default)] $table: $Written,)+
        }

        impl Policy {
            /// A profile, with nothing of the operator's own.
            pub(super) fn of(profile: Profile, origin: &Origin) -> Self {
                Self {
                    profile: Setting::new("profile", profile, origin.clone()),
                    up: Setting::new("up", Up::Enforce, origin.clone()),
                    $($table: $Table::of(profile, origin),)+
                }
            }

            pub(super) fn lay(
                &mut self,
                written: &WrittenPolicy,
                origin: &dyn Fn(Range<usize>) -> Origin,
            ) {
                $(self.$table.lay(&written.$table, origin);)+
            }

            pub(super) fn lay_override(
                &mut self,
                written: &WrittenOverride,
                origin: &dyn Fn(Range<usize>) -> Origin,
            ) {
                $(self.$table.lay(&written.$table, origin);)+
            }

            /// Every field, in the order of the file.
            pub fn rows(&self) -> Vec<Row> {
                let mut rows = vec![self.profile.row(), self.up.row()];
                $(rows.extend(self.$table.rows());)+
                rows
            }
        }

        /// Each field and what it is about, for the documentation.
        #[cfg(test)]
        pub(super) const TEXTS: &[(&str, &str)] = &[
            $($((
                concat!(stringify!($table), ".", stringify!($field)),
                concat!($($doc),+),
            ),)+)+
        ];
    };
}

fields! {
    /// Namespaces of the host's that a service may join.
    namespaces: Namespaces, WrittenNamespaces {
        /// `network_mode: host`
        host_network: bool = [true, false, false];
        /// `pid: host`
        host_pid: bool = [true, false, false];
        /// `ipc: host`
        host_ipc: bool = [true, false, false];
        /// `uts: host`
        host_uts: bool = [true, false, false];
        /// `cgroup: host`
        host_cgroup: bool = [true, false, false];
        /// `userns_mode: host`
        host_user: bool = [true, false, false];
        /// Services of one pod may see each other's processes; else `x-pod: {share_pid: false}` is a must
        share_pid: bool = [true, true, true];
    }

    /// What a container's processes may do.
    privileges: Privileges, WrittenPrivileges {
        /// `privileged: true`, also of a hook
        privileged: bool = [true, false, false];
        /// `security_opt: [no-new-privileges:false]`
        escalation: bool = [true, false, false];
        /// `user` may be root; else it must be a number that is not 0
        root: bool = [true, true, false];
        /// `cap_add`; `ALL` is a name of its own
        cap_add: Names = [Names::of(&["*"]), Names::of(&["@baseline"]), Names::of(&["NET_BIND_SERVICE"])];
        /// `cap_drop: [ALL]` is a must
        drop_all: bool = [false, false, true];
        /// `devices`, with what may be done to them
        devices: Devices = [Devices::all(), Devices::none(), Devices::none()];
        /// `device_cgroup_rules`
        device_cgroup_rules: bool = [true, false, false];
        /// `runtime`
        runtimes: Names = [Names::of(&["*"]), Names::of(&["crun", "runc"]), Names::of(&["crun", "runc"])];
        /// `security_opt: [seccomp=…]`: `default`, or `any` for files of the user's and `unconfined`
        seccomp: Seccomp = [Seccomp::Any, Seccomp::Default, Seccomp::Default];
        /// `security_opt: [apparmor=…]`; `unconfined` is a name of its own
        apparmor: Names = [Names::of(&["*"]), Names::of(&[]), Names::of(&[])];
        /// `security_opt: [label=type:…]`; with `*` also `label=disable`, users and roles
        selinux_types: Names = [Names::of(&["*"]), Names::of(&SELINUX_TYPES), Names::of(&SELINUX_TYPES)];
        /// `security_opt: [systempaths=unconfined]`
        unmasked_paths: bool = [true, false, false];
        /// `sysctls`
        sysctls: Names = [Names::of(&["*"]), Names::of(&["@baseline"]), Names::of(&["@baseline"])];
        /// `annotations`: runtimes obey some of them
        annotations: Names = [Names::of(&["*"]), Names::of(&[]), Names::of(&[])];
    }

    /// What is mounted into a container.
    mounts: Mounts, WrittenMounts {
        /// Binds of what lies outside the sandbox: `"any"`, or `[{ path = "/data", read_only = true }]`
        host_paths: HostPaths = [HostPaths::Any, HostPaths::Listed(Vec::new()), HostPaths::Listed(Vec::new())];
        /// Binds of what lies in the sandbox
        sandbox_binds: bool = [true, true, true];
        /// `bind.propagation`
        propagation: Names = [Names::of(&["*"]), Names::of(&["private", "rprivate"]), Names::of(&["private", "rprivate"])];
        /// Named and anonymous volumes
        volumes: bool = [true, true, true];
        /// `driver_opts.type` of a volume, where it is no bind and no NFS
        volume_types: Names = [Names::of(&["*"]), Names::of(&["tmpfs"]), Names::of(&["tmpfs"])];
        /// `driver_opts.type: nfs`: what is mounted, as `192.0.2.7:/exports/*`
        nfs: Names = [Names::of(&["*"]), Names::of(&[]), Names::of(&[])];
        /// Volumes that are `external`, by name: `[{ name = "models", path = "/srv/models", read_only = true }]`
        external_volumes: ExternalVolumes = [ExternalVolumes::none(), ExternalVolumes::none(), ExternalVolumes::none()];
        /// The size of each tmpfs; with a limit, a size is a must
        tmpfs_max: Limit<ByteSize> = [Limit::Unlimited, Limit::Unlimited, Limit::Unlimited];
        /// `shm_size`
        shm_max: Limit<ByteSize> = [Limit::Unlimited, Limit::At(ByteSize(512 << 20)), Limit::At(ByteSize(512 << 20))];
    }

    /// Which images may run. Names are in full: `docker.io/library/nginx:1.27`.
    images: Images, WrittenImages {
        /// Names, with or without tag
        allowed: Names = [Names::of(&["*"]), Names::of(&["*"]), Names::of(&["*"])];
        /// The same, forbidden even where they are allowed
        denied: Names = [Names::of(&[]), Names::of(&[]), Names::of(&[])];
        /// `…@sha256:…` is a must
        digest: bool = [false, false, false];
        /// Archives in the sandbox, which bring images under any name
        archives: bool = [true, true, true];
    }

    /// What a container may use.
    resources: Resources, WrittenResources {
        /// `mem_limit`, or `deploy.resources.limits.memory`, is a must
        mem_limit: bool = [false, false, false];
        /// More swap than none: `memswap_limit` above `mem_limit`
        swap: bool = [true, false, false];
        /// `oom_kill_disable: true`
        oom_kill_disable: bool = [true, false, false];
        /// The least `oom_score_adj`
        oom_score_adj_min: i64 = [-1000, 0, 0];
        /// `cpu_rt_runtime` and `cpu_rt_period`
        realtime: bool = [true, false, false];
        /// `blkio_config` for single devices
        blkio_devices: bool = [true, false, false];
        /// `pids_limit`; without one a service has 1024, and unlimited is the pod's 4096
        pids_max: Limit<u64> = [Limit::Unlimited, Limit::At(4096), Limit::At(4096)];
        /// The hard limits of `ulimits`
        ulimits: Ulimits = [Ulimits::of(&[]), Ulimits::of(&[("core", 0), ("nofile", 1 << 20)]), Ulimits::of(&[("core", 0), ("nofile", 1 << 20)])];
        /// `ports`: `none`, `offered` or `any`
        ports: Ports = [Ports::Any, Ports::Offered, Ports::Offered];
        /// `mac_address`
        mac_address: bool = [true, false, false];
    }

    /// How services begin and end.
    lifecycle: Lifecycle, WrittenLifecycle {
        /// `stop_grace_period`
        stop_grace_max: Limit<Duration> = [Limit::Unlimited, Limit::At(Duration::from_mins(10)), Limit::At(Duration::from_mins(10))];
        /// How often a service may be started again; with a limit, `restart: always` is none
        restart_max: Limit<u64> = [Limit::Unlimited, Limit::Unlimited, Limit::Unlimited];
        /// `post_start` and `pre_stop`
        hooks: bool = [true, true, true];
    }

    /// How large a project may be. The first four bound the loader; a file beyond them is wrong
    /// (`CE-SPEC`) for everybody.
    limits: Limits, WrittenLimits {
        /// Compose files
        files: u32 = [16, 16, 16];
        /// Bytes of one file
        file_bytes: u32 = [1 << 20, 1 << 20, 1 << 20];
        /// Nodes of all documents, with aliases and extended services counted in full
        nodes: u32 = [100_000, 100_000, 100_000];
        /// Nesting
        depth: u32 = [64, 64, 64];
        /// Services
        services: Limit<u64> = [Limit::Unlimited, Limit::At(32), Limit::At(32)];
        /// Bytes of a service's environment
        env_bytes: Limit<u64> = [Limit::Unlimited, Limit::At(256 << 10), Limit::At(256 << 10)];
        /// Labels of a service
        labels: Limit<u64> = [Limit::Unlimited, Limit::At(256), Limit::At(256)];
    }
}

impl Policy {
    /// The bounds of the loader under this policy.
    pub fn loader_limits(&self) -> compose::Limits {
        let limits = &self.limits;
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        compose::Limits {
            files: size(*limits.files),
            file_bytes: u64::from(*limits.file_bytes),
            nodes: size(*limits.nodes),
            depth: size(*limits.depth),
            ..compose::Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn without_a_file_the_loader_has_its_own_bounds() {
        let policy = Policy::of(Profile::Baseline, &Origin::Profile(Profile::Baseline, None));
        assert_eq!(policy.loader_limits(), compose::Limits::default());
    }

    /// The table in docs/policy.md, as this file says it.
    #[test]
    fn the_documentation_has_every_field() {
        let column = |profile| Policy::of(profile, &Origin::Profile(profile, None)).rows();
        let columns = [
            column(Profile::Privileged),
            column(Profile::Baseline),
            column(Profile::Restricted),
        ];
        let mut table = String::from(
            "| field | about | privileged | baseline | restricted |\n|---|---|---|---|---|\n",
        );
        for (field, text) in TEXTS {
            let values = columns.iter().map(|rows| {
                let row = rows.iter().find(|row| row.field == *field).unwrap();
                format!("`{}`", row.value)
            });
            let values: Vec<String> = values.collect();
            let text = text.trim();
            writeln!(table, "| `{field}` | {text} | {} |", values.join(" | ")).unwrap();
        }
        let page = include_str!("../../docs/policy.md");
        assert!(
            page.contains(&table),
            "docs/policy.md should have:\n{table}"
        );
    }
}

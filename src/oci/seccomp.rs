//! `linux.seccomp`: which system calls a container may make.
//!
//! The profile is a document of our own, `runtime-specs/seccomp.json`, with the meaning of Docker's
//! default: what is not named fails with EPERM. It names calls by group, and says which of them
//! depend on the architecture, the kernel, a capability or an argument; [`SeccompProfile::resolve`]
//! makes of it the flat list that a runtime takes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use oci_spec::runtime::{
    Arch as SeccompArch, Capabilities, Capability, LinuxSeccomp, LinuxSeccompAction,
    LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompBuilder, LinuxSeccompOperator,
    LinuxSyscall, LinuxSyscallBuilder,
};
use serde::Deserialize;

use super::host::{Arch, KernelVersion};

/// The system calls that containers may make, and on which conditions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeccompProfile {
    /// What a call that is not named fails with.
    errno: u32,
    /// For each machine the instruction sets that its kernel runs.
    architectures: BTreeMap<Arch, Vec<SeccompArch>>,
    /// By purpose.
    always: BTreeMap<String, Vec<String>>,
    architecture: BTreeMap<Arch, Vec<String>>,
    /// By the version of the kernel from which on they are safe.
    since: BTreeMap<KernelVersion, Vec<String>>,
    capability: HashMap<Capability, Vec<String>>,
    arguments: Vec<ArgumentRule>,
    errors: Vec<ErrorRule>,
}

/// A call that is allowed if one of its arguments is right.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArgumentRule {
    #[serde(rename = "comment")]
    _comment: String,
    name: String,
    index: usize,
    any: Vec<Comparison>,
    /// The rule is for processes that lack this capability.
    without: Option<Capability>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Comparison {
    Below(u64),
    Equals(u64),
    /// None of these bits is set.
    Clear(u64),
}

/// A call that fails with an error of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorRule {
    #[serde(rename = "comment")]
    _comment: String,
    name: String,
    errno: u32,
    /// The rule is for processes that lack this capability.
    without: Option<Capability>,
}

impl SeccompProfile {
    /// The profile for a process that can come to have the capabilities `granted`.
    pub(super) fn resolve(
        &self,
        arch: Arch,
        kernel: KernelVersion,
        granted: &Capabilities,
    ) -> LinuxSeccomp {
        let lacks = |capability: Option<Capability>| {
            capability.is_none_or(|capability| !granted.contains(&capability))
        };
        let allowed = self.allowed(arch, kernel, granted);
        let mut rules = vec![
            rule(allowed)
                .action(LinuxSeccompAction::ScmpActAllow)
                .build(),
        ];
        for argument in self.arguments.iter().filter(|rule| lacks(rule.without)) {
            // A rule with several comparisons holds when all do: each gets a rule of its own.
            rules.extend(argument.any.iter().map(|comparison| {
                rule([argument.name.clone()])
                    .action(LinuxSeccompAction::ScmpActAllow)
                    .args(vec![comparison.on(argument.index)])
                    .build()
            }));
        }
        for error in self.errors.iter().filter(|rule| lacks(rule.without)) {
            rules.push(
                rule([error.name.clone()])
                    .action(LinuxSeccompAction::ScmpActErrno)
                    .errno_ret(error.errno)
                    .build(),
            );
        }
        let rules: Result<Vec<LinuxSyscall>, _> = rules.into_iter().collect();
        LinuxSeccompBuilder::default()
            .default_action(LinuxSeccompAction::ScmpActErrno)
            .default_errno_ret(self.errno)
            .architectures(self.architectures.get(&arch).cloned().unwrap_or_default())
            .syscalls(rules.expect("a rule has names and an action"))
            .build()
            .expect("every field has a default")
    }

    /// The calls that are allowed whatever their arguments, sorted.
    fn allowed(
        &self,
        arch: Arch,
        kernel: KernelVersion,
        granted: &Capabilities,
    ) -> BTreeSet<String> {
        let always = self.always.values();
        let here = self.architecture.get(&arch);
        let since = self.since.range(..=kernel).map(|(_, names)| names);
        let capable = self
            .capability
            .iter()
            .filter(|(capability, _)| granted.contains(capability))
            .map(|(_, names)| names);
        always
            .chain(here)
            .chain(since)
            .chain(capable)
            .flatten()
            .cloned()
            .collect()
    }
}

impl Comparison {
    fn on(self, index: usize) -> LinuxSeccompArg {
        let arg = LinuxSeccompArgBuilder::default().index(index);
        let arg = match self {
            Self::Below(value) => arg.op(LinuxSeccompOperator::ScmpCmpLt).value(value),
            Self::Equals(value) => arg.op(LinuxSeccompOperator::ScmpCmpEq).value(value),
            Self::Clear(mask) => arg
                .op(LinuxSeccompOperator::ScmpCmpMaskedEq)
                .value(mask)
                .value_two(0_u64),
        };
        arg.build().expect("index, operator and value are given")
    }
}

fn rule(names: impl IntoIterator<Item = String>) -> LinuxSyscallBuilder {
    LinuxSyscallBuilder::default().names(names.into_iter().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::super::base::BaseSpecs;
    use super::super::fixture::lines;
    use super::*;

    const KERNEL: KernelVersion = KernelVersion { major: 6, minor: 1 };

    fn profile() -> SeccompProfile {
        BaseSpecs::embedded().seccomp
    }

    fn allowed(granted: &[Capability]) -> BTreeSet<String> {
        let granted = granted.iter().copied().collect();
        profile().allowed(Arch::X86_64, KERNEL, &granted)
    }

    fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
        names.into_iter().map(str::to_owned).collect()
    }

    fn words(text: &str) -> BTreeSet<String> {
        names(text.split_whitespace())
    }

    #[test]
    fn a_call_stands_in_one_group_and_the_groups_are_sorted() {
        let profile = profile();
        let mut seen = BTreeSet::new();
        for (group, names) in &profile.always {
            assert!(names.is_sorted(), "{group}");
            for name in names {
                assert!(seen.insert(name), "{name} is there twice");
            }
        }
        // As many as Docker's default allows whatever the arguments, less riscv_hwprobe.
        assert_eq!(seen.len(), 360);
    }

    #[test]
    fn what_reaches_beyond_the_container_is_not_allowed() {
        let beyond = words(
            "acct add_key bpf chroot clone clone3 delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick \
             init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load \
             kexec_load keyctl lookup_dcookie mbind mount mount_setattr move_mount move_pages nfsservctl \
             open_by_handle_at open_tree perf_event_open personality pidfd_getfd pivot_root process_madvise \
             quotactl quotactl_fd reboot request_key set_mempolicy setdomainname sethostname setns settimeofday socket \
             stime swapoff swapon syslog umount umount2 unshare userfaultfd vhangup",
        );
        let met: Vec<_> = allowed(&[]).intersection(&beyond).cloned().collect();
        assert_eq!(met, Vec::<String>::new());
    }

    #[test]
    fn a_capability_brings_the_calls_that_need_it() {
        let table = [
            (Capability::Bpf, "bpf"),
            (Capability::DacReadSearch, "open_by_handle_at"),
            (Capability::Perfmon, "perf_event_open"),
            (Capability::Syslog, "syslog"),
            (
                Capability::SysAdmin,
                "clone clone3 mount setns unshare umount2",
            ),
            (Capability::SysBoot, "reboot"),
            (Capability::SysChroot, "chroot"),
            (
                Capability::SysModule,
                "init_module finit_module delete_module",
            ),
            (Capability::SysNice, "mbind set_mempolicy"),
            (Capability::SysPacct, "acct"),
            (Capability::SysPtrace, "kcmp pidfd_getfd process_madvise"),
            (Capability::SysRawio, "ioperm iopl"),
            (Capability::SysTime, "settimeofday clock_settime"),
            (Capability::SysTtyConfig, "vhangup"),
        ];
        let without = allowed(&[]);
        for (capability, calls) in table {
            let with = allowed(&[capability]);
            for call in words(calls) {
                assert!(!without.contains(&call), "{call}");
                assert!(with.contains(&call), "{call} with {capability}");
            }
        }
    }

    #[test]
    fn old_kernels_do_not_get_ptrace() {
        let old = KernelVersion { major: 4, minor: 7 };
        let none = Capabilities::new();
        let calls = profile().allowed(Arch::X86_64, old, &none);
        assert!(!calls.contains("ptrace"));
        assert!(allowed(&[]).contains("ptrace"));
    }

    #[test]
    fn a_machine_gets_its_own_calls_and_instruction_sets() {
        let none = Capabilities::new();
        let arm = profile().resolve(Arch::Aarch64, KERNEL, &none);
        let x86 = profile().resolve(Arch::X86_64, KERNEL, &none);
        let first = |seccomp: &LinuxSeccomp| seccomp.syscalls().clone().unwrap()[0].names().clone();
        assert!(first(&arm).contains(&"set_tls".into()));
        assert!(!first(&arm).contains(&"arch_prctl".into()));
        assert!(first(&x86).contains(&"arch_prctl".into()));
        assert_eq!(
            x86.architectures().clone().unwrap(),
            [SeccompArch::ScmpArchX86_64, SeccompArch::ScmpArchX86]
        );
    }

    /// Every rule but the first, which lists the calls that are always allowed.
    fn conditional(granted: &[Capability]) -> serde_json::Value {
        let granted = granted.iter().copied().collect();
        let seccomp = profile().resolve(Arch::X86_64, KERNEL, &granted);
        serde_json::to_value(&seccomp.syscalls().as_ref().unwrap()[1..]).unwrap()
    }

    #[test]
    fn arguments_are_looked_at_one_by_one() {
        insta::assert_snapshot!(lines(&conditional(&[])), @r#"
        [
          {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":38,"op":"SCMP_CMP_LT"}]},
          {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":39,"op":"SCMP_CMP_EQ"}]},
          {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":41,"op":"SCMP_CMP_EQ"}]},
          {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":42,"op":"SCMP_CMP_EQ"}]},
          {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":43,"op":"SCMP_CMP_EQ"}]},
          {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":44,"op":"SCMP_CMP_EQ"}]},
          {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":45,"op":"SCMP_CMP_EQ"}]},
          {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0,"op":"SCMP_CMP_EQ"}]},
          {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]},
          {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":131072,"op":"SCMP_CMP_EQ"}]},
          {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":131080,"op":"SCMP_CMP_EQ"}]},
          {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":4294967295,"op":"SCMP_CMP_EQ"}]},
          {"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]},
          {"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38}
        ]
        "#);
    }

    #[test]
    fn whoever_may_make_namespaces_may_clone_them() {
        let text = conditional(&[Capability::SysAdmin]).to_string();
        assert!(!text.contains("clone"));
        assert!(text.contains("socket"));
    }

    /// Our list beside podman's default, which Debian's golang-github-containers-common (0.50)
    /// installs here. Without the package the differences alone are checked.
    const INSTALLED: &str = "/usr/share/containers/seccomp.json";

    /// Calls that are younger than that profile.
    const YOUNGER: &str = "\
        cachestat fchmodat2 futex_requeue futex_wait futex_waitv futex_wake getxattrat listmount \
        listxattrat map_shadow_stack mseal removexattrat setxattrat statmount uretprobe";
    /// Docker allows these, podman does not: they read and write what is open anyway.
    const HARMLESS: &str = "io_pgetevents io_pgetevents_time64 vmsplice";
    /// Podman lets a rootless container try these and counts on the kernel to refuse; here they need a
    /// capability, an argument or a kernel, as for Docker.
    const ON_CONDITION: &str = "\
        clone clone3 fsconfig fsmount fsopen fspick get_mempolicy mbind mount mount_setattr move_mount \
        open_tree pidfd_getfd process_vm_readv process_vm_writev ptrace reboot set_mempolicy setns \
        syslog umount umount2 unshare";
    /// Keyrings and the root directory's exchange: never, as for Docker.
    const NEVER: &str = "keyctl pivot_root";
    /// No call of any machine that is supported here, or replaced by an rt_ call for twenty years.
    const OBSOLETE: &str = "readdir sigaction signal sigpending sigsuspend syscall timerfd";

    #[test]
    fn each_difference_to_podmans_profile_has_a_reason() {
        let ours: BTreeSet<String> = profile().always.into_values().flatten().collect();
        let more = &words(YOUNGER) | &words(HARMLESS);
        let less = &(&words(ON_CONDITION) | &words(NEVER)) | &words(OBSOLETE);
        assert!(more.is_subset(&ours));
        assert!(less.is_disjoint(&ours));
        if let Ok(text) = std::fs::read_to_string(INSTALLED) {
            let theirs = always_in(&serde_json::from_str(&text).unwrap());
            assert_eq!(&ours - &theirs, more);
            assert_eq!(&theirs - &ours, less);
        }
    }

    /// What a profile in containers-common's format allows without a condition.
    fn always_in(profile: &serde_json::Value) -> BTreeSet<String> {
        let empty = |value: &serde_json::Value| {
            value.as_array().is_none_or(Vec::is_empty)
                && value.as_object().is_none_or(serde_json::Map::is_empty)
        };
        let unconditional = |rule: &&serde_json::Value| {
            rule["action"] == "SCMP_ACT_ALLOW"
                && ["args", "includes", "excludes"]
                    .iter()
                    .all(|key| empty(&rule[key]))
        };
        let rules = profile["syscalls"].as_array().unwrap();
        rules
            .iter()
            .filter(unconditional)
            .flat_map(|rule| rule["names"].as_array().unwrap())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }
}

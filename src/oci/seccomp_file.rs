//! A seccomp profile of a user's: a file in Docker's form, or in the runtime specification's, of
//! which Docker's is an extension (`archMap`, `includes`, `excludes`).

use oci_spec::runtime::{
    Arch as SeccompArch, Capabilities, Capability, LinuxSeccomp, LinuxSeccompAction,
    LinuxSeccompArg, LinuxSeccompBuilder, LinuxSyscall, LinuxSyscallBuilder,
};
use serde::Deserialize;

use super::host::{Arch, KernelVersion};

/// A profile that was read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SeccompFile {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Vec<SeccompArch>,
    #[serde(default)]
    arch_map: Vec<Architectures>,
    #[serde(default)]
    syscalls: Vec<Rule>,
}

/// A machine's architecture, and those that its kernel runs as well.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Architectures {
    architecture: SeccompArch,
    #[serde(default)]
    sub_architectures: Vec<SeccompArch>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    names: Vec<String>,
    /// Older profiles have a rule for each call.
    name: Option<String>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<LinuxSeccompArg>>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
    #[serde(rename = "comment")]
    _comment: Option<String>,
}

/// When a rule counts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Condition {
    #[serde(default)]
    caps: Vec<Capability>,
    #[serde(default)]
    arches: Vec<String>,
    min_kernel: Option<KernelVersion>,
}

/// A file that is no profile, or one that would have the runtime act for its author.
#[derive(Debug, thiserror::Error)]
pub enum SeccompFileError {
    #[error("it is no seccomp profile")]
    Json(#[from] serde_json::Error),
    #[error("SCMP_ACT_NOTIFY would hand system calls to a program outside of the container")]
    Notify,
}

impl SeccompFile {
    /// The longest text that is read.
    pub const MAX_BYTES: u64 = 1 << 20;

    /// Reads a profile. A key that is not known is an error: `listenerPath`, for one, would have the
    /// runtime connect to a socket of the author's choice, as root.
    pub fn parse(text: &[u8]) -> Result<Self, SeccompFileError> {
        let file: Self = serde_json::from_slice(text)?;
        let notifies = |action| action == LinuxSeccompAction::ScmpActNotify;
        if notifies(file.default_action) || file.syscalls.iter().any(|rule| notifies(rule.action)) {
            return Err(SeccompFileError::Notify);
        }
        Ok(file)
    }

    /// The profile for a process that can come to have the capabilities `granted`.
    pub(super) fn resolve(
        &self,
        arch: Arch,
        kernel: KernelVersion,
        granted: &Capabilities,
    ) -> LinuxSeccomp {
        let native = match arch {
            Arch::X86_64 => SeccompArch::ScmpArchX86_64,
            Arch::Aarch64 => SeccompArch::ScmpArchAarch64,
        };
        let mapped = self.arch_map.iter().find(|it| it.architecture == native);
        let mut architectures = self.architectures.clone();
        if let Some(mapped) = mapped {
            architectures.push(mapped.architecture);
            architectures.extend(&mapped.sub_architectures);
        }
        let here = Here {
            arch,
            kernel,
            granted,
        };
        let rules = self
            .syscalls
            .iter()
            .filter(|rule| here.meets(&rule.includes) && !here.excluded_by(&rule.excludes))
            .filter_map(Rule::resolve)
            .collect::<Vec<_>>();
        let mut profile = LinuxSeccompBuilder::default()
            .default_action(self.default_action)
            .syscalls(rules)
            .build()
            .expect("every field has a default");
        profile.set_default_errno_ret(self.default_errno_ret);
        if !architectures.is_empty() {
            profile.set_architectures(Some(architectures));
        }
        profile
    }
}

impl Rule {
    /// None for a rule about nothing.
    fn resolve(&self) -> Option<LinuxSyscall> {
        let names: Vec<String> = self.names.iter().chain(&self.name).cloned().collect();
        if names.is_empty() {
            return None;
        }
        let mut rule = LinuxSyscallBuilder::default()
            .names(names)
            .action(self.action)
            .build()
            .expect("a rule has names and an action");
        rule.set_errno_ret(self.errno_ret)
            .set_args(self.args.clone().filter(|args| !args.is_empty()));
        Some(rule)
    }
}

/// What conditions are about.
struct Here<'a> {
    arch: Arch,
    kernel: KernelVersion,
    granted: &'a Capabilities,
}

impl Here<'_> {
    /// Go's names, as Docker has them.
    fn is_arch(&self, names: &[String]) -> bool {
        let names = names.iter().map(String::as_str);
        let mine: &[&str] = match self.arch {
            Arch::X86_64 => &["amd64"],
            Arch::Aarch64 => &["arm64"],
        };
        names.into_iter().any(|name| mine.contains(&name))
    }

    fn meets(&self, condition: &Condition) -> bool {
        (condition.arches.is_empty() || self.is_arch(&condition.arches))
            && condition.caps.iter().all(|cap| self.granted.contains(cap))
            && condition
                .min_kernel
                .is_none_or(|least| self.kernel >= least)
    }

    fn excluded_by(&self, condition: &Condition) -> bool {
        self.is_arch(&condition.arches)
            || condition.caps.iter().any(|cap| self.granted.contains(cap))
            || condition
                .min_kernel
                .is_some_and(|least| self.kernel >= least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: KernelVersion = KernelVersion { major: 6, minor: 1 };

    fn names(text: &str, granted: &[Capability]) -> Vec<String> {
        let granted = granted.iter().copied().collect();
        let profile = SeccompFile::parse(text.as_bytes()).unwrap();
        let profile = profile.resolve(Arch::X86_64, KERNEL, &granted);
        let rules = profile.syscalls().clone().unwrap_or_default();
        rules.iter().flat_map(|rule| rule.names().clone()).collect()
    }

    #[test]
    fn dockers_form_is_read_with_its_conditions() {
        let text = r#"{
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
            "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
            "syscalls": [
              {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "args": [], "comment": "", "includes": {}, "excludes": {}},
              {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
              {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
              {"names": ["arm"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
              {"names": ["new"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "9.1"}},
              {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}
            ]}"#;
        assert_eq!(names(text, &[]), ["read", "write", "clone", "personality"]);
        let admin = names(text, &[Capability::SysAdmin]);
        assert_eq!(admin, ["read", "write", "bpf", "personality"]);
    }

    #[test]
    fn the_runtimes_own_form_is_read() {
        let text = r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}"#;
        assert_eq!(names(text, &[]), ["mkdir"]);
    }

    #[test]
    fn a_profile_that_would_reach_out_is_refused() {
        let bad = |text: &str| SeccompFile::parse(text.as_bytes()).unwrap_err();
        let listener = r#"{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/x.sock"}"#;
        assert!(matches!(bad(listener), SeccompFileError::Json(_)));
        let notify = r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#;
        assert!(matches!(bad(notify), SeccompFileError::Notify));
        assert!(matches!(bad("[]"), SeccompFileError::Json(_)));
    }
}

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

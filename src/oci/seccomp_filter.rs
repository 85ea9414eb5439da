//! The default seccomp profile as the program that the kernel runs, for crun.
//!
//! Runtimes have libseccomp make that program anew for each container, which takes a third of all
//! that crun does for one. crun takes a finished one by an annotation instead. What is made here
//! answers each call as the profile says, and as libseccomp's program does; a profile that holds
//! anything not known here is left to the runtime.
//!
//! Sources: seccomp(2), `linux/bpf_common.h`, `struct seccomp_data`; `run.oci.seccomp_bpf_data` in
//! crun(1).

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
    Spec,
};

/// Users can't set it: annotations of a runtime's own are refused.
const ANNOTATION: &str = "run.oci.seccomp_bpf_data";

/// Filters that are finished: most containers of a pod have the same profile.
#[derive(Debug, Default)]
pub struct SeccompFilters {
    /// As the annotation has it; none where the profile is left to the runtime.
    known: Vec<(LinuxSeccomp, Option<String>)>,
}

impl SeccompFilters {
    /// Gives crun the finished filter of a document's profile, if that can be made.
    pub fn attach(&mut self, spec: &mut Spec) {
        let linux = spec.linux().as_ref();
        let Some(profile) = linux.and_then(|linux| linux.seccomp().as_ref()) else {
            return;
        };
        if let Some(filter) = self.of(profile) {
            spec.annotations_mut()
                .get_or_insert_default()
                .insert(ANNOTATION.to_owned(), filter);
        }
    }

    fn of(&mut self, profile: &LinuxSeccomp) -> Option<String> {
        if let Some((_, filter)) = self.known.iter().find(|(known, _)| known == profile) {
            return filter.clone();
        }
        let filter = compile(profile).map(|filter| BASE64.encode(bytes(&filter)));
        self.known.push((profile.clone(), filter.clone()));
        filter
    }
}

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    code: u16,
    /// How many instructions to leave out if a comparison holds.
    then: u8,
    /// And if it does not.
    otherwise: u8,
    k: u32,
}

/// Classes and modes of `linux/bpf_common.h`, put together.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// `SECCOMP_RET_KILL_THREAD`: for programs of machines that the profile does not name.
const KILL: u32 = 0;
const ERRNO: u32 = 0x0005_0000;
const ALLOW: u32 = 0x7fff_0000;

/// Where the calls of x32 begin, which are x86-64's with this bit; but for -1, which is none.
const X32: u32 = 0x4000_0000;

/// A machine whose calls a filter can be made for.
struct Machine {
    /// `AUDIT_ARCH_…`.
    audit: u32,
    number: fn(&str) -> Option<u32>,
}

const X86_64: Machine = Machine {
    audit: 0xc000_003e,
    number: |name| {
        Some(
            syscalls::x86_64::Sysno::from_str(name)
                .ok()?
                .id()
                .cast_unsigned(),
        )
    },
};
const X86: Machine = Machine {
    audit: 0x4000_0003,
    number: |name| {
        Some(
            syscalls::x86::Sysno::from_str(name)
                .ok()?
                .id()
                .cast_unsigned(),
        )
    },
};

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Always(u32),
    /// Allowed where one of these holds.
    If(Vec<LinuxSeccompArg>),
}

/// The program of a profile; none for one that is not understood whole.
fn compile(profile: &LinuxSeccomp) -> Option<Vec<Instruction>> {
    let machines = profile.architectures().as_ref()?;
    let known = profile.flags().is_none() && profile.listener_path().is_none();
    if !known || machines[..] != [Arch::ScmpArchX86_64, Arch::ScmpArchX86] {
        return None;
    }
    let default = answer(profile.default_action(), profile.default_errno_ret())?;
    let rules = profile.syscalls().as_deref().unwrap_or_default();
    let native = tree(&ranges(&answers(rules, &X86_64)?, default), default);
    let compatible = tree(&ranges(&answers(rules, &X86)?, default), default);

    let head = [
        load(MACHINE),
        compare(IF_EQUAL, X86.audit, 0, 2),
        load(NUMBER),
        // Over the rest of the head, and what is for x86-64.
        jump(6 + native.len()),
        compare(IF_EQUAL, X86_64.audit, 1, 0),
        end(KILL),
        load(NUMBER),
        compare(IF_EQUAL, u32::MAX, 2, 0),
        compare(IF_AT_LEAST, X32, 0, 1),
        end(KILL),
    ];
    Some(head.into_iter().chain(native).chain(compatible).collect())
}

fn bytes(program: &[Instruction]) -> Vec<u8> {
    let one = |it: &Instruction| {
        let code = it.code.to_ne_bytes().into_iter();
        code.chain([it.then, it.otherwise])
            .chain(it.k.to_ne_bytes())
    };
    program.iter().flat_map(one).collect()
}

fn answer(action: LinuxSeccompAction, errno: Option<u32>) -> Option<u32> {
    match action {
        LinuxSeccompAction::ScmpActAllow => Some(ALLOW),
        // Without a number it is EPERM's.
        LinuxSeccompAction::ScmpActErrno => Some(ERRNO | errno.unwrap_or(1) & 0xffff),
        _ => None,
    }
}

/// What becomes of a machine's calls, by number; those that it does not have are passed over.
fn answers(rules: &[LinuxSyscall], machine: &Machine) -> Option<BTreeMap<u32, Answer>> {
    let mut answers: BTreeMap<u32, Answer> = BTreeMap::new();
    for rule in rules {
        let action = answer(rule.action(), rule.errno_ret())?;
        let arguments = rule.args().as_deref().unwrap_or_default();
        if !arguments.iter().all(is_known) {
            return None;
        }
        for number in rule
            .names()
            .iter()
            .filter_map(|name| (machine.number)(name))
        {
            let known = answers.remove(&number);
            let answer = match (arguments, known) {
                // The same once more changes nothing, nor does a condition for what is allowed.
                ([], None) => Answer::Always(action),
                ([], Some(Answer::Always(before))) if before == action => Answer::Always(action),
                ([], Some(Answer::If(_))) | ([_], Some(Answer::Always(ALLOW)))
                    if action == ALLOW =>
                {
                    Answer::Always(ALLOW)
                }
                ([one], None) if action == ALLOW => Answer::If(vec![*one]),
                ([one], Some(Answer::If(mut all))) if action == ALLOW => {
                    all.push(*one);
                    Answer::If(all)
                }
                _ => return None,
            };
            answers.insert(number, answer);
        }
    }
    Some(answers)
}

fn is_known(argument: &LinuxSeccompArg) -> bool {
    use LinuxSeccompOperator::{ScmpCmpEq, ScmpCmpLt, ScmpCmpMaskedEq};
    argument.index() < 6 && matches!(argument.op(), ScmpCmpLt | ScmpCmpEq | ScmpCmpMaskedEq)
}

/// Every number there is, in ranges with the same answer.
fn ranges(answers: &BTreeMap<u32, Answer>, default: u32) -> Vec<(Range<u64>, Answer)> {
    let mut ranges: Vec<(Range<u64>, Answer)> = Vec::new();
    let mut add = |range: Range<u64>, answer: Answer| match ranges.last_mut() {
        _ if range.is_empty() => {}
        Some((last, same)) if *same == answer => last.end = range.end,
        _ => ranges.push((range, answer)),
    };
    let mut next = 0;
    for (&number, answer) in answers {
        let number = u64::from(number);
        add(next..number, Answer::Always(default));
        add(number..number + 1, answer.clone());
        next = number + 1;
    }
    add(next..u64::from(u32::MAX) + 1, Answer::Always(default));
    ranges
}

/// Finds the range of the number that is loaded, by halves.
fn tree(ranges: &[(Range<u64>, Answer)], default: u32) -> Vec<Instruction> {
    if let [(_, answer)] = ranges {
        return match answer {
            Answer::Always(value) => vec![end(*value)],
            Answer::If(conditions) => {
                let mut code: Vec<_> = conditions.iter().flat_map(condition).collect();
                code.push(end(default));
                code
            }
        };
    }
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    let first = u32::try_from(upper[0].0.start).expect("a range begins at a number");
    let (lower, upper) = (tree(lower, default), tree(upper, default));
    let mut code = match u8::try_from(lower.len()) {
        Ok(length) => vec![compare(IF_AT_LEAST, first, length, 0)],
        // A comparison jumps but so far.
        Err(_) => vec![compare(IF_AT_LEAST, first, 0, 1), jump(lower.len())],
    };
    code.extend(lower);
    code.extend(upper);
    code
}

/// Allows the call if the condition holds, else goes on.
#[allow(clippy::cast_possible_truncation, reason = "a number is taken apart")]
fn condition(argument: &LinuxSeccompArg) -> Vec<Instruction> {
    let index = u32::try_from(argument.index()).expect("a call has six arguments");
    // The lower half of a 64-bit number stands first.
    let (low, high) = (ARGUMENTS + 8 * index, ARGUMENTS + 8 * index + 4);
    let halves = |number: u64| ((number >> 32) as u32, number as u32);
    let (mask, value) = match argument.op() {
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            (argument.value(), argument.value_two().unwrap_or_default())
        }
        _ => (u64::MAX, argument.value()),
    };
    let ((mask_high, mask_low), (value_high, value_low)) = (halves(mask), halves(value));
    match argument.op() {
        LinuxSeccompOperator::ScmpCmpLt => vec![
            load(high),
            compare(IF_GREATER, value_high, 4, 0),
            compare(IF_EQUAL, value_high, 0, 2),
            load(low),
            compare(IF_AT_LEAST, value_low, 1, 0),
            end(ALLOW),
        ],
        _ => vec![
            load(high),
            and(mask_high),
            compare(IF_EQUAL, value_high, 0, 4),
            load(low),
            and(mask_low),
            compare(IF_EQUAL, value_low, 0, 1),
            end(ALLOW),
        ],
    }
}

fn load(offset: u32) -> Instruction {
    plain(LOAD, offset)
}

fn and(mask: u32) -> Instruction {
    plain(AND, mask)
}

fn jump(over: usize) -> Instruction {
    plain(
        JUMP,
        u32::try_from(over).expect("a filter has 4096 instructions at most"),
    )
}

fn end(value: u32) -> Instruction {
    plain(RETURN, value)
}

fn plain(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        then: 0,
        otherwise: 0,
        k,
    }
}

fn compare(code: u16, k: u32, then: u8, otherwise: u8) -> Instruction {
    Instruction {
        code,
        then,
        otherwise,
        k,
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{Capabilities, LinuxSeccompArgBuilder};

    use super::super::base::BaseSpecs;
    use super::super::host::{Arch as HostArch, KernelVersion};
    use super::*;

    fn profile() -> LinuxSeccomp {
        let kernel = KernelVersion { major: 6, minor: 1 };
        let profile = BaseSpecs::embedded().seccomp;
        profile.resolve(HostArch::X86_64, kernel, &Capabilities::new())
    }

    /// Runs a program as the kernel does.
    fn run(program: &[Instruction], machine: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(number.to_ne_bytes());
        data.extend(machine.to_ne_bytes());
        data.extend(0_u64.to_ne_bytes());
        data.extend(arguments.iter().flat_map(|argument| argument.to_ne_bytes()));
        let (mut at, mut loaded) = (0, 0);
        loop {
            let it = program[at];
            at += 1;
            let holds = match it.code {
                LOAD => {
                    let from = it.k as usize;
                    loaded = u32::from_ne_bytes(data[from..from + 4].try_into().unwrap());
                    continue;
                }
                AND => {
                    loaded &= it.k;
                    continue;
                }
                JUMP => {
                    at += it.k as usize;
                    continue;
                }
                RETURN => return it.k,
                IF_EQUAL => loaded == it.k,
                IF_GREATER => loaded > it.k,
                IF_AT_LEAST => loaded >= it.k,
                other => panic!("no such instruction: {other:#x}"),
            };
            at += usize::from(if holds { it.then } else { it.otherwise });
        }
    }

    /// What the profile itself says, rule by rule.
    fn said(profile: &LinuxSeccomp, machine: &Machine, number: u32, arguments: [u64; 6]) -> u32 {
        let mut said = ERRNO | profile.default_errno_ret().unwrap();
        for rule in profile.syscalls().iter().flatten() {
            let named = rule
                .names()
                .iter()
                .filter_map(|name| (machine.number)(name));
            let holds = rule.args().iter().flatten().all(|argument| {
                let given = arguments[argument.index()];
                match argument.op() {
                    LinuxSeccompOperator::ScmpCmpLt => given < argument.value(),
                    LinuxSeccompOperator::ScmpCmpEq => given == argument.value(),
                    _ => given & argument.value() == argument.value_two().unwrap(),
                }
            });
            if holds && named.into_iter().any(|named| named == number) {
                said = answer(rule.action(), rule.errno_ret()).unwrap();
            }
        }
        said
    }

    #[test]
    fn each_call_is_answered_as_the_profile_says() {
        let profile = profile();
        let program = compile(&profile).unwrap();
        assert!(program.len() < 4096, "{}", program.len());
        let firsts = [
            0,
            8,
            37,
            38,
            39,
            40,
            41,
            46,
            0x2_0000,
            0x7e02_0000,
            0x0200_0000,
            0xffff_ffff,
            1 << 32,
            1 << 32 | 8,
            u64::MAX,
        ];
        for machine in [&X86_64, &X86] {
            for number in (0..600).chain([u32::MAX]) {
                for first in firsts {
                    let arguments = [first, 0, 0, 0, 0, 0];
                    assert_eq!(
                        run(&program, machine.audit, number, arguments),
                        said(&profile, machine, number, arguments),
                        "call {number} of {:#x} with {first:#x}",
                        machine.audit
                    );
                }
            }
        }
    }

    #[test]
    fn programs_of_other_machines_are_killed() {
        let program = compile(&profile()).unwrap();
        let getpid = (X86_64.number)("getpid").unwrap();
        assert_eq!(run(&program, 0xc000_00b7, getpid, [0; 6]), KILL, "AArch64");
        assert_eq!(
            run(&program, X86_64.audit, X32 | getpid, [0; 6]),
            KILL,
            "x32"
        );
        assert_eq!(run(&program, X86_64.audit, getpid, [0; 6]), ALLOW);
    }

    #[test]
    fn what_is_not_known_is_left_to_the_runtime() {
        let mut other = profile();
        other.set_architectures(Some(vec![Arch::ScmpArchAarch64]));
        assert_eq!(compile(&other), None);
        let mut other = profile();
        other.set_default_action(LinuxSeccompAction::ScmpActTrap);
        assert_eq!(compile(&other), None);
        let mut other = profile();
        let mut rule = other.syscalls().as_ref().unwrap()[1].clone();
        let argument = LinuxSeccompArgBuilder::default()
            .index(0_usize)
            .value(1_u64)
            .op(LinuxSeccompOperator::ScmpCmpNe)
            .build();
        rule.set_args(Some(vec![argument.unwrap()]));
        other.set_syscalls(Some(vec![rule]));
        assert_eq!(compile(&other), None);
    }
}

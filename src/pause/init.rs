//! The init of a container that asks for one (`init: true`) and keeps its processes to itself: PID 1 of
//! its namespace. It starts the command that its arguments name, hands every signal on to it, reaps
//! what is left to it, and ends as the command does: with its code, or 128 and the signal's number.
//!
//! Built by build.rs as a program of its own, without the standard library, and embedded in the
//! executor; it is bound into the container, whose own files it needs none of.

#![no_std]
#![no_main]
// Else loops that copy bytes would become calls of a C library that is not there.
#![no_builtins]

use core::arch::{asm, naked_asm};
use core::mem::MaybeUninit;
use core::ptr;

#[cfg(target_arch = "x86_64")]
mod number {
    pub const WRITE: usize = 1;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const EXIT_GROUP: usize = 231;
}
#[cfg(target_arch = "aarch64")]
mod number {
    pub const WRITE: usize = 64;
    pub const EXIT_GROUP: usize = 94;
    pub const KILL: usize = 129;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const CLONE: usize = 220;
    pub const EXECVE: usize = 221;
    pub const WAIT4: usize = 260;
}

const SIG_SETMASK: usize = 2;
const SIGCHLD: usize = 17;
const WNOHANG: usize = 1;
const ANY_CHILD: usize = usize::MAX; // -1
const SIGSET_BYTES: usize = 8;
const EACCES: isize = -13;
/// The codes of a shell, for a command that can't be run and one that is not there.
const NOT_EXECUTABLE: usize = 126;
const NOT_FOUND: usize = 127;
/// As long as the kernel takes a path.
const PATH_MAX: usize = 4096;
/// Where Docker's images look, if they say nothing.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0";
const COMPLAINT: &[u8] = b"init: the command is not in the image, or can't be run\n";

/// SAFETY: the caller answers for the arguments.
#[cfg(target_arch = "x86_64")]
unsafe fn syscall4(n: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the registers are those of the x86-64 system call convention; rcx and r11 are lost.
    unsafe {
        asm!("syscall", inlateout("rax") n as isize => result, in("rdi") a, in("rsi") b,
             in("rdx") c, in("r10") d, in("r8") 0, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// SAFETY: as above.
#[cfg(target_arch = "aarch64")]
unsafe fn syscall4(n: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the registers are those of the aarch64 system call convention.
    unsafe {
        asm!("svc 0", in("x8") n, inlateout("x0") a as isize => result, in("x1") b, in("x2") c,
             in("x3") d, in("x4") 0, options(nostack));
    }
    result
}

/// The entry point: hands on where the stack begins, with the arguments and the environment.
///
/// SAFETY: the kernel jumps here once, with a stack; nothing returns.
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov rdi, rsp", "xor ebp, ebp", "and rsp, -16", "call {0}", "ud2", sym run)
}

/// SAFETY: as above.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov x0, sp", "mov x29, xzr", "bl {0}", "brk 1", sym run)
}

/// `stack` is what the kernel left: the number of arguments, the arguments, a null, the
/// environment, a null.
extern "C" fn run(stack: *const usize) -> ! {
    // SAFETY: the layout is the kernel's (execve(2)); there is an argument for this program's name.
    let (count, arguments) = unsafe { (*stack, stack.add(1).cast::<*const u8>()) };
    // SAFETY: as above: behind the arguments is a null, and behind it the environment.
    let environment = unsafe { arguments.add(count + 1) };
    if count < 2 {
        complain_and_end(NOT_FOUND);
    }
    let all: u64 = u64::MAX;
    let mut before: u64 = 0;
    // SAFETY: both sets outlive the call. Blocked signals wait until they are taken, below.
    unsafe {
        syscall4(
            number::RT_SIGPROCMASK,
            SIG_SETMASK,
            &raw const all as usize,
            &raw mut before as usize,
            SIGSET_BYTES,
        )
    };
    // SAFETY: without further flags this is fork(2): the child goes on with a copy of everything.
    let child = unsafe { syscall4(number::CLONE, SIGCHLD, 0, 0, 0) };
    if child == 0 {
        // SAFETY: `before` is the mask that the command is to have.
        unsafe {
            syscall4(
                number::RT_SIGPROCMASK,
                SIG_SETMASK,
                &raw const before as usize,
                0,
                SIGSET_BYTES,
            )
        };
        // SAFETY: there is a first argument, and the lists end with nulls.
        unsafe { execute(arguments.add(1), environment) }
    }
    if child < 0 {
        complain_and_end(NOT_EXECUTABLE);
    }
    supervise(child as usize, &all)
}

/// Hands signals on, and reaps, until the command has ended.
fn supervise(child: usize, all: &u64) -> ! {
    loop {
        // SAFETY: waits without a timeout, reads the set, and stores no information.
        let signal = unsafe {
            syscall4(number::RT_SIGTIMEDWAIT, ptr::from_ref(all) as usize, 0, 0, SIGSET_BYTES)
        };
        if signal > 0 && signal as usize != SIGCHLD {
            // SAFETY: the command is our child and not reaped yet, so that the number is its own.
            unsafe { syscall4(number::KILL, child, signal as usize, 0, 0) };
        }
        loop {
            let mut status: u32 = 0;
            // SAFETY: the status outlives the call.
            let ended = unsafe {
                syscall4(number::WAIT4, ANY_CHILD, &raw mut status as usize, WNOHANG, 0)
            };
            if ended <= 0 {
                break;
            }
            if ended as usize == child {
                let signal = (status & 0x7f) as usize;
                let code = (status >> 8 & 0xff) as usize;
                end(if signal == 0 { code } else { 128 + signal });
            }
        }
    }
}

/// Runs a command as a shell would find it.
///
/// SAFETY: `command` and `environment` are lists of C strings that end with nulls, and the first has
/// one at least.
unsafe fn execute(command: *const *const u8, environment: *const *const u8) -> ! {
    // SAFETY: as promised.
    let name = unsafe { *command };
    // SAFETY: C strings.
    if unsafe { contains_slash(name) } {
        // SAFETY: as promised.
        let error = unsafe {
            syscall4(number::EXECVE, name as usize, command as usize, environment as usize, 0)
        };
        complain_and_end(code_of(error));
    }
    // SAFETY: as promised.
    let mut rest = unsafe { search_path(environment) };
    let mut code = NOT_FOUND;
    loop {
        let mut path = MaybeUninit::<[u8; PATH_MAX]>::uninit();
        // SAFETY: `rest` is a C string, and so is `name`.
        let (fits, next) = unsafe { join(rest, name, path.as_mut_ptr().cast()) };
        if fits {
            // SAFETY: `path` was filled with a C string.
            let error = unsafe {
                syscall4(
                    number::EXECVE,
                    path.as_ptr() as usize,
                    command as usize,
                    environment as usize,
                    0,
                )
            };
            if error == EACCES {
                code = NOT_EXECUTABLE;
            }
        }
        match next {
            Some(next) => rest = next,
            None => complain_and_end(code),
        }
    }
}

fn code_of(error: isize) -> usize {
    if error == EACCES { NOT_EXECUTABLE } else { NOT_FOUND }
}

/// SAFETY: `text` is a C string.
unsafe fn contains_slash(text: *const u8) -> bool {
    let mut at = text;
    // SAFETY: reads up to the zero.
    unsafe {
        while *at != 0 {
            if *at == b'/' {
                return true;
            }
            at = at.add(1);
        }
    }
    false
}

/// The value of PATH, or the default.
///
/// SAFETY: `environment` is a list of C strings that ends with a null.
unsafe fn search_path(environment: *const *const u8) -> *const u8 {
    const NAME: &[u8; 5] = b"PATH=";
    let mut entry = environment;
    // SAFETY: reads up to the null, and each string up to its zero at most.
    unsafe {
        while !(*entry).is_null() {
            let mut length = 0;
            while length < NAME.len() && *(*entry).add(length) == *NAME.as_ptr().add(length) {
                length += 1;
            }
            if length == NAME.len() {
                return (*entry).add(length);
            }
            entry = entry.add(1);
        }
    }
    DEFAULT_PATH.as_ptr()
}

/// Writes the first folder of `rest` and `name` to `path`; whether they fit, and what is behind the
/// folder. An empty folder is the current one, as for execvp(3).
///
/// SAFETY: both are C strings, and `path` has room for [`PATH_MAX`] bytes.
unsafe fn join(
    rest: *const u8,
    name: *const u8,
    path: *mut u8,
) -> (bool, Option<*const u8>) {
    let (mut from, mut length) = (rest, 0);
    let mut put = |byte: u8| {
        if length < PATH_MAX {
            // SAFETY: within the room.
            unsafe { *path.add(length) = byte };
        }
        length += 1;
    };
    // SAFETY: reads both up to their zeros.
    unsafe {
        if *from == 0 || *from == b':' {
            put(b'.');
        }
        while *from != 0 && *from != b':' {
            put(*from);
            from = from.add(1);
        }
        put(b'/');
        let mut at = name;
        while *at != 0 {
            put(*at);
            at = at.add(1);
        }
        put(0);
        let next = if *from == 0 { None } else { Some(from.add(1)) };
        (length <= PATH_MAX, next)
    }
}

fn complain_and_end(code: usize) -> ! {
    // SAFETY: the text outlives the call.
    unsafe { syscall4(number::WRITE, 2, COMPLAINT.as_ptr() as usize, COMPLAINT.len(), 0) };
    end(code)
}

fn end(code: usize) -> ! {
    loop {
        // SAFETY: ends the process; it does not return.
        unsafe { syscall4(number::EXIT_GROUP, code, 0, 0, 0) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    end(101)
}

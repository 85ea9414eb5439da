//! PID 1 of a pod: it keeps the pod's namespaces alive and reaps what the services leave behind.
//!
//! Built by build.rs as a program of its own, without the standard library and about a kilobyte
//! large, and embedded in the executor. It waits for SIGCHLD and for nothing else. Every other
//! signal keeps its default action, which the kernel does not take for the first process of a PID
//! namespace (pid_namespaces(7)): a service's `kill 1` does nothing, and only SIGKILL from
//! outside, which is how the executor ends a pod, ends it.

#![no_std]
#![no_main]

use core::arch::{asm, naked_asm};

#[cfg(target_arch = "x86_64")]
mod number {
    pub const RT_SIGPROCMASK: usize = 14;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const WAIT4: usize = 61;
    pub const EXIT_GROUP: usize = 231;
}
#[cfg(target_arch = "aarch64")]
mod number {
    pub const RT_SIGPROCMASK: usize = 135;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const WAIT4: usize = 260;
    pub const EXIT_GROUP: usize = 94;
}

const SIG_BLOCK: usize = 0;
const SIGCHLD: u64 = 17;
const WNOHANG: usize = 1;
const ANY_CHILD: usize = usize::MAX; // -1
const SIGSET_BYTES: usize = 8;

/// SAFETY: the caller answers for the arguments; the kernel writes no memory of ours, since every
/// pointer passed here is either null or read only.
#[cfg(target_arch = "x86_64")]
unsafe fn syscall4(n: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the registers are those of the x86-64 system call convention; rcx and r11 are lost.
    unsafe {
        asm!("syscall", inlateout("rax") n as isize => result, in("rdi") a, in("rsi") b,
             in("rdx") c, in("r10") d, lateout("rcx") _, lateout("r11") _, options(nostack));
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
             in("x3") d, options(nostack));
    }
    result
}

/// The entry point. There is no argument to read, so it only aligns the stack and goes on.
///
/// SAFETY: the kernel jumps here once, with a stack; nothing returns.
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("xor ebp, ebp", "and rsp, -16", "call {0}", "ud2", sym run)
}

/// SAFETY: as above.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov x29, xzr", "bl {0}", "brk 1", sym run)
}

extern "C" fn run() -> ! {
    let set: u64 = 1 << (SIGCHLD - 1);
    let set = &raw const set as usize;
    // SAFETY: `set` outlives the call, and the old mask is not asked for. SIGCHLD must be blocked,
    // or its default action, to be ignored, would discard it before it is waited for.
    unsafe { syscall4(number::RT_SIGPROCMASK, SIG_BLOCK, set, 0, SIGSET_BYTES) };
    loop {
        // SAFETY: waits without a timeout, reads `set`, and stores no information on the signal.
        unsafe { syscall4(number::RT_SIGTIMEDWAIT, set, 0, 0, SIGSET_BYTES) };
        // One signal may stand for many children. SAFETY: no status and no usage is stored.
        while unsafe { syscall4(number::WAIT4, ANY_CHILD, 0, WNOHANG, 0) } > 0 {}
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        // SAFETY: ends the process; it does not return.
        unsafe { syscall4(number::EXIT_GROUP, 101, 0, 0, 0) };
    }
}

//! PID 1 of a pod: it keeps the pod's namespaces alive and reaps what the services leave behind.
//!
//! Built by build.rs as a program of its own, without the standard library and about a kilobyte
//! large, and embedded in the executor. It waits for SIGCHLD and for nothing else. Every other
//! signal keeps its default action, which the kernel does not take for the first process of a PID
//! namespace (pid_namespaces(7)): a service's `kill 1` does nothing, and only SIGKILL from
//! outside, which is how the executor ends a pod, ends it.

#![no_std]
#![no_main]

mod bare;

use bare::{List, SIGSET_BYTES, number, syscall4};

const SIG_BLOCK: usize = 0;
const SIGCHLD: u64 = 17;
const WNOHANG: usize = 1;
const ANY_CHILD: usize = usize::MAX; // -1

fn run(_arguments: List, _environment: List) -> ! {
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

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

mod bare;

use bare::{
    EACCES, Folders, List, SIGSET_BYTES, Text, become_one_in, become_program, complain_and_end, end,
    number, syscall4,
};
use core::ptr;

const SIG_SETMASK: usize = 2;
const SIGCHLD: usize = 17;
const WNOHANG: usize = 1;
const ANY_CHILD: usize = usize::MAX; // -1
/// The codes of a shell, for a command that can't be run and one that is not there.
const NOT_EXECUTABLE: usize = 126;
const NOT_FOUND: usize = 127;
/// Where Docker's images look, if they say nothing.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const COMPLAINT: &[u8] = b"init: the command is not in the image, or can't be run\n";

fn run(arguments: List, environment: List) -> ! {
    let command = arguments.rest();
    let Some(name) = command.into_iter().next() else {
        complain_and_end(COMPLAINT, NOT_FOUND);
    };
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
        execute(name, command, environment);
    }
    if child < 0 {
        complain_and_end(COMPLAINT, NOT_EXECUTABLE);
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

/// Runs a command as a shell would find it; an empty folder is the current one, as for execvp(3).
fn execute(name: Text, command: List, environment: List) -> ! {
    if name.bytes().iter().any(|byte| *byte == b'/') {
        let error = become_program(name, command, environment);
        complain_and_end(COMPLAINT, code_of(error));
    }
    let path = environment.variable(b"PATH=").map_or(DEFAULT_PATH, Text::bytes);
    let mut code = NOT_FOUND;
    for folder in Folders(Some(path)) {
        let folder = if folder.is_empty() { b"." } else { folder };
        let error = become_one_in(folder, name.bytes(), command, environment);
        if error == EACCES {
            code = NOT_EXECUTABLE;
        }
    }
    complain_and_end(COMPLAINT, code)
}

fn code_of(error: isize) -> usize {
    if error == EACCES { NOT_EXECUTABLE } else { NOT_FOUND }
}

//! The environment that this process was started with: proc(5).
//!
//! It stays on the stack of the process, and `/proc/<pid>/environ` shows it to every process of root's,
//! however often the variable is unset. What must not be seen has to be written over.

use std::ffi::{CStr, c_char};
use std::ptr;

use procfs::process::Process;

/// Why a variable is still there.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    #[error("the threads of this process can't be counted")]
    Threads(#[source] procfs::ProcError),
    #[error("this process has {0} threads, and one of them may be reading its environment")]
    NotAlone(u64),
}

unsafe extern "C" {
    /// environ(7): pointers to texts `NAME=value`, a null pointer behind the last.
    static environ: *const *mut c_char;
}

/// Writes zeros over the value of a variable, wherever it stands. It is empty from then on.
///
/// Nothing happens while the process has more than one thread: another could be reading.
pub fn scrub(name: &str) -> Result<(), ScrubError> {
    let alone = Process::myself().and_then(|process| process.status());
    match alone.map_err(ScrubError::Threads)?.threads {
        1 => {}
        threads => return Err(ScrubError::NotAlone(threads)),
    }
    // SAFETY: this is the only thread, so nobody changes `environ` meanwhile; reading the static
    // copies the pointer.
    let mut next = unsafe { environ };
    if next.is_null() {
        return Ok(());
    }
    loop {
        // SAFETY: `next` has not passed the null pointer that ends the list.
        let entry = unsafe { *next };
        if entry.is_null() {
            return Ok(());
        }
        // SAFETY: entries are texts that end in a zero. The borrow ends before anything is written.
        let value = unsafe { CStr::from_ptr(entry) }
            .to_bytes()
            .strip_prefix(name.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
            .map(<[u8]>::len);
        if let Some(length) = value {
            // SAFETY: the value lies in the entry, behind the name and its `=`. The texts are this
            // process' own writable memory. The standard library hands out copies of them alone, and
            // no other thread runs, so no reference to them exists.
            unsafe { ptr::write_bytes(entry.add(name.len() + 1), 0, length) };
        }
        // SAFETY: the entry was not the null pointer, so the list goes on behind it.
        next = unsafe { next.add(1) };
    }
}

//! What the programs without the standard library share: their entry, system calls, and the texts
//! that the kernel left on the stack. Each takes of it what it needs.

#![allow(dead_code, reason = "no program needs all of it")]

use core::arch::{asm, naked_asm};
use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::slice;

#[cfg(target_arch = "x86_64")]
pub mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const SOCKET: usize = 41;
    pub const CONNECT: usize = 42;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const EXIT_GROUP: usize = 231;
    pub const OPENAT: usize = 257;
    pub const RENAMEAT: usize = 264;
}
#[cfg(target_arch = "aarch64")]
pub mod number {
    pub const RENAMEAT: usize = 38;
    pub const OPENAT: usize = 56;
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const EXIT_GROUP: usize = 94;
    pub const KILL: usize = 129;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const SOCKET: usize = 198;
    pub const CONNECT: usize = 203;
    pub const CLONE: usize = 220;
    pub const EXECVE: usize = 221;
    pub const WAIT4: usize = 260;
}

pub const EACCES: isize = -13;
const ENAMETOOLONG: isize = -36;
/// Length of the kernel's set of signals.
pub const SIGSET_BYTES: usize = 8;
pub const STDOUT: usize = 1;
pub const STDERR: usize = 2;
/// As long as the kernel takes a path, its zero included.
const PATH_MAX: usize = 4096;

/// SAFETY: the caller answers for the arguments.
#[cfg(target_arch = "x86_64")]
pub unsafe fn syscall4(n: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
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
pub unsafe fn syscall4(n: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the registers are those of the aarch64 system call convention.
    unsafe {
        asm!("svc 0", in("x8") n, inlateout("x0") a as isize => result, in("x1") b, in("x2") c,
             in("x3") d, in("x4") 0, options(nostack));
    }
    result
}

/// The entry point: hands on where the stack begins.
///
/// SAFETY: the kernel jumps here once, with a stack; nothing returns.
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov rdi, rsp", "xor ebp, ebp", "and rsp, -16", "call {0}", "ud2", sym begin)
}

/// SAFETY: as above.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov x0, sp", "mov x29, xzr", "bl {0}", "brk 1", sym begin)
}

/// `stack` is what the kernel left (execve(2)): the number of arguments, the arguments, a null, the
/// environment, a null.
extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: the layout is the kernel's, and it stays as long as the program.
    let (count, arguments) = unsafe { (*stack, stack.add(1).cast::<*const u8>()) };
    let words = List(arguments);
    // SAFETY: behind the arguments and their null is the environment.
    let environment = List(unsafe { arguments.add(count + 1) });
    crate::run(words, environment)
}

pub fn end(code: usize) -> ! {
    loop {
        // SAFETY: ends the process; it does not return.
        unsafe { syscall4(number::EXIT_GROUP, code, 0, 0, 0) };
    }
}

/// Writes a text, and ends.
pub fn complain_and_end(text: &[u8], code: usize) -> ! {
    write(STDERR, text);
    end(code)
}

/// Whether the whole text was taken.
pub fn write(descriptor: usize, text: &[u8]) -> bool {
    // SAFETY: the text outlives the call.
    let written = unsafe {
        syscall4(number::WRITE, descriptor, text.as_ptr() as usize, text.len(), 0)
    };
    written == text.len() as isize
}

/// Becomes another program, with these arguments and environment. Gives the error where that fails.
pub fn become_program(path: Text, arguments: List, environment: List) -> isize {
    // SAFETY: C strings, and lists of them that end with nulls.
    unsafe {
        syscall4(
            number::EXECVE,
            path.0 as usize,
            arguments.0 as usize,
            environment.0 as usize,
            0,
        )
    }
}

/// Becomes the program of this name in a folder. Gives the error where that fails.
pub fn become_one_in(folder: &[u8], name: &[u8], arguments: List, environment: List) -> isize {
    let mut path = Buffer::<PATH_MAX>::new();
    if path.put(folder) && path.put(b"/") && path.put(name) && path.put(&[0]) {
        become_program(path.text(), arguments, environment)
    } else {
        ENAMETOOLONG
    }
}

/// A text that the kernel left: it ends with a zero, and stays as long as the program.
#[derive(Clone, Copy)]
pub struct Text(*const u8);

impl Text {
    /// Where it is, for the kernel.
    pub fn start(self) -> *const u8 {
        self.0
    }

    /// The bytes before its zero.
    pub fn bytes(self) -> &'static [u8] {
        let mut length = 0;
        // SAFETY: reads up to the zero, and what is before it stays.
        unsafe {
            while *self.0.add(length) != 0 {
                length += 1;
            }
            slice::from_raw_parts(self.0, length)
        }
    }

    /// What is behind this beginning.
    pub fn after(self, beginning: &[u8]) -> Option<Self> {
        let mut rest = self.0;
        for byte in beginning {
            // SAFETY: what was read before was no zero, so there is a next.
            if unsafe { *rest } != *byte {
                return None;
            }
            // SAFETY: as above.
            rest = unsafe { rest.add(1) };
        }
        Some(Self(rest))
    }

    pub fn is(self, word: &[u8]) -> bool {
        self.after(word).is_some_and(|rest| rest.bytes().is_empty())
    }
}

impl From<&'static CStr> for Text {
    fn from(text: &'static CStr) -> Self {
        Self(text.as_ptr().cast())
    }
}

/// A list of texts that ends with a null: arguments, or an environment.
#[derive(Clone, Copy)]
pub struct List(*const *const u8);

impl List {
    /// Without its first text; there must be one.
    pub fn rest(self) -> Self {
        // SAFETY: behind the first text is another, or the null.
        Self(unsafe { self.0.add(1) })
    }

    /// What a variable of an environment is set to.
    pub fn variable(self, name_and_sign: &[u8]) -> Option<Text> {
        self.into_iter().find_map(|entry| entry.after(name_and_sign))
    }
}

impl Iterator for List {
    type Item = Text;

    fn next(&mut self) -> Option<Text> {
        // SAFETY: nobody goes beyond the null.
        let text = unsafe { *self.0 };
        if text.is_null() {
            return None;
        }
        *self = self.rest();
        Some(Text(text))
    }
}

/// The folders of a search path, one after the other.
pub struct Folders(pub Option<&'static [u8]>);

impl Iterator for Folders {
    type Item = &'static [u8];

    fn next(&mut self) -> Option<&'static [u8]> {
        let path = self.0?;
        let mut parts = path.splitn(2, |byte| *byte == b':');
        let folder = parts.next();
        self.0 = parts.next();
        folder
    }
}

/// A text that is put together, in a room of fixed size.
pub struct Buffer<const SIZE: usize> {
    bytes: MaybeUninit<[u8; SIZE]>,
    length: usize,
}

impl<const SIZE: usize> Buffer<SIZE> {
    pub const fn new() -> Self {
        Self {
            bytes: MaybeUninit::uninit(),
            length: 0,
        }
    }

    /// Appends a text; whether there was room for it.
    pub fn put(&mut self, text: &[u8]) -> bool {
        let fits = text.len() <= SIZE - self.length;
        if fits {
            for byte in text {
                // SAFETY: within the room.
                unsafe { self.start().add(self.length).write(*byte) };
                self.length += 1;
            }
        }
        fits
    }

    /// Appends what an open file has; whether there was room for it and more.
    pub fn read(&mut self, descriptor: usize) -> bool {
        let room = SIZE - self.length;
        // SAFETY: the kernel writes to the room alone.
        let read = unsafe {
            let at = self.start().add(self.length);
            syscall4(number::READ, descriptor, at as usize, room, 0)
        };
        let fits = read >= 0 && (read as usize) < room;
        if fits {
            self.length += read as usize;
        }
        fits
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: so many were written.
        unsafe { slice::from_raw_parts(self.bytes.as_ptr().cast(), self.length) }
    }

    /// For the kernel; the buffer must have a zero at its end, and outlive what is done with it.
    pub fn text(&self) -> Text {
        Text(self.bytes.as_ptr().cast())
    }

    fn start(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr().cast()
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    end(101)
}

//! Which of the kernel's newer calls can be made: by making each so that it can have no effect.

use nix::errno::Errno;
use nix::libc;

/// A call that we can't do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// As its manual page is called.
    pub name: &'static str,
    /// The first Linux that has it.
    pub since: &'static str,
    number: libc::c_long,
}

/// All of them.
pub const NEEDED: [Feature; 3] = [
    Feature {
        name: "open_tree",
        since: "5.2",
        number: libc::SYS_open_tree,
    },
    Feature {
        name: "pidfd_open",
        since: "5.3",
        number: libc::SYS_pidfd_open,
    },
    Feature {
        name: "openat2",
        since: "5.6",
        number: libc::SYS_openat2,
    },
];

impl Feature {
    /// Whether the kernel has it, and no filter keeps us from it.
    pub fn is_there(self) -> bool {
        // SAFETY: no descriptor or process is -1, the paths and structures are null and zero long:
        // a kernel that knows the call refuses it before it reads memory or does anything.
        let result = unsafe {
            libc::syscall(
                self.number,
                -1,
                std::ptr::null::<libc::c_void>(),
                std::ptr::null::<libc::c_void>(),
                0_usize,
            )
        };
        let refused_for_good = [Errno::ENOSYS, Errno::EPERM];
        !matches!(Errno::result(result), Err(errno) if refused_for_good.contains(&errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_no_kernel_has_is_missing() {
        assert!(NEEDED.iter().all(|feature| feature.is_there()));
        let none = Feature {
            name: "none",
            since: "never",
            number: 100_000,
        };
        assert!(!none.is_there());
    }
}

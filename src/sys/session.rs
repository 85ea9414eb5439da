//! Programs that are to outlive the terminal they were started at.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::setsid;

/// Has a program start in a session of its own (setsid(2)): no terminal sends it SIGINT or SIGHUP,
/// and it is in nobody's process group.
pub fn of_its_own(command: &mut Command) {
    let leave = || setsid().map(drop).map_err(io::Error::from);
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: setsid(2) is one, and
    // the closure neither allocates nor locks.
    unsafe {
        command.pre_exec(leave);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;
    use nix::unistd::{Pid, getsid};

    #[test]
    fn a_program_leads_its_own_session() {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        of_its_own(&mut command);
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        assert_eq!(getsid(Some(pid)).unwrap(), pid);
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

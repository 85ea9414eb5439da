//! A process and what came of it, ended together.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use procfs::process::Process;

use super::cgroup::{Error, Hierarchies};
use super::process::PidFd;
use super::signal::Signal;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Kills a process, its descendants and all of its session, as far as they are in the cgroup; at
/// most as long as `within`. True when none is left.
///
/// A process that has left the session and lost its parents too is the cgroup's own from then on.
pub fn kill(
    leader: u32,
    cgroups: &Hierarchies,
    cgroup: &str,
    within: Duration,
) -> Result<bool, Error> {
    let deadline = Instant::now() + within;
    loop {
        let members = members(leader, &cgroups.procs(cgroup)?);
        if members.is_empty() {
            return Ok(true);
        }
        for pid in &members {
            // An error means that the process is gone, or on its way; the next look tells.
            if let Ok(process) = PidFd::open(*pid)
                && cgroups.holds(*pid, cgroup)
            {
                let _ = process.signal(Signal::KILL);
            }
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        thread::sleep(PAUSE);
    }
}

/// The living among these that are the leader, of its session, or descend from one that is.
fn members(leader: u32, pids: &BTreeSet<u32>) -> BTreeSet<u32> {
    let leader = i32::try_from(leader).unwrap_or_default();
    let stats: Vec<_> = pids
        .iter()
        .filter_map(|&pid| Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok())
        .filter(|stat| stat.state != 'Z')
        .collect();
    let mut members: BTreeSet<i32> = BTreeSet::new();
    loop {
        let before = members.len();
        for stat in &stats {
            let belongs = stat.pid == leader
                || stat.session == leader
                || stat.ppid == leader
                || members.contains(&stat.ppid);
            if belongs {
                members.insert(stat.pid);
            }
        }
        if members.len() == before {
            break;
        }
    }
    members
        .into_iter()
        .filter_map(|pid| pid.try_into().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_session_and_all_that_descends_from_it_are_members() {
        // The inner shell leaves the session; its parent does not.
        let script = "setsid sh -c 'sleep 60 & echo $!; wait' & sleep 60 & echo $!; wait";
        let mut leader = Command::new("setsid")
            .args(["-w", "sh", "-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut bystander = Command::new("sleep").arg("60").spawn().unwrap();
        let told = std::io::read_to_string(Lines(leader.stdout.take().unwrap(), 2)).unwrap();
        let told: BTreeSet<u32> = told.lines().map(|pid| pid.parse().unwrap()).collect();
        let all: BTreeSet<u32> = super::super::process::all().unwrap().into_iter().collect();

        let members = members(leader.id(), &all);
        assert!(members.contains(&leader.id()));
        assert!(
            members.is_superset(&told),
            "{members:?} lack one of {told:?}"
        );
        assert!(!members.contains(&bystander.id()));

        for pid in &members {
            let _ = PidFd::open(*pid).and_then(|process| process.signal(Signal::KILL));
        }
        bystander.kill().unwrap();
        leader.wait().unwrap();
        bystander.wait().unwrap();
    }

    /// The first lines of what may never end.
    struct Lines<R>(R, usize);

    impl<R: std::io::Read> std::io::Read for Lines<R> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.1 == 0 || buffer.is_empty() {
                return Ok(0);
            }
            let read = self.0.read(&mut buffer[..1])?;
            self.1 -= usize::from(buffer[..read].contains(&b'\n'));
            Ok(read)
        }
    }
}

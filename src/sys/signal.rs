//! Signals by number and by name.

use std::fmt;
use std::io;
use std::str::FromStr;

use nix::libc;
use nix::sys::signal::SigSet;

/// A signal that can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal(i32);

/// Not a signal's name or number.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no signal")]
pub struct SignalError(String);

impl Signal {
    pub const HUP: Self = Self(libc::SIGHUP);
    pub const INT: Self = Self(libc::SIGINT);
    pub const KILL: Self = Self(libc::SIGKILL);
    pub const TERM: Self = Self(libc::SIGTERM);

    pub fn number(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for Signal {
    type Error = SignalError;

    fn try_from(number: i32) -> Result<Self, SignalError> {
        (1..=libc::SIGRTMAX())
            .contains(&number)
            .then_some(Self(number))
            .ok_or_else(|| SignalError(number.to_string()))
    }
}

/// `SIGTERM`, `term`, `15`, `SIGRTMIN+3`, `RTMAX-1`: what images and Compose files write.
impl FromStr for Signal {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        if let Ok(number) = text.parse::<i32>() {
            return Self::try_from(number);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let real_time = |base: &str, start: i32| {
            let offset = name.strip_prefix(base)?;
            let offset = match offset {
                "" => 0,
                offset => offset.parse::<i32>().ok()?,
            };
            let number = start.checked_add(offset)?;
            (libc::SIGRTMIN()..=libc::SIGRTMAX())
                .contains(&number)
                .then_some(Self(number))
        };
        nix::sys::signal::Signal::from_str(&format!("SIG{name}"))
            .ok()
            .map(|signal| Self(signal as i32))
            .or_else(|| real_time("RTMIN", libc::SIGRTMIN()))
            .or_else(|| real_time("RTMAX", libc::SIGRTMAX()))
            .ok_or_else(|| SignalError(text.to_owned()))
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nix::sys::signal::Signal::try_from(self.0) {
            Ok(signal) => f.write_str(signal.as_str()),
            Err(_) => write!(f, "SIGRTMIN+{}", self.0 - libc::SIGRTMIN()),
        }
    }
}

/// Lets every signal come. A process starts with the mask of whoever started it; one that waits for
/// SIGTERM in a thread of its own blocks it, and its children would never hear of it. To be called
/// before there is another thread.
pub fn unblock_all() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_known_by_name_and_number() {
        for text in ["SIGTERM", "term", "Term", "15"] {
            assert_eq!(text.parse(), Ok(Signal::TERM), "{text}");
        }
        assert_eq!(Signal::TERM.to_string(), "SIGTERM");
        let real_time: Signal = "SIGRTMIN+3".parse().unwrap();
        assert_eq!(real_time.to_string(), "SIGRTMIN+3");
        assert_eq!("RTMAX".parse::<Signal>().unwrap().number(), 64);
    }

    #[test]
    fn a_blocked_signal_is_let_through() {
        std::thread::spawn(|| {
            SigSet::all().thread_block().unwrap();
            unblock_all().unwrap();
            assert_eq!(SigSet::thread_get_mask().unwrap(), SigSet::empty());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in ["", "0", "65", "-1", "SIG", "SIGRTMIN+99", "SIGRTMAX+1", "x"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}

//! What runs: names, signals, restarts, health checks.

use super::Check;
use crate::compose::model::{HealthcheckTest, Restart};

pub(super) fn check(check: &mut Check<'_>) {
    let service = check.service;
    if let Some(restart) = &service.restart
        && let Restart::Unknown(word) = &restart.value
    {
        check
            .fail(
                "restart",
                restart.span,
                &format!("`{word}` is no restart policy"),
            )
            .help = Some("they are no, always, on-failure[:TIMES] and unless-stopped".to_owned());
    }
    if let Some(name) = &service.container_name
        && !is_container_name(name)
    {
        let problem = "a container's name has a-z A-Z 0-9 _ . - and begins with a letter or digit";
        check.fail("container_name", name.span, problem);
    }
    for (key, name) in [
        ("hostname", &service.hostname),
        ("domainname", &service.domainname),
    ] {
        if let Some(name) = name
            && !is_host_name(name)
        {
            check.fail(key, name.span, &format!("`{}` is no host name", name.value));
        }
    }
    if let Some(folder) = &service.working_dir
        && !folder.starts_with('/')
    {
        check.fail("working_dir", folder.span, "this must be an absolute path");
    }
    if let Some(signal) = &service.stop_signal
        && !is_signal(signal)
    {
        let problem = format!("`{}` is no signal", signal.value);
        check.fail("stop_signal", signal.span, &problem);
    }
    for profile in &service.profiles {
        if !is_profile(profile) {
            let problem = format!("`{}` is no name of a profile", profile.value);
            check.fail("profiles", profile.span, &problem);
        }
    }
    for (name, _) in &service.environment {
        if name.is_empty() || name.contains('=') {
            let problem = format!("`{}` is no name of a variable", name.value);
            check.fail("environment", name.span, &problem);
        }
    }
    healthcheck(check);
}

fn healthcheck(check: &mut Check<'_>) {
    let Some(health) = &check.service.healthcheck else {
        return;
    };
    if let Some(test) = &health.test
        && let HealthcheckTest::Command(words) | HealthcheckTest::Shell(words) = &test.value
        && words.is_empty()
    {
        check.fail("healthcheck.test", test.span, "there is no command in it");
    }
    if let (Some(interval), None) = (&health.start_interval, &health.start_period) {
        let problem = "without a start_period there is no start";
        check.fail("healthcheck.start_interval", interval.span, problem);
    }
    for (key, duration) in [
        ("interval", &health.interval),
        ("timeout", &health.timeout),
        ("start_period", &health.start_period),
        ("start_interval", &health.start_interval),
    ] {
        if let Some(duration) = duration
            && !duration.is_zero()
            && duration.as_millis() == 0
        {
            let key = format!("healthcheck.{key}");
            check.fail(&key, duration.span, "this must be a millisecond at least");
        }
    }
}

fn is_container_name(name: &str) -> bool {
    name.len() > 1 && is_profile(name)
}

/// `[a-zA-Z0-9][a-zA-Z0-9_.-]*`
fn is_profile(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// What sethostname(2) and a hosts file can hold: 64 bytes, in labels of letters, digits, - and _.
fn is_host_name(name: &str) -> bool {
    name.len() <= 64
        && name.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

/// signal(7)
const SIGNALS: [&str; 35] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "UNUSED", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// A number, or a name with or without `SIG`; `RTMIN+3` and the like among them.
fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |rest: &str, sign| {
        rest.is_empty()
            || rest
                .strip_prefix(sign)
                .and_then(|number| number.parse::<u8>().ok())
                .is_some_and(|number| number <= 30)
    };
    SIGNALS.contains(&name)
        || name
            .strip_prefix("RTMIN")
            .is_some_and(|rest| offset(rest, '+'))
        || name
            .strip_prefix("RTMAX")
            .is_some_and(|rest| offset(rest, '-'))
}

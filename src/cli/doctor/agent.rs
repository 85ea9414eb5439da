//! Mesos agents that run here: whether they start executors so that pods can be theirs.

use std::collections::BTreeMap;

use super::Check;
use crate::sys::process;

/// What its program has been called.
const PROGRAMS: [&str; 2] = ["mesos-agent", "mesos-slave"];
/// Without these a task's limits don't bind its pod.
const ISOLATORS: [&str; 2] = ["cgroups/cpu", "cgroups/mem"];

/// A check for each agent; none where none runs.
pub(super) fn checks() -> Vec<Check> {
    let agents = process::all().unwrap_or_default().into_iter();
    agents
        .filter_map(|pid| {
            let words = process::command_line(pid).ok()?;
            is_agent(&words).then(|| check(pid, &flags(&words, &process::environment(pid))))
        })
        .collect()
}

fn is_agent(words: &[String]) -> bool {
    let name = words.first().and_then(|word| word.rsplit('/').next());
    // libtool's wrapper, as in a build folder.
    name.is_some_and(|name| PROGRAMS.contains(&name.trim_start_matches("lt-")))
}

/// Flags on the command line, and those that `MESOS_…` variables stand for.
fn flags(words: &[String], environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let variables = environment.iter().filter_map(|(name, value)| {
        let flag = name.strip_prefix("MESOS_")?;
        Some((flag.to_ascii_lowercase(), value.clone()))
    });
    let given = words.iter().filter_map(|word| {
        let (name, value) = word.strip_prefix("--")?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    // The command line comes later, and wins.
    variables.chain(given).collect()
}

fn check(pid: u32, flags: &BTreeMap<String, String>) -> Check {
    const NAME: &str = "Mesos agent";
    let isolation = flags.get("isolation").map_or("", String::as_str);
    let has = |isolator: &str| isolation.split(',').any(|name| name.trim() == isolator);
    if flags.get("launcher").is_some_and(|it| it == "posix") {
        return Check::bad(NAME, format!("process {pid} has --launcher=posix"))
            .remedy("start it with --launcher=linux: else nothing ends a dead executor's pod");
    }
    if has("namespaces/pid") {
        return Check::bad(NAME, format!("process {pid} isolates namespaces/pid")).remedy(
            "take namespaces/pid from --isolation: executors must see containerd's processes",
        );
    }
    let missing: Vec<_> = ISOLATORS.into_iter().filter(|name| !has(name)).collect();
    if missing.is_empty() {
        return Check::good(NAME, format!("process {pid}: {isolation}"));
    }
    let found = format!("process {pid} isolates without {}", missing.join(", "));
    Check::poor(NAME, found)
        .remedy("add them to --isolation: else a task's limits don't bind its pod")
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn of(line: &str, environment: &[(&str, &str)]) -> Check {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        assert!(is_agent(&words), "{line}");
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        check(7, &flags(&words, &environment.collect()))
    }

    #[test]
    fn an_agent_is_judged_by_its_launcher_and_isolators() {
        let good = "/usr/sbin/mesos-agent --launcher=linux --isolation=cgroups/cpu,cgroups/mem";
        assert_eq!(of(good, &[]).state, State::Ok);
        assert_eq!(
            of("mesos-slave --launcher=linux", &[]).state,
            State::Warning
        );
        let posix = [("MESOS_LAUNCHER", "posix")];
        assert_eq!(of("mesos-agent", &posix).state, State::Failed);
        assert_eq!(of(good, &posix).state, State::Ok, "the command line wins");
        let pid = "mesos-agent --isolation=cgroups/cpu,cgroups/mem,namespaces/pid";
        assert_eq!(of(pid, &[]).state, State::Failed);
    }

    #[test]
    fn another_program_is_no_agent() {
        assert!(!is_agent(&["vim".to_owned(), "mesos-agent".to_owned()]));
        assert!(!is_agent(&[]));
    }
}

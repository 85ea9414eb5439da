//! What becomes of each key that a service can have.
//!
//! A key is never dropped silently: what has no effect here because it needs none is `Harmless`,
//! what changes less than its user may think is `Warned`, and all else is refused.

use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::Service;

/// What a key's presence leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It has its effect.
    Supported,
    /// It needs none in a pod.
    Harmless,
    /// The pod runs; the text says what is different.
    Warned(&'static str),
    /// It would run in another way than the file says, so it doesn't.
    NotYet,
}

use Verdict::{Harmless, NotYet, Supported, Warned};

/// Keys that are not here are `NotYet`: the loader has refused what Compose does not know.
const KEYS: [(&str, Verdict); 43] = [
    ("attach", Harmless),
    (
        "build",
        Warned("nothing is built on an agent; the image is used as it is"),
    ),
    ("command", Supported),
    ("container_name", Supported),
    ("cpus", Supported),
    ("depends_on", Supported),
    ("develop", Harmless),
    ("entrypoint", Supported),
    ("env_file", Supported),
    ("environment", Supported),
    ("expose", Harmless),
    ("extends", Supported),
    ("extra_hosts", Supported),
    ("healthcheck", Supported),
    ("hostname", Supported),
    ("image", Supported),
    // The pause container is PID 1 of the pod, and reaps.
    ("init", Harmless),
    ("label_file", Supported),
    ("labels", Supported),
    ("links", Supported),
    ("mem_limit", Supported),
    ("network_mode", Supported),
    ("networks", Supported),
    ("pids_limit", Supported),
    ("ports", Supported),
    ("post_start", Supported),
    ("pre_stop", Supported),
    ("profiles", Supported),
    ("pull_policy", Supported),
    ("read_only", Supported),
    ("restart", Supported),
    ("scale", Supported),
    ("shm_size", Supported),
    // Mesos gives no terminal and no input.
    ("stdin_open", Harmless),
    ("stop_grace_period", Supported),
    ("stop_signal", Supported),
    ("tmpfs", Supported),
    ("tty", Supported),
    ("user", Supported),
    ("volumes", Supported),
    ("working_dir", Supported),
    ("x-pod", Supported),
    ("privileged", Supported),
];

/// The errors and warnings of one service's keys.
pub(super) fn check(service: &Service) -> Vec<Diagnostic> {
    let name = &service.name.value;
    let verdict = |key: &str| match KEYS.iter().find(|(known, _)| *known == key) {
        Some((_, verdict)) => *verdict,
        None if key.starts_with("x-") => Harmless,
        None => NotYet,
    };
    let diagnose = |key: &crate::compose::source::Spanned<String>| match verdict(key) {
        Supported | Harmless => None,
        Warned(text) => {
            Some(Diagnostic::warning(format!("services.{name}.{}: {text}", key.value)).at(key.span))
        }
        NotYet => Some(
            Diagnostic::unsupported(format!(
                "services.{name}.{} is not supported yet",
                key.value
            ))
            .at(key.span)
            .help("leave the key out, or keep this service off the pod"),
        ),
    };
    service.keys.iter().filter_map(diagnose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_each_key_once() {
        let mut keys: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), KEYS.len());
    }
}

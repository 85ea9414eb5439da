//! containerd's filter language, as much of it as is asked for here.

/// One filter of a list or a subscription. Several of them are alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// What carries this label with this value.
    pub fn label(key: &str, value: &str) -> Self {
        Self(format!("labels.{}=={}", quoted(key), quoted(value)))
    }

    /// What carries this label, whatever its value.
    pub fn has_label(key: &str) -> Self {
        Self(format!("labels.{}", quoted(key)))
    }

    /// Events of a topic in a namespace. The quotes are needed: a bare topic's `/` ends the value.
    pub(super) fn topic(topic: &str, namespace: &str) -> Self {
        Self(format!(
            "topic=={},namespace=={}",
            quoted(topic),
            quoted(namespace)
        ))
    }

    /// The same, of containers alone whose ids match a regular expression (RE2).
    pub(super) fn topic_of(topic: &str, namespace: &str, containers: &str) -> Self {
        let Self(topic) = Self::topic(topic, namespace);
        Self(format!(
            "{topic},event.container_id~={}",
            quoted(containers)
        ))
    }

    pub(super) fn strings(filters: &[Self]) -> Vec<String> {
        filters.iter().map(|filter| filter.0.clone()).collect()
    }
}

/// A quoted value, by the rules of Go's string literals, which containerd's filters follow.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_quoted() {
        assert_eq!(
            Filter::label("compose-executor/pod", "a\"b\\").0,
            r#"labels."compose-executor/pod"=="a\"b\\""#
        );
        assert_eq!(
            Filter::topic("/tasks/exit", "compose-executor").0,
            r#"topic=="/tasks/exit",namespace=="compose-executor""#
        );
        assert_eq!(
            Filter::topic_of("/tasks/oom", "ns", "0a1b").0,
            r#"topic=="/tasks/oom",namespace=="ns",event.container_id~="0a1b""#
        );
    }
}

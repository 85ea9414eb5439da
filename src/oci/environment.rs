//! `process.env`: variables, layer upon layer.

use super::error::ProcessError;

/// Variables in the order in which they were first set.
#[derive(Debug, Default)]
pub(super) struct Environment(Vec<(String, String)>);

impl Environment {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Passes over what is no `NAME=value`: an image's mistake should not stop a service.
    pub(super) fn set_all(&mut self, entries: &[String]) {
        for (name, value) in entries.iter().filter_map(|entry| entry.split_once('=')) {
            if !name.is_empty() {
                self.set(name, value);
            }
        }
    }

    /// No value removes the variable.
    pub(super) fn change(&mut self, variables: &[(String, Option<String>)]) {
        for (name, value) in variables {
            match value {
                Some(value) => self.set(name, value),
                None => self.0.retain(|(known, _)| known != name),
            }
        }
    }

    /// As `NAME=value`.
    pub(super) fn into_entries(self) -> Result<Vec<String>, ProcessError> {
        let entry = |(name, value): (String, String)| {
            if name.is_empty() || name.contains(['=', '\0']) {
                Err(ProcessError::VariableName { name })
            } else if value.contains('\0') {
                Err(ProcessError::VariableValue { name })
            } else {
                Ok(format!("{name}={value}"))
            }
        };
        self.0.into_iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_variable_keeps_its_place_and_takes_the_last_value() {
        let mut environment = Environment::default();
        environment.set_all(&entries("A=1 B=2 no-value =nameless C=3=4"));
        environment.change(&[
            ("B".into(), Some(String::new())),
            ("D".into(), Some("a b".into())),
            ("A".into(), None),
            ("ABSENT".into(), None),
        ]);
        let expected = ["B=", "C=3=4", "D=a b"];
        assert_eq!(environment.into_entries().unwrap(), expected);
    }

    #[test]
    fn a_variable_that_execve_could_not_take_is_refused() {
        let error = |name: &str, value: &str| {
            let mut environment = Environment::default();
            environment.set(name, value);
            environment.into_entries().unwrap_err()
        };
        for name in ["", "A=B", "A\0"] {
            let name = name.to_owned();
            assert_eq!(error(&name, "x"), ProcessError::VariableName { name });
        }
        let name = "A".to_owned();
        assert_eq!(error(&name, "a\0b"), ProcessError::VariableValue { name });
    }
}

//! The grammar of interpolation, for a single text.
//!
//! `$$` is a `$`; `$NAME` and `${NAME}` are a variable's value; `${NAME<op>WORD}` has one of the
//! operators `:-` `-` `:?` `?` `:+` `+`, and a WORD that may hold variables again. Where the end of
//! a `${…}` is, and that a line feed can't be in it, is as Docker Compose has it.

use crate::compose::limits::Limits;

/// Why a text can't be interpolated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("a `${{` begins that is no variable")]
    Invalid,
    #[error("the variable {name} must be set{}{reason}", if .reason.is_empty() { "" } else { ": " })]
    Required { name: String, reason: String },
    #[error("variables are nested more than {0} deep")]
    TooDeep(usize),
    #[error("its variables make it longer than {0} bytes")]
    TooLong(usize),
}

/// A substitution, and the variables that it found unset.
pub struct Template<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    limits: &'a Limits,
    /// How many bytes the values put together may still have.
    bytes_left: usize,
    pub unset: Vec<String>,
}

impl std::fmt::Debug for Template<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template")
            .field("unset", &self.unset)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum Operator {
    Default,
    Required,
    Alternative,
}

impl<'a> Template<'a> {
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>, limits: &'a Limits) -> Self {
        Self {
            lookup,
            limits,
            bytes_left: limits.interpolation_bytes,
            unset: Vec::new(),
        }
    }

    /// The text with its variables replaced.
    pub fn substitute(&mut self, text: &str) -> Result<String, TemplateError> {
        self.at_depth(text, 0)
    }

    fn at_depth(&mut self, text: &str, depth: usize) -> Result<String, TemplateError> {
        if depth > self.limits.interpolation_depth {
            return Err(TemplateError::TooDeep(self.limits.interpolation_depth));
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            self.push(&mut out, &rest[..dollar])?;
            let after = &rest[dollar + 1..];
            rest = if let Some(after) = after.strip_prefix('$') {
                self.push(&mut out, "$")?;
                after
            } else if let Some(inside) = after.strip_prefix('{') {
                self.braced(&mut out, inside, depth)?
            } else {
                match name_length(after) {
                    0 => {
                        self.push(&mut out, "$")?;
                        after
                    }
                    length => {
                        let value = self.plain(&after[..length]);
                        self.push(&mut out, &value)?;
                        &after[length..]
                    }
                }
            };
        }
        self.push(&mut out, rest)?;
        Ok(out)
    }

    /// Behind a `${`: appends its value, and gives back the text behind its `}`.
    fn braced<'t>(
        &mut self,
        out: &mut String,
        inside: &'t str,
        depth: usize,
    ) -> Result<&'t str, TemplateError> {
        let (name, behind) = inside.split_at(name_length(inside));
        if name.is_empty() {
            return Err(TemplateError::Invalid);
        }
        if let Some(rest) = behind.strip_prefix('}') {
            let value = self.plain(name);
            self.push(out, &value)?;
            return Ok(rest);
        }
        let (empty_is_unset, operator) = match behind.strip_prefix(':') {
            Some(operator) => (true, operator),
            None => (false, behind),
        };
        let (operator, tail) = match operator.chars().next() {
            Some('-') => (Operator::Default, &operator[1..]),
            Some('?') => (Operator::Required, &operator[1..]),
            Some('+') => (Operator::Alternative, &operator[1..]),
            _ => return Err(TemplateError::Invalid),
        };
        let end = word_end(inside, inside.len() - tail.len()).ok_or(TemplateError::Invalid)?;
        let word = &inside[inside.len() - tail.len()..end];
        // WORD is interpolated whether it is used or not, so that a mistake in it shows.
        let word = self.at_depth(word, depth + 1)?;
        let value = (self.lookup)(name);
        let given = value
            .as_deref()
            .is_some_and(|value| !(empty_is_unset && value.is_empty()));
        let value = match operator {
            Operator::Default if !given => word,
            Operator::Alternative if given => word,
            Operator::Required if !given => {
                return Err(TemplateError::Required {
                    name: name.to_owned(),
                    reason: word,
                });
            }
            _ => value.unwrap_or_default(),
        };
        self.push(out, &value)?;
        Ok(&inside[end + 1..])
    }

    fn plain(&mut self, name: &str) -> String {
        (self.lookup)(name).unwrap_or_else(|| {
            if !self.unset.iter().any(|unset| unset == name) {
                self.unset.push(name.to_owned());
            }
            String::new()
        })
    }

    fn push(&mut self, out: &mut String, text: &str) -> Result<(), TemplateError> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(text.len())
            .ok_or(TemplateError::TooLong(self.limits.interpolation_bytes))?;
        out.push_str(text);
        Ok(())
    }
}

/// The bytes at the start of a text that are a variable's name.
fn name_length(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.bytes()
        .position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'))
        .unwrap_or(text.len())
}

/// Where the `}` is that ends the `${` before `inside`: the first that closes as many braces as
/// were opened, or the last of the line if none does. None without a `}` behind `word` on its line.
///
/// The character behind an opening brace is not looked at, as Docker Compose has it.
fn word_end(inside: &str, word: usize) -> Option<usize> {
    let line_end = inside.find('\n').unwrap_or(inside.len());
    let last = inside[..line_end].rfind('}').filter(|last| *last >= word)?;
    let bytes = &inside.as_bytes()[..=last];
    let (mut open, mut at) = (1, 1);
    while at < bytes.len() {
        match bytes[at] {
            b'{' => {
                open += 1;
                at += 1;
            }
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(limits: Limits, text: &str) -> Result<String, TemplateError> {
        let lookup = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        Template::new(&lookup, &limits).substitute(text)
    }

    fn sub(text: &str) -> String {
        with(Limits::default(), text).unwrap()
    }

    #[test]
    fn every_operator_knows_unset_empty_and_set() {
        for (operator, unset, empty, set) in [
            (":-", "w", "w", "value"),
            ("-", "w", "", "value"),
            (":+", "", "", "w"),
            ("+", "", "w", "w"),
        ] {
            assert_eq!(
                sub(&format!("${{NO{operator}w}}")),
                unset,
                "{operator} unset"
            );
            assert_eq!(
                sub(&format!("${{EMPTY{operator}w}}")),
                empty,
                "{operator} empty"
            );
            assert_eq!(sub(&format!("${{SET{operator}w}}")), set, "{operator} set");
        }
        assert_eq!(sub("${EMPTY?w}"), "");
        assert_eq!(sub("${SET:?w}"), "value");
        let error = with(Limits::default(), "${EMPTY:?say $SET}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the variable EMPTY must be set: say value"
        );
        let error = with(Limits::default(), "${NO?}").unwrap_err();
        assert_eq!(error.to_string(), "the variable NO must be set");
    }

    #[test]
    fn the_operator_is_the_one_behind_the_name() {
        assert_eq!(sub("${U-a:-b}"), "a:-b");
        assert_eq!(sub("${U:-a?b}"), "a?b");
    }

    #[test]
    fn words_nest_and_end_at_their_own_brace() {
        assert_eq!(sub("${A:-a${SET}b}c"), "avaluebc");
        assert_eq!(sub("${A:-{\"a\":1}}"), "{\"a\":1}");
        assert_eq!(sub("${U:-a}}"), "a}");
        assert_eq!(sub("${A:-x} ${B:-y}"), "x y");
    }

    #[test]
    fn a_dollar_that_begins_nothing_is_itself() {
        for text in ["$ a", "a$", "$(X)", "$1", "a$,b"] {
            assert_eq!(sub(text), text);
        }
        assert_eq!(sub("$$SET $$$$"), "$SET $$");
        assert_eq!(sub("${A:-$$x}"), "$x");
    }

    #[test]
    fn what_is_no_variable_is_an_error() {
        for text in [
            "${1}",
            "${}",
            "${ V}",
            "${V!x}",
            "${V:}",
            "${#V}",
            "${V#x}",
            "${V",
            "${V:-a\nb}",
        ] {
            assert_eq!(
                with(Limits::default(), text),
                Err(TemplateError::Invalid),
                "{text}"
            );
        }
    }

    #[test]
    fn nesting_and_length_are_bounded() {
        let deep = (0..40).fold("x".to_owned(), |word, _| format!("${{A:-{word}}}"));
        assert_eq!(
            with(Limits::default(), &deep),
            Err(TemplateError::TooDeep(16))
        );
        let limits = Limits {
            interpolation_bytes: 12,
            ..Limits::default()
        };
        assert_eq!(with(limits, "$SET$SET"), Ok("valuevalue".to_owned()));
        assert_eq!(
            with(limits, "$SET$SET$SET"),
            Err(TemplateError::TooLong(12))
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[${}:?+\\-A-Z0-9 \n\u{e9}]{0,60}") {
            let _ = with(Limits::default(), &text);
        }

        #[test]
        fn a_text_without_dollars_stays_as_it_is(text in "[^$]{0,60}") {
            proptest::prop_assert_eq!(sub(&text), text);
        }
    }
}

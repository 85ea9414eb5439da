//! `.env`, `--env-file`, `env_file` and `label_file`: their grammar.
//!
//! `NAME=value` or `NAME: value`, a line each, `export` allowed before it; `NAME` alone is taken
//! from the environment, or left out. An unquoted value ends at the line's end or at ` #`; in `'…'`
//! nothing is replaced; in `"…"` escapes and variables are, and both may span lines.

use super::interpolate::{Template, TemplateError};
use super::limits::Limits;

/// What an env file gives, in its order; a name may come twice, the last counts.
pub type Variables = Vec<(String, String)>;

/// Why a text is no env file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct DotenvError {
    pub problem: Problem,
    /// Byte offset of what it is about.
    pub at: usize,
}

/// What is wrong with an env file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("`{0}` can't be in the name of a variable")]
    Character(char),
    #[error("the name of a variable can't hold a blank")]
    Blank,
    #[error("a quote is not closed")]
    Unterminated,
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// Reads an env file. `lookup` is asked first for a variable in a value, then the names that the
/// file (or, by `before`, an earlier one) has set.
pub fn parse(
    text: &str,
    before: &dyn Fn(&str) -> Option<String>,
    lookup: &dyn Fn(&str) -> Option<String>,
    limits: &Limits,
) -> Result<Variables, DotenvError> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    Parser {
        text,
        at: text.len() - body.len(),
        variables: Vec::new(),
        before,
        lookup,
        limits,
    }
    .run()
}

/// `format: raw`: what stands behind the first `=` is the value, whatever it is.
pub fn parse_raw(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Variables, DotenvError> {
    let mut variables = Vec::new();
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let start = at;
        at += line.len();
        let line = line.trim_end_matches(['\n', '\r']);
        let line = if number == 0 {
            line.strip_prefix('\u{feff}').unwrap_or(line)
        } else {
            line
        };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line, lookup(line)),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(DotenvError {
                problem: Problem::Blank,
                at: start,
            });
        }
        if let Some(value) = value {
            variables.push((name.to_owned(), value));
        }
    }
    Ok(variables)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    variables: Variables,
    before: &'a dyn Fn(&str) -> Option<String>,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    limits: &'a Limits,
}

/// A blank that ends no line.
fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}'
    )
}

impl<'a> Parser<'a> {
    fn run(mut self) -> Result<Variables, DotenvError> {
        while self.statement() {
            let (name, inherited) = self.name()?;
            let value = if inherited {
                (self.lookup)(&name)
            } else {
                Some(self.value()?)
            };
            if let Some(value) = value {
                self.variables.push((name, value));
            }
        }
        Ok(self.variables)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_while(&mut self, what: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(what).len();
    }

    fn fail<T>(&self, problem: impl Into<Problem>, at: usize) -> Result<T, DotenvError> {
        let problem = problem.into();
        let at = at.min(self.text.len());
        Err(DotenvError { problem, at })
    }

    /// Goes to the next statement, over blank lines and comments; false at the end.
    fn statement(&mut self) -> bool {
        loop {
            self.skip_while(char::is_whitespace);
            if !self.rest().starts_with('#') {
                return !self.rest().is_empty();
            }
            self.skip_while(|c| c != '\n');
        }
    }

    /// A variable's name, and whether its value is to be inherited.
    fn name(&mut self) -> Result<(String, bool), DotenvError> {
        if let Some(rest) = self.rest().strip_prefix("export")
            && rest.starts_with(|c: char| c.is_ascii_whitespace())
        {
            self.at += "export".len();
            self.skip_while(is_blank);
        }
        let start = self.at;
        for (offset, c) in self.rest().char_indices() {
            match c {
                '=' | ':' | '\n' => {
                    let name = self.rest()[..offset].trim_end();
                    if name.contains(' ') {
                        return self.fail(Problem::Blank, start);
                    }
                    self.at += offset + 1;
                    self.skip_while(is_blank);
                    return Ok((name.to_owned(), c == '\n'));
                }
                '_' | '.' | '-' | '[' | ']' => {}
                c if is_blank(c) || c.is_alphabetic() || c.is_numeric() => {}
                c => return self.fail(Problem::Character(c), start + offset),
            }
        }
        // The last line of a file, without a line feed: a name to inherit.
        let name = self.rest().trim_end().to_owned();
        if name.contains(' ') {
            return self.fail(Problem::Blank, start);
        }
        self.at = self.text.len();
        Ok((name, true))
    }

    fn value(&mut self) -> Result<String, DotenvError> {
        match self.rest().chars().next() {
            Some(quote @ ('\'' | '"')) => self.quoted(quote),
            _ => self.unquoted(),
        }
    }

    fn unquoted(&mut self) -> Result<String, DotenvError> {
        let start = self.at;
        let line = self.rest().split('\n').next().unwrap_or_default();
        self.at = (self.at + line.len() + 1).min(self.text.len());
        let value = line.split(" #").next().unwrap_or_default().trim_end();
        self.interpolate(value, start)
    }

    fn quoted(&mut self, quote: char) -> Result<String, DotenvError> {
        let start = self.at;
        let (mut value, mut escaped) = (String::new(), false);
        for (offset, c) in self.rest().char_indices().skip(1) {
            match (c, escaped) {
                (c, false) if c == quote => {
                    self.at += offset + 1;
                    return match quote {
                        '"' => self.interpolate(&unescape(&value), start),
                        _ => Ok(value),
                    };
                }
                (c, true) if c == quote => value.push(c),
                ('\\', false) => {
                    escaped = true;
                    continue;
                }
                (c, true) => value.extend(['\\', c]),
                (c, false) => value.push(c),
            }
            escaped = false;
        }
        self.fail(Problem::Unterminated, start)
    }

    fn interpolate(&self, value: &str, at: usize) -> Result<String, DotenvError> {
        let lookup = |name: &str| {
            let own = || self.variables.iter().rev().find(|(known, _)| known == name);
            (self.lookup)(name)
                .or_else(|| own().map(|(_, value)| value.clone()))
                .or_else(|| (self.before)(name))
        };
        match Template::new(&lookup, self.limits).substitute(value) {
            Ok(value) => Ok(value),
            Err(error) => self.fail(error, at),
        }
    }
}

/// The escapes of a double-quoted value; `\$` becomes `$$`, which interpolation leaves a `$`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        let after = &rest[backslash + 1..];
        let (made, used) = match after.chars().next() {
            Some('a') => ("\u{7}".to_owned(), 1),
            Some('b') => ("\u{8}".to_owned(), 1),
            Some('f') => ("\u{c}".to_owned(), 1),
            Some('n') => ("\n".to_owned(), 1),
            Some('r') => ("\r".to_owned(), 1),
            Some('t') => ("\t".to_owned(), 1),
            Some('v') => ("\u{b}".to_owned(), 1),
            Some('\\') => ("\\".to_owned(), 1),
            Some('"') => ("\"".to_owned(), 1),
            Some('$') => ("$$".to_owned(), 1),
            Some('0') => octal(after),
            _ => ("\\".to_owned(), 0),
        };
        out.push_str(&made);
        rest = &after[used..];
    }
    out.push_str(rest);
    out
}

/// `\0` and three octal digits; anything else loses its zero, as Docker Compose has it.
fn octal(after: &str) -> (String, usize) {
    let digits = after[1..]
        .bytes()
        .take(3)
        .take_while(u8::is_ascii_digit)
        .count();
    let code = u8::from_str_radix(&after[1..=digits], 8).ok();
    match code.filter(|_| digits == 3) {
        Some(code) => (char::from(code).to_string(), 4),
        None => (format!("\\{}", &after[1..=digits]), digits + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Variables, DotenvError> {
        let lookup = |name: &str| (name == "SHELL_SET").then(|| "shell".to_owned());
        parse(text, &|_| None, &lookup, &Limits::default())
    }

    fn one(text: &str) -> String {
        let variables = read(text).unwrap();
        assert_eq!(variables.len(), 1, "{variables:?}");
        variables.into_iter().next().unwrap().1
    }

    #[test]
    fn statements_have_several_forms() {
        let text =
            "\u{feff}# c\r\nA=1\r\n  export B = 2\nC: 3\nSHELL_SET\nNOT_SET\n\n1D.x-[0]=4\nE=";
        let variables = read(text).unwrap();
        let names: Vec<_> = variables.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(
            names,
            ["A=1", "B=2", "C=3", "SHELL_SET=shell", "1D.x-[0]=4", "E="]
        );
    }

    #[test]
    fn an_unquoted_value_ends_at_a_comment() {
        assert_eq!(one("A=b c  # d"), "b c");
        assert_eq!(one("A=abc#x"), "abc#x");
        assert_eq!(one(r"A=a\nb"), r"a\nb");
    }

    #[test]
    fn quotes_decide_on_escapes_and_variables() {
        assert_eq!(one(r"A='$SHELL_SET \n it\'s'"), r"$SHELL_SET \n it's");
        assert_eq!(
            one(r#"A="$SHELL_SET\n\"q\" \$X \0101 \x41""#),
            "shell\n\"q\" $X A \\x41"
        );
        assert_eq!(one("A=\"two\nlines\""), "two\nlines");
    }

    #[test]
    fn behind_a_closing_quote_a_statement_begins() {
        let variables = read("A=\"x\"SHELL_SET\n").unwrap();
        assert_eq!(variables.len(), 2);
        assert_eq!(one("A=\"x\" # c\n"), "x");
    }

    #[test]
    fn a_value_sees_the_names_before_it() {
        assert_eq!(read("A=1\nA=${A}2\nB=$A").unwrap()[2].1, "12");
    }

    #[test]
    fn mistakes_name_their_place() {
        assert_eq!(read("A=1\nB@=2").unwrap_err().at, 5);
        assert_eq!(read("A B=1").unwrap_err().problem, Problem::Blank);
        assert_eq!(read("A=\"x\n").unwrap_err().problem, Problem::Unterminated);
        assert!(read("A=${X:?no}").is_err());
    }

    #[test]
    fn a_raw_file_is_taken_as_it_is() {
        let variables = parse_raw("# c\nA=\"b\" $C # d\nB='\n", &|_| None).unwrap();
        assert_eq!(variables[0].1, "\"b\" $C # d");
        assert_eq!(variables[1].1, "'");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[A-C=:\"'#$\\\\0-9nx{} \n\u{e9}]{0,60}") {
            let _ = read(&text);
            let _ = parse_raw(&text, &|_| None);
        }
    }
}

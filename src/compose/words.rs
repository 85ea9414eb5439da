//! `command: "sh -c 'a b'"`: a string split into a program and its arguments.
//!
//! The rules are a shell's for quotes and backslashes, but no shell runs: at an operator of the
//! shell's (`;` `&` `|` `<` `>`) Docker Compose stops and drops the rest.

/// A text that is no list of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quote, a backslash or a parenthesis is not closed")]
pub(super) struct WordsError;

/// The words of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub words: Vec<String>,
    /// The operator at which the words end, if they do before the text does.
    pub cut_at: Option<char>,
}

/// Splits a text into words.
pub(super) fn split(text: &str) -> Result<Words, WordsError> {
    let mut splitter = Splitter::default();
    let mut escaped = false;
    let mut cut_at = None;
    for c in text.chars() {
        if escaped {
            escaped = false;
            splitter.push(c);
        } else if c == '\\' {
            if splitter.quote == Some(Quote::Single) {
                splitter.word.get_or_insert_default().push(c);
            } else {
                escaped = true;
            }
        } else if splitter.quote.is_none() && matches!(c, ';' | '&' | '|' | '<' | '>') {
            if c == '>' {
                splitter.drop_descriptor();
            }
            cut_at = Some(c);
            break;
        } else {
            splitter.character(c)?;
        }
    }
    if escaped || splitter.quote.is_some() {
        return Err(WordsError);
    }
    splitter.end_word();
    Ok(Words {
        words: splitter.words,
        cut_at,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    Single,
    Double,
    Backtick,
    /// `$( … )`
    Dollar,
}

#[derive(Default)]
struct Splitter {
    words: Vec<String>,
    word: Option<String>,
    quote: Option<Quote>,
}

impl Splitter {
    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    /// `2>`: the digits belong to the operator.
    fn drop_descriptor(&mut self) {
        if self
            .word
            .as_deref()
            .is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        {
            self.word = None;
        }
    }

    fn character(&mut self, c: char) -> Result<(), WordsError> {
        match (c, self.quote) {
            (' ' | '\t' | '\r' | '\n', None) => {
                self.end_word();
                return Ok(());
            }
            ('"', None) => {
                self.open(Quote::Double);
                return Ok(());
            }
            ('\'', None) => {
                self.open(Quote::Single);
                return Ok(());
            }
            ('"', Some(Quote::Double)) | ('\'', Some(Quote::Single)) => {
                self.quote = None;
                return Ok(());
            }
            ('`', None) => self.quote = Some(Quote::Backtick),
            ('`', Some(Quote::Backtick)) | (')', Some(Quote::Dollar)) => self.quote = None,
            ('(', None) if self.word.as_deref().is_some_and(|word| word.ends_with('$')) => {
                self.quote = Some(Quote::Dollar);
            }
            ('(' | ')', None) | ('(', Some(Quote::Dollar)) => return Err(WordsError),
            _ => {}
        }
        self.push(c);
        Ok(())
    }

    /// A pair of quotes is a word, even an empty one.
    fn open(&mut self, quote: Quote) {
        self.quote = Some(quote);
        self.word.get_or_insert_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(text).unwrap().words
    }

    #[test]
    fn quotes_and_backslashes_are_a_shells() {
        assert_eq!(words("sh -c 'a b'"), ["sh", "-c", "a b"]);
        assert_eq!(words(r#"a "b \" c" d\ e"#), ["a", "b \" c", "d e"]);
        assert_eq!(words("a   b\nc"), ["a", "b", "c"]);
        assert_eq!(words("a '' b"), ["a", "", "b"]);
        assert_eq!(words("`x y` $(z w)"), ["`x y`", "$(z w)"]);
        assert!(words("").is_empty());
    }

    #[test]
    fn an_operator_ends_the_words() {
        let cut = split("a && b").unwrap();
        assert_eq!((cut.words, cut.cut_at), (vec!["a".to_owned()], Some('&')));
        assert_eq!(words("a 2>/dev/null"), ["a"]);
        assert_eq!(words("a 'b; c'"), ["a", "b; c"]);
    }

    #[test]
    fn what_is_left_open_is_an_error() {
        for text in ["a \"b", "a 'b", "a\\", "a (b)", "a)", "`a"] {
            assert_eq!(split(text), Err(WordsError), "{text}");
        }
    }
}

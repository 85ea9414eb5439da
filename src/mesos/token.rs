//! The secret that an agent with executor authentication gives to its executor.

use std::fmt;

use hyper::header::HeaderValue;

/// `MESOS_EXECUTOR_AUTHENTICATION_TOKEN`: who has it can speak to the agent as this executor.
///
/// It shows in no log and no error: `Debug` hides it, and there is no `Display`.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl Token {
    /// None for a text that can't stand in a header.
    pub(super) fn new(token: &str) -> Option<Self> {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// The value of the `Authorization` header.
    pub(super) fn bearer(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_show_itself() {
        let token = Token::new("s3cret").unwrap();
        assert_eq!(format!("{token:?}"), "Token(hidden)");
        assert_eq!(format!("{:?}", token.bearer()), "Sensitive");
        assert_eq!(token.bearer().as_bytes(), b"Bearer s3cret");
    }

    #[test]
    fn a_token_with_a_line_end_is_refused() {
        assert!(Token::new("a\r\nX-Evil: yes").is_none());
    }
}

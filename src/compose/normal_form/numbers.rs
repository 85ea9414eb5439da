//! Numbers of every kind: whole ones, fractions, sizes, file modes.

use super::NormalForm;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::merge::to_text;
use crate::compose::node::Value;
use crate::compose::path::Path;
use crate::compose::source::Span;
use crate::compose::units;

/// From here on a float is beyond the integers of 64 bits, or so near that it makes no difference.
const TOO_LARGE: f64 = 9e18;

impl NormalForm {
    pub(super) fn integer(&mut self, value: &Value, span: Span, path: Path<'_>) -> Option<i64> {
        let number = match value {
            Value::Int(number) => Some(*number),
            #[allow(
                clippy::cast_possible_truncation,
                reason = "Docker Compose drops what is behind the point, too"
            )]
            Value::Float(number) if number.abs() < TOO_LARGE => Some(*number as i64),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.fail(span, path, format!("`{}` is no integer", to_text(value)));
        }
        number
    }

    /// What Docker Compose makes of a number, if it is beyond 64 bits.
    pub(super) fn beyond(&mut self, value: &Value, span: Span, path: Path<'_>) -> Option<i64> {
        let fits = match value {
            Value::Float(number) => number.abs() < TOO_LARGE,
            Value::Unsigned(_) => false,
            _ => true,
        };
        if fits {
            return None;
        }
        let text = to_text(value);
        self.defer(
            Diagnostic::warning(format!(
                "{path}: {text} is more than 64 bits hold; Docker Compose makes a negative number of it"
            ))
            .at(span),
        );
        Some(i64::MIN)
    }

    pub(super) fn float(&mut self, value: &Value, span: Span, path: Path<'_>) -> Option<f64> {
        let number = match value {
            #[allow(
                clippy::cast_precision_loss,
                reason = "single precision follows anyway"
            )]
            Value::Int(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::String(text) => units::float(text),
            _ => None,
        };
        let Some(number) = number else {
            self.fail(span, path, format!("`{}` is no number", to_text(value)));
            return None;
        };
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the precision in which Docker Compose keeps it"
        )]
        let single = number as f32;
        if !single.is_finite() {
            self.fail(span, path, format!("{} is no amount", to_text(value)));
            return None;
        }
        // The shortest text of the single, read back: what it prints as.
        single.to_string().parse().ok()
    }

    pub(super) fn bytes(&mut self, value: &Value, span: Span, path: Path<'_>) -> Option<i64> {
        match value {
            Value::Int(number) => Some(*number),
            Value::String(text) => match units::bytes(text) {
                Ok(Some(size)) => Some(size),
                Ok(None) => {
                    self.defer(
                        Diagnostic::warning(format!(
                            "{path}: {text} is more than 64 bits hold; Docker Compose makes a negative size of it"
                        ))
                        .at(span),
                    );
                    Some(i64::MIN)
                }
                Err(problem) => {
                    self.fail(span, path, problem);
                    None
                }
            },
            value => {
                let text = to_text(value);
                self.defer(
                    Diagnostic::warning(format!(
                        "{path}: a size can't be {}; Docker Compose ignores it",
                        value.kind()
                    ))
                    .at(span)
                    .help(format!(
                        "write a whole number of bytes, or a unit: `{text}g`"
                    )),
                );
                None
            }
        }
    }

    pub(super) fn mode(&mut self, value: &Value, span: Span, path: Path<'_>) -> Option<Value> {
        match value {
            Value::String(text) => {
                if let Ok(mode) = i64::from_str_radix(text, 8) {
                    return Some(Value::String(format!("0{mode:o}")));
                }
                let problem = format!("`{text}` is no file mode, which is octal");
                self.fail(span, path, problem);
                None
            }
            Value::Int(mode) => {
                let sign = if *mode < 0 { "-" } else { "" };
                Some(Value::String(format!("0{sign}{:o}", mode.unsigned_abs())))
            }
            value => {
                self.fail(span, path, format!("{} is no file mode", value.kind()));
                None
            }
        }
    }
}

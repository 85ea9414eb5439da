//! Holds a tree against the tables.

use super::{Named, Object, Rule, Scalar, Shape, Types};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::near::nearest;
use crate::compose::node::{Node, Value};
use crate::compose::path::Path;
use crate::compose::source::Span;

/// Everything that is wrong with a value.
pub(crate) fn check(shape: &Shape, node: &Node, path: Path<'_>, errors: &mut Vec<Diagnostic>) {
    Check { errors }.value(shape, node, path);
}

/// A file with so many errors is no Compose file: to look further helps nobody.
const MOST: usize = 1000;

struct Check<'a> {
    errors: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    fn fail(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.errors.push(Diagnostic::invalid(message).at(span));
        self.errors.last_mut().expect("just pushed")
    }

    fn value(&mut self, shape: &Shape, node: &Node, path: Path<'_>) {
        if self.errors.len() >= MOST {
            return;
        }
        if matches!(shape, Shape::Any) {
            return;
        }
        let Some(types) = Types::of(&node.value) else {
            return self.date(node, path);
        };
        let Some(shape) = shape.alternative(types) else {
            return self.mistyped(shape, node, path);
        };
        match (shape, &node.value) {
            (Shape::Scalar(scalar), value) => self.scalar(*scalar, value, node.span, path),
            (Shape::Object(object), Value::Map(_)) => self.object(object, node, path),
            (Shape::Named(named), Value::Map(_)) => self.named(named, node, path),
            (Shape::List(list), Value::List(items)) => {
                self.items(list.item, items, list.unique, path);
            }
            (Shape::Texts, Value::List(items)) => self.items(&super::TEXT, items, true, path),
            (Shape::Command | Shape::Test, Value::List(items)) => {
                self.items(&super::TEXT, items, false, path);
            }
            (Shape::Pairs(_) | Shape::Hosts, Value::List(items)) => {
                self.items(&super::TEXT, items, true, path);
            }
            (Shape::Pairs(_), Value::Map(_)) => self.options(&PAIR_VALUE, node, path),
            (Shape::Hosts, Value::Map(_)) => self.options(&ADDRESSES, node, path),
            (Shape::MultiOptions, Value::Map(_)) => self.options(&MULTI_OPTION, node, path),
            (Shape::Options(types), Value::Map(_)) => {
                let value = super::scalar(*types, super::Form::Text);
                self.options(&value, node, path);
            }
            _ => {}
        }
    }

    fn mistyped(&mut self, shape: &Shape, node: &Node, path: Path<'_>) {
        let message = format!(
            "{path} must be {}, and this is {}",
            shape.types(),
            node.value.kind()
        );
        let wants_text = shape.types().meets(Types::STRING);
        let error = self.fail(node.span, message);
        if wants_text && matches!(node.value, Value::Int(_) | Value::Float(_) | Value::Bool(_)) {
            error.help = Some("put it in quotes".to_owned());
        }
    }

    fn date(&mut self, node: &Node, path: Path<'_>) {
        let message = format!("{path}: an unquoted date is no string");
        self.fail(node.span, message).help = Some("put it in quotes".to_owned());
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value, span: Span, path: Path<'_>) {
        match (scalar.rule, value) {
            (Rule::Words(words), Value::String(text)) if !words.contains(&text.as_str()) => {
                let message = format!("{path} must be one of {}", words.join(", "));
                let help = nearest(text, words.iter().copied());
                self.fail(span, message).help = help.map(|word| format!("did you mean {word}?"));
            }
            // The bounds are small: a float holds them exactly.
            #[allow(clippy::cast_precision_loss, reason = "the bounds are small")]
            (Rule::Between(least, most), Value::Float(number))
                if *number < least as f64 || *number > most as f64 =>
            {
                self.fail(span, format!("{path} must be from {least} to {most}"));
            }
            (Rule::Between(least, _), Value::Int(number)) if *number < least => {
                self.fail(span, format!("{path} must be at least {least}"));
            }
            (Rule::Between(_, most), Value::Unsigned(_)) => {
                self.fail(span, format!("{path} must be at most {most}"));
            }
            (Rule::Between(_, most), Value::Int(number)) if *number > most => {
                self.fail(span, format!("{path} must be at most {most}"));
            }
            (Rule::ContainerName, Value::String(text)) if !holds_container_name(text) => {
                self.fail(
                    span,
                    format!("{path}: a container's name is two or more of a-z A-Z 0-9 _ . -"),
                );
            }
            (Rule::PullPolicy, Value::String(text)) if !holds_pull_policy(text) => {
                let message = format!(
                    "{path} must be one of {}, or every_<duration>",
                    PULL_POLICIES.join(", ")
                );
                let help = nearest(text, PULL_POLICIES.iter().copied());
                self.fail(span, message).help = help.map(|word| format!("did you mean {word}?"));
            }
            _ => {}
        }
    }

    fn object(&mut self, object: &Object, node: &Node, path: Path<'_>) {
        let map = node.as_map().expect("the caller saw a mapping");
        for (name, key_span, value) in map.iter() {
            match object.key(name) {
                Some(key) => self.value(key.shape, value, path.key(name)),
                None if object.extensible && name.starts_with("x-") => {}
                None if !object.closed => {}
                None => self.unknown(object, name, key_span, path),
            }
        }
        for name in object.required {
            if !map.contains(name) {
                let at = path.to_string();
                self.fail(node.span, format!("{at} lacks the key `{name}`"));
            }
        }
    }

    fn unknown(&mut self, object: &Object, name: &str, span: Span, path: Path<'_>) {
        let message = match path.parts() {
            [] => format!("a Compose file has no key `{name}` at its top"),
            _ => format!("{path} has no key `{name}`"),
        };
        let help = nearest(name, object.keys.iter().map(|key| key.name))
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| {
                let services = path.parts().is_empty();
                services.then(|| {
                    "services stand below the key `services`; what is yours alone, below `x-…`"
                        .to_owned()
                })
            });
        self.fail(span, message).help = help;
    }

    fn named(&mut self, named: &Named, node: &Node, path: Path<'_>) {
        let map = node.as_map().expect("the caller saw a mapping");
        for (name, key_span, value) in map.iter() {
            if named.names.fits(name) {
                self.value(named.item, value, path.key(name));
            } else if named.closed {
                self.fail(
                    key_span,
                    format!("{path}: `{name}` is no name; it may have a-z A-Z 0-9 . _ -"),
                );
            }
        }
    }

    fn options(&mut self, value: &Shape, node: &Node, path: Path<'_>) {
        let map = node.as_map().expect("the caller saw a mapping");
        for (name, key_span, node) in map.iter() {
            if name.is_empty() {
                self.fail(key_span, format!("{path}: a name can't be empty"));
            }
            self.value(value, node, path.key(name));
        }
    }

    fn items(&mut self, item: &Shape, items: &[Node], unique: bool, path: Path<'_>) {
        for (index, node) in items.iter().enumerate() {
            self.value(item, node, path.item(index));
        }
        if unique && let Some((first, second)) = repeated(items) {
            let first = items[first].span;
            let error = self.fail(
                items[second].span,
                format!("{} is there twice", path.item(second)),
            );
            *error = error.clone().label(first, "here it is first");
        }
    }
}

static PAIR_VALUE: Shape = super::scalar(
    Types::STRING
        .or(Types::NUMBER)
        .or(Types::BOOL)
        .or(Types::NULL),
    super::Form::Text,
);

static ADDRESSES: Shape = Shape::OneOf(&[
    super::scalar(Types::STRING, super::Form::Text),
    super::list(&super::TEXT),
]);

static MULTI_OPTION_ITEM: Shape = super::scalar(
    Types::STRING.or(Types::NUMBER).or(Types::BOOL),
    super::Form::Text,
);
static MULTI_OPTION: Shape = Shape::OneOf(&[
    super::scalar(
        Types::STRING.or(Types::NUMBER).or(Types::BOOL),
        super::Form::Text,
    ),
    super::list(&MULTI_OPTION_ITEM),
]);

/// The first item that is like one before it, as (that one, the item). A number is like a text of
/// its digits, and both would be printed alike.
fn repeated(items: &[Node]) -> Option<(usize, usize)> {
    let mut seen = std::collections::HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let first = match &item.value {
            Value::String(text) => seen.insert(text.as_str(), index),
            Value::Int(number) => {
                let text = number.to_string();
                let before = items[..index].iter();
                before
                    .enumerate()
                    .find(|(_, other)| *other == item || other.as_str() == Some(&text))
                    .map(|(first, _)| first)
            }
            _ => items[..index].iter().position(|other| other == item),
        };
        if let Some(first) = first {
            return Some((first, index));
        }
    }
    None
}

/// The specification asks only that such a name is somewhere in the text.
fn holds_container_name(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| {
        pair[0].is_ascii_alphanumeric()
            && (pair[1].is_ascii_alphanumeric() || b"_.-".contains(&pair[1]))
    })
}

const PULL_POLICIES: &[&str] = &[
    "always",
    "never",
    "build",
    "if_not_present",
    "missing",
    "refresh",
    "daily",
    "weekly",
];

/// As with a container's name: somewhere in the text.
fn holds_pull_policy(text: &str) -> bool {
    let every = || {
        text.split("every_").skip(1).any(|rest| {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            digits > 0 && rest[digits..].starts_with(['w', 'd', 'h', 'm', 's'])
        })
    };
    PULL_POLICIES.iter().any(|policy| text.contains(policy)) || every()
}

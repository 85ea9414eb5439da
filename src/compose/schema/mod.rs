//! Which keys a Compose file has, what each may hold, and how each is written in normal form.
//!
//! One table serves both: [`check()`] refuses what the specification's JSON schema refuses, with
//! places and help; [`super::normal_form`] writes each value as Docker Compose writes it. The
//! tables are in the order of the specification: [`service`], [`build`], [`resources`], [`top`].

mod build;
mod check;
mod resources;
mod service;
mod top;

pub(super) use check::check;
pub(super) use top::PROJECT;

/// What a value may be.
#[derive(Debug)]
pub(super) enum Shape {
    /// Anything: an extension's value.
    Any,
    Scalar(Scalar),
    Object(Object),
    Named(Named),
    List(List),
    /// A string or a list of strings.
    Texts,
    /// A program and its arguments: nothing, a string for the shell's word rules, or a list.
    Command,
    /// A health check's command.
    Test,
    /// `K=V` as a list, or as a mapping.
    Pairs(Pairs),
    /// Host names and addresses, as a list or as a mapping.
    Hosts,
    /// A mapping to strings that is handed on as it is.
    Options(Types),
    /// The options of a provider: each a list of strings.
    MultiOptions,
    /// `storage_opt`: a mapping of anything, if it can be text.
    FreeOptions,
    OneOf(&'static [Shape]),
}

/// A single value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scalar {
    pub types: Types,
    pub rule: Rule,
    pub form: Form,
    /// Written in normal form even if it is zero, false or empty.
    pub keep: bool,
}

/// What a scalar is, and so how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Flag,
    Integer,
    /// As [`Form::Integer`], but not written as a fraction, nor with an exponent.
    Digits,
    /// As [`Form::Integer`], not below zero.
    Unsigned,
    /// In single precision, as Docker Compose keeps it.
    Float,
    Bytes,
    Duration,
    /// A file's mode, octal.
    Mode,
    /// A number of devices, or `all`.
    Count,
    Port,
}

/// What a scalar must hold beyond its type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    None,
    Words(&'static [&'static str]),
    /// For integers; a string is looked at later.
    Between(i64, i64),
    ContainerName,
    PullPolicy,
}

/// A mapping with keys of the specification's.
#[derive(Debug)]
pub(super) struct Object {
    pub keys: &'static [Key],
    pub required: &'static [&'static str],
    /// Whether it may have `x-…` keys.
    pub extensible: bool,
    /// Whether a key that is not in `keys` is refused.
    pub closed: bool,
    pub nullable: bool,
}

/// One key of an [`Object`].
#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub shape: &'static Shape,
    /// Written in normal form even where nobody gave it.
    pub always: bool,
}

/// A mapping with keys of the user's.
#[derive(Debug)]
pub(super) struct Named {
    pub item: &'static Shape,
    pub names: Names,
    /// Whether a name that does not fit is refused; else its value is not looked at.
    pub closed: bool,
}

/// What a user's name may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// `[a-zA-Z0-9._-]+`
    Resource,
    /// `[a-z]+`
    Lowercase,
}

/// A list.
#[derive(Debug)]
pub(super) struct List {
    pub item: &'static Shape,
    pub unique: bool,
}

/// What `K=V` pairs mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pairs {
    /// A name without a value is one.
    Environment,
    /// A name without a value has an empty one.
    Labels,
}

/// A set of YAML types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOL: Self = Self(2);
    pub(super) const INTEGER: Self = Self(4);
    pub(super) const FRACTION: Self = Self(8);
    pub(super) const STRING: Self = Self(16);
    pub(super) const LIST: Self = Self(32);
    pub(super) const MAP: Self = Self(64);
    pub(super) const NUMBER: Self = Self::INTEGER.or(Self::FRACTION);

    #[must_use]
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The type of a value; none for a date, which nothing takes.
    pub(super) fn of(value: &super::node::Value) -> Option<Self> {
        use super::node::Value;
        Some(match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOL,
            Value::Int(_) | Value::Unsigned(_) => Self::INTEGER,
            Value::Float(number) if number.fract() == 0.0 => Self::INTEGER,
            Value::Float(_) => Self::FRACTION,
            Value::Date(_) => return None,
            Value::String(_) => Self::STRING,
            Value::List(_) => Self::LIST,
            Value::Map(_) => Self::MAP,
        })
    }
}

impl std::fmt::Display for Types {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            (Self::STRING, "a string"),
            (Self::FRACTION, "a number"),
            (Self::INTEGER, "an integer"),
            (Self::BOOL, "a boolean"),
            (Self::LIST, "a list"),
            (Self::MAP, "a mapping"),
            (Self::NULL, "nothing"),
        ];
        let names: Vec<&str> = names
            .iter()
            .filter(|(types, _)| self.meets(*types))
            // A number says that an integer will do.
            .filter(|(types, _)| *types != Self::INTEGER || !self.meets(Self::FRACTION))
            .map(|(_, name)| *name)
            .collect();
        match names.as_slice() {
            [] => f.write_str("nothing at all"),
            [one] => f.write_str(one),
            [first @ .., last] => write!(f, "{} or {last}", first.join(", ")),
        }
    }
}

impl Shape {
    /// The types that a value of this shape can have.
    pub(super) fn types(&self) -> Types {
        match self {
            Self::Any => Types(u8::MAX),
            Self::Scalar(scalar) => scalar.types,
            Self::Object(object) if object.nullable => Types::MAP.or(Types::NULL),
            Self::Object(_)
            | Self::Named(_)
            | Self::Options(_)
            | Self::MultiOptions
            | Self::FreeOptions => Types::MAP,
            Self::List(_) => Types::LIST,
            Self::Texts | Self::Test => Types::STRING.or(Types::LIST),
            Self::Command => Types::STRING.or(Types::LIST).or(Types::NULL),
            Self::Pairs(_) | Self::Hosts => Types::LIST.or(Types::MAP),
            Self::OneOf(shapes) => shapes
                .iter()
                .fold(Types(0), |types, shape| types.or(shape.types())),
        }
    }

    /// The alternative that a value of this type is to be read by.
    pub(super) fn alternative(&self, types: Types) -> Option<&Shape> {
        match self {
            Self::OneOf(shapes) => shapes.iter().find(|shape| shape.types().meets(types)),
            shape if shape.types().meets(types) => Some(shape),
            _ => None,
        }
    }
}

impl Object {
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Names {
    pub(super) fn fits(self, name: &str) -> bool {
        match self {
            Self::Resource => {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            }
            Self::Lowercase => {
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())
            }
        }
    }
}

// The words in which the tables are written.

const fn key(name: &'static str, shape: &'static Shape) -> Key {
    Key {
        name,
        shape,
        always: false,
    }
}

const fn always(name: &'static str, shape: &'static Shape) -> Key {
    Key {
        name,
        shape,
        always: true,
    }
}

const fn scalar(types: Types, form: Form) -> Shape {
    Shape::Scalar(Scalar {
        types,
        rule: Rule::None,
        form,
        keep: false,
    })
}

const fn kept(types: Types, form: Form) -> Shape {
    Shape::Scalar(Scalar {
        types,
        rule: Rule::None,
        form,
        keep: true,
    })
}

const fn ruled(types: Types, form: Form, rule: Rule) -> Shape {
    Shape::Scalar(Scalar {
        types,
        rule,
        form,
        keep: false,
    })
}

const fn object(keys: &'static [Key], required: &'static [&'static str]) -> Shape {
    Shape::Object(Object {
        keys,
        required,
        extensible: true,
        closed: true,
        nullable: false,
    })
}

/// A mapping that takes no `x-…`.
const fn strict(keys: &'static [Key], required: &'static [&'static str]) -> Shape {
    Shape::Object(Object {
        keys,
        required,
        extensible: false,
        closed: true,
        nullable: false,
    })
}

const fn nullable(keys: &'static [Key]) -> Shape {
    Shape::Object(Object {
        keys,
        required: &[],
        extensible: true,
        closed: true,
        nullable: true,
    })
}

const fn list(item: &'static Shape) -> Shape {
    Shape::List(List {
        item,
        unique: false,
    })
}

const fn set(item: &'static Shape) -> Shape {
    Shape::List(List { item, unique: true })
}

const BOOL_OR_STRING: Types = Types::BOOL.or(Types::STRING);
const INTEGER_OR_STRING: Types = Types::INTEGER.or(Types::STRING);
const NUMBER_OR_STRING: Types = Types::NUMBER.or(Types::STRING);

static TEXT: Shape = scalar(Types::STRING, Form::Text);
static FLAG: Shape = scalar(BOOL_OR_STRING, Form::Flag);
/// A flag whose `false` differs from its absence.
static TRISTATE: Shape = kept(BOOL_OR_STRING, Form::Flag);
static DURATION: Shape = kept(Types::STRING, Form::Duration);
static TEXT_SET: Shape = set(&TEXT);
static TEXT_LIST: Shape = list(&TEXT);
static LABELS: Shape = Shape::Pairs(Pairs::Labels);
static ENVIRONMENT: Shape = Shape::Pairs(Pairs::Environment);

//! A field of the policy: its value, and where it comes from.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;

use serde::Serialize;

use super::profile::Profile;

/// A field in force.
#[derive(Clone, Debug)]
pub struct Setting<T> {
    /// As it stands in the file, below `[policy]`: `privileges.cap_add`.
    pub field: &'static str,
    pub value: T,
    pub origin: Origin,
}

/// Why a field has its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The profile has it so; the file names the profile there, or names none.
    Profile(Profile, Option<Place>),
    /// The file says so for everybody.
    File(Place),
    /// The file's override of this number, from 1, says so.
    Override(usize, Place),
}

/// A line of the operator's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
}

/// A field as it is shown.
#[derive(Clone, Debug)]
pub struct Row {
    pub field: &'static str,
    pub value: serde_json::Value,
    pub origin: Origin,
}

impl<T> Setting<T> {
    pub(super) fn new(field: &'static str, value: T, origin: Origin) -> Self {
        Self {
            field,
            value,
            origin,
        }
    }

    pub(super) fn set(&mut self, value: T, origin: Origin) {
        self.value = value;
        self.origin = origin;
    }
}

impl<T: Serialize> Setting<T> {
    pub(super) fn row(&self) -> Row {
        Row {
            field: self.field,
            value: serde_json::to_value(&self.value).expect("a field is numbers, texts and lists"),
            origin: self.origin.clone(),
        }
    }
}

impl<T> Deref for Setting<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl Origin {
    /// The line that decides; none where the file is silent.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Profile(_, place) => place.as_ref(),
            Self::File(place) | Self::Override(_, place) => Some(place),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile(profile, None) => write!(f, "profile {profile}, the default"),
            Self::Profile(profile, Some(place)) => write!(f, "profile {profile}, {place}"),
            Self::File(place) => write!(f, "{place}"),
            Self::Override(number, place) => write!(f, "override {number}, {place}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

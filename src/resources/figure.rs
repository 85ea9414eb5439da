//! A number and where it comes from; what a service states of one resource.

use std::fmt;

use super::basis::Basis;
use crate::compose::source::{Span, Spanned};

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Limit,
    Reservation,
    Quota,
    Shares,
    Cpuset,
    /// `storage_opt` and `logging`.
    Options,
    /// A label that kompose reads, too.
    Label,
    /// `x-pod`.
    Override,
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Limit => "limit",
            Self::Reservation => "reservation",
            Self::Quota => "quota",
            Self::Shares => "shares",
            Self::Cpuset => "cpuset",
            Self::Options => "options",
            Self::Label => "label",
            Self::Override => "x-pod",
            Self::Default => "default",
        })
    }
}

/// An amount, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure<T> {
    pub amount: T,
    pub origin: Origin,
    /// None for defaults.
    pub span: Option<Span>,
}

impl<T> Figure<T> {
    pub(super) fn new(amount: T, origin: Origin, span: Span) -> Self {
        Self {
            amount,
            origin,
            span: Some(span),
        }
    }

    pub(super) fn default(amount: T) -> Self {
        Self {
            amount,
            origin: Origin::Default,
            span: None,
        }
    }
}

/// What a service states of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand<T> {
    pub limit: Option<Figure<T>>,
    pub request: Option<Figure<T>>,
    /// What counts where neither is stated.
    pub default: T,
}

impl<T: Copy> Demand<T> {
    pub(super) fn overridden(amount: &Spanned<impl Into<T> + Copy>, default: T) -> Self {
        let figure = Figure::new(amount.value.into(), Origin::Override, amount.span);
        Self {
            limit: Some(figure),
            request: Some(figure),
            default,
        }
    }

    /// The number that counts.
    pub fn figure(&self, basis: Basis) -> Figure<T> {
        let stated = match basis {
            Basis::Limits => self.limit.or(self.request),
            Basis::Requests | Basis::Split => self.request.or(self.limit),
        };
        stated.unwrap_or(Figure::default(self.default))
    }
}

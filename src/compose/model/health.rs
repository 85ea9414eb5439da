//! `healthcheck`, and the hooks of a service's life.

use std::time::Duration;

use crate::compose::source::{Span, Spanned};

/// How a service's health is told. What is not given comes from the image, then from Docker's
/// defaults (30 s, 30 s, 3, 0 s, 5 s).
#[derive(Clone, Debug)]
pub struct Healthcheck {
    pub span: Span,
    pub test: Option<Spanned<HealthcheckTest>>,
    pub interval: Option<Spanned<Duration>>,
    pub timeout: Option<Spanned<Duration>>,
    pub retries: Option<Spanned<u32>>,
    pub start_period: Option<Spanned<Duration>>,
    pub start_interval: Option<Spanned<Duration>>,
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthcheckTest {
    /// `NONE`, or `disable: true`.
    None,
    /// `CMD`: a program and its arguments.
    Command(Vec<String>),
    /// `CMD-SHELL`: a line for the image's /bin/sh, and what that calls $0, $1 and so on.
    Shell(Vec<String>),
}

/// One of `post_start` and `pre_stop`.
#[derive(Clone, Debug)]
pub struct Hook {
    pub span: Span,
    pub command: Vec<String>,
    pub user: Option<Spanned<String>>,
    pub privileged: bool,
    pub working_dir: Option<Spanned<String>>,
    pub environment: Vec<(String, Option<String>)>,
}

//! `TaskStatus.data`: what a status says, for programs. JSON, schema 1 (docs/status.md).

use serde::Serialize;

use crate::compose::diagnostic::Diagnostic;
use crate::compose::source::SourceMap;
use crate::policy::Violation;
use crate::supervisor::report::{ExitStatus, HealthStatus, ServiceEnd, ServiceState};

const DATA_MAX: usize = 8 << 10;

/// The whole of it.
#[derive(Debug, Serialize)]
pub(super) struct Data {
    schema: u32,
    pub(super) code: String,
    pub(super) message: String,
    /// The service that is to blame, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<ProblemData>,
    /// What the last probes wrote, where they are to blame.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) probes: Vec<String>,
    pub(super) services: Vec<ServiceData>,
}

/// One thing that is wrong with a file.
#[derive(Debug, Serialize)]
pub(super) struct ProblemData {
    /// What the policy forbids has one of its own, and the field that forbids it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_field: Option<&'static str>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ServiceData {
    service: String,
    image: String,
    /// `not-started`, `killed` or `exited`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oom: Option<OomData>,
    /// It outlived its grace period.
    forced: bool,
    restarts: u64,
    /// `starting`, `healthy` or `unhealthy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    last_lines: Vec<String>,
}

#[derive(Debug, Serialize)]
struct OomData {
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_bytes: Option<u64>,
}

impl Data {
    pub(super) fn new(code: &str) -> Self {
        Self {
            schema: 1,
            code: code.to_owned(),
            message: String::new(),
            service: None,
            errors: Vec::new(),
            probes: Vec::new(),
            services: Vec::new(),
        }
    }

    /// What is too long for a status loses its details, the rows of services last.
    pub(super) fn encode(mut self) -> Vec<u8> {
        let encode = |data: &Self| {
            serde_json::to_vec(data).expect("texts and numbers can be written as JSON")
        };
        let mut bytes = encode(&self);
        if bytes.len() > DATA_MAX {
            self.services
                .iter_mut()
                .for_each(|service| service.last_lines.clear());
            self.errors.truncate(10);
            self.probes.clear();
            bytes = encode(&self);
        }
        while bytes.len() > DATA_MAX && !(self.services.is_empty() && self.errors.is_empty()) {
            self.services.truncate(self.services.len() / 2);
            self.errors.truncate(self.errors.len() / 2);
            bytes = encode(&self);
        }
        bytes
    }
}

impl ServiceData {
    pub(super) fn of(end: &ServiceEnd) -> Self {
        let exit = match end.state {
            ServiceState::Exited(exit) => Some(exit),
            _ => None,
        };
        let status = exit.map(|exit| exit.status);
        Self {
            service: end.service.clone(),
            image: end.image.clone(),
            state: match end.state {
                ServiceState::NotStarted => "not-started",
                ServiceState::Running => "killed",
                ServiceState::Exited(_) => "exited",
            },
            exit_code: status.and_then(|status| match status {
                ExitStatus::Code(code) => Some(code),
                ExitStatus::Signal(_) => None,
            }),
            signal: status.and_then(|status| match status {
                ExitStatus::Code(_) => None,
                ExitStatus::Signal(signal) => Some(signal.to_string()),
            }),
            oom: exit.and_then(|exit| exit.oom).map(|oom| OomData {
                limit_bytes: oom.limit.map(|limit| limit.0),
                peak_bytes: oom.peak.map(|peak| peak.0),
            }),
            forced: end.forced,
            restarts: end.restarts,
            health: end.health.map(HealthStatus::as_str),
            last_lines: end.tail.clone(),
        }
    }
}

pub(super) fn problems(diagnostics: &[Diagnostic], sources: &SourceMap) -> Vec<ProblemData> {
    let problem = |diagnostic: &Diagnostic| {
        let place = diagnostic
            .labels
            .first()
            .and_then(|label| sources.place(label.span));
        ProblemData {
            code: None,
            key: None,
            policy_field: None,
            message: diagnostic.message.clone(),
            file: place.map(|place| place.file.display().to_string()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            help: diagnostic.help.clone(),
        }
    };
    diagnostics.iter().map(problem).collect()
}

pub(super) fn violations(violations: &[Violation], sources: &SourceMap) -> Vec<ProblemData> {
    let diagnostics: Vec<Diagnostic> = violations.iter().map(Violation::diagnostic).collect();
    let problems = problems(&diagnostics, sources).into_iter().zip(violations);
    problems
        .map(|(problem, violation)| ProblemData {
            code: Some(violation.code.clone()),
            key: Some(violation.key.clone()),
            policy_field: Some(violation.field),
            ..problem
        })
        .collect()
}

impl ProblemData {
    /// `compose.yaml:3:5: message; help`.
    pub(super) fn line(&self) -> String {
        let place = match (&self.file, self.line, self.column) {
            (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}: "),
            _ => String::new(),
        };
        let help = self
            .help
            .as_ref()
            .map(|help| format!("; {help}"))
            .unwrap_or_default();
        format!("{place}{}{help}", self.message)
    }
}

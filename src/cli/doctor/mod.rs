//! `doctor`: whether this host is fit for pods, and what to do where it is not.
//!
//! Looks and changes nothing: no folder is made, no containerd is started.

mod agent;
mod host;
mod programs;

use std::fmt;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::Environment;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::{Format, HostFlags};
use crate::executor::config::Config;
use crate::executor::with_causes;

/// Flags of `doctor`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor doctor                   what this host has, and what to do about the rest
  compose-executor doctor --format json     the same for programs

Exits with 0 when pods can be run, with 5 when they can't. A warning is something that works, but worse
than it could.")]
pub(super) struct DoctorArgs {
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(
    args: &DoctorArgs,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let loaded = Config::load(host.config.as_deref());
    let configuration = match &loaded {
        Ok(_) => Check::good("configuration", describe(host.config_path())),
        Err(error) => Check::bad("configuration", with_causes(error)).remedy(
            "make the file root's, below folders that only root can write, and mend what is named",
        ),
    };
    let config = loaded.unwrap_or_default();
    let mut checks = host::checks(host);
    checks.extend(block_on(async {
        Ok(programs::checks(host, &config, environment).await)
    })?);
    checks.extend(agent::checks());
    checks.push(configuration);
    let report = Report::of(checks);
    exit::print(&match args.format {
        Format::Table => report.to_string(),
        Format::Json => format!(
            "{}\n",
            serde_json::to_string_pretty(&report).map_err(CommandError::failed)?
        ),
    })?;
    Ok(if report.ready {
        exit::SUCCESS
    } else {
        exit::NOT_READY
    })
}

fn describe(path: &Path) -> String {
    let path_shown = path.display();
    if path.exists() {
        path_shown.to_string()
    } else {
        format!("the defaults: there is no {path_shown}")
    }
}

/// All that was looked at.
#[derive(Debug, Serialize)]
struct Report {
    /// 1.
    schema: u32,
    /// Whether pods can be run.
    ready: bool,
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    found: String,
    /// What to do, where there is something to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// Pods can be run, but worse than they could.
    Warning,
    /// No pod can be run.
    Failed,
}

impl Report {
    fn of(checks: Vec<Check>) -> Self {
        Self {
            schema: 1,
            ready: checks.iter().all(|check| check.state != State::Failed),
            checks,
        }
    }
}

impl Check {
    fn new(name: &'static str, state: State, found: impl Into<String>) -> Self {
        Self {
            name,
            state,
            found: found.into(),
            remedy: None,
        }
    }

    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, State::Ok, found)
    }

    fn poor(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, State::Warning, found)
    }

    fn bad(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, State::Failed, found)
    }

    fn remedy(mut self, words: impl Into<String>) -> Self {
        self.remedy = Some(words.into());
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let state = match check.state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Failed => "failed",
            };
            writeln!(f, "{state:<7}  {:<13}  {}", check.name, check.found)?;
            if let Some(remedy) = &check.remedy {
                writeln!(f, "{:<7}  {:<13}  -> {remedy}", "", "")?;
            }
        }
        f.write_str(if self.ready {
            "pods can be run here\n"
        } else {
            "pods can't be run here yet\n"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_leaves_a_host_ready_and_a_failure_does_not() {
        let good = || Check::good("user", "root");
        let poor = Check::poor("crun", "is not installed").remedy("apt-get install crun");
        let report = Report::of(vec![good(), poor]);
        assert!(report.ready);
        insta::assert_snapshot!(report.to_string(), @r"
        ok       user           root
        warning  crun           is not installed
                                -> apt-get install crun
        pods can be run here
        ");
        let report = Report::of(vec![good(), Check::bad("kernel", "has no openat2")]);
        assert!(!report.ready);
        insta::assert_json_snapshot!(report, @r#"
        {
          "schema": 1,
          "ready": false,
          "checks": [
            {
              "name": "user",
              "state": "ok",
              "found": "root"
            },
            {
              "name": "kernel",
              "state": "failed",
              "found": "has no openat2"
            }
          ]
        }
        "#);
    }
}

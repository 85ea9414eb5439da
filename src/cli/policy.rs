//! `policy`, and the flags by which other commands hold a project against one.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::exit::{self, CommandError};
use super::host_flags::{Format, HostFlags};
use crate::compose::Loaded;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::Project;
use crate::executor::config::Config;
use crate::policy::{self, Origin, Policy, PolicyFile, Row, Surroundings, Up, Violation, Whom};

/// The flags of `config` and `plan`.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct PolicyFlags {
    /// Refuse what a launch would refuse under the policy in this configuration
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    whom: WhomFlags,
}

/// Who asks.
#[derive(Args, Clone, Debug, Default)]
struct WhomFlags {
    /// The framework's principal, for the policy's overrides
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// The role of the task's resources, for the policy's overrides
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
}

/// The subcommands of `policy`.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Print each field, its value, and where that comes from
    Show(ShowArgs),
}

/// The flags of `policy show`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  compose-executor policy show                     what holds on this host
  compose-executor policy show --principal infra   what holds for this framework
  compose-executor policy show --policy new.toml   what a file would mean")]
pub(super) struct ShowArgs {
    /// As a table for people, or as JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Another configuration than the host's
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    whom: WhomFlags,
}

impl WhomFlags {
    fn whom(&self) -> Whom {
        Whom {
            principal: self.principal.clone(),
            role: self.role.clone(),
        }
    }
}

impl PolicyFlags {
    /// The policy that the flags name; none where they name none.
    pub(super) fn in_force(&self) -> Result<Option<Policy>, CommandError> {
        let Some(path) = &self.policy else {
            return Ok(None);
        };
        let config = Config::read(path)?;
        Ok(Some(config.policy.in_force(&self.whom.whom())))
    }
}

pub(super) fn run(command: &PolicyCommand, host: &HostFlags) -> Result<u8, CommandError> {
    let PolicyCommand::Show(args) = command;
    let config = match &args.policy {
        Some(path) => Config::read(path)?,
        None => Config::load(host.config.as_deref())?,
    };
    let whom = args.whom.whom();
    let rows = config.policy.in_force(&whom).rows();
    let text = match args.format {
        Format::Table => table(&rows),
        Format::Json => format!("{:#}\n", document(&config.policy, &whom, &rows)),
    };
    exit::print(&text)?;
    Ok(exit::SUCCESS)
}

/// The policy that `up` is held to: nobody's in particular. None where the operator lets `up` go.
pub(super) fn of_up(config: &Config) -> Option<Policy> {
    let policy = config.policy.in_force(&Whom::default());
    (*policy.up == Up::Enforce).then_some(policy)
}

/// What a policy is to know of where a project is.
pub(super) fn surroundings(project: &Project) -> Surroundings<'_> {
    Surroundings {
        sandbox: &project.working_dir,
        guarded: &[],
        archives: &[],
    }
}

/// Refuses a project that its policy does not allow.
pub(super) fn hold(loaded: &Loaded, policy: &Policy) -> Result<(), CommandError> {
    let violations = policy::check(&loaded.project, policy, surroundings(&loaded.project));
    let diagnostics: Vec<Diagnostic> = violations.iter().map(Violation::diagnostic).collect();
    exit::refuse(loaded, diagnostics)
}

fn table(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        [
            row.field.to_owned(),
            row.value.to_string(),
            row.origin.to_string(),
        ]
    };
    let heading = ["FIELD", "VALUE", "FROM"].map(str::to_owned);
    let lines: Vec<[String; 3]> = std::iter::once(heading)
        .chain(rows.iter().map(cells))
        .collect();
    let width = |column: usize| {
        let lengths = lines.iter().map(|line| line[column].chars().count());
        // What is longer stands alone with two spaces behind it.
        lengths
            .filter(|length| *length <= 40)
            .max()
            .unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    let line =
        |[field, value, from]: &[String; 3]| format!("{field:first$}  {value:second$}  {from}\n");
    lines.iter().map(line).collect()
}

fn document(file: &PolicyFile, whom: &Whom, rows: &[Row]) -> Value {
    json!({
        "schema": 1,
        "file": file.path().map(|path| path.display().to_string()),
        "principal": whom.principal,
        "role": whom.role,
        "fields": rows.iter().map(field).collect::<Vec<_>>(),
    })
}

fn field(row: &Row) -> Value {
    let (kind, detail) = match &row.origin {
        Origin::Profile(profile, _) => ("profile", Some(("profile", json!(profile)))),
        Origin::File(_) => ("file", None),
        Origin::Override(number, _) => ("override", Some(("override", json!(number)))),
    };
    let mut from = Map::new();
    from.insert("kind".to_owned(), kind.into());
    from.extend(detail.map(|(key, value)| (key.to_owned(), value)));
    if let Some(place) = row.origin.place() {
        from.insert("file".to_owned(), place.file.display().to_string().into());
        from.insert("line".to_owned(), place.line.into());
    }
    json!({"field": row.field, "value": row.value, "from": from})
}

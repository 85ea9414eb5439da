//! `logging`: what becomes of a container's output beside the pod's common one.
//!
//! The files are ours, whatever driver is named; of Docker's options those hold that say how much is
//! kept. <https://docs.docker.com/engine/logging/configure/>

use std::path::PathBuf;

use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{ByteSize, Service};
use crate::compose::units;

/// Where the services' own logs are, and what a service may keep at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsRule {
    /// The folder of this pod's logs.
    pub folder: PathBuf,
    /// Of one file.
    pub max_size: ByteSize,
    /// The number of files; with 0 no service has a log of its own.
    pub max_files: u32,
}

/// What is done with a container's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggingPlan {
    /// It is thrown away: `driver: none`.
    None,
    /// It goes to the pod's common output, and to none of its own.
    Common,
    /// The same, and to files of its own.
    Kept { max_size: ByteSize, max_files: u32 },
}

/// What is kept when the file says nothing, if the operator allows as much.
const DEFAULT_SIZE: ByteSize = ByteSize(10 << 20);
const DEFAULT_FILES: u32 = 3;

/// The plan for a service; what is wrong or without effect goes to `found`.
pub(super) fn plan(service: &Service, rule: &LogsRule, found: &mut Vec<Diagnostic>) -> LoggingPlan {
    let name = &service.name.value;
    let (mut size, mut files) = (DEFAULT_SIZE, DEFAULT_FILES);
    if let Some(logging) = &service.logging {
        let driver = logging.driver.as_ref();
        let honoured = match driver.map(|driver| driver.value.as_str()) {
            Some("none") => return LoggingPlan::None,
            None | Some("json-file" | "local") => true,
            Some(other) => {
                found.push(
                    Diagnostic::warning(format!(
                        "services.{name}.logging.driver: \"{other}\" is not used here; the log goes where all do"
                    ))
                    .at(driver.map_or(logging.span, |driver| driver.span)),
                );
                false
            }
        };
        for (key, value) in logging.options.iter().filter(|_| honoured) {
            let option = format!("services.{name}.logging.options.{}", key.value);
            let wrong = |what: &str| {
                Diagnostic::invalid(format!("{option}: \"{value}\" is {what}")).at(key.span)
            };
            match key.value.as_str() {
                // A negative number is Docker's word for unlimited.
                "max-size" => match units::bytes(value) {
                    Ok(number) => size = number.and_then(positive).unwrap_or(rule.max_size),
                    Err(_) => found.push(wrong("no size").help("as 10m or 512k")),
                },
                "max-file" => match value.parse() {
                    Ok(number) if number > 0 => files = number,
                    _ => found.push(wrong("no number of files").help("1 or more")),
                },
                _ => found
                    .push(Diagnostic::warning(format!("{option} has no effect here")).at(key.span)),
            }
        }
        if size > rule.max_size || files > rule.max_files {
            found.push(
                Diagnostic::warning(format!(
                    "services.{name}.logging: the operator lets a service keep {} files of {} at most",
                    rule.max_files, rule.max_size
                ))
                .at(logging.span),
            );
        }
    }
    if rule.max_files == 0 {
        return LoggingPlan::Common;
    }
    LoggingPlan::Kept {
        max_size: size.min(rule.max_size),
        max_files: files.min(rule.max_files),
    }
}

fn positive(number: i64) -> Option<ByteSize> {
    u64::try_from(number)
        .ok()
        .filter(|&it| it > 0)
        .map(ByteSize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::testing::project_of;

    /// The plan of a service with this `logging`, and what was found.
    fn planned(logging: &str) -> (LoggingPlan, String) {
        let rule = LogsRule {
            folder: "/logs".into(),
            max_size: ByteSize(50 << 20),
            max_files: 5,
        };
        let project = project_of(&format!("services: {{a: {{image: i{logging}}}}}"));
        let mut found = Vec::new();
        let plan = plan(&project.services[0], &rule, &mut found);
        let lines = found
            .iter()
            .map(|it| format!("{:?}: {}", it.severity, it.message));
        (plan, lines.collect::<Vec<_>>().join("\n"))
    }

    fn kept(mebibytes: u64, max_files: u32) -> LoggingPlan {
        LoggingPlan::Kept {
            max_size: ByteSize(mebibytes << 20),
            max_files,
        }
    }

    #[test]
    fn dockers_options_bound_the_files() {
        assert_eq!(planned(""), (kept(10, 3), String::new()));
        let options = ", logging: {driver: local, options: {max-size: 2m, max-file: 5}}";
        assert_eq!(planned(options), (kept(2, 5), String::new()));
        let none = planned(", logging: {driver: none}");
        assert_eq!(none, (LoggingPlan::None, String::new()));
    }

    #[test]
    fn the_operator_has_the_last_word() {
        let (plan, found) = planned(", logging: {options: {max-size: 1g, max-file: '9'}}");
        assert_eq!(plan, kept(50, 5));
        assert_eq!(
            found,
            "Warning: services.a.logging: the operator lets a service keep 5 files of 50MiB at most"
        );
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let (plan, found) = planned(", logging: {driver: syslog, options: {tag: t}}");
        assert_eq!(plan, kept(10, 3));
        insta::assert_snapshot!(found, @r#"Warning: services.a.logging.driver: "syslog" is not used here; the log goes where all do"#);
        let (_, found) = planned(", logging: {options: {tag: t, max-file: many, max-size: '5x'}}");
        insta::assert_snapshot!(found, @r#"
        Warning: services.a.logging.options.tag has no effect here
        Error: services.a.logging.options.max-file: "many" is no number of files
        Error: services.a.logging.options.max-size: "5x" is no size
        "#);
    }
}

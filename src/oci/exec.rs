//! A further process in a container that runs: a health check, a hook, `exec`.

use oci_spec::runtime::Process;

use super::capabilities;
use super::environment::Environment;
use super::error::ProcessError;
use super::process::{check_args, run_as, working_dir};
use super::user::ResolvedUser;

/// What is different from the container's own process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExecInput<'a> {
    /// The program and its arguments.
    pub args: &'a [String],
    /// Over the container's; no value removes one of them.
    pub environment: &'a [(String, Option<String>)],
    pub working_dir: Option<&'a str>,
    pub user: Option<&'a ResolvedUser>,
    pub terminal: bool,
}

/// The process, with no more rights than `container`, the container's own as its document has it.
pub fn exec_process(container: &Process, input: &ExecInput<'_>) -> Result<Process, ProcessError> {
    let mut environment = Environment::default();
    if input.terminal {
        environment.set("TERM", "xterm");
    }
    environment.set_all(container.env().as_deref().unwrap_or_default());
    if let Some(user) = input.user {
        environment.set("HOME", &user.home);
    }
    environment.change(input.environment);

    let mut process = container.clone();
    process
        .set_args(Some(input.args.to_vec()))
        .set_env(Some(environment.into_entries()?))
        .set_terminal(input.terminal.then_some(true));
    if let Some(dir) = input.working_dir {
        process.set_cwd(working_dir(dir)?);
    }
    if let Some(user) = input.user {
        let bounding = capabilities::bounding(container);
        process.set_capabilities(Some(capabilities::of(bounding, user.uid)));
        run_as(&mut process, user.clone());
    }
    check_args(&process)?;
    Ok(process)
}

#[cfg(test)]
mod tests {
    use super::super::Capabilities;
    use super::super::base::BaseSpecs;
    use super::super::fixture::Fixture;
    use super::super::process::process;
    use super::*;

    fn container() -> Process {
        let fixture = Fixture::new();
        let base = BaseSpecs::embedded().container.process;
        process(&base, &fixture.input(), &fixture.host).unwrap()
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_health_check_runs_as_the_container_does() {
        let args = &words("curl localhost")[..];
        let input = ExecInput {
            args,
            ..ExecInput::default()
        };
        let process = exec_process(&container(), &input).unwrap();
        let mut same = container();
        same.set_args(Some(args.to_vec()));
        assert_eq!(process, same);
    }

    #[test]
    fn another_user_has_no_capabilities() {
        let fixture = Fixture::new();
        let user = &fixture.accounts.resolve("1000:7").unwrap();
        let input = ExecInput {
            args: &words("id"),
            user: Some(user),
            working_dir: Some("/srv/"),
            terminal: true,
            ..ExecInput::default()
        };
        let process = exec_process(&container(), &input).unwrap();
        assert_eq!((process.user().uid(), process.user().gid()), (1000, 7));
        assert_eq!(process.cwd().to_str(), Some("/srv"));
        assert_eq!(process.terminal(), Some(true));
        assert_eq!(process.no_new_privileges(), Some(true));
        let sets = process.capabilities().clone().unwrap();
        assert_eq!(sets.effective(), &Some(Capabilities::new()));
        assert_eq!(sets.permitted(), &Some(Capabilities::new()));
    }

    #[test]
    fn what_the_container_could_not_be_started_with_is_refused() {
        let error = |input: ExecInput<'_>| exec_process(&container(), &input).unwrap_err();
        assert_eq!(error(ExecInput::default()), ProcessError::NoProgram);
        let args = &words("id")[..];
        let path = "/proc/self/fd/7";
        let input = ExecInput {
            args,
            working_dir: Some(path),
            ..ExecInput::default()
        };
        assert_eq!(error(input), ProcessError::WorkingDir { path: path.into() });
        let name = String::from("A=");
        let input = ExecInput {
            args,
            environment: &[(name.clone(), Some(String::new()))],
            ..ExecInput::default()
        };
        assert_eq!(error(input), ProcessError::VariableName { name });
    }
}

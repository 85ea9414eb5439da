//! `process`: what runs, as whom, with which environment and which limits.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process};

use super::capabilities;
use super::environment::Environment;
use super::error::{ProcessError, SpecError};
use super::host::HostFacts;
use super::spec::ContainerInput;
use super::user::ResolvedUser;
use crate::compose::source::Span;
use crate::pod::plan::{ProcessPlan, RlimitPlan, SelinuxPlan};

/// Where a container finds the init that it asks for: on a file system that no image has.
pub(super) const INIT: &str = "/dev/init";

/// The base document's process, filled in.
pub(super) fn process(
    base: &Process,
    input: &ContainerInput<'_>,
    host: &HostFacts,
) -> Result<Process, SpecError> {
    let refused = |fault: ProcessError| SpecError::Process {
        service: input.plan.service.value.clone(),
        fault,
        span: input.plan.service.span,
    };
    let user = user(input)?;
    let rights = &input.plan.rights;
    let bounding = capabilities::wanted(&capabilities::bounding(base), rights, host);
    let standard = base.rlimits().clone().unwrap_or_default();
    let rlimits = rlimits(standard, &input.plan.process.rlimits, host);
    let score = input.plan.process.oom_score_adj.unwrap_or_default();
    let mut process = base.clone();
    process
        .set_args(Some(args(input)?))
        .set_env(Some(environment(base, input, &user.home).map_err(refused)?))
        .set_cwd(working_dir(wanted_dir(input)).map_err(refused)?)
        .set_capabilities(Some(capabilities::of(bounding, user.uid)))
        .set_rlimits(Some(rlimits))
        // Without the field a container would inherit the shim's score.
        .set_oom_score_adj(Some(score.max(host.oom_score_floor)))
        .set_no_new_privileges(Some(rights.no_new_privileges))
        .set_apparmor_profile(rights.apparmor.clone())
        .set_selinux_label(rights.selinux.as_ref().map(SelinuxPlan::label))
        .set_terminal(input.plan.process.tty.then_some(true));
    run_as(&mut process, user);
    check_args(&process).map_err(refused)?;
    Ok(process)
}

pub(super) fn run_as(process: &mut Process, user: ResolvedUser) {
    process
        .user_mut()
        .set_uid(user.uid)
        .set_gid(user.gid)
        .set_additional_gids(Some(user.groups));
}

/// The file's words over the image's. A given entrypoint silences the image's command, too: it was
/// meant for another program.
fn args(input: &ContainerInput<'_>) -> Result<Vec<String>, SpecError> {
    let ProcessPlan {
        entrypoint,
        command,
        ..
    } = &input.plan.process;
    let none = Vec::new();
    let head = entrypoint.as_ref().unwrap_or(&input.image.entrypoint);
    let tail = match (command, entrypoint) {
        (Some(command), _) => command,
        (None, Some(_)) => &none,
        (None, None) => &input.image.cmd,
    };
    let args: Vec<String> = head.iter().chain(tail).cloned().collect();
    if args.is_empty() {
        return Err(SpecError::NothingToRun {
            service: input.plan.service.value.clone(),
            image: input.plan.image.value.clone(),
            span: input.plan.service.span,
        });
    }
    if input.plan.process.init {
        return Ok([INIT.to_owned()].into_iter().chain(args).collect());
    }
    Ok(args)
}

pub(super) fn check_args(process: &Process) -> Result<(), ProcessError> {
    let args = process.args().as_deref().unwrap_or_default();
    if args.first().is_none_or(String::is_empty) {
        return Err(ProcessError::NoProgram);
    }
    if args.iter().any(|arg| arg.contains('\0')) {
        return Err(ProcessError::Argument);
    }
    Ok(())
}

/// From the weakest to the strongest: the defaults, the image's, the task's, the file's.
fn environment(
    base: &Process,
    input: &ContainerInput<'_>,
    home: &str,
) -> Result<Vec<String>, ProcessError> {
    let plan = input.plan;
    let mut environment = Environment::default();
    environment.set_all(base.env().as_deref().unwrap_or_default());
    environment.set("HOSTNAME", &plan.hostname);
    environment.set("HOME", home);
    if plan.process.tty {
        environment.set("TERM", "xterm");
    }
    environment.set_all(&input.image.env);
    for (name, value) in &plan.process.task_environment {
        environment.set(name, value);
    }
    environment.change(&plan.process.environment);
    environment.into_entries()
}

/// The file's, else the image's, else `/`.
fn wanted_dir<'a>(input: &ContainerInput<'a>) -> &'a str {
    [&input.plan.process.working_dir, &input.image.working_dir]
        .into_iter()
        .flatten()
        .find(|dir| !dir.is_empty())
        .map_or("/", String::as_str)
}

/// Whether a path in a container is the kernel's, or leads there by a link that the runtime makes.
pub fn is_kernels(path: &Path) -> bool {
    const PLACES: [&str; 6] = [
        "/proc",
        "/sys",
        // Links to /proc/self/fd and what is in it.
        "/dev/fd",
        "/dev/stdin",
        "/dev/stdout",
        "/dev/stderr",
    ];
    PLACES.iter().any(|place| path.starts_with(place))
}

/// The path without doubled and trailing slashes. Through a path in /proc a process could be set
/// down in a folder of the host's that the runtime has open (CVE-2024-21626).
pub(super) fn working_dir(text: &str) -> Result<PathBuf, ProcessError> {
    let path = Path::new(text);
    let climbs = path.components().any(|part| part == Component::ParentDir);
    let clean: PathBuf = path.components().collect();
    if !path.is_absolute() || climbs || is_kernels(&clean) || text.contains('\0') {
        return Err(ProcessError::WorkingDir { path: text.into() });
    }
    Ok(clean)
}

/// The file's user, else the image's, else root; with the file's further groups.
fn user(input: &ContainerInput<'_>) -> Result<ResolvedUser, SpecError> {
    let plan = input.plan;
    let file = plan.process.user.as_ref().filter(|user| !user.is_empty());
    let (user, span): (&str, Span) = match (file, &input.image.user) {
        (Some(user), _) => (&user.value, user.span),
        (None, Some(user)) => (user, plan.image.span),
        (None, None) => ("", plan.service.span),
    };
    let resolved = input.accounts.resolve(user);
    let mut resolved = resolved.map_err(|source| SpecError::User {
        service: plan.service.value.clone(),
        image: plan.image.value.clone(),
        user: user.to_owned(),
        span,
        source,
    })?;
    for group in &plan.process.groups {
        let gid = input.accounts.group(group);
        let gid = gid.map_err(|source| SpecError::Group {
            service: plan.service.value.clone(),
            image: plan.image.value.clone(),
            group: group.value.clone(),
            span: group.span,
            source,
        })?;
        if !resolved.groups.contains(&gid) {
            resolved.groups.push(gid);
        }
    }
    Ok(resolved)
}

/// The standard limits, those of the file in their place, none above what the host can give:
/// setrlimit(2) fails where the hard limit is above containerd's own.
fn rlimits(standard: Vec<PosixRlimit>, own: &[RlimitPlan], host: &HostFacts) -> Vec<PosixRlimit> {
    let mut limits = standard;
    for limit in own {
        let Some(kind) = rlimit_type(&limit.name) else {
            continue; // The engine's checks know them all.
        };
        limits.retain(|known| known.typ() != kind);
        limits.push(rlimit(kind, limit.soft, limit.hard));
    }
    let clamp = |limit: &PosixRlimit| {
        let hard = limit.hard().min(host.rlimit_max(limit.typ()));
        rlimit(limit.typ(), Some(limit.soft().min(hard)), Some(hard))
    };
    limits.iter().map(clamp).collect()
}

fn rlimit(kind: PosixRlimitType, soft: Option<u64>, hard: Option<u64>) -> PosixRlimit {
    PosixRlimitBuilder::default()
        .typ(kind)
        // RLIM_INFINITY.
        .soft(soft.unwrap_or(u64::MAX))
        .hard(hard.unwrap_or(u64::MAX))
        .build()
        .expect("every field has a default")
}

/// By the name that the runtime specification has for it.
pub(super) fn rlimit_type(name: &str) -> Option<PosixRlimitType> {
    serde_json::from_value(name.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::base::BaseSpecs;
    use super::super::fixture::{Fixture, SERVICE, spanned};
    use super::super::json::to_json;
    use super::super::spec::container_spec;
    use super::super::user::{Accounts, UserError};
    use super::*;

    fn fill(fixture: &Fixture) -> Result<Process, SpecError> {
        let base = BaseSpecs::embedded();
        process(&base.container.process, &fixture.input(), &fixture.host)
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn profiles_and_labels_confine_process_and_mounts() {
        let mut fixture = Fixture::new();
        fixture.plan.rights.apparmor = Some("mine".into());
        fixture.plan.rights.selinux = Some(SelinuxPlan {
            kind: Some("my_t".into()),
            ..SelinuxPlan::default()
        });
        let base = BaseSpecs::embedded();
        let spec = container_spec(&base, &fixture.host, &fixture.input()).unwrap();
        let document = to_json(&spec);
        assert_eq!(document["process"]["apparmorProfile"], "mine");
        let label = "system_u:system_r:my_t:s0";
        assert_eq!(document["process"]["selinuxLabel"], label);
        assert_eq!(document["linux"]["mountLabel"], label);
    }

    #[test]
    fn the_files_words_go_over_the_images() {
        // File's entrypoint and command, image's entrypoint and cmd, and what runs; no arguments: an error.
        let table = [
            (None, None, "", "", ""),
            (None, None, "init", "", "init"),
            (None, None, "", "serve", "serve"),
            (None, None, "init", "serve", "init serve"),
            (None, Some("work"), "init", "serve", "init work"),
            (None, Some(""), "init", "serve", "init"),
            (None, Some(""), "", "serve", ""),
            (Some("tool"), None, "init", "serve", "tool"),
            (Some("tool"), Some("work"), "init", "serve", "tool work"),
            (Some(""), Some("work"), "init", "serve", "work"),
            (Some(""), None, "init", "serve", ""),
        ];
        for (entrypoint, command, image_entrypoint, image_cmd, args) in table {
            let mut fixture = Fixture::new();
            fixture.plan.process.entrypoint = entrypoint.map(words);
            fixture.plan.process.command = command.map(words);
            fixture.image.entrypoint = words(image_entrypoint);
            fixture.image.cmd = words(image_cmd);
            match super::args(&fixture.input()) {
                Ok(got) => assert_eq!(got, words(args), "{entrypoint:?} {command:?}"),
                Err(SpecError::NothingToRun { span, .. }) if args.is_empty() => {
                    assert_eq!(span, SERVICE);
                }
                Err(error) => panic!("{entrypoint:?} {command:?}: {error}"),
            }
        }
    }

    fn fault(fixture: &Fixture) -> ProcessError {
        match fill(fixture).unwrap_err() {
            SpecError::Process { fault, span, .. } => {
                assert_eq!(span, SERVICE);
                fault
            }
            error => panic!("{error}"),
        }
    }

    #[test]
    fn a_command_that_execve_could_not_take_is_refused() {
        let mut fixture = Fixture::new();
        fixture.plan.process.command = Some(vec![String::new()]);
        assert_eq!(fault(&fixture), ProcessError::NoProgram);
        fixture.plan.process.command = Some(vec!["echo".into(), "a\0b".into()]);
        assert_eq!(fault(&fixture), ProcessError::Argument);
    }

    #[test]
    fn the_files_variables_go_over_the_tasks_over_the_images() {
        let mut fixture = Fixture::new();
        let task = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let file = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        fixture.image.env = words("A=image B=image C=image D=image no-value =nameless");
        fixture.plan.process.task_environment = vec![task("B", "task"), task("PORT0", "31000")];
        fixture.plan.process.environment = vec![
            file("C", Some("file")),
            file("D", None),
            file("EMPTY", Some("")),
            file("PORT0", Some("80")),
        ];
        assert_eq!(
            fill(&fixture).unwrap().env().clone().unwrap(),
            [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOSTNAME=task",
                "HOME=/",
                "A=image",
                "B=task",
                "C=file",
                "PORT0=80",
                "EMPTY=",
            ]
        );
    }

    #[test]
    fn a_default_variable_can_be_replaced_and_removed() {
        let mut fixture = Fixture::new();
        fixture.plan.process.tty = true;
        fixture.image.env = words("PATH=/opt/bin HOME=/data");
        fixture.plan.process.environment = vec![("HOSTNAME".into(), None)];
        assert_eq!(
            fill(&fixture).unwrap().env().clone().unwrap(),
            ["PATH=/opt/bin", "HOME=/data", "TERM=xterm"]
        );
    }

    #[test]
    fn a_variable_that_execve_could_not_take_is_refused() {
        let mut fixture = Fixture::new();
        fixture.plan.process.environment = vec![("A B=".into(), Some("x".into()))];
        insta::assert_snapshot!(fill(&fixture).unwrap_err(), @r#"service "web": "A B=" can't be the name of an environment variable"#);
    }

    #[test]
    fn a_working_directory_is_absolute_and_not_the_kernels() {
        // The file's, the image's, and what becomes of them.
        let table = [
            (None, None, Some("/")),
            (None, Some(""), Some("/")),
            (None, Some("/app/"), Some("/app")),
            (None, Some("//srv/./data"), Some("/srv/data")),
            (Some("/work"), Some("/app"), Some("/work")),
            (Some(""), Some("/app"), Some("/app")),
            (None, Some("app"), None),
            (Some("/app/../proc"), None, None),
            (None, Some("/proc/self/fd/7"), None),
            (None, Some("/./proc/self/fd/7"), None),
            (Some("/sys/fs/cgroup"), None, None),
            (Some("/proc"), None, None),
            (Some("/dev/fd/7"), None, None),
            (None, Some("/dev//stdin"), None),
            (Some("/dev/shm"), None, Some("/dev/shm")),
            (Some("/procurement"), None, Some("/procurement")),
            (Some("/a\0b"), None, None),
        ];
        for (file, image, cwd) in table {
            let mut fixture = Fixture::new();
            fixture.plan.process.working_dir = file.map(str::to_owned);
            fixture.image.working_dir = image.map(str::to_owned);
            if let Some(cwd) = cwd {
                assert_eq!(fill(&fixture).unwrap().cwd(), Path::new(cwd));
            } else {
                assert!(matches!(fault(&fixture), ProcessError::WorkingDir { .. }));
            }
        }
    }

    #[test]
    fn the_files_user_goes_over_the_images() {
        let mut fixture = Fixture::new();
        fixture.accounts = Accounts::parse(
            b"root:x:0:0::/root:/bin/sh\nwww:x:33:33::/srv:/bin/sh\n",
            b"www:x:33:\nssl:x:101:www\n",
        )
        .unwrap();
        fixture.image.user = Some("www".into());
        let process = fill(&fixture).unwrap();
        let user = process.user();
        assert_eq!((user.uid(), user.gid()), (33, 33));
        assert_eq!(user.additional_gids(), &Some(vec![33, 101]));
        assert!(process.env().clone().unwrap().contains(&"HOME=/srv".into()));

        fixture.plan.process.user = Some(spanned("0".into(), 30));
        let process = fill(&fixture).unwrap();
        assert_eq!(process.user().uid(), 0);
        assert!(
            process
                .env()
                .clone()
                .unwrap()
                .contains(&"HOME=/root".into())
        );
    }

    #[test]
    fn an_unknown_user_is_an_error_where_it_was_written() {
        let mut fixture = Fixture::new();
        fixture.plan.process.user = Some(spanned("4294967296:0".into(), 30));
        let error = fill(&fixture).unwrap_err();
        assert_eq!(error.span().start, 30);
        let source = std::error::Error::source(&error).unwrap();
        assert!(matches!(
            source.downcast_ref(),
            Some(UserError::OutOfRange { .. })
        ));
        insta::assert_snapshot!(format!("{error}: {source}"), @r#"service "web": user "4294967296:0" is no user of image "nginx:1": "4294967296" is no user's or group's number: 0 to 2147483647 are"#);

        fixture.plan.process.user = None;
        fixture.image.user = Some("nobody".into());
        assert_eq!(fill(&fixture).unwrap_err().span(), fixture.plan.image.span);
    }

    #[test]
    fn the_files_groups_and_limits_are_added() {
        let mut fixture = Fixture::new();
        fixture.accounts = Accounts::parse(b"", b"audio:x:29:\n").unwrap();
        fixture.plan.process.groups = vec![spanned("audio".into(), 30), spanned("7".into(), 31)];
        let limit = |name: &str, soft, hard| RlimitPlan {
            name: name.into(),
            soft,
            hard,
        };
        fixture.plan.process.rlimits = vec![
            limit("RLIMIT_NOFILE", Some(10), Some(20)),
            limit("RLIMIT_MEMLOCK", None, None),
        ];
        fixture.plan.process.oom_score_adj = Some(200);
        fixture.plan.process.init = true;
        let process = fill(&fixture).unwrap();
        assert_eq!(process.user().additional_gids(), &Some(vec![0, 29, 7]));
        let rlimits = process.rlimits().clone().unwrap();
        let rlimits: Vec<_> = rlimits
            .iter()
            .map(|it| format!("{} {} {}", it.typ(), it.soft(), it.hard()))
            .collect();
        insta::assert_snapshot!(rlimits.join("\n"), @r"
        RLIMIT_CORE 0 0
        RLIMIT_NOFILE 10 20
        RLIMIT_MEMLOCK 18446744073709551615 18446744073709551615
        ");
        assert_eq!(process.oom_score_adj(), Some(200));
        assert_eq!(
            process.args().as_ref().unwrap()[..2],
            ["/dev/init", "nginx"]
        );

        fixture.plan.process.groups = vec![spanned("wheel".into(), 30)];
        let error = fill(&fixture).unwrap_err();
        assert_eq!(error.span().start, 30);
        insta::assert_snapshot!(error, @r#"service "web": group "wheel" is no group of image "nginx:1""#);
    }

    #[test]
    fn limits_and_scores_stay_within_containerds_own() {
        let mut fixture = Fixture::new();
        let nofile = |fixture: &Fixture| {
            let rlimits = fill(fixture).unwrap().rlimits().clone().unwrap();
            let nofile = rlimits
                .iter()
                .find(|rlimit| rlimit.typ() == PosixRlimitType::RlimitNofile)
                .unwrap();
            (nofile.soft(), nofile.hard())
        };
        assert_eq!(nofile(&fixture), (1024, 1 << 20));
        fixture.host.rlimits = vec![(PosixRlimitType::RlimitNofile, 20_000)];
        assert_eq!(nofile(&fixture), (1024, 20_000));
        fixture.host.rlimits = vec![(PosixRlimitType::RlimitNofile, 256)];
        assert_eq!(nofile(&fixture), (256, 256));

        assert_eq!(fill(&fixture).unwrap().oom_score_adj(), Some(0));
        fixture.host.oom_score_floor = 300;
        assert_eq!(fill(&fixture).unwrap().oom_score_adj(), Some(300));
    }
}

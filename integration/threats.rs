//! Attacks by who writes a task's files, each tried: docs/security.md lists which test is about what.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::app;
use crate::image_archive;
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::{Task, TaskRun, Update};
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    let mut all: Vec<Test> =
        tests![Containerd: the_table_names_tests_that_exist, the_table_has_every_attack].into();
    let with_mesos: Vec<Test> = tests![Mesos:
        labels_do_not_reach_containerd,
        names_do_not_lead_out,
        the_token_is_nowhere,
        no_file_gives_the_token,
        escape_sequences_do_not_reach_a_terminal,
        bombs_are_refused,
        no_end_follows_what_is_in_a_sandbox,
    ]
    .into();
    all.extend(tests![Containerd:
        a_file_called_default_is_no_default_filter,
        annotations_give_no_orders,
    ]);
    all.extend(with_mesos);
    all
}

/// What must not be found anywhere.
const CANARY: &str = "canary-0a1b2c3d4e5f";
const TOKEN: &str = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";

/// A pod that stays until it is killed.
const STAYS: &str = "[sh, -c, \"echo up; while :; do sleep 0.1; done\"]";

fn end(run: &mut TaskRun<'_>) -> Update {
    run.kill();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    run.until_gone();
    end
}

/// A failed task, with these words in its message.
fn refused(task: Task<'_>, words: &[&str]) -> Update {
    let mut run = task.launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED", "{}", end.message());
    for word in words {
        assert!(
            end.message().contains(word),
            "no {word:?} in {:?}",
            end.message()
        );
    }
    run.until_gone();
    end
}

/// containerd's restart monitor starts a program of the host as root where a container's labels
/// say so. (CVE-2026-53488 is the same way through CRI.)
fn labels_do_not_reach_containerd(lab: &Lab) {
    let labels = [
        ("containerd.io/restart.status", "running"),
        (
            "containerd.io/restart.loguri",
            "binary:///bin/touch?/canary",
        ),
        ("compose-executor/pod", "000000000000"),
    ];
    let mut image = app::image();
    for (key, value) in labels {
        image = image.label(key, value);
    }
    let written: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}: '{value}'"))
        .collect();
    let services = format!(
        "  web:\n    image: app:1\n    labels: {{{}}}\n    command: {STAYS}\n",
        written.join(", ")
    );
    let task = Task::app(lab, &services).archive("app.tar", &image);
    let mut run = task.launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod().id().to_owned();
    let ctr = |words: &[&str]| {
        let output = lab.containerd().ctr("compose-executor", words);
        output.expect("containerd answers")
    };
    let names = ctr(&["containers", "list", "-q"]);
    let ours: Vec<&str> = names.lines().filter(|name| name.contains(&pod)).collect();
    assert_eq!(ours.len(), 2, "{names}");
    for name in ours {
        let info: serde_json::Value =
            serde_json::from_str(&ctr(&["containers", "info", name])).expect("it is JSON");
        let found = info["Labels"].as_object().expect("a container has labels");
        for key in found.keys() {
            assert!(key.starts_with("compose-executor/"), "{name}: {key}");
        }
        assert_eq!(found["compose-executor/pod"], pod.as_str());
    }
    end(&mut run);
}

/// What the policy takes for the default filter, and the runtime for a file of the user's, would be a
/// way past the policy.
fn a_file_called_default_is_no_default_filter(lab: &Lab) {
    const ALL: &str = r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#;
    for (option, words) in [
        ("seccomp=default", "privileges.seccomp"),
        ("seccomp:default", "privileges.seccomp"),
        ("seccomp=x=builtin", "privileges.seccomp"),
        ("seccomp:x=builtin", "security_opt"),
        ("seccomp: builtin", "privileges.seccomp"),
        ("no-new-privileges:false=true", "security_opt"),
    ] {
        let services = format!(
            "  web:\n    image: app:1\n    security_opt: ['{option}']\n    command: [grep, Seccomp, /proc/self/status]\n"
        );
        let mut up = Up::app(lab, &services)
            .config("")
            .file("default", ALL)
            .file("x=builtin", ALL)
            .file(" builtin", ALL)
            .start();
        assert_eq!(up.until_end().code(), Some(3), "{option}: {}", up.stdout());
        assert!(up.stderr().contains(words), "{option}: {}", up.stderr());
    }
}

/// Runtimes and shims obey some annotations, as root: those are nobody's to give, not even where the
/// policy leaves annotations free, and an image has none at all.
fn annotations_give_no_orders(lab: &Lab) {
    let canary = lab.fixture().join("canary");
    let path = canary.display();
    let free = "[policy]\nprofile = \"privileged\"\n";
    let up = |annotation: &str, config: &str| {
        let services = format!(
            "  web:\n    image: app:1\n    annotations: {{{annotation}}}\n    command: {STAYS}\n"
        );
        let mut image = app::image();
        for key in ["run.oci.hooks.stdout", "io.kubernetes.cri.sandbox-id"] {
            image = image.label(key, &path.to_string());
        }
        Up::app(lab, &services)
            .archive("app.tar", &image)
            .config(config)
            .start()
    };
    for annotation in [
        format!("run.oci.hooks.stdout: {path}"),
        format!("run.oci.seccomp.receiver: {path}"),
        "run.oci.seccomp_bpf_data: AAAA".to_owned(),
        "run.oci.handler: wasm".to_owned(),
        "run.oci.keep_original_groups: '1'".to_owned(),
        "run.oci.mount_context_type: rootcontext".to_owned(),
        format!("org.criu.config: {path}"),
        "org.systemd.property.ExecStopPost: \"['/bin/true']\"".to_owned(),
        "io.containerd.runc.v2.group: other".to_owned(),
        "io.kubernetes.cri.sandbox-id: other".to_owned(),
        "mounts.nri.io/container.web: x".to_owned(),
        "cdi.k8s.io/gpu: nvidia.com/gpu=all".to_owned(),
    ] {
        let mut run = up(&annotation, free);
        assert_eq!(run.until_end().code(), Some(3), "{annotation}");
        assert!(run.stderr().contains("take orders"), "{}", run.stderr());
    }
    let mut run = up("org.example.note: hi", "");
    assert_eq!(run.until_end().code(), Some(3), "{}", run.stderr());
    assert!(
        run.stderr().contains("privileges.annotations"),
        "{}",
        run.stderr()
    );

    let mut run = up("org.example.note: hi", free);
    run.until_stdout("up");
    let pod = run.pod().id().to_owned();
    let ctr = |words: &[&str]| {
        let output = lab.containerd().ctr("compose-executor", words);
        output.expect("containerd answers")
    };
    let names = ctr(&["containers", "list", "-q"]);
    let web = names
        .lines()
        .find(|name| name.contains(&pod) && name.ends_with("web"))
        .expect("the service has a container");
    let info: serde_json::Value =
        serde_json::from_str(&ctr(&["containers", "info", web])).expect("it is JSON");
    let annotations = info["Spec"]["annotations"]
        .as_object()
        .expect("it has some");
    let own = [
        "io.containerd.runc.v2.group",
        "org.example.note",
        "run.oci.seccomp_bpf_data",
    ];
    for key in annotations.keys() {
        assert!(own.contains(&key.as_str()), "{key}");
    }
    assert!(!canary.exists());
}

/// What is ours in a sandbox is its user's to exchange: neither the end of a pod nor `cleanup`, after an
/// executor that was killed, goes by it.
fn no_end_follows_what_is_in_a_sandbox(lab: &Lab) {
    let outside = lab.fixture();
    let files = ["logs/web.log", "volumes/data/file", "anonymous/0/file"];
    for file in files {
        let path = outside.join(file);
        fs::create_dir_all(path.parent().expect("it is in a folder"))
            .expect("the fixture takes it");
        fs::write(&path, CANARY).expect("the fixture takes files");
    }
    let swap = format!(
        "cd /s && mv compose-executor old && ln -s {} compose-executor && echo up; while :; do sleep 0.1; done",
        outside.display()
    );
    let services = format!(
        "  web:\n    image: app:1\n    volumes: ['.:/s', 'data:/data', /unnamed]\n    command: [sh, -c, '{swap}']\n"
    );
    let compose = app::compose(&services) + "volumes: {data: {}}\n";
    for is_killed in [false, true] {
        let mut run = Task::app(lab, "").compose(&compose).launch();
        run.until_state("TASK_RUNNING");
        run.until_stdout("up");
        if is_killed {
            let pod = run.pod();
            kill(Pid::from_raw(run.executor().pid), Signal::SIGKILL).expect("it runs");
            assert_eq!(run.until_end().state(), "TASK_FAILED");
            pod.until_dead();
            run.until_gone();
            lab.cleanup();
        } else {
            end(&mut run);
        }
        for file in files {
            let text = fs::read_to_string(outside.join(file));
            assert_eq!(text.expect("nobody took it"), CANARY, "{file}");
        }
    }
}

/// `..` and separators in whatever becomes a part of a path or a control group.
fn names_do_not_lead_out(lab: &Lab) {
    let services =
        |key: &str| format!("  web:\n    image: app:1\n    command: {STAYS}\n    {key}\n");
    for (key, words) in [
        ("container_name: ../../escape", "container_name"),
        ("hostname: ../../escape", "hostname"),
        ("volumes: ['../../../escape:/x']", "mounts.host_paths"),
        ("env_file: ../../../../../../etc/passwd", "is outside of"),
        ("working_dir: ../../escape", "working_dir"),
    ] {
        refused(Task::app(lab, &services(key)), &[words]);
    }
    let volume = app::compose(&services("volumes: ['vol:/v']"))
        + "volumes: {vol: {name: '../../../escape'}}\n";
    let task = Task::app(lab, "").compose(&volume);
    let escaped = stays_where_it_belongs(lab, task.label("compose.project", "../../escape"));
    assert!(!escaped, "a project's name was taken for a path");

    // runc takes a path with `..` at its word, and would put the container elsewhere.
    let parent = Task::app(lab, &services("cgroup_parent: ../../../escape"));
    assert!(!stays_where_it_belongs(lab, parent), "a cgroup was left");
}

/// Whether something named `escape` was found outside; a task that is refused is no escape either.
fn stays_where_it_belongs(lab: &Lab, task: Task<'_>) -> bool {
    let mut run = task.launch();
    let update = run.until_update("a state that lasts", |update| {
        update.state() == "TASK_RUNNING" || update.is_terminal()
    });
    if update.state() == "TASK_RUNNING" {
        let cgroup = run.cgroup();
        for process in run.pod().processes() {
            for (controllers, path) in &process.cgroups {
                let free = path == "/" || path.starts_with(&cgroup);
                assert!(free && !path.contains(".."), "{controllers}: {path}");
            }
        }
        end(&mut run);
    } else {
        assert_eq!(update.state(), "TASK_FAILED");
        run.until_gone();
    }
    let places = [lab.folder(), Path::new("/sys/fs/cgroup"), Path::new("/tmp")];
    let beside = run.sandbox();
    let above = beside.ancestors().skip(1).take(4);
    places
        .into_iter()
        .chain(above)
        .any(|place| place.join("escape").exists())
}

/// Every way in which a container gets a value of the executor's environment.
fn the_token_is_nowhere(lab: &Lab) {
    let services = format!(
        r#"
  web:
    image: app:1
    environment:
      - {TOKEN}
      - COPY=${{{TOKEN}}}
      - ELSE=${{{TOKEN}:-unset}}
    labels: {{copy: "${{{TOKEN}}}"}}
    secrets: [token]
    command: [sh, -c, "env; cat /run/secrets/* /proc/[0-9]*/environ; echo up; while :; do sleep 0.1; done"]
"#
    );
    let plain = services.replace("    secrets: [token]\n", "");
    let with_secret =
        app::compose(&services) + &format!("secrets: {{token: {{environment: {TOKEN}}}}}\n");
    let task = Task::app(lab, &plain).env(TOKEN, CANARY);
    let mut run = task.launch();
    run.until_state("TASK_RUNNING");
    run.until_stdout("up");
    assert!(run.stdout().contains("ELSE=unset"), "{}", run.stdout());
    // The kernel keeps what a process was started with, and shows it to root.
    let executor = run.executor();
    let environment = fs::read(format!("/proc/{}/environ", executor.pid)).expect("it runs");
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("MESOS_SLAVE_PID="), "{environment}");
    assert!(environment.contains(TOKEN), "{environment}");
    assert!(!environment.contains(CANARY), "{environment}");
    assert_clean(lab, &run);
    end(&mut run);
    assert_clean(lab, &run);

    let task = Task::app(lab, "").compose(&with_secret).env(TOKEN, CANARY);
    let mut run = task.launch();
    let update = run.until_update("a state that lasts", |update| {
        update.state() == "TASK_RUNNING" || update.is_terminal()
    });
    if update.state() == "TASK_RUNNING" {
        end(&mut run);
    }
    assert_clean(lab, &run);
    run.until_gone();
}

/// No file of the sandbox or of ours has the canary.
fn assert_clean(lab: &Lab, run: &TaskRun<'_>) {
    for place in [run.sandbox(), lab.root(), lab.state()] {
        search(&place);
    }
}

fn search(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            search(&path);
        } else if kind.is_file() && path.extension().is_none_or(|it| it != "tar") {
            let bytes = fs::read(&path).unwrap_or_default();
            let found = bytes
                .windows(CANARY.len())
                .any(|window| window == CANARY.as_bytes());
            assert!(!found, "the token is in {}", path.display());
        }
    }
}

/// What the loader opens lies in the sandbox, and is reached without a link.
fn no_file_gives_the_token(lab: &Lab) {
    let archive = lab.fixture().join("link.tar");
    image_archive::archive_with_link(&archive, "environ", "/proc/self/environ");
    let service = |key: &str| {
        app::compose(&format!(
            "  web:\n    image: app:1\n    command: [env]\n    {key}\n"
        ))
    };
    let files = [
        service("env_file: /proc/self/environ"),
        service("env_file: ./environ"),
        service("label_file: ./environ"),
        service("extends: {file: ./environ, service: web}"),
        format!("include: [./environ]\n{}", service("tty: false")),
        service("configs: [c]") + "configs: {c: {file: /proc/self/environ}}\n",
        service("secrets: [c]") + "secrets: {c: {file: ./environ}}\n",
    ];
    for file in files {
        let task = Task::app(lab, "")
            .compose(&file)
            .unpacked(&archive)
            .env(TOKEN, CANARY);
        let mut run = task.launch();
        let end = run.until_end();
        assert_eq!(end.state(), "TASK_FAILED", "{file}\n{}", end.message());
        run.until_gone();
        assert!(!end.message().contains(CANARY), "{}", end.message());
        assert!(!end.data().to_string().contains(CANARY));
        assert_clean(lab, &run);
    }
}

fn escape_sequences_do_not_reach_a_terminal(lab: &Lab) {
    // Sets the clipboard, goes back to the line's begin, turns the text's direction.
    let evil = r"\e]52;c;ZXZpbA==\a\r\u202eevil";
    let steers = |text: &str| {
        text.chars()
            .any(|c| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c))
    };
    for key in [
        format!("cap_add: [\"{evil}\"]"),
        format!("image: \"{evil}\""),
        format!("sysctls: {{\"{evil}\": 1}}"),
        format!("annotations: {{\"{evil}\": x}}"),
        format!("\"{evil}\": 1"),
        format!("runtime: \"{evil}\""),
    ] {
        let image = if key.starts_with("image") {
            ""
        } else {
            "    image: app:1\n"
        };
        let services = format!("  web:\n{image}    {key}\n");
        let end = refused(Task::app(lab, &services), &[]);
        assert!(!steers(end.message()), "{:?}", end.message());

        let mut up = Up::app(lab, &services).config("").start();
        assert_eq!(up.until_end().code(), Some(3), "{}", up.stderr());
        assert!(!steers(&up.stderr()), "{:?}", up.stderr());
    }
}

/// Small texts that would become large, and large ones: an error each, and in no time.
fn bombs_are_refused(lab: &Lab) {
    let laugh = |i: usize| {
        let again = vec![format!("*x{}", i - 1); 10].join(", ");
        format!("x-{i}: &x{i} [{again}]\n")
    };
    let laughs = "x-0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    let laughs: String = std::iter::once(laughs).chain((1..10).map(laugh)).collect();
    let merge = |i: usize| {
        let again = vec![format!("*m{}", i - 1); 10].join(", ");
        format!("x-m{i}: &m{i} {{<<: [{again}], k{i}: 1}}\n")
    };
    let merges = "x-m0: &m0 {k0: 1}\n".to_owned();
    let merges: String = std::iter::once(merges).chain((1..40).map(merge)).collect();
    let nested = format!("x-deep: {}{}\n", "[".repeat(5000), "]".repeat(5000));
    let mut interpolation = "x".to_owned();
    for _ in 0..64 {
        interpolation = format!("${{A:-{interpolation}}}");
    }
    let service = "services: {web: {image: app:1}}\n";
    for bomb in [
        laughs + service,
        merges + service,
        nested + service,
        format!("services: {{web: {{image: \"{interpolation}\"}}}}\n"),
        format!("# {}\n{service}", "x".repeat(2 << 20)),
        format!("{service}{service}"),
        format!("services: {{web: {{image: a, x: {}}}}}\n", "9".repeat(5000)),
    ] {
        let end = refused(Task::new(lab).compose(&bomb), &["CE-SPEC"]);
        assert_eq!(end.reason(), "REASON_TASK_INVALID", "{}", end.message());
    }
}

/// docs/security.md says which test is about which attack.
fn the_table_names_tests_that_exist(_: &Lab) {
    let page = include_str!("../docs/security.md");
    let rows = page
        .split("## Attacks")
        .nth(1)
        .expect("the page has the table");
    let tests: Vec<&str> = rows
        .lines()
        .filter_map(|row| row.rsplit('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(tests.len() > 15, "{tests:?}");
    let mut sources = String::new();
    for folder in ["src", "integration"] {
        collect(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
            &mut sources,
        );
    }
    for test in tests {
        let (_, name) = test.rsplit_once("::").expect("a module and a test");
        assert!(
            sources.contains(&format!("fn {name}(")),
            "there is no {test}"
        );
    }
}

/// And no attack that is tried is missing there.
fn the_table_has_every_attack(_: &Lab) {
    let page = include_str!("../docs/security.md");
    for test in crate::tests() {
        let name = test.full_name();
        let (theme, short) = name.split_once("::").expect("a theme and a test");
        if matches!(theme, "threats" | "storage_attacks") && !short.starts_with("the_table") {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}

fn collect(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).expect("it is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|it| it == "rs") {
            *sources += &fs::read_to_string(&path).expect("sources are text");
        }
    }
}

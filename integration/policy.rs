//! The operator's policy, before a real executor: what it forbids is refused with everything that is
//! forbidden, and nothing is touched; what it allows runs.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;
use serde_json::Value;

use crate::app;
use crate::image_archive;
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::{Task, Update};
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(crate) fn tests() -> Vec<Test> {
    let mut all: Vec<Test> = tests![Mesos:
        everything_that_is_forbidden_is_told_at_once,
        what_is_wrong_is_told_beside_what_is_forbidden,
        what_is_forbidden_is_not_looked_at,
        a_restricted_pod_runs_if_it_conforms,
        restricted_refuses_what_does_not_conform,
        an_override_goes_by_the_agents_word_alone,
        a_place_that_the_operator_has_opened_can_be_bound,
        a_socket_is_the_operators_to_open,
        ports_of_the_host_are_the_operators_to_give,
        a_policy_that_is_not_in_order_refuses_every_launch,
    ]
    .into();
    let by_hand: Vec<Test> = tests![Containerd:
        up_is_held_to_the_policy,
        a_file_is_checked_without_a_host,
        what_is_in_force_is_shown_with_its_lines,
    ]
    .into();
    all.extend(by_hand);
    all
}

const RESTRICTED: &str = "[policy]\nprofile = \"restricted\"\n";

/// What restricted wants of a service.
const CONFORMING: &str = r#"
  web:
    image: app:1
    user: "1000:1000"
    cap_drop: [ALL]
    command: [sh, -c, "id -u; grep -E 'Cap(Prm|Eff|Bnd)|NoNewPrivs|Seccomp:' /proc/self/status"]
    volumes: [data:/data]
    tmpfs: [/scratch]
    security_opt: [no-new-privileges]
"#;

fn end_of(task: Task<'_>) -> Update {
    let mut run = task.launch();
    let end = run.until_end();
    run.until_gone();
    assert!(!run.states().contains(&"TASK_RUNNING".to_owned()));
    end
}

/// The task fails by the policy's word.
fn forbidden(task: Task<'_>) -> Update {
    let end = end_of(task);
    let seen = (end.state(), end.source(), end.reason());
    let expected = ("TASK_FAILED", "SOURCE_EXECUTOR", "REASON_TASK_UNAUTHORIZED");
    assert_eq!(seen, expected, "{}", end.message());
    end
}

fn fields(end: &Update) -> Vec<String> {
    let data = end.data();
    let errors = data["errors"].as_array().expect("a refusal has errors");
    let field = |error: &Value| error["policy_field"].as_str().map(str::to_owned);
    errors.iter().filter_map(field).collect()
}

fn everything_that_is_forbidden_is_told_at_once(lab: &Lab) {
    let services = r"
  web:
    image: app:1
    privileged: true
    pid: host
    cap_add: [CHOWN, SYS_ADMIN]
    volumes: ['/etc:/host', '/var/run/docker.sock:/s']
";
    let end = forbidden(Task::app(lab, services));
    let place = "CE-POLICY: compose.yaml:8:17: services.web.privileged: ";
    assert!(end.message().starts_with(place), "{}", end.message());
    assert!(end.message().contains("(+4 more)"), "{}", end.message());
    let expected = [
        "privileges.privileged",
        "namespaces.host_pid",
        "privileges.cap_add",
        "mounts.host_paths",
        "mounts.host_paths",
    ];
    assert_eq!(fields(&end), expected);
    let data = end.data();
    let third = &data["errors"][2];
    assert_eq!(third["code"], "CE-POLICY-CAP-ADD");
    assert_eq!(third["key"], "services.web.cap_add[1]");
    assert_eq!((&third["line"], &third["column"]), (&10.into(), &22.into()));
}

/// Of the engine's checks, the policy and the planner none hides what another has found.
fn what_is_wrong_is_told_beside_what_is_forbidden(lab: &Lab) {
    let services = r"
  web:
    image: app:1
    mem_limit: 1k
    privileged: true
    gpus: all
    volumes: ['/etc:/host']
";
    let end = forbidden(Task::app(lab, services));
    let place = "CE-POLICY: compose.yaml:9:17: services.web.privileged: ";
    assert!(end.message().starts_with(place), "{}", end.message());
    assert_eq!(fields(&end), ["privileges.privileged", "mounts.host_paths"]);
    let data = end.data();
    let errors = data["errors"].as_array().expect("a refusal has errors");
    let lines: Vec<_> = errors.iter().map(|error| &error["line"]).collect();
    // The bind is told of once.
    assert_eq!(lines, [9, 11, 8, 10], "{errors:?}");
}

/// Who may not name a device or a file of the host's does not learn whether it is there.
fn what_is_forbidden_is_not_looked_at(lab: &Lab) {
    let told = |device: &str, file: &str| {
        let services = format!(
            "  web:\n    image: app:1\n    devices: [{device}]\n    volumes: ['{file}:/x:ro']\n"
        );
        let end = forbidden(Task::app(lab, &services));
        let text = end.data().to_string();
        text.replace(device, "DEVICE").replace(file, "FILE")
    };
    let there = told("/dev/null", "/etc/shadow");
    assert_eq!(there, told("/dev/nothing-of-the-kind", "/etc/nothing"));
}

fn a_restricted_pod_runs_if_it_conforms(lab: &Lab) {
    let compose = app::compose(CONFORMING) + "volumes: {data: {}}\n";
    let task = Task::app(lab, "").compose(&compose).config(RESTRICTED);
    let mut run = task.launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FINISHED", "{}", end.message());
    run.until_gone();
    let out = run.stdout();
    assert!(out.starts_with("1000\n"), "{out}");
    for line in [
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(out.contains(line), "no {line:?} in {out}");
    }
}

fn restricted_refuses_what_does_not_conform(lab: &Lab) {
    let breaks = [
        ("user: \"1000:1000\"", "user: root", "privileges.root"),
        ("user: \"1000:1000\"", "tty: false", "privileges.root"),
        (
            "cap_drop: [ALL]",
            "cap_drop: [CHOWN]",
            "privileges.drop_all",
        ),
        (
            "[no-new-privileges]",
            "['seccomp=unconfined']",
            "privileges.seccomp",
        ),
    ];
    for (conforming, breaking, field) in breaks {
        let services = CONFORMING.replace(conforming, breaking);
        let compose = app::compose(&services) + "volumes: {data: {}}\n";
        let task = Task::app(lab, "").compose(&compose).config(RESTRICTED);
        assert_eq!(fields(&forbidden(task)), [field], "{breaking}");
    }
}

fn an_override_goes_by_the_agents_word_alone(lab: &Lab) {
    let config = "[policy]\nprofile = \"restricted\"\n[[policy.overrides]]\nmatch = { role = \"system\" }\nprofile = \"baseline\"\n";
    let services = "  web:\n    image: app:1\n    command: [echo, hello]\n";
    let pretends = Task::app(lab, services)
        .config(config)
        .label("role", "system")
        .label("compose.role", "system")
        .env("MESOS_ROLE", "system");
    let expected = ["privileges.root", "privileges.drop_all"];
    assert_eq!(fields(&forbidden(pretends)), expected);

    let task = Task::app(lab, services)
        .config(config)
        .option("--role", "system");
    let mut run = task.launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FINISHED", "{}", end.message());
    run.until_gone();
}

fn a_place_that_the_operator_has_opened_can_be_bound(lab: &Lab) {
    let models = lab.fixture().join("models");
    fs::create_dir(&models).expect("a fixture takes a folder");
    fs::write(models.join("one"), "a model\n").expect("a fixture takes a file");
    symlink("/etc", models.join("link")).expect("a fixture takes a link");
    let models = models.display();
    let config = format!("[policy.mounts]\nhost_paths = [{{ path = \"{models}\" }}]\n");
    let task = |source: &str| {
        let services = format!(
            "  web:\n    image: app:1\n    command: [sh, -c, \"cat /m/one; touch /m/two\"]\n    volumes: ['{models}{source}']\n"
        );
        Task::app(lab, &services).config(&config)
    };
    let mut run = task(":/m:ro").launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED", "{}", end.message());
    assert!(end.message().contains("Read-only"), "{}", end.message());
    assert!(run.stdout().contains("a model"), "{}", run.stdout());
    run.until_gone();

    // To write, and what is above, wants more of the operator.
    for source in [":/m", "/..:/m:ro", "/../../..:/m:ro"] {
        assert_eq!(fields(&forbidden(task(source))), ["mounts.host_paths"]);
    }
    // A link in it, and what is not there: found out when it is opened, and nothing is made.
    for source in ["/link:/m:ro", "/gone:/m:ro"] {
        let end = end_of(task(source));
        assert_eq!(end.state(), "TASK_FAILED", "{}", end.message());
        assert!(end.message().contains("models/"), "{}", end.message());
    }
    let left = fs::read_dir(models.to_string())
        .expect("it is there")
        .count();
    assert_eq!(left, 2);
}

/// A socket, as of a program of the host's that serves whoever comes: by a path that the operator has
/// opened it can be bound; one that somebody has put into the sandbox can't, nor a FIFO or a device.
fn a_socket_is_the_operators_to_open(lab: &Lab) {
    let folder = lab.fixture();
    let socket = folder.join("app.sock");
    let _listener = UnixListener::bind(&socket).expect("a fixture takes a socket");
    mkfifo(&folder.join("fifo"), Mode::from_bits_truncate(0o666)).expect("a fixture takes a FIFO");
    let device = folder.join("null");
    mknod(
        &device,
        SFlag::S_IFCHR,
        Mode::from_bits_truncate(0o666),
        makedev(1, 3),
    )
    .expect("root makes devices");
    let config = format!(
        "[policy.mounts]\nhost_paths = [{{ path = \"{}\", read_only = false }}]\n",
        folder.display()
    );
    let task = |source: &Path| {
        let services = format!(
            "  web:\n    image: app:1\n    command: [sh, -c, \"[ -S /x ] && echo a socket; [ -p /x ] && echo a FIFO; true\"]\n    volumes: ['{}:/x']\n",
            source.display()
        );
        Task::app(lab, &services).config(&config)
    };
    for (name, seen) in [("app.sock", "a socket"), ("fifo", "a FIFO")] {
        let mut run = task(&folder.join(name)).launch();
        let end = run.until_end();
        assert_eq!(end.state(), "TASK_FINISHED", "{}", end.message());
        assert!(run.stdout().contains(seen), "{}", run.stdout());
        run.until_gone();
    }
    let end = end_of(task(&device));
    assert_eq!(end.reason(), "REASON_TASK_INVALID");
    for words in ["compose.yaml:8:", "is a device", "by `devices`"] {
        assert!(end.message().contains(words), "{}", end.message());
    }

    // In the sandbox, where nobody but the task's user could have put it.
    let sandbox = folder.join("sandbox.tar");
    image_archive::archive_with_fifo(&sandbox, "pipe");
    let services = "  web:\n    image: app:1\n    command: ['true']\n    volumes: ['./pipe:/x']\n";
    let end = end_of(Task::app(lab, services).unpacked(&sandbox));
    assert_eq!(end.reason(), "REASON_TASK_INVALID");
    for words in ["compose.yaml:8:", "is a FIFO", "mounts.host_paths"] {
        assert!(end.message().contains(words), "{}", end.message());
    }
}

/// In the host's network, which the file asks for, a port is one that was offered, unless the operator
/// says otherwise.
fn ports_of_the_host_are_the_operators_to_give(lab: &Lab) {
    let services = "  web:\n    image: app:1\n    network_mode: host\n    ports: ['29:29']\n    command: ['true']\n";
    let config = |ports: &str| {
        format!(
            "[policy.namespaces]\nhost_network = true\n[policy.resources]\nports = \"{ports}\"\n"
        )
    };
    let end = forbidden(Task::app(lab, services).config(&config("offered")));
    assert!(
        end.message().contains("among the ports offered"),
        "{}",
        end.message()
    );
    let end = forbidden(Task::app(lab, services).config(&config("none")));
    assert_eq!(fields(&end), ["resources.ports"]);
    // There it listens on the host's own.
    let listens = services.replace("['true']", "[httpd, -f, -p, '29']");
    let mut run = Task::app(lab, &listens).config(&config("any")).launch();
    run.until_state("TASK_RUNNING");
    let connect = || TcpStream::connect("127.0.0.1:29").ok();
    wait::until("an answer of port 29", PATIENCE, connect);
    run.kill_until_end();
    run.until_gone();
}

/// A task whose configuration was made so, and the words that the refusal must have.
fn out_of_order(lab: &Lab, words: &str, make: impl Fn(&Path)) {
    let services = "  web:\n    image: app:1\n    command: [echo, hello]\n";
    let path = lab.fixture().join("config.toml");
    make(&path);
    let usual = lab.config().display().to_string();
    let options = lab.options().join(" ");
    let options = options.replace(&usual, &path.display().to_string());
    let task = Task::app(lab, services).executor(&format!("exec ./compose-executor {options}"));
    let end = forbidden(task);
    assert!(
        end.message().starts_with("CE-CONFIG: ") && end.message().contains(words),
        "no {words:?} in {:?}",
        end.message()
    );
}

fn a_policy_that_is_not_in_order_refuses_every_launch(lab: &Lab) {
    let write = |path: &Path, text: &str| fs::write(path, text).expect("a fixture takes a file");
    let laxest = "[policy]\nprofile = \"privileged\"\n";
    for (text, words) in [
        (
            "[policy]\nprofil = \"baseline\"\n",
            "unknown field `profil`",
        ),
        ("[policy]\nprofile = \"lax\"\n", "unknown variant `lax`"),
        ("[policy.privileges]\nprivileged = 1\n", "line 2"),
        (
            "[policy.mounts]\nhost_paths = [{ path = \"data\" }]\n",
            "data",
        ),
        ("[[policy.overrides]]\nmatch = {}\n", "match"),
        ("[policy\n", "line 1"),
    ] {
        out_of_order(lab, words, |path| write(path, text));
    }
    out_of_order(lab, "is a link", |path| {
        let target = path.with_file_name("target.toml");
        write(&target, laxest);
        symlink(&target, path).expect("a fixture takes a link");
    });
    out_of_order(lab, "is not root's", |path| {
        write(path, laxest);
        chown(path, Some(65_534), None).expect("root may");
    });
    out_of_order(lab, "can be written by others", |path| {
        write(path, laxest);
        fs::set_permissions(path, Permissions::from_mode(0o664)).expect("root may");
    });
    out_of_order(lab, "is not a regular file", |path| {
        fs::create_dir(path).expect("a fixture takes a folder");
    });
    out_of_order(lab, "can't be looked at", |_| {});
}

fn up_is_held_to_the_policy(lab: &Lab) {
    let services = "  web:\n    image: app:1\n    pid: host\n    cap_add: [SYS_ADMIN]\n    command: [echo, hello]\n";
    let mut up = Up::app(lab, services).config("").start();
    assert_eq!(up.until_end().code(), Some(3), "{}", up.stderr());
    for words in [
        "namespaces.host_pid",
        "privileges.cap_add",
        "compose.yaml:7",
    ] {
        assert!(up.stderr().contains(words), "no {words} in {}", up.stderr());
    }
    // The file's own word lets it go, and then nothing of the policy is heard.
    let services =
        "  web:\n    image: app:1\n    stop_grace_period: 1h\n    command: [echo, hello]\n";
    let mut up = Up::app(lab, services).config("").start();
    assert_eq!(up.until_end().code(), Some(3), "{}", up.stderr());
    let mut up = Up::app(lab, services)
        .config("[policy]\nup = \"off\"\n")
        .start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
}

fn a_file_is_checked_without_a_host(lab: &Lab) {
    let folder = lab.fixture();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).expect("a fixture takes a file");
        path.display().to_string()
    };
    let good = file("good.yaml", "services: {web: {image: a, mem_limit: 64m}}\n");
    let bad = file(
        "bad.yaml",
        "services: {web: {image: a, privileged: true}}\n",
    );
    let policy = file("policy.toml", "[policy.resources]\nmem_limit = true\n");
    // A draft need not be root's.
    chown(&policy, Some(65_534), None).expect("root may");
    for command in ["plan", "config"] {
        let run = |compose: &str| lab.output(&["-f", compose, command, "--policy", &policy]);
        let (good, bad) = (run(&good), run(&bad));
        assert_eq!(good.status.code(), Some(0), "{command}");
        assert_eq!(bad.status.code(), Some(3), "{command}");
        let text = String::from_utf8_lossy(&bad.stderr);
        for field in ["privileges.privileged", "resources.mem_limit"] {
            assert!(text.contains(field), "no {field} in {text}");
        }
    }
}

fn what_is_in_force_is_shown_with_its_lines(lab: &Lab) {
    let path = lab.fixture().join("config.toml");
    let text = "[policy]\nprofile = \"restricted\"\n[[policy.overrides]]\nmatch = { framework_principal = \"infra\" }\nprofile = \"baseline\"\n[policy.overrides.privileges]\ncap_add = [\"SYS_PTRACE\"]\n";
    fs::write(&path, text).expect("a fixture takes a file");
    let file = path.display().to_string();
    let words = ["policy", "show", "--policy", &file, "--format", "json"];
    let field = |more: &[&str], name: &str| -> Value {
        let output = lab.output(&[&words, more].concat());
        assert!(output.status.success());
        let shown: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        assert_eq!(
            (&shown["schema"], &shown["file"]),
            (&1.into(), &file.clone().into())
        );
        let fields = shown["fields"].as_array().expect("a list of fields");
        let found = fields.iter().find(|field| field["field"] == name);
        found.expect("every field is shown").clone()
    };
    let everybody = field(&[], "privileges.cap_add");
    assert_eq!(everybody["value"], serde_json::json!(["NET_BIND_SERVICE"]));
    assert_eq!(everybody["from"]["kind"], "profile");
    assert_eq!(everybody["from"]["line"], 2);
    let infra = field(&["--principal", "infra"], "privileges.cap_add");
    assert_eq!(infra["value"], serde_json::json!(["SYS_PTRACE"]));
    assert_eq!(
        (&infra["from"]["override"], &infra["from"]["line"]),
        (&1.into(), &7.into())
    );
    let table = lab.output(&["policy", "show"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.starts_with("FIELD"), "{table}");
    assert!(table.contains("profile baseline, the default"), "{table}");
}

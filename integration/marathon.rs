//! Marathon's apps, as the tasks that Marathon makes of them, on Mesos, with our executor: what
//! `compose-resources` says to ask for is what the pod gets, and its ports are where Marathon says.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::app;
use crate::lab::task::TaskRun;
use crate::lab::{EXECUTOR, Lab, marathon};
use crate::trial::{Test, tests};

const RESOURCES: &str = env!("CARGO_BIN_EXE_compose-resources");
const MIB: u64 = 1 << 20;

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        the_sum_of_two_services,
        two_files_and_a_profile,
        a_task_that_may_use_more_than_it_asks_for,
        ports_are_where_marathon_says_and_are_checked_there,
    ]
    .into()
}

const SERVE: &str = r#"[sh, -c, "while :; do sleep 0.1; done"]"#;

fn the_sum_of_two_services(lab: &Lab) {
    let services = format!(
        "
  db: {{image: 'app:1', command: {SERVE}, cpus: 0.25, mem_limit: 96m}}
  web: {{image: 'app:1', command: {SERVE}, depends_on: [db]}}
"
    );
    let pod = Pod::new(lab, &[("compose.yaml", &app::compose(&services))]);
    let app = pod.app(&[]);
    assert_eq!(app["cpus"], json!(0.36));
    assert_eq!(app["mem"], json!(96 + 128 + 16));
    assert_eq!(app["disk"], json!(10 + 10 + 10));
    let run = runs_with(lab, &pod, &app, &Wall::of(&app));
    assert_eq!(run, ["db", "web"]);
}

fn two_files_and_a_profile(lab: &Lab) {
    let base = format!(
        "
  web: {{image: 'app:1', command: {SERVE}, cpus: 0.1, mem_limit: 64m}}
  debug: {{image: 'app:1', command: {SERVE}, mem_limit: 32m, profiles: [debug]}}
  other: {{image: 'app:1', command: {SERVE}, mem_limit: 1g, profiles: [other]}}
"
    );
    let more = "services: {web: {mem_limit: 80m}}";
    let pod = Pod::new(
        lab,
        &[("base.yml", &app::compose(&base)), ("more.yml", more)],
    );
    let app = pod.app(&["--profile", "debug"]);
    assert_eq!(app["cpus"], json!(0.21));
    assert_eq!(app["mem"], json!(80 + 32 + 16));
    let run = runs_with(lab, &pod, &app, &Wall::of(&app));
    assert_eq!(run, ["debug", "web"]);
}

fn a_task_that_may_use_more_than_it_asks_for(lab: &Lab) {
    let services = format!(
        "
  web:
    image: app:1
    command: {SERVE}
    stop_grace_period: 3s
    cpus: 2
    mem_limit: 256m
"
    );
    let asks = "x-pod: {resources: {cpus: 0.21, mem: 80m}}";
    let pod = Pod::new(lab, &[("a.yml", &app::compose(&services)), ("b.yml", asks)]);
    let app = pod.app(&["--basis", "split"]);
    assert_eq!(app["cpus"], json!(0.21));
    assert_eq!(app["mem"], json!(80));
    assert_eq!(app["resourceLimits"], json!({"cpus": 2.01, "mem": 272}));
    assert_eq!(app["taskKillGracePeriodSeconds"], json!(3));
    let wall = Wall::of(&app);
    assert_eq!(wall.memory, (272 + 64) * MIB);
    let run = runs_with(lab, &pod, &app, &wall);
    assert_eq!(run, ["web"]);
}

/// In the host's network: the app's two ports are in another order than the offer's, so that who
/// walks the offer takes the wrong one. Marathon has the health check at the host's port.
fn ports_are_where_marathon_says_and_are_checked_there(lab: &Lab) {
    let compose = app::compose(
        r#"
  web:
    image: app:1
    ports: ["${PORT_HTTP}:${PORT_HTTP}", "${PORT1}:${PORT_ADMIN_UI}"]
    environment: {APP: "${MARATHON_APP_ID}", GREETING: "${GREETING}"}
    command:
      - sh
      - -c
      - |
        echo "$$APP says $$GREETING at $$HOST:$$PORT0, not [$$MARATHON_APP_ID]"
        [ $$PORT = $$PORT0 -a $$PORTS = $$PORT0,$$PORT1 -a $$PORT0 = $$PORT_HTTP ] && echo all ports
        mkdir /www; echo fine > /www/health
        exec httpd -f -p $$PORT0 -h /www
"#,
    );
    let (options, _) = lab.options_with("[network]\nmode = \"host\"\n");
    let pod = Pod::with(lab, &options, &[("web.yml", &compose)]);
    let archive = pod.folder.join("pod.tar");
    pod.pack(&archive);
    let app = json!({
        "id": "/shop/web",
        // Nothing at all would have Marathon make a task that can't be started.
        "cmd": " ",
        "executor": pod.executor,
        "cpus": 0.2, "mem": 64, "disk": 0,
        "executorResources": {"cpus": 0.1, "mem": 64, "disk": 1},
        "fetch": [{"uri": format!("file://{}", archive.display()), "extract": true}],
        "labels": {"compose.files": "web.yml", "team": "shop"},
        "env": {"GREETING": "hello"},
        "portDefinitions": [
            {"port": 0, "name": "http", "protocol": "tcp"},
            {"port": 0, "name": "admin-ui", "protocol": "tcp"},
        ],
        "healthChecks": [{
            "protocol": "MESOS_HTTP", "path": "/health", "portIndex": 0, "delaySeconds": 0,
            "gracePeriodSeconds": 60, "intervalSeconds": 1, "timeoutSeconds": 5,
            "maxConsecutiveFailures": 3,
        }],
        "taskKillGracePeriodSeconds": 1,
    });
    let mut run = marathon::task(lab, &app, pod.instance()).launch();
    run.until_state("TASK_RUNNING");
    let well = run.until_update("health", |update| update.healthy().is_some());
    assert_eq!(well.healthy(), Some(true), "{}", well.message());
    run.until_stdout("all ports");
    let said = run.until_stdout("says hello at lab.example:3");
    assert!(said.starts_with("/shop/web says"), "{said}");
    assert!(
        said.ends_with("not []"),
        "what the file does not name: {said}"
    );
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
}

/// A folder with Compose files and their image, an archive of all, and an executor with this lab's
/// options: an app has none to give.
struct Pod {
    folder: PathBuf,
    files: Vec<String>,
    executor: PathBuf,
}

impl Pod {
    fn new(lab: &Lab, files: &[(&str, &str)]) -> Self {
        Self::with(lab, &lab.options(), files)
    }

    fn with(lab: &Lab, options: &[String], files: &[(&str, &str)]) -> Self {
        let folder = lab.fixture();
        for (name, text) in files {
            fs::write(folder.join(name), text).expect("it can be written");
        }
        app::image().write(&folder.join("app.tar"));
        let executor = folder.join("executor");
        let options = options.join(" ");
        let script = format!("#!/bin/sh\nexec {EXECUTOR} {options} \"$@\"\n");
        fs::write(&executor, script).expect("it can be written");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&executor, mode).expect("it is ours");
        Self {
            folder,
            files: files.iter().map(|(name, _)| (*name).to_owned()).collect(),
            executor,
        }
    }

    /// The app that `compose-resources` makes of it.
    fn app(&self, words: &[&str]) -> Value {
        let archive = self.folder.join("pod.tar");
        self.pack(&archive);
        let output = Command::new(RESOURCES)
            .current_dir(&self.folder)
            .env_clear()
            .args(self.files.iter().flat_map(|file| ["-f", file]))
            .args(["--format", "marathon"])
            .args(["--fetch", &format!("file://{}", archive.display())])
            .arg("--executor")
            .arg(&self.executor)
            .args(words)
            .output()
            .expect("the program was built");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        serde_json::from_slice(&output.stdout).expect("the app is JSON")
    }

    /// What no other pod of this lab is called.
    fn instance(&self) -> &str {
        let name = self.folder.file_name().and_then(|name| name.to_str());
        name.expect("a fixture has a name")
    }

    fn pack(&self, archive: &Path) {
        let file = fs::File::create(archive).expect("the fixture's folder takes a file");
        let mut archive = tar::Builder::new(file);
        for name in self.files.iter().map(String::as_str).chain(["app.tar"]) {
            let added = archive.append_path_with_name(self.folder.join(name), name);
            added.expect("the file is there");
        }
        archive.finish().expect("the archive can be written");
    }
}

/// What the executor's container is limited to: executor and task together.
#[derive(Debug, PartialEq, Eq)]
struct Wall {
    shares: u64,
    memory: u64,
}

impl Wall {
    /// By the app definition; memory by its limit, where it has one.
    fn of(app: &Value) -> Self {
        let own = &app["executorResources"];
        let limit = match &app["resourceLimits"]["mem"] {
            Value::Null => &app["mem"],
            limit => limit,
        };
        let milli = thousandths(&app["cpus"]) + thousandths(&own["cpus"]);
        Self {
            shares: milli * 1024 / 1000,
            memory: (thousandths(limit) + thousandths(&own["mem"])) * MIB / 1000,
        }
    }

    /// By the kernel.
    fn around(run: &mut TaskRun<'_>) -> Self {
        let container = run.cgroup();
        let number = |file: &str| -> u64 {
            let (controller, _) = file.split_once('.').expect("a file has a controller");
            let path = format!("/sys/fs/cgroup/{controller}{container}/{file}");
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            text.trim().parse().expect("the kernel writes a number")
        };
        Self {
            shares: number("cpu.shares"),
            memory: number("memory.limit_in_bytes"),
        }
    }
}

/// A number as Mesos keeps it: in thousandths.
fn thousandths(value: &Value) -> u64 {
    let number = value.as_f64().expect("this is a number");
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "resources are positive, and far from 2^53"
    )]
    let rounded = (number * 1000.0).round() as u64;
    rounded
}

/// Runs an app's task, holds what Mesos gave it against the app, and tells which services ran.
fn runs_with(lab: &Lab, pod: &Pod, app: &Value, wall: &Wall) -> Vec<String> {
    let mut run = marathon::task(lab, app, pod.instance()).launch();
    run.until_state("TASK_RUNNING");
    assert_eq!(&Wall::around(&mut run), wall);
    let agent = lab.mesos().agent_state();
    let executor = &agent["frameworks"][0]["executors"][0];
    let task = &executor["tasks"][0];
    assert_eq!(task["id"], run.task_id().as_str());
    let given = |holder: &Value, resource: &str| thousandths(&holder["resources"][resource]);
    for resource in ["cpus", "mem", "disk", "gpus"] {
        let asked = thousandths(&app[resource]);
        assert_eq!(given(task, resource), asked, "{resource}");
    }
    // An executor's resources and its tasks' are one sum to the agent.
    for resource in ["cpus", "mem", "disk"] {
        let own = thousandths(&app["executorResources"][resource]);
        let asked = thousandths(&app[resource]) + own;
        assert_eq!(given(executor, resource), asked, "{resource}");
    }
    let processes = run.pod().processes();
    let leaves = processes.iter().map(|process| process.leaf.as_str());
    let services: BTreeSet<&str> = leaves
        .filter_map(|leaf| leaf.strip_prefix("svc-"))
        .collect();
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    services.into_iter().map(str::to_owned).collect()
}

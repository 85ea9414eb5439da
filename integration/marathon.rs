//! What `compose-resources` says to ask for is what the pod gets: its Marathon app, as the task that
//! Marathon makes of it, on Mesos, with our executor.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::app;
use crate::lab::task::{Task, TaskRun};
use crate::lab::{EXECUTOR, Lab};
use crate::trial::{Test, tests};

const RESOURCES: &str = env!("CARGO_BIN_EXE_compose-resources");
const MIB: u64 = 1 << 20;

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        the_sum_of_two_services,
        two_files_and_a_profile,
        a_task_that_may_use_more_than_it_asks_for,
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

/// A folder with Compose files and their image, an archive of all, and an executor with this lab's
/// options: an app has none to give.
struct Pod {
    folder: PathBuf,
    files: Vec<String>,
    executor: PathBuf,
}

impl Pod {
    fn new(lab: &Lab, files: &[(&str, &str)]) -> Self {
        let folder = lab.fixture();
        for (name, text) in files {
            fs::write(folder.join(name), text).expect("it can be written");
        }
        app::image().write(&folder.join("app.tar"));
        let executor = folder.join("executor");
        let options = lab.options().join(" ");
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
    let mut run = marathon_task(lab, app, pod.instance()).launch();
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

/// The task that Marathon makes of an app with a custom executor.
fn marathon_task<'lab>(lab: &'lab Lab, app: &Value, instance: &str) -> Task<'lab> {
    let text = |key: &str| app[key].as_str().expect("this is a text");
    let id = text("id").trim_start_matches('/');
    let task_id = format!("{}.instance-{}._app.1", id.replace('/', "_"), instance);
    let number = |value: &Value| value.to_string();
    let own = &app["executorResources"];
    let ports = app["portDefinitions"].as_array().expect("these are ports");
    let fetch = app["fetch"].as_array().expect("these are URIs");
    let labels = app["labels"].as_object().expect("these are labels");
    let grace = app["taskKillGracePeriodSeconds"]
        .as_u64()
        .expect("these are seconds");
    let path = text("executor");
    let command = format!("chmod ug+rx '{path}' && exec '{path}' {}", text("cmd"));
    let mut info = json!({
        "name": id,
        "kill_policy": {"grace_period": {"nanoseconds": grace * 1_000_000_000}},
        "discovery": {"visibility": "FRAMEWORK", "name": id},
    });
    if let Some(limits) = app["resourceLimits"].as_object() {
        let limits = limits.iter();
        let limits = limits.map(|(name, value)| (name.clone(), json!({"value": value})));
        info["limits"] = Value::Object(limits.collect());
    }
    let mut task = Task::bare(lab)
        .executor(&command)
        .id(&task_id)
        .option("--executor-id", format!("marathon-{task_id}"))
        .option("--cpus", number(&app["cpus"]))
        .option("--mem", number(&app["mem"]))
        .option("--disk", number(&app["disk"]))
        .option("--executor-cpus", number(&own["cpus"]))
        .option("--executor-mem", number(&own["mem"]))
        .option("--executor-disk", number(&own["disk"]))
        .option("--ports", ports.len())
        .option("--merge-task", info)
        .env("MARATHON_APP_ID", text("id"))
        .env("MESOS_TASK_ID", &task_id);
    for (key, value) in labels {
        task = task.label(key, value.as_str().expect("a label is a text"));
    }
    for item in fetch {
        let uri = item["uri"].as_str().expect("a URI is a text");
        let extract = if item["extract"] == true {
            ""
        } else {
            ",noextract"
        };
        task = task.option("--uri", format!("{uri}{extract}"));
    }
    task
}

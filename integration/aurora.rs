//! Aurora's jobs, as the tasks that its `MesosTaskFactory` makes of them: no environment, no health
//! check, no kill policy; all there is stands in the metadata's labels and in the data, which is
//! Thrift.

use std::fmt::Write as _;

use serde_json::json;

use crate::app;
use crate::lab::Lab;
use crate::lab::task::{Task, TaskRun};
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        a_job_names_its_file_in_its_metadata,
        a_job_says_it_to_its_executor_and_has_named_ports,
        a_service_that_ends_has_failed_and_a_job_is_done,
    ]
    .into()
}

/// Healthy after a moment: Aurora counts on it that a task that runs is well.
const SERVICES: &str = r#"
  web:
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; touch /tmp/well; while :; do sleep 0.1; done"]
    healthcheck: {test: [CMD, test, -e, /tmp/well], interval: 100ms}
    profiles: [shop]
"#;

fn a_job_names_its_file_in_its_metadata(lab: &Lab) {
    let job = Job {
        compose: app::compose(SERVICES),
        metadata: &[("fileName", "pod.yml"), ("compose.profiles", "shop")],
        ports: &[],
        executor_data: "",
        is_service: true,
        network: "auto",
    };
    let mut run = job.launch(lab);
    let running = run.until_state("TASK_RUNNING");
    assert_eq!(running.healthy(), Some(true));
    killed(&mut run);
}

/// The numbers are nowhere but in the data.
fn a_job_says_it_to_its_executor_and_has_named_ports(lab: &Lab) {
    let web = r#"
  web:
    image: app:1
    ports: ["${PORT_HTTP}:${PORT_HTTP}", "${PORT_ADMIN_UI}:${PORT_ADMIN_UI}"]
    profiles: [shop]
    command:
      - sh
      - -c
      - |
        trap 'exit 0' TERM
        echo "${GREETING} at $$HOST:$$PORT_HTTP"
        httpd -p $$PORT_HTTP -h / && wget -qO /dev/null http://127.0.0.1:$$PORT_HTTP/etc/passwd && echo served
        while :; do sleep 0.1; done
"#;
    let job = Job {
        compose: app::compose(web),
        metadata: &[],
        ports: &["http", "admin-ui"],
        executor_data: r#"{"files": ["pod.yml"], "profiles": ["shop"], "env": {"GREETING": "hello"}}"#,
        is_service: true,
        network: "host",
    };
    let mut run = job.launch(lab);
    run.until_state("TASK_RUNNING");
    run.until_stdout("hello at agent.example:3");
    run.until_stdout("served");
    killed(&mut run);
}

/// The same pod, whose services all exit with 0.
fn a_service_that_ends_has_failed_and_a_job_is_done(lab: &Lab) {
    let ends = "\n  web:\n    image: app:1\n    command: [echo, bye]\n";
    let wanted = [
        (true, "TASK_FAILED", "CE-ENDED"),
        (false, "TASK_FINISHED", "CE-DONE"),
    ];
    for (is_service, state, code) in wanted {
        let job = Job {
            compose: app::compose(ends),
            metadata: &[("fileName", "pod.yml")],
            ports: &[],
            executor_data: "",
            is_service,
            network: "auto",
        };
        let mut run = job.launch(lab);
        let end = run.until_end();
        assert_eq!(end.state(), state, "{}", end.message());
        assert!(end.message().starts_with(code), "{}", end.message());
        run.until_gone();
    }
}

/// Aurora does not know `TASK_KILLING`, and takes it for an end.
fn killed(run: &mut TaskRun<'_>) {
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    let states = run.states();
    assert!(!states.contains(&"TASK_KILLING".to_owned()), "{states:?}");
}

/// As much of a job as reaches an executor.
struct Job {
    /// `pod.yml`, which a fetcher URI of the job brings.
    compose: String,
    metadata: &'static [(&'static str, &'static str)],
    /// The names of its ports.
    ports: &'static [&'static str],
    /// `ExecutorConfig(data=…)`.
    executor_data: &'static str,
    is_service: bool,
    /// Of the operator's configuration.
    network: &'static str,
}

impl Job {
    fn launch<'lab>(&self, lab: &'lab Lab) -> TaskRun<'lab> {
        const ID: &str = "www-data-prod-hello-0-5f1d6c2e";
        let source = json!({"labels": {"labels": [
            {"key": "source", "value": "www-data.prod.hello.0"},
        ]}});
        let framework = json!({"name": "Aurora", "capabilities": [{"type": "PARTITION_AWARE"}]});
        let mut task = Task::new(lab)
            .config(&format!("[network]\nmode = \"{}\"\n", self.network))
            .file("pod.yml", &self.compose)
            .archive("app.tar", &app::image())
            .id(ID)
            .option("--name", "www-data/prod/hello")
            .option("--executor-id", format!("compose-{ID}"))
            .option("--merge-executor", source)
            .option("--merge-framework", framework)
            .checkpoint()
            .label("org.apache.aurora.tier", "preemptible")
            .option("--ports", self.ports.len())
            .option("--data-hex", hex(&self.assigned(ID)));
        for (key, value) in self.metadata {
            task = task.label(&format!("org.apache.aurora.metadata.{key}"), value);
        }
        task.launch()
    }

    /// `AssignedTask`, as `api.thrift` has it.
    fn assigned(&self, id: &str) -> Vec<u8> {
        let job = Thrift::default()
            .text(1, "www-data")
            .text(2, "prod")
            .text(3, "hello");
        let executor = Thrift::default()
            .text(1, "compose")
            .text(2, self.executor_data);
        let constraint = Thrift::default().text(1, "host");
        let metadata = self.metadata.iter();
        let metadata = metadata.map(|(key, value)| Thrift::default().text(1, key).text(2, value));
        let config = Thrift::default()
            .bool(7, self.is_service)
            .set(20, vec![constraint])
            .structure(25, executor)
            .set(27, metadata.collect())
            .structure(28, job);
        Thrift::default()
            .text(1, id)
            .text(2, "4ff5c1f2-S0")
            .text(3, "agent.example")
            .structure(4, config)
            .ports(5, self.ports)
            .number(6, 0)
            .end()
    }
}

/// The fields of a structure, in Thrift's binary protocol.
#[derive(Debug, Default)]
struct Thrift(Vec<u8>);

impl Thrift {
    fn field(mut self, kind: u8, id: u8, value: &[u8]) -> Self {
        self.0.extend([kind, 0, id]);
        self.0.extend(value);
        self
    }

    fn bool(self, id: u8, value: bool) -> Self {
        self.field(2, id, &[value.into()])
    }

    fn number(self, id: u8, value: u32) -> Self {
        self.field(8, id, &value.to_be_bytes())
    }

    fn text(self, id: u8, text: &str) -> Self {
        self.field(11, id, &sized(text))
    }

    fn structure(self, id: u8, fields: Self) -> Self {
        self.field(12, id, &fields.end())
    }

    fn set(self, id: u8, each: Vec<Self>) -> Self {
        let mut value = [&[12][..], &length(each.len())].concat();
        value.extend(each.into_iter().flat_map(Self::end));
        self.field(14, id, &value)
    }

    /// Names to numbers, which the scheduler of the lab knows.
    fn ports(self, id: u8, names: &[&str]) -> Self {
        let mut value = [&[11, 8][..], &length(names.len())].concat();
        for (i, name) in names.iter().enumerate() {
            value.extend(sized(name));
            value.extend(format!("@P{i}@").bytes());
        }
        self.field(13, id, &value)
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(0);
        self.0
    }
}

fn sized(text: &str) -> Vec<u8> {
    [&length(text.len())[..], text.as_bytes()].concat()
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("it is short").to_be_bytes()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
    }
    text
}

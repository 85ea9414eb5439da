//! What can't run is refused: in words of its own, with the right reason, and nothing is touched.

use std::fs;

use crate::app;
use crate::image_archive::{self, Flaw, Form};
use crate::lab::Lab;
use crate::lab::task::{Task, Update};
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        a_broken_compose_file,
        a_key_that_does_not_exist,
        a_key_that_is_refused,
        no_compose_file,
        a_missing_archive,
        an_image_in_no_archive,
        a_corrupt_layer,
        a_lying_diff_id,
        a_missing_blob,
        a_truncated_archive,
        an_archive_that_is_none,
        a_command_that_is_not_in_the_image,
        a_user_that_is_not_in_the_image,
        published_ports,
        a_volume_outside_the_sandbox,
        what_is_not_there_is_told_before_anything_is_made,
        an_executor_that_is_not_root,
        a_sandbox_that_is_the_root_folder,
        a_link_in_place_of_the_log,
        a_configuration_that_can_not_be_read,
    ]
    .into()
}

const SLEEPS: &str = r#"
  web:
    image: app:1
    command: [sh, -c, "while :; do sleep 0.1; done"]
"#;

/// The task fails by our word, never ran, and says all of this.
fn refused(task: Task<'_>, words: &[&str]) -> Update {
    let mut run = task.launch();
    let end = run.until_end();
    assert_eq!(
        (end.state(), end.source()),
        ("TASK_FAILED", "SOURCE_EXECUTOR"),
        "{end:?}"
    );
    for word in words {
        assert!(
            end.message().contains(word),
            "no {word:?} in {:?}",
            end.message()
        );
    }
    run.until_gone();
    assert!(!run.states().contains(&"TASK_RUNNING".to_owned()));
    end
}

/// The same, for what the task's user has written wrong.
fn invalid(task: Task<'_>, words: &[&str]) {
    let end = refused(task, words);
    assert_eq!(end.reason(), "REASON_TASK_INVALID", "{}", end.message());
}

/// The same, for an image that can't be had.
fn no_image(lab: &Lab, image: &image_archive::Image, words: &[&str]) {
    refused(Task::app(lab, SLEEPS).archive("app.tar", image), words);
}

fn a_broken_compose_file(lab: &Lab) {
    let task = Task::new(lab).compose("services:\n  web:\n    image: [\n");
    invalid(task, &["compose.yaml:"]);
}

fn a_key_that_does_not_exist(lab: &Lab) {
    let services = "  web:\n    image: app:1\n    comand: [sleep, '1']\n";
    invalid(Task::app(lab, services), &["compose.yaml:7:5", "comand"]);
}

fn a_key_that_is_refused(lab: &Lab) {
    let services = "  web:\n    image: app:1\n    gpus: all\n";
    invalid(
        Task::app(lab, services),
        &["compose.yaml:7:5", "gpus", "refused for now"],
    );
}

fn no_compose_file(lab: &Lab) {
    invalid(Task::new(lab), &["compose.yaml"]);
}

fn a_missing_archive(lab: &Lab) {
    let compose = app::compose(SLEEPS).replace("app.tar", "gone.tar");
    refused(Task::new(lab).compose(&compose), &["gone.tar"]);
}

fn an_image_in_no_archive(lab: &Lab) {
    let services = "  web:\n    image: registry.example/other:2\n";
    refused(
        Task::app(lab, services),
        &["registry.example/other:2", "web"],
    );
}

fn a_corrupt_layer(lab: &Lab) {
    no_image(
        lab,
        &app::image().flaw(Flaw::CorruptLayer),
        &["app.tar", "sha256:"],
    );
}

fn a_lying_diff_id(lab: &Lab) {
    for form in [Form::OciTar, Form::DockerSave] {
        no_image(
            lab,
            &app::image().form(form).flaw(Flaw::LyingDiffId),
            &["sha256:"],
        );
    }
}

fn a_missing_blob(lab: &Lab) {
    for form in [Form::OciTar, Form::DockerSave] {
        no_image(
            lab,
            &app::image().form(form).flaw(Flaw::MissingBlob),
            &["app.tar"],
        );
    }
}

fn a_truncated_archive(lab: &Lab) {
    for form in [Form::OciTar, Form::OciTarGz] {
        no_image(
            lab,
            &app::image().form(form).flaw(Flaw::Truncated),
            &["app.tar"],
        );
    }
}

fn an_archive_that_is_none(lab: &Lab) {
    let task = Task::new(lab)
        .compose(&app::compose(SLEEPS))
        .file("app.tar", "not a tar at all");
    refused(task, &["app.tar"]);
}

fn a_command_that_is_not_in_the_image(lab: &Lab) {
    let services = "  web:\n    image: app:1\n    command: [/bin/nothing-here, now]\n";
    refused(Task::app(lab, services), &["web", "/bin/nothing-here"]);
}

fn a_user_that_is_not_in_the_image(lab: &Lab) {
    let services = "  web:\n    image: app:1\n    user: nobody-at-all\n";
    refused(
        Task::app(lab, services),
        &["compose.yaml:7:11: ", "web", "nobody-at-all"],
    );
}

fn published_ports(lab: &Lab) {
    let services = "  web:\n    image: app:1\n    ports: ['8080:80']\n";
    refused(Task::app(lab, services), &["compose.yaml:7", "publish"]);
}

fn a_volume_outside_the_sandbox(lab: &Lab) {
    for source in ["/etc", "../../..", "./etc"] {
        let services = format!("  web:\n    image: app:1\n    volumes: ['{source}:/host']\n");
        let archive = lab.fixture().join("link.tar");
        image_archive::archive_with_link(&archive, "etc", "/etc");
        refused(Task::app(lab, &services).unpacked(&archive), &["web"]);
    }
}

/// All of it, each with its place, and no image is even looked for.
fn what_is_not_there_is_told_before_anything_is_made(lab: &Lab) {
    let services = r"
  web:
    image: app:1
    devices: [/dev/no-such-device]
    security_opt: ['seccomp=./none.json']
    volumes:
      - {type: bind, source: ./gone, target: /gone, bind: {create_host_path: false}}
    secrets: [key]
  bad:
    image: app:1
    security_opt: ['seccomp=./bad.json']
  worse:
    image: app:1
    tmpfs: ['/proc/x']
    blkio_config: {device_read_bps: [{path: /dev/null, rate: 1mb}]}
";
    let compose = app::compose(services) + "secrets: {key: {file: ./no-such-key}}\n";
    let task = Task::app(lab, "")
        .compose(&compose)
        .file("bad.json", "{\"defaultAction\": \"SCMP_ACT_PARDON\"}")
        .config("[policy]\nprofile = \"privileged\"\n");
    let mut run = task.launch();
    let end = run.until_end();
    assert_eq!(end.reason(), "REASON_TASK_INVALID", "{}", end.message());
    run.until_gone();
    let data = end.data();
    let errors = data["errors"].as_array().expect("a refusal has errors");
    let mut lines: Vec<u64> = errors
        .iter()
        .filter_map(|error| error["line"].as_u64())
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, [8, 9, 11, 12, 15, 19], "{errors:?}");
    assert!(errors.iter().all(|error| error["column"].is_u64()));
    let begun = |update: &Update| update.message().contains("preparing the images");
    assert!(!run.updates().iter().any(begun));
}

fn an_executor_that_is_not_root(lab: &Lab) {
    refused(
        Task::app(lab, SLEEPS).user("nobody").readable_executor(),
        &["root"],
    );
}

fn a_sandbox_that_is_the_root_folder(lab: &Lab) {
    refused(
        Task::app(lab, SLEEPS).env("MESOS_SANDBOX", "/"),
        &["MESOS_SANDBOX"],
    );
}

fn a_link_in_place_of_the_log(lab: &Lab) {
    let folder = lab.fixture();
    let victim = folder.join("victim");
    fs::write(&victim, "as it was").expect("the fixture's folder takes a file");
    let archive = folder.join("link.tar");
    let target = victim.display().to_string();
    image_archive::archive_with_link(&archive, "executor.log", &target);
    refused(Task::app(lab, SLEEPS).unpacked(&archive), &["executor.log"]);
    let after = fs::read_to_string(&victim).expect("it is there");
    assert_eq!(after, "as it was");
}

fn a_configuration_that_can_not_be_read(lab: &Lab) {
    let config = lab.fixture().join("config.toml");
    fs::write(&config, "[containerd]\nadress = '/x'\n").expect("the fixture's folder takes a file");
    let options = lab.options().join(" ");
    let options = options.replace(
        &lab.config().display().to_string(),
        &config.display().to_string(),
    );
    let task = Task::app(lab, SLEEPS).executor(&format!("exec ./compose-executor {options}"));
    refused(task, &["config.toml", "adress"]);
}

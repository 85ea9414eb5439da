//! Flags, environment and exit codes.

use serde_json::json;

use crate::program::{self, Folder, Run};

const TWO: &str = "
services:
  db: {image: postgres, mem_limit: 512m, cpus: 0.5}
  web: {image: nginx}
  debug: {image: busybox, profiles: [debug]}
";

#[test]
fn defaulted_services_are_named() {
    let folder = Folder::compose(TWO);
    let sum = folder.run(&["--format=json"]).json();
    assert_eq!(
        sum["defaulted"],
        json!([{"service": "web", "resources": ["cpus", "mem"]}])
    );
    let table = folder.run(&[]);
    assert!(
        table
            .out
            .contains("No memory stated, 128 MiB assumed: web\n")
    );
    let marathon = folder.run(&["--format=marathon"]);
    assert!(
        marathon.err.contains("web states no CPUs and memory"),
        "{}",
        marathon.err
    );
    let aurora = folder.run(&["--format=aurora"]);
    assert!(
        aurora.out.contains("# web states no CPUs and memory"),
        "{}",
        aurora.out
    );
}

#[test]
fn defaults_can_be_chosen() {
    let folder = Folder::compose(TWO);
    let sum = folder.run(&["--format=json", "--default-cpus=1.5", "--default-mem=1g"]);
    let total = &sum.json()["services_total"];
    assert_eq!(total["milli_cpus"], 2000);
    assert_eq!(total["mem_bytes"], 1536_u64 << 20);
}

#[test]
fn strict_refuses_what_is_not_stated() {
    let run = Folder::compose(TWO).run(&["--strict"]);
    assert_eq!((run.code, run.out.as_str()), (3, ""));
    assert!(
        run.err
            .contains("services.web states neither CPUs nor memory"),
        "{}",
        run.err
    );
    assert!(run.err.contains("compose.yaml:4:3"), "{}", run.err);
    assert!(!run.err.contains("services.db"), "{}", run.err);
    // What the pod as a whole states needs no parts.
    let stated = format!("{TWO}\nx-pod: {{resources: {{cpus: 1, mem: 1g}}}}\n");
    assert_eq!(Folder::compose(&stated).run(&["--strict"]).code, 0);
}

#[test]
fn a_task_that_does_not_fit_is_exit_code_1() {
    let folder = Folder::compose(TWO);
    let fits = folder.run(&["--check", "cpus=0.61,mem=656m"]);
    assert_eq!((fits.code, fits.err.as_str()), (0, ""));
    let run = folder.run(&["--check", "cpus=0.6,mem=655m"]);
    assert_eq!(run.code, 1);
    assert_eq!(
        run.err,
        "compose-resources: it does not fit: cpus: the task needs 0.61, and 0.6 is allowed\n\
         compose-resources: it does not fit: mem: the task needs 656MiB, and 655MiB is allowed\n"
    );
    assert!(run.out.contains("task"), "the sum is printed all the same");
}

#[test]
fn mistakes_on_the_command_line_are_exit_code_2() {
    let folder = Folder::compose(TWO);
    for words in [
        ["--basis", "both"],
        ["--default-cpus", "-1"],
        ["--default-cpus", "0,5"],
        ["--default-mem", "64Mi"],
        ["--check", "cpus=x"],
        ["--gpus", "-1"],
        ["--format", "yaml"],
    ] {
        assert_eq!(folder.run(&words).code, 2, "{words:?}");
    }
}

#[test]
fn help_has_examples() {
    let run = Folder::compose(TWO).run(&["--help"]);
    assert_eq!(run.code, 0);
    assert!(
        run.out.contains("--strict --check cpus=4,mem=8g"),
        "{}",
        run.out
    );
}

#[test]
fn profiles_come_from_the_flag_and_from_the_environment() {
    let folder = Folder::compose(TWO);
    let debug = |run: Run| run.json()["services"].as_array().unwrap().len() == 3;
    assert!(!debug(folder.run(&["--format=json"])));
    assert!(debug(folder.run(&["--format=json", "--profile=debug"])));
    let mut command = program::command(folder.path());
    command.env("COMPOSE_PROFILES", "debug, other");
    assert!(debug(Run::of(command.arg("--format=json"))));
    let marathon = Run::of(command.arg("--format=marathon").arg("--format=json"));
    assert_eq!(marathon.code, 2, "a flag that is given twice is a mistake");
}

#[test]
fn variables_come_from_env_files_and_the_environment_wins() {
    let folder = Folder::new(&[
        (
            "compose.yaml",
            "services: {web: {image: nginx, mem_limit: \"${MEM}\"}}",
        ),
        (".env", "MEM=64m"),
        ("other.env", "MEM=96m"),
    ]);
    let mem = |run: Run| run.json()["services_total"]["mem_bytes"].as_u64().unwrap() >> 20;
    assert_eq!(mem(folder.run(&["--format=json"])), 64);
    assert_eq!(
        mem(folder.run(&["--format=json", "--env-file=other.env"])),
        96
    );
    let mut command = program::command(folder.path());
    command.env("MEM", "128m").arg("--format=json");
    assert_eq!(mem(Run::of(&mut command)), 128);
}

#[test]
fn the_order_of_files_with_different_services_changes_nothing() {
    let folder = Folder::new(&[
        (
            "a.yml",
            "services: {a: {image: a, mem_limit: 64m, ports: ['80']}}",
        ),
        (
            "b.yml",
            "services: {b: {image: b, cpus: 0.5, shm_size: 1g}}",
        ),
    ]);
    let sum = |first: &str, second: &str| {
        let sum = folder
            .run(&["--format=json", "-f", first, "-f", second])
            .json();
        (sum["services_total"].clone(), sum["task"].clone())
    };
    assert_eq!(sum("a.yml", "b.yml"), sum("b.yml", "a.yml"));
}

#[test]
fn files_are_named_as_the_sandbox_has_them() {
    let folder = Folder::new(&[("a.yml", "services: {a: {image: a}}")]);
    let path = folder.path().join("a.yml");
    let path = path.to_str().unwrap();
    for words in [["-f", "a.yml"], ["-f", "./a.yml"], ["-f", path]] {
        let app = folder
            .run(&["--format=marathon", words[0], words[1]])
            .json();
        assert_eq!(
            app["labels"],
            json!({"compose.files": "a.yml"}),
            "{words:?}"
        );
    }
    let mut command = program::command(folder.path());
    command.env("COMPOSE_FILE", "a.yml").arg("--format=aurora");
    let job = Run::of(&mut command).out;
    assert!(
        job.contains("Metadata(key = 'fileName', value = 'a.yml')"),
        "{job}"
    );
}

//! What a service asks for in its Compose file, it gets; and what it does not ask for, it has not.

use std::fs;

use crate::lab::Lab;
use crate::lab::host::{self, CGROUPS};
use crate::lab::program::Up;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    let mut all = Vec::from(tests![Containerd:
        process_attributes,
        environment_and_its_files,
        volumes,
        limits,
        names_and_hosts,
        start_order,
        secure_defaults,
    ]);
    all.extend(tests![Mesos: what_mesos_gives_is_told]);
    all
}

/// Runs the services to their end, and returns what they wrote.
fn output(up: Up<'_>) -> String {
    let mut up = up.start();
    assert_eq!(
        up.until_end().code(),
        Some(0),
        "{}{}",
        up.stdout(),
        up.stderr()
    );
    up.stdout()
}

fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            text.lines().any(|found| found.trim_end() == *line),
            "no {line:?} in\n{text}"
        );
    }
}

fn process_attributes(lab: &Lab) {
    let services = r#"
  only:
    image: app:1
    entrypoint: [sh, -c]
    command: ["echo $$(id -u):$$(id -g) in $$PWD on $$(hostname)"]
    user: "1000:1001"
    working_dir: /tmp
    hostname: here
    read_only: true
"#;
    assert_lines(
        &output(Up::app(lab, services)),
        &["1000:1001 in /tmp on here"],
    );
}

fn environment_and_its_files(lab: &Lab) {
    let services = r#"
  only:
    image: app:1
    env_file: [./more.env]
    environment:
      GIVEN: as ${WORD:-default}
      FROM_DOTENV: ${DOT}
    command: [sh, -c, 'echo "$$GIVEN; $$FROM_DOTENV; $$FROM_FILE"; env']
"#;
    let up = Up::app(lab, services).file("more.env", "FROM_FILE='a file'\n");
    let up = up
        .file(".env", "DOT=a dot\n")
        .env("WORD", "typed")
        .env("SECRET", "not for you");
    let text = output(up);
    assert_lines(&text, &["as typed; a dot; a file"]);
    assert!(
        !text.contains("not for you"),
        "only what the file gives: {text}"
    );
}

fn volumes(lab: &Lab) {
    let services = r#"
  writer:
    image: app:1
    volumes: [data:/data, ./in:/in:ro]
    tmpfs: /scratch
    command:
      - sh
      - -c
      - |
        cat /in > /data/word && touch /scratch/file && echo "scratch: $$(ls /scratch)"
        touch /in 2> /dev/null || echo "in is read-only"
        touch /data/done
  reader:
    image: app:1
    volumes: [data:/data]
    command: [sh, -c, "until [ -e /data/done ]; do sleep 0.05; done; cat /data/word"]
volumes: {data: {}}
"#;
    let text = output(Up::app(lab, services).file("in", "through a volume\n"));
    assert_lines(
        &text,
        &[
            "writer | scratch: file",
            "writer | in is read-only",
            "reader | through a volume",
        ],
    );
    // What `up` has kept of the volume is its user's; the test is its user.
    fs::remove_dir_all(lab.root().join("volumes")).expect("named volumes are kept there");
}

fn limits(lab: &Lab) {
    let services = r#"
  only:
    image: app:1
    mem_limit: 32m
    cpus: 0.5
    pids_limit: 20
    command: [sh, -c, "echo up; while :; do sleep 0.1; done"]
"#;
    let mut up = Up::app(lab, services).start();
    up.until_stdout("up");
    let group = format!("{}/svc-only", up.pod().cgroup());
    let read = |controller: &str, file: &str| {
        let path = format!("{CGROUPS}/{controller}{group}/{file}");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        text.trim().to_owned()
    };
    if host::cgroup_v1() {
        assert_eq!(
            read("memory", "memory.limit_in_bytes"),
            (32 << 20).to_string()
        );
        assert_eq!(read("pids", "pids.max"), "20");
        let quota: u64 = read("cpu", "cpu.cfs_quota_us").parse().expect("a number");
        let period: u64 = read("cpu", "cpu.cfs_period_us").parse().expect("a number");
        assert_eq!(quota * 2, period);
    } else {
        assert_eq!(read("", "memory.max"), (32 << 20).to_string());
        assert_eq!(read("", "pids.max"), "20");
        assert_eq!(read("", "cpu.max"), "50000 100000");
    }
}

fn names_and_hosts(lab: &Lab) {
    let services = r#"
  only:
    image: app:1
    container_name: a-name
    extra_hosts: ["elsewhere:192.0.2.7"]
    command: [sh, -c, "cat /etc/hosts; hostname"]
  other-service:
    image: app:1
    command: ["true"]
"#;
    let text = output(Up::app(lab, services));
    assert!(
        text.contains("192.0.2.7") && text.contains("elsewhere"),
        "{text}"
    );
    for name in ["other-service", "a-name"] {
        let found = text.lines().find(|line| line.contains(name));
        assert!(
            found.is_some_and(|line| line.contains("127.0.0.1")),
            "{text}"
        );
    }
}

fn start_order(lab: &Lab) {
    let services = r#"
  last:
    image: app:1
    depends_on: [middle]
    command: [sh, -c, "ps -o args | grep -c '[s]leep 100[01]'"]
    x-pod: {}
  middle:
    image: app:1
    depends_on: [first]
    command: [sleep, "1001"]
  first:
    image: app:1
    command: [sleep, "1000"]
"#;
    let compose = format!("x-pod: {{images: [./app.tar], main: last}}\nservices:{services}");
    let text = output(Up::app(lab, "").compose(&compose));
    assert_lines(&text, &["last   | 2"]);
}

/// What every container gets unasked: 13 capabilities, a seccomp
/// filter, no new privileges, no core files, masked and read-only paths.
fn secure_defaults(lab: &Lab) {
    let services = r#"
  only:
    image: app:1
    command:
      - sh
      - -c
      - |
        grep -E '^(CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status | tr '\t' ' '
        echo "core $$(ulimit -c)"
        for file in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do
          [ ! -e $$file ] || echo "masked file has $$(wc -c < $$file) bytes"
        done
        echo "firmware has $$(ls -A /sys/firmware | wc -l) entries"
        echo 0 2> /dev/null > /proc/sys/kernel/panic || echo "sysctls can not be written"
        mknod /tmp/disk b 8 0 2> /dev/null; cat /tmp/disk 2> /dev/null || echo "no disks"
        mkdir /sys/fs/cgroup/memory/mine 2> /dev/null || echo "cgroups can not be written"
"#;
    let text = output(Up::app(lab, services));
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT
    // MKNOD AUDIT_WRITE SETFCAP, less what the host's own containerd has not.
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let line = line.unwrap_or_else(|| panic!("no {key} in\n{text}"));
        u64::from_str_radix(line.trim(), 16).expect("a number")
    };
    let allowed = 0xa804_05fb_u64 & !(1 << 13);
    assert_eq!(value("CapBnd:") & !allowed, 0, "{text}");
    assert_eq!(value("CapEff:"), value("CapBnd:"), "{text}");
    assert_eq!(value("CapAmb:"), 0, "{text}");
    assert_lines(
        &text,
        &[
            "NoNewPrivs: 1",
            "Seccomp: 2",
            "core 0",
            "masked file has 0 bytes",
            "firmware has 0 entries",
            "sysctls can not be written",
            "no disks",
            "cgroups can not be written",
        ],
    );
    let mut masked = text.lines().filter(|line| line.starts_with("masked file"));
    assert!(
        masked.all(|line| line == "masked file has 0 bytes"),
        "{text}"
    );
}

fn what_mesos_gives_is_told(lab: &Lab) {
    let services = "  only:\n    image: app:1\n    command: [env]\n";
    let mut run = Task::app(lab, services)
        .id("told")
        .env("HIDDEN", "not for you")
        .env("HOST", "agent-1")
        .env("PORT0", "31000")
        .launch();
    assert_eq!(run.until_end().state(), "TASK_FINISHED");
    run.until_gone();
    let text = run.stdout();
    assert_lines(
        &text,
        &["MESOS_TASK_ID=told", "HOST=agent-1", "PORT0=31000"],
    );
    assert!(
        !text.contains("not for you") && !text.contains("TOKEN"),
        "{text}"
    );
}

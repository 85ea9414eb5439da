//! What a service mounts: volumes, files of its user's, configs and secrets; seen from inside.

use std::fs;

use crate::app;
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        configs_and_secrets_are_files_in_memory,
        a_secret_is_told_to_nobody_else,
    ]
    .into()
}

/// Runs the services to their end, and returns what they wrote.
fn output(up: Up<'_>) -> String {
    let mut up = up.start();
    let code = up.until_end().code();
    assert_eq!(code, Some(0), "{}{}", up.stdout(), up.stderr());
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

fn configs_and_secrets_are_files_in_memory(lab: &Lab) {
    let services = r##"
  only:
    image: app:1
    user: "70:71"
    read_only: true
    configs:
      - app
      - {source: inline, target: /etc/inline.conf, uid: "70", gid: "71", mode: 0640}
      - {source: script, target: /script, mode: 0555}
      - {source: variable, target: below/variable}
    secrets:
      - token
      - {source: key, target: deep/key, uid: "70", mode: 0400}
      - {source: key, target: others, uid: "99", mode: 0400}
    command:
      - sh
      - -c
      - |
        for file in /app /etc/inline.conf /below/variable /run/secrets/token /run/secrets/deep/key; do
          echo "$$file $$(stat -c '%u:%g %a' $$file) $$(cat $$file)"
        done
        /script
        cat /run/secrets/others 2> /dev/null || echo "not mine"
        for file in /app /run/secrets/token; do
          grep " $$file " /proc/self/mountinfo | grep -q -- '- ramfs' && echo "$$file in memory"
        done
  root:
    image: app:1
    secrets: [token]
    command:
      - sh
      - -c
      - |
        echo "$$(cat /run/secrets/token)"
        echo x 2> /dev/null > /run/secrets/token || echo "not to be written"
        echo "others: $$(ls /run/secrets | grep -v token | wc -l)"
configs:
  app: {file: ./app.conf}
  inline: {content: "listen ${PORT}"}
  script: {content: "#!/bin/sh\necho run\n"}
  variable: {environment: PORT}
secrets:
  token: {environment: TOKEN}
  key: {file: ./key}
"##;
    let up = Up::app(lab, services)
        .file("app.conf", "from a file")
        .file("key", "a key")
        .file(".env", "PORT=8080\n")
        .env("TOKEN", "a token");
    let text = output(up);
    assert_lines(
        &text,
        &[
            "only | /app 0:0 444 from a file",
            "only | /etc/inline.conf 70:71 640 listen 8080",
            "only | /below/variable 0:0 444 8080",
            "only | /run/secrets/token 0:0 444 a token",
            "only | /run/secrets/deep/key 70:0 400 a key",
            "only | run",
            "only | not mine",
            "only | /app in memory",
            "only | /run/secrets/token in memory",
            "root | not to be written",
            "root | others: 0",
        ],
    );
}

/// Neither our records nor containerd's, nor what `plan` and `config` print, hold a secret.
fn a_secret_is_told_to_nobody_else(lab: &Lab) {
    const CANARY: &str = "canary-7d1f0c";
    let services = r#"
  only:
    image: app:1
    secrets: [variable, file]
    command: [sh, -c, "cat /run/secrets/variable | wc -c; while :; do sleep 0.1; done"]
secrets:
  variable: {environment: TOKEN}
  file: {file: ./token}
"#;
    let folder = lab.fixture();
    for (name, text) in [
        ("compose.yaml", app::compose(services)),
        (".env", format!("TOKEN={CANARY}\n")),
        ("token", CANARY.to_owned()),
    ] {
        fs::write(folder.join(name), text).expect("the fixture takes a file");
    }
    let file = folder.join("compose.yaml").display().to_string();
    for words in [["plan", "--format", "json"], ["plan", "--format", "table"]] {
        let output = lab.output(&[words.as_slice(), &["-f", &file]].concat());
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("/run/secrets/variable"), "{text}");
        assert!(!text.contains(CANARY), "{text}");
    }

    let mut up = Up::app(lab, services)
        .file("token", CANARY)
        .env("TOKEN", CANARY)
        .start();
    up.until_stdout(&CANARY.len().to_string());
    let id = up.pod().id().to_owned();
    let ctr = |words: &[&str]| {
        let text = lab.containerd().ctr("compose-executor", words);
        text.expect("containerd answers")
    };
    let names = ctr(&["containers", "list", "-q"]);
    for name in names.lines().filter(|name| name.contains(&id)) {
        let info = ctr(&["containers", "info", name]);
        assert!(!info.contains(CANARY), "{info}");
    }
    let record = lab.root().join("pods").join(&id);
    for entry in fs::read_dir(&record).expect("a pod has a record") {
        let path = entry.expect("it can be listed").path();
        let text = fs::read_to_string(&path).expect("records are text");
        assert!(!text.contains(CANARY), "{}", path.display());
    }
    drop(up);
}

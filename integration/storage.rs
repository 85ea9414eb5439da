//! What a service mounts: volumes, files of its user's, configs and secrets; seen from inside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use compose_executor::journal::Folders;
use compose_executor::supervisor::kept::{self, KeptError};

use crate::app;
use crate::image_archive::Image;
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        configs_and_secrets_are_files_in_memory,
        a_secret_is_told_to_nobody_else,
        volumes_of_every_kind,
        memory_of_a_services_own,
        what_is_mounted_below_a_bind,
        kept_volumes_are_shared_and_removed,
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
    let files = files_below(&record);
    assert!(!files.is_empty(), "a pod has a record");
    for path in files {
        let text = fs::read_to_string(&path).expect("records are text");
        assert!(!text.contains(CANARY), "{}", path.display());
    }
    drop(up);
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it can be listed").flatten();
    let below = |path: PathBuf| {
        if path.is_dir() {
            files_below(&path)
        } else {
            vec![path]
        }
    };
    entries.flat_map(|entry| below(entry.path())).collect()
}

/// The Compose file of these services, with a second image and volumes.
fn compose(services: &str, volumes: &str) -> String {
    format!(
        "name: app\nx-pod: {{images: [./app.tar, ./other.tar]}}\nservices:{services}volumes:{volumes}"
    )
}

fn volumes_of_every_kind(lab: &Lab) {
    let services = r#"
  filler:
    image: app:1
    volumes:
      - data:/seed
      - {type: volume, source: bare, target: /other-seed, volume: {nocopy: true}}
      - {type: volume, source: data, target: /part, volume: {subpath: deep/er}}
      - memory:/memory
      - bound:/bound
      - /anonymous
      - ./in:/in:ro
      - ./made/here:/made
      - {type: image, source: "other:1", target: /other, image: {subpath: etc}}
    tmpfs: /scratch
    command:
      - sh
      - -c
      - |
        echo "seed $$(stat -c '%u:%g %a' /seed) $$(cat /seed/file)"
        echo "bare has $$(ls -A /other-seed | wc -l)"
        echo part > /part/file; echo "part is $$(cat /seed/deep/er/file)"
        grep -q ' /memory tmpfs .*size=1024k' /proc/mounts && echo "memory is a tmpfs"
        echo "bound $$(cat /bound/file)"; echo back > /bound/answer
        touch /anonymous/x && echo "anonymous $$(stat -c '%u %a' /anonymous)"
        touch /in 2> /dev/null || echo "in is read-only, with $$(cat /in)"
        echo "declared $$(stat -c '%u' /declared) $$(grep -c ' /declared ' /proc/mounts)"
        echo "other $$(cat /other/name)"; touch /other/x 2> /dev/null || echo "other is read-only"
        grep -E ' /(seed|bound|in|other|anonymous) ' /proc/mounts | grep -v 'nosuid,nodev' | sed 's/^/unrestricted: /'
        touch /seed/done
        until [ -e /seed/read ]; do sleep 0.05; done
  reader:
    image: app:1
    volumes_from: ["filler:ro"]
    volumes: [data:/seed]
    command:
      - sh
      - -c
      - |
        until [ -e /seed/done ]; do sleep 0.05; done
        echo "seed $$(cat /seed/file) part $$(cat /part/file) bound $$(cat /bound/answer)"
        touch /bound/y 2> /dev/null || echo "bound is read-only"
        [ -e /anonymous/x ] && [ -e /declared ] && echo "what has no name is shared"
        grep -q ' /scratch ' /proc/mounts || echo "memory is not"
        touch /seed/read
"#;
    let up = Up::new(lab);
    let bound = up.folder().join("bound");
    fs::create_dir(&bound).expect("the fixture takes a folder");
    fs::write(bound.join("file"), "from the host").expect("the fixture takes a file");
    let image = app::image()
        .folder("/seed", 0o750, (70, 71))
        .file("/seed/file", 0o644, b"from the image")
        .file("/other-seed/file", 0o644, b"not copied")
        .folder("/declared", 0o755, (72, 72))
        .volume("/declared")
        .volume("/seed");
    let other = Image::busybox("other:1").file("/etc/name", 0o644, b"the other");
    let volumes = "
  data: {}
  bare: {}
  memory: {driver_opts: {type: tmpfs, device: tmpfs, o: size=1m}}
  bound: {driver: local, driver_opts: {type: none, o: bind, device: ./bound}}
";
    let up = up
        .archive("app.tar", &image)
        .archive("other.tar", &other)
        .compose(&compose(services, volumes))
        .file("in", "a file");
    let made = up.folder().join("made/here");
    let text = output(up);
    assert_lines(
        &text,
        &[
            "filler | seed 70:71 750 from the image",
            "filler | bare has 0",
            "filler | part is part",
            "filler | memory is a tmpfs",
            "filler | bound from the host",
            "filler | anonymous 0 755",
            "filler | in is read-only, with a file",
            "filler | declared 72 1",
            "filler | other the other",
            "filler | other is read-only",
            "reader | seed from the image part part bound back",
            "reader | bound is read-only",
            "reader | what has no name is shared",
            "reader | memory is not",
        ],
    );
    assert!(!text.contains("unrestricted"), "{text}");
    assert!(made.is_dir(), "a missing folder is made");
    let kept = lab.root().join("volumes");
    assert!(kept.join("app_data/done").exists());
    fs::remove_dir_all(kept).expect("named volumes are kept there");
}

fn memory_of_a_services_own(lab: &Lab) {
    let services = r#"
  one:
    image: app:1
    read_only: true
    shm_size: 32m
    tmpfs:
      - /short:size=2m,mode=0711,uid=70,noexec
      - /plain
    volumes:
      - {type: tmpfs, target: /long, tmpfs: {size: 3m, mode: 0o1770}}
    command:
      - sh
      - -c
      - |
        for path in /short /plain /long /dev/shm; do
          echo "$$path $$(df -k $$path | tail -1 | awk '{print $$2}') $$(stat -c '%u %a' $$path)"
        done
        touch /x 2> /dev/null || echo "the root is read-only"
        touch /long/x && echo "and memory is not"
        touch /dev/shm/from-one
  two:
    image: app:1
    shm_size: 48m
    command: [sh, -c, "until [ -e /dev/shm/from-one ]; do sleep 0.05; done; echo shared"]
"#;
    let mut up = Up::app(lab, services).start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    assert_lines(
        &up.stdout(),
        &[
            "one | /short 2048 70 711",
            "one | /plain 65536 0 1777",
            "one | /long 3072 0 1770",
            "one | /dev/shm 49152 0 1777",
            "one | the root is read-only",
            "one | and memory is not",
            "two | shared",
        ],
    );
    assert!(up.stderr().contains("one /dev/shm"), "{}", up.stderr());
}

/// A mount of the test's own; gone with it.
struct HostMount(PathBuf);

impl HostMount {
    fn tmpfs(at: &Path) -> Self {
        fs::create_dir_all(at).expect("the fixture takes a folder");
        let mount = Self(at.to_owned());
        mount.run(&["mount", "-t", "tmpfs", "tmpfs"]);
        mount
    }

    fn run(&self, words: &[&str]) {
        let status = Command::new(words[0])
            .args(&words[1..])
            .arg(&self.0)
            .status();
        assert!(status.expect("mount is installed").success(), "{words:?}");
    }
}

impl Drop for HostMount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn what_is_mounted_below_a_bind(lab: &Lab) {
    let services = r#"
  only:
    image: app:1
    volumes:
      - ./top:/all
      - ./top:/fixed:ro
      - {type: bind, source: ./top, target: /soft, read_only: true, bind: {recursive: writable}}
      - {type: bind, source: ./top, target: /flat, bind: {recursive: disabled}}
      - ./top:/follows:rslave
      - ./top:/gives:rshared
    command:
      - sh
      - -c
      - |
        echo "below: $$(cat /all/below/file)"
        touch /all/below/x && echo "all can be written"
        touch /fixed/x 2> /dev/null || touch /fixed/below/x 2> /dev/null || echo "fixed can not"
        touch /soft/x 2> /dev/null || { touch /soft/below/x && echo "soft can below"; }
        echo "flat has $$(ls -A /flat/below | wc -l)"
        grep -E ' /(all|fixed|soft|follows|gives)/below ' /proc/mounts | grep -v nosuid,nodev | sed 's/^/unrestricted: /'
        echo ready
        until [ -e /follows/later/file ]; do sleep 0.05; done
        [ -e /gives/later/file ] && [ ! -e /all/later/file ] && echo "later is seen where it should be"
        while :; do sleep 0.1; done
"#;
    let up = Up::app(lab, services);
    let folder = up.folder().join("top");
    let top = HostMount::tmpfs(&folder);
    top.run(&["mount", "--make-shared"]);
    let below = HostMount::tmpfs(&folder.join("below"));
    fs::write(folder.join("below/file"), "seen").expect("the mount takes a file");
    fs::create_dir(folder.join("later")).expect("the mount takes a folder");
    let mut up = up.start();
    up.until_stdout("ready");
    let later = HostMount::tmpfs(&folder.join("later"));
    fs::write(folder.join("later/file"), "").expect("the mount takes a file");
    up.until_stdout("later is seen where it should be");
    let text = up.stdout();
    assert_lines(
        &text,
        &[
            "below: seen",
            "all can be written",
            "fixed can not",
            "soft can below",
            "flat has 0",
        ],
    );
    assert!(!text.contains("unrestricted"), "{text}");
    drop(up);
    // The pod's end takes no mount of the host's away.
    assert!(folder.join("later/file").exists());
    assert!(folder.join("below/file").exists());
    drop((later, below, top));
}

fn kept_volumes_are_shared_and_removed(lab: &Lab) {
    let folders = Folders::new(lab.root(), lab.state());
    let services = r#"
  only:
    image: app:1
    volumes: [data:/data, /unnamed]
    command: [sh, -c, "touch /unnamed/x; ls -A /data | wc -l; echo kept > /data/file; while :; do sleep 0.1; done"]
"#;
    let first = app::compose(services) + "volumes: {data: {}}\n";
    let mut up = Up::app(lab, "").compose(&first).start();
    up.until_stdout("0");
    let removed = kept::remove(&folders, "app_data");
    assert!(matches!(removed, Err(KeptError::InUse(_))), "{removed:?}");
    drop(up);

    let other = services.replace("ls -A /data | wc -l", "cat /data/file");
    let external = app::compose(&other).replace("name: app", "name: other")
        + "volumes: {data: {external: true, name: app_data}}\n";
    let mut up = Up::app(lab, "").compose(&external).start();
    up.until_stdout("kept");
    drop(up);

    let names: Vec<_> = fs::read_dir(folders.volumes())
        .expect("it is there")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(names, ["app_data"], "what has no name is not kept");
    kept::remove(&folders, "app_data").expect("nobody holds it");
    let mut up = Up::app(lab, "").compose(&external).start();
    assert_eq!(up.until_end().code(), Some(3), "{}", up.stderr());
    assert!(up.stderr().contains("app_data"), "{}", up.stderr());
    fs::remove_dir(folders.volumes()).expect("nothing is left in it");
}

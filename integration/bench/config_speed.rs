//! `config` beside docker compose's, as whole processes, and on files that grow.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{EXECUTOR, Lab, host};
use crate::table::{Table, Unit};

/// Ten services as people write them.
const TYPICAL: &str = include_str!("typical.yaml");
const SIZES: [usize; 4] = [250, 500, 1000, 2000];

pub(crate) fn run(lab: &Lab, rounds: usize) -> Vec<Table> {
    vec![beside_docker_compose(lab, rounds), growth(lab, rounds)]
}

fn beside_docker_compose(lab: &Lab, rounds: usize) -> Table {
    let folder = lab.fixture();
    fs::write(folder.join("compose.yaml"), TYPICAL).expect("the lab's folder takes it");
    let mut table = Table::new("`config` of ten services", Unit::Milliseconds);
    let peer = docker_compose();
    for round in 0..=rounds {
        let ours = time(Command::new(EXECUTOR).arg("config"), &folder);
        let theirs = peer
            .as_ref()
            .map(|peer| time(Command::new(peer).arg("config"), &folder));
        if round > 0 {
            table.add_time("compose-executor", ours);
            if let Some(theirs) = theirs {
                table.add_time("docker compose", theirs);
            }
        }
    }
    table.against("docker compose")
}

fn growth(lab: &Lab, rounds: usize) -> Table {
    let mut table = Table::new("`config` of files that grow", Unit::Milliseconds);
    let folders = SIZES.map(|size| {
        let folder = lab.fixture();
        fs::write(folder.join("compose.yaml"), generated(size)).expect("the lab's folder takes it");
        (size, folder)
    });
    for round in 0..=rounds {
        for (size, folder) in &folders {
            let time = time(Command::new(EXECUTOR).arg("config"), folder);
            if round > 0 {
                table.add_time(&format!("{size} services"), time);
            }
        }
    }
    table.against("250 services")
}

/// The plugin as a program: on PATH, where Debian puts it, or where `BENCH_PEERS` has it.
fn docker_compose() -> Option<std::path::PathBuf> {
    let plugin = "libexec/docker/cli-plugins/docker-compose";
    let places = std::env::var_os("BENCH_PEERS")
        .map(|peers| Path::new(&peers).join("compose/usr").join(plugin));
    let installed = Path::new("/usr").join(plugin);
    places
        .into_iter()
        .chain([installed])
        .find(|place| place.exists())
        .or_else(|| host::find("docker-compose"))
}

fn time(command: &mut Command, folder: &Path) -> Duration {
    let begin = Instant::now();
    let status = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let time = begin.elapsed();
    let status = status.expect("the program starts");
    assert!(status.success(), "{command:?}: {status}");
    time
}

/// About 200 bytes a service: 400 KiB for 2,000.
fn generated(services: usize) -> String {
    let mut text = "name: generated\nservices:\n".to_owned();
    for i in 0..services {
        write!(
            text,
            "  service-{i}:\n    image: registry.example/app-{i}:1\n    command: [serve, --number, \"{i}\"]\n    \
             environment:\n      NUMBER: \"{i}\"\n      MODE: plain\n    ports: [\"{}:80\"]\n    \
             volumes: [\"data-{}:/data\"]\n",
            10_000 + i,
            i % 10,
        )
        .expect("a text takes a text");
    }
    text.push_str("volumes:\n");
    for i in 0..10 {
        writeln!(text, "  data-{i}:").expect("a text takes a text");
    }
    text
}

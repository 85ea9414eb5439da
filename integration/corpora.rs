//! Real pods, as their authors published them: most come up, and the others are refused for what
//! they ask for. `COMPOSE_CASES` names the folder that they are in; they are not part of the project.
//!
//! Their images are replaced by a stub, and so is what only their authors' machines have: folders of
//! the host's, and what tells whether a service is healthy. What a folder of the host's was to be
//! mounted on stays: a monitor that wants the host's /sys as its own is refused whatever the operator
//! opens, since the masks over the kernel's files would then lie in files of somebody else's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::app;
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd: real_pods_come_up].into()
}

/// Repository, folder, file, and the words of its refusal; none where it comes up.
const PODS: [(&str, &str, &str, Option<&str>); 26] = [
    (
        "containerd+nerdctl",
        "examples/compose-wordpress",
        "docker-compose.yaml",
        None,
    ),
    (
        "containerd+nerdctl",
        "examples/compose-wordpress",
        "docker-compose.stargz.yaml",
        None,
    ),
    (
        "containerd+nerdctl",
        "examples/compose-multi-platform",
        "docker-compose.yaml",
        Some("its processor can't run it"),
    ),
    (
        "dockersamples+example-voting-app",
        ".",
        "docker-compose.yml",
        None,
    ),
    (
        "dockersamples+example-voting-app",
        ".",
        "docker-compose.images.yml",
        None,
    ),
    (
        "dockersamples+example-voting-app",
        ".",
        "docker-stack.yml",
        Some("scale the Mesos task instead"),
    ),
    (
        "dockersamples+example-voting-app",
        "result",
        "docker-compose.test.yml",
        None,
    ),
    ("docker+genai-stack", ".", "docker-compose.yml", None),
    (
        "stefanprodan+dockprom",
        ".",
        "docker-compose.yml",
        Some("nothing can be mounted on /sys"),
    ),
    (
        "stefanprodan+dockprom",
        ".",
        "docker-compose.exporters.yml",
        Some("nothing can be mounted on /sys"),
    ),
    (
        "stefanprodan+swarmprom",
        ".",
        "test-compose.yml",
        Some("none that was made outside of it"),
    ),
    ("temporalio+docker-compose", ".", "docker-compose.yml", None),
    (
        "temporalio+docker-compose",
        ".",
        "docker-compose-mysql.yml",
        None,
    ),
    (
        "temporalio+docker-compose",
        ".",
        "docker-compose-postgres.yml",
        None,
    ),
    (
        "temporalio+docker-compose",
        ".",
        "docker-compose-cass-es.yml",
        None,
    ),
    (
        "temporalio+docker-compose",
        ".",
        "docker-compose-mysql-es.yml",
        None,
    ),
    (
        "temporalio+docker-compose",
        ".",
        "docker-compose-postgres-opensearch.yml",
        None,
    ),
    (
        "wurstmeister+kafka-docker",
        ".",
        "docker-compose-single-broker.yml",
        None,
    ),
    ("wurstmeister+kafka-docker", ".", "docker-compose.yml", None),
    (
        "wurstmeister+kafka-docker",
        ".",
        "docker-compose-swarm.yml",
        None,
    ),
    (
        "spring-petclinic+spring-petclinic-microservices",
        ".",
        "docker-compose.yml",
        None,
    ),
    ("influxdata+sandbox", ".", "docker-compose.yml", None),
    (
        "microservices-demo+microservices-demo",
        "deploy/docker-compose",
        "docker-compose.yml",
        None,
    ),
    (
        "PacktPublishing+Hands-On-Microservices-with-Spring-Boot-and-Spring-Cloud",
        "Chapter04",
        "docker-compose.yml",
        None,
    ),
    (
        "PacktPublishing+Hands-On-Microservices-with-Spring-Boot-and-Spring-Cloud",
        "Chapter07",
        "docker-compose.yml",
        None,
    ),
    (
        "paypal+dce-go",
        "pluginimpl/general/testdata",
        "test.yml",
        None,
    ),
];

/// Of a service, an author's image may say as whom it runs.
const PASSWD: &[u8] = b"root:x:0:0::/root:/bin/sh\nneo4j:x:7474:7474::/:/bin/sh\n";
const GROUP: &[u8] = b"root:x:0:\nneo4j:x:7474:\n";

fn real_pods_come_up(lab: &Lab) {
    let Some(cases) = std::env::var_os("COMPOSE_CASES") else {
        eprintln!("COMPOSE_CASES names no folder: no real pod is run");
        return;
    };
    let corpora = Path::new(&cases).join("corpora");
    let mut wrong = Vec::new();
    for (repository, folder, file, refusal) in PODS {
        let from = corpora.join(repository).join(folder);
        let up = Up::new(lab);
        let place = up.folder().join("pod");
        copy(&from, &place);
        let name = format!("{repository}/{folder}/{file}");
        if let Err(problem) = run(lab, up, &place.join(file), refusal) {
            wrong.push(format!("{name}: {problem}"));
        }
        // What `up` keeps of volumes is its user's; the test is its user.
        let _ = fs::remove_dir_all(lab.root().join("volumes"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The folders of the corpora have no links.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(copied.expect("cp runs").success(), "{}", from.display());
}

fn run(lab: &Lab, up: Up<'_>, file: &Path, refusal: Option<&str>) -> Result<(), String> {
    let file = file.display().to_string();
    let output = lab.output(&["config", "--format", "json", "-f", &file]);
    let project: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    let (stub, names) = stub(&project, &up.folder());
    let stub_file = up.folder().join("stub.yaml");
    fs::create_dir(up.folder().join("stub")).expect("the fixture's folder takes a folder");
    fs::write(&stub_file, stub.to_string()).expect("the fixture's folder takes a file");
    let files = ["-f", &file, "-f", &stub_file.display().to_string()];

    let plan = lab.output(&[&["plan", "--format", "json"], &files[..]].concat());
    let told = String::from_utf8_lossy(&plan.stderr);
    if let Some(words) = refusal {
        let refused = plan.status.code() == Some(3) && told.contains(words);
        return if refused {
            Ok(())
        } else {
            Err(told.into_owned())
        };
    }
    if !plan.status.success() {
        return Err(format!("it is refused: {told}"));
    }
    let image = app::image()
        .file("/etc/passwd", 0o644, PASSWD)
        .file("/etc/group", 0o644, GROUP);
    let mut up = up.archive("app.tar", &image).args(&files).start();
    for name in names {
        up.until_stdout(&format!("the stub of {name} runs"));
    }
    Ok(())
}

/// An override that puts the stub in the place of each image, and the names of the services.
fn stub(project: &Value, folder: &Path) -> (Value, Vec<String>) {
    let services = project["services"]
        .as_object()
        .expect("a project has services");
    let awaited: Vec<&String> = services
        .values()
        .filter_map(|service| service["depends_on"].as_object())
        .flatten()
        .filter(|(_, on)| on["condition"] == "service_completed_successfully")
        .map(|(name, _)| name)
        .collect();
    let mut stubs = Map::new();
    for (name, service) in services {
        let wait = if awaited.contains(&name) {
            ""
        } else {
            "; trap 'exit 0' TERM; while :; do sleep 0.5; done"
        };
        let mut stub = json!({
            "image": "app:1",
            "entrypoint": ["sh", "-c"],
            "command": [format!("echo the stub of {name} runs{wait}")],
        });
        if service["healthcheck"].is_object() {
            stub["healthcheck"] = json!({"test": ["CMD", "true"], "interval": "500ms"});
        }
        let volumes = service["volumes"].as_array().into_iter().flatten();
        let elsewhere = volumes.filter(|volume| {
            let source = PathBuf::from(volume["source"].as_str().unwrap_or_default());
            volume["type"] == "bind" && !source.starts_with(folder)
        });
        let binds: Vec<Value> = elsewhere
            .map(|volume| json!({"type": "bind", "source": folder.join("stub"), "target": volume["target"]}))
            .collect();
        if !binds.is_empty() {
            stub["volumes"] = binds.into();
        }
        stubs.insert(name.clone(), stub);
    }
    let names = services.keys().cloned().collect();
    let images = json!({"images": [folder.join("app.tar")]});
    (json!({"x-pod": images, "services": stubs}), names)
}

//! Volumes that are not a pod's own: folders of the host's that the operator gives a name or opens,
//! and a server's.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::app;
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::{Task, Update};
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    let mut all = Vec::from(tests![Mesos:
        an_external_volume_is_a_name_of_the_operators,
        a_volume_can_be_a_place_that_the_operator_has_opened,
    ]);
    all.extend(tests![Containerd:
        an_external_volume_of_up_is_the_operators_first,
        a_servers_folder_is_mounted_where_the_operator_names_it,
    ]);
    all
}

/// The image has something in the volume's place, which stays where it is.
const SCRIPT: &str = "cat /m/one; ls /m; touch /m/two && echo written";

fn compose(top: &str) -> String {
    let services = format!(
        "  web:\n    image: app:1\n    command: [sh, -c, \"{SCRIPT}\"]\n    volumes: ['models:/m']\n"
    );
    app::compose(&services) + top
}

fn models(lab: &Lab) -> String {
    let folder = lab.fixture().join("models");
    fs::create_dir(&folder).expect("a fixture takes a folder");
    fs::write(folder.join("one"), "a model\n").expect("a fixture takes a file");
    folder.display().to_string()
}

fn entries(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is there").flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// How a task ends, and its lines.
fn ran(task: Task<'_>) -> (Update, String) {
    let mut run = task.launch();
    let end = run.until_end();
    let text = run.stdout();
    run.until_gone();
    (end, text)
}

fn an_external_volume_is_a_name_of_the_operators(lab: &Lab) {
    let folder = models(lab);
    let image = app::image()
        .folder("/m", 0o755, (0, 0))
        .file("/m/of-the-image", 0o644, b"x");
    let external = "volumes: {models: {external: true}}\n";
    let task = |top: &str, config: &str| {
        Task::new(lab)
            .archive("app.tar", &image)
            .compose(&compose(top))
            .config(config)
    };
    let config = |more: &str| {
        format!(
            "[policy.mounts]\nexternal_volumes = [{{ name = \"models\", path = \"{folder}\"{more} }}]\n"
        )
    };

    // Read-only where the operator does not say otherwise, whatever the file says.
    let (end, text) = ran(task(external, &config("")));
    assert_eq!(end.state(), "TASK_FAILED", "{}", end.message());
    assert!(end.message().contains("Read-only"), "{}", end.message());
    assert!(text.starts_with("a model\none\n"), "{text}");
    let (end, text) = ran(task(external, &config(", read_only = false")));
    assert_eq!(end.state(), "TASK_FINISHED", "{}", end.message());
    assert!(text.contains("written"), "{text}");
    // Nothing of the image's is there, and what a pod has written stays.
    assert_eq!(entries(&folder), ["one", "two"]);

    // Without a name, by another one, and for whom another policy holds, there is no such volume.
    let other = config("")
        + "[[policy.overrides]]\nmatch = { role = \"*\" }\n[policy.overrides.mounts]\nexternal_volumes = []\n";
    for (top, config) in [
        (external, String::new()),
        (
            "volumes: {models: {external: true, name: others}}\n",
            config(""),
        ),
        (external, other),
    ] {
        let (end, _) = ran(task(top, &config));
        assert_eq!(end.reason(), "REASON_TASK_INVALID", "{}", end.message());
        let told = end.data().to_string();
        for words in ["volumes.models.external", "mounts.external_volumes"] {
            assert!(told.contains(words), "no {words:?} in {told}");
        }
    }

    // Who could put a link in the path would say what the name stands for.
    let link = lab.fixture().join("link");
    symlink(&folder, &link).expect("a fixture takes a link");
    let config = config("").replace(&folder, &link.display().to_string());
    let (end, _) = ran(task(external, &config));
    assert_eq!(end.state(), "TASK_FAILED", "{}", end.message());
    assert!(end.message().contains("symbolic link"), "{}", end.message());
}

/// `driver_opts` that name a folder of the host's are a bind by another name.
fn a_volume_can_be_a_place_that_the_operator_has_opened(lab: &Lab) {
    let folder = models(lab);
    let task = |options: &str, access: &str| {
        let top = format!(
            "volumes: {{models: {{driver: local, driver_opts: {{type: none, o: '{options}', device: {folder}}}}}}}\n"
        );
        let config = format!(
            "[policy.mounts]\nhost_paths = [{{ path = \"{folder}\", read_only = {access} }}]\n"
        );
        Task::app(lab, "").compose(&compose(&top)).config(&config)
    };
    let (end, _) = ran(task("bind", "true"));
    assert_eq!(
        end.reason(),
        "REASON_TASK_UNAUTHORIZED",
        "{}",
        end.message()
    );
    assert!(
        end.message().contains("mounts.host_paths"),
        "{}",
        end.message()
    );
    let (end, text) = ran(task("bind,ro", "true"));
    assert!(end.message().contains("Read-only"), "{}", end.message());
    assert!(text.starts_with("a model\n"), "{text}");
    let (end, text) = ran(task("bind", "false"));
    assert_eq!(end.state(), "TASK_FINISHED", "{}", end.message());
    assert!(text.contains("written"), "{text}");
}

fn an_external_volume_of_up_is_the_operators_first(lab: &Lab) {
    let folder = models(lab);
    let config = format!(
        "[policy]\nup = \"off\"\n[policy.mounts]\nexternal_volumes = [{{ name = \"models\", path = \"{folder}\" }}]\n"
    );
    let top = "volumes: {models: {external: true}}\n";
    let mut up = Up::app(lab, "")
        .compose(&compose(top))
        .config(&config)
        .start();
    assert_eq!(up.until_end().code(), Some(1), "{}", up.stderr());
    assert!(up.stdout().starts_with("a model\n"), "{}", up.stdout());
    assert_eq!(entries(&folder), ["one"]);
}

/// The policy, the plan, and the words of a host that can't: whether a kernel has NFS or a server
/// answers, the address is nobody's (RFC 5737).
fn a_servers_folder_is_mounted_where_the_operator_names_it(lab: &Lab) {
    let top = "volumes: {models: {driver: local, driver_opts: {type: nfs, o: 'addr=192.0.2.7,ro,nfsvers=4', device: ':/exports/models'}}}\n";
    let up = |config: &str| {
        let mut up = Up::app(lab, "")
            .compose(&compose(top))
            .config(config)
            .start();
        let code = up.until_end().code();
        (code, up.stderr(), up.folder().to_owned())
    };
    let (code, told, _) = up("");
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("mounts.nfs = []"), "{told}");

    let (code, told, folder) = up("[policy.mounts]\nnfs = [\"192.0.2.7:/exports/*\"]\n");
    assert_ne!(code, Some(0), "{told}");
    assert!(
        told.contains("the volume \"app_models\" can't be used: "),
        "{told}"
    );

    let file = folder.join("compose.yaml").display().to_string();
    let output = lab.output(&["-f", &file, "plan", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let volume = &plan["volumes"][0];
    assert_eq!(volume["kind"], "nfs");
    assert_eq!(volume["mount"]["device"], "192.0.2.7:/exports/models");
    assert_eq!(
        volume["mount"]["options"],
        "ro,nosuid,nodev,addr=192.0.2.7,nfsvers=4"
    );
    let mounts = plan["containers"][0]["document"]["mounts"].as_array();
    let mounts = mounts.expect("a document has mounts");
    let mounted = mounts
        .iter()
        .find(|mount| mount["destination"] == "/m")
        .expect("the volume is mounted");
    assert_eq!(
        mounted["options"],
        serde_json::json!(["rbind", "rprivate", "nosuid", "nodev", "ro"])
    );
    assert!(!Path::new(&volume["path"].to_string()).exists());
}

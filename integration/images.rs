//! Images: every form of archive runs, and an operator's are for all.

use std::process::Output;

use crate::app;
use crate::image_archive::Form;
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    let mut all = Vec::from(tests![Containerd:
        every_form_of_archive_runs,
        the_image_configuration_is_heeded,
        a_layer_covers_another,
        an_operators_image_is_for_all,
    ]);
    all.extend(tests![Mesos: a_label_names_archives]);
    all
}

const HELLO: &str = "  web:\n    image: app:1\n    command: [cat, /who]\n";

fn every_form_of_archive_runs(lab: &Lab) {
    for form in [
        Form::OciTar,
        Form::OciTarGz,
        Form::OciFolder,
        Form::DockerSave,
        Form::DockerSaveGz,
    ] {
        let image = app::image()
            .form(form)
            .file("/who", 0o644, format!("{form:?}\n").as_bytes());
        let up = Up::new(lab)
            .archive("app.tar", &image)
            .compose(&app::compose(HELLO));
        let mut up = up.start();
        assert_eq!(up.until_end().code(), Some(0), "{form:?}: {}", up.stderr());
        assert!(
            up.stdout().contains(&format!("{form:?}")),
            "{}",
            up.stdout()
        );
    }
}

fn the_image_configuration_is_heeded(lab: &Lab) {
    let image = app::image()
        .entrypoint(&["sh", "-c"])
        .cmd(&["echo user=$(id -u) place=$PWD greeting=$GREETING"])
        .env("GREETING=hello")
        .user("nobody")
        .working_dir("/etc");
    let services = "  web:\n    image: app:1\n";
    let up = Up::new(lab)
        .archive("app.tar", &image)
        .compose(&app::compose(services));
    let mut up = up.start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    let out = up.stdout();
    assert!(
        out.contains("user=65534 place=/etc greeting=hello"),
        "{out}"
    );
}

fn a_layer_covers_another(lab: &Lab) {
    let image = app::image()
        .file("/who", 0o644, b"below\n")
        .file("/who", 0o644, b"above\n");
    let mut up = Up::new(lab)
        .archive("app.tar", &image)
        .compose(&app::compose(HELLO))
        .start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    assert_eq!(up.stdout().trim(), "above");
}

fn a_label_names_archives(lab: &Lab) {
    let image = app::image().file("/who", 0o644, b"by label\n");
    let compose = format!("services:\n{HELLO}");
    let task = Task::new(lab)
        .archive("other.tar", &image)
        .compose(&compose);
    let mut run = task.label("compose.images", "./other.tar").launch();
    assert_eq!(run.until_end().state(), "TASK_FINISHED");
    run.until_gone();
    assert!(run.stdout().contains("by label"), "{}", run.stdout());
}

fn an_operators_image_is_for_all(lab: &Lab) {
    let archive = lab.fixture().join("app.tar");
    app::image()
        .file("/who", 0o644, b"the operator\n")
        .write(&archive);
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();

    let loaded = lab.output(&["image", "load", &archive.display().to_string()]);
    assert!(loaded.status.success(), "{}", loaded.status);
    let listed = lab.output(&["image", "ls"]);
    assert!(
        listed.status.success() && text(&listed).contains("app"),
        "{}",
        text(&listed)
    );

    let mut up = Up::new(lab).compose(&format!("services:\n{HELLO}")).start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    assert!(up.stdout().contains("the operator"), "{}", up.stdout());
    // An archive of the pod's own comes first, and changes nothing for others.
    let own = app::image().file("/who", 0o644, b"my own\n");
    let mut up = Up::new(lab)
        .archive("app.tar", &own)
        .compose(&app::compose(HELLO))
        .start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    assert!(up.stdout().contains("my own"), "{}", up.stdout());
    let mut up = Up::new(lab).compose(&format!("services:\n{HELLO}")).start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    assert!(up.stdout().contains("the operator"), "{}", up.stdout());

    // It is meant to stay; the test takes it away as an operator would.
    let names = lab
        .containerd()
        .ctr("compose-executor", &["images", "list", "-q"]);
    for name in names.expect("containerd answers").lines() {
        let removed = lab
            .containerd()
            .ctr("compose-executor", &["images", "rm", "--sync", name]);
        removed.expect("it can be removed");
    }
}

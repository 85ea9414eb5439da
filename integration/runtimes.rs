//! crun where it works, runc where it doesn't.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::lab::Lab;
use crate::lab::host;
use crate::lab::hugetlb::Hugetlb;
use crate::lab::program::Up;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        a_pod_runs_with_crun_where_crun_runs,
        a_killed_pod_of_crun_leaves_nothing,
        a_service_can_name_its_runtime,
        crun_filters_calls_as_runc_does,
        services_join_the_shim_of_their_pod,
    ]
    .into()
}

const SLEEPS: &str = r#"
  one:
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"]
"#;

fn a_pod_runs_with_crun_where_crun_runs(lab: &Lab) {
    assert!(
        host::find("crun").is_some(),
        "no crun: apt-get install crun"
    );
    let _hugetlb = Hugetlb::mount();
    let mut up = Up::app(lab, SLEEPS).start();
    up.until_stdout("up");
    let id = format!("pod-{}", up.pod().id());
    assert!(has_state(&id, "status"), "no crun state of {id}");
    // It starts from where nobody can write to it, and so once for each call.
    let program = lab.state().join("pods").join(up.pod().id()).join("crun");
    let written = File::options().write(true).open(&program);
    let error = written.expect_err("a container's runtime can't be written");
    assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);
    let options = bundles(lab).join(&id).join("options.json");
    let options = fs::read_to_string(options).expect("the shim keeps its options");
    assert!(
        options.contains(&program.display().to_string()),
        "{options}"
    );
    drop(up);
}

/// What containerd needs to take a container away is there until it has.
fn a_killed_pod_of_crun_leaves_nothing(lab: &Lab) {
    let _hugetlb = Hugetlb::mount();
    let mut up = Up::app(lab, SLEEPS).start();
    up.until_stdout("up");
    let id = format!("pod-{}", up.pod().id());
    assert!(has_state(&id, "status"), "no crun state of {id}");
    up.signal(Signal::SIGKILL);
    up.until_end();
    lab.cleanup();
    assert!(up.pod_is_gone());
}

/// Where containerd has what shims are started in.
fn bundles(lab: &Lab) -> PathBuf {
    let all = lab
        .containerd()
        .state()
        .join("io.containerd.runtime.v2.task");
    all.join("compose-executor")
}

/// Whether a runtime keeps this file of a container: crun a `status`, runc a `state.json`.
fn has_state(container: &str, file: &str) -> bool {
    let tops = [
        "/run/containerd/runc/compose-executor",
        "/run/containerd/crun/compose-executor",
    ];
    let mut states = tops
        .map(|top| Path::new(top).join(container).join(file))
        .into_iter();
    states.any(|state| state.exists())
}

/// In a pod that crun runs, as it would everywhere where it can.
fn a_service_can_name_its_runtime(lab: &Lab) {
    let _hugetlb = Hugetlb::mount();
    let own = SLEEPS
        .replace("one:", "own:")
        .replace("echo up", "echo own")
        + "    runtime: runc\n";
    let mut up = Up::app(lab, &format!("{SLEEPS}{}", own.trim_start_matches('\n'))).start();
    for words in ["up", "own"] {
        up.until_stdout(words);
    }
    let id = up.pod().id().to_owned();
    for (service, file) in [("one", "status"), ("own", "state.json")] {
        let container = format!("app-{id}.{service}");
        assert!(has_state(&container, file), "no {file} of {container}");
    }
    drop(up);
}

/// crun gets the filter finished, and runc as a profile. Only the filter keeps a process without
/// capabilities from a user namespace of its own; the rest is as common as calls are.
fn crun_filters_calls_as_runc_does(lab: &Lab) {
    const TRIES: &str = r"
  one:
    image: app:1
    cap_drop: [ALL]
    command:
      - sh
      - -c
      - |
        grep Seccomp: /proc/self/status
        unshare -U true && echo a namespace of its own
        linux32 true && echo personality as ever
        echo x > /dev/shm/x && rm /dev/shm/x && sleep 0.1 && echo done
";
    let said = |lab: &Lab| {
        let mut up = Up::app(lab, TRIES).start();
        let end = up.until_end();
        assert!(end.success(), "{end}: {}", up.stderr());
        up.stdout()
    };
    let by_runc = said(lab);
    let by_crun = {
        let _hugetlb = Hugetlb::mount();
        said(lab)
    };
    assert_eq!(by_runc, by_crun);
    assert!(by_crun.contains("Seccomp:\t2"), "{by_crun}");
    assert!(!by_crun.contains("a namespace of its own"), "{by_crun}");
    assert!(by_crun.contains("personality as ever"), "{by_crun}");
    assert!(by_crun.contains("done"), "{by_crun}");
}

/// Nobody starts containerd's shim to be told which one it is: from 1.7 containerd goes by the pod's
/// sandbox, before it asks a program of ours.
fn services_join_the_shim_of_their_pod(lab: &Lab) {
    let mut up = Up::app(lab, SLEEPS).start();
    up.until_stdout("up");
    let pod = up.pod();
    let bundles = bundles(lab);
    let pause = format!("pod-{}", pod.id());
    let service = fs::read_dir(&bundles)
        .expect("containerd has bundles")
        .map(|entry| entry.expect("it can be read").path())
        .find(|path| {
            path.to_string_lossy()
                .ends_with(&format!("-{}.one", pod.id()))
        })
        .expect("the service has one");
    if let Ok(sandbox) = fs::read_to_string(service.join("sandbox")) {
        assert_eq!(sandbox, pause);
    } else {
        let read = |path: PathBuf| fs::read_to_string(path).expect("containerd writes it");
        let program = read(service.join("shim-binary-path"));
        assert!(
            Path::new(&program).starts_with(lab.root().join("shim")),
            "{program}"
        );
        let address = read(service.join("address"));
        assert_eq!(address, read(bundles.join(pause).join("address")));
    }
    let shims = pod.processes().into_iter().filter(|it| it.leaf == "shim");
    assert_eq!(shims.count(), 1);
    drop(up);
}

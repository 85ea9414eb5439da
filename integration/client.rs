//! The client against a real containerd: containers, tasks, events, content.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use compose_executor::containerd::{
    Client, Code, ContainerRecord, Event, Filter, Ingest, Labels, NewTask, Process, Runtime,
    RuntimeOptions, Signalled, SnapshotKey, Stdio, TaskStatus, Topic,
};
use compose_executor::image::{Archive, Digest, Importer, Limits, Platform, Source, Unpacker};
use serde_json::{Value, json};

use crate::image_archive::Image;
use crate::lab::host::CGROUPS;
use crate::lab::{Lab, cgroup_name};
use crate::lease::{Lease, on_runtime};
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        the_server_is_known,
        a_pods_containers_share_one_shim_and_one_sandbox,
        the_runtimes_words_survive,
        a_call_that_hangs_has_an_end,
        content_is_what_was_written,
    ]
    .into()
}

/// The containers of one shim.
const GROUP: &str = "pod-0123456789ab";

/// The cgroups of a test, in every hierarchy. Runtimes make parents and never take them away.
struct Cgroup(String);

impl Cgroup {
    fn new() -> Self {
        Self(format!("/{}/{GROUP}", cgroup_name("client")))
    }

    fn path(&self, container: &str) -> String {
        format!("/{}/{container}", self.0.trim_start_matches('/'))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let parts: Vec<_> = self.0.split('/').filter(|part| !part.is_empty()).collect();
        for hierarchy in fs::read_dir(CGROUPS).into_iter().flatten().flatten() {
            for depth in (1..=parts.len()).rev() {
                // Somebody else's, or not there: then it is not ours to remove.
                let _ = fs::remove_dir(hierarchy.path().join(parts[..depth].join("/")));
            }
        }
    }
}

/// A folder with busybox in it, as the pause container has its program.
fn plain_root(lab: &Lab) -> PathBuf {
    let root = lab.fixture();
    for name in ["proc", "dev", "sys"] {
        fs::create_dir(root.join(name)).expect("a new folder");
    }
    let busybox = crate::lab::host::find("busybox").expect("busybox-static is installed");
    fs::copy(busybox, root.join("busybox")).expect("it can be copied");
    root
}

fn document(
    root: &Path,
    cgroup: &str,
    words: &[&str],
    namespaces: &[(&str, Option<String>)],
) -> Value {
    let namespaces = namespaces.iter().map(|(kind, path)| match path {
        Some(path) => json!({"type": kind, "path": path}),
        None => json!({"type": kind}),
    });
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0}, "args": words, "env": ["PATH=/bin:/"], "cwd": "/",
            "noNewPrivileges": true,
        },
        "root": {"path": root, "readonly": true},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "annotations": {"io.containerd.runc.v2.group": GROUP},
        "linux": {"namespaces": namespaces.collect::<Vec<_>>(), "cgroupsPath": cgroup},
    })
}

fn record(id: &str, document: &Value) -> ContainerRecord {
    ContainerRecord {
        id: id.to_owned(),
        labels: Labels::from([("compose-executor/pod".to_owned(), "0123456789ab".to_owned())]),
        runtime: Runtime {
            options: RuntimeOptions {
                binary_name: "runc".to_owned(),
                ..RuntimeOptions::default()
            },
            ..Runtime::default()
        },
        spec: serde_json::to_vec(document).expect("JSON"),
        ..ContainerRecord::default()
    }
}

/// How many shims this containerd has.
fn shims(lab: &Lab) -> usize {
    let socket = lab.containerd().socket();
    let socket = socket.to_string_lossy();
    fs::read_dir("/proc")
        .expect("Linux has it")
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|words| String::from_utf8_lossy(&words).into_owned())
        .filter(|words| words.contains("containerd-shim") && words.contains(socket.as_ref()))
        .count()
}

/// Waits until the shim is gone, and removes its socket, which some versions leave.
fn end_of_shim(lab: &Lab, client: &Client) {
    wait::until("the shim's end", PATIENCE, || {
        (shims(lab) == 0).then_some(())
    });
    let _ = fs::remove_file(client.shim_socket(GROUP));
}

fn the_server_is_known(lab: &Lab) {
    on_runtime(async {
        let client = crate::lease::connect(lab).await;
        let server = client.server();
        let pid = lab.containerd().pid().map(nix::unistd::Pid::as_raw);
        assert_eq!(server.pid, pid);
        assert_eq!(server.default_snapshotter(), Some("overlayfs"));
        assert!(!server.version.is_empty());
        // Twice: it is there already.
        client.namespaces().ensure().await.expect("it is there");
        let nobody = lab.folder().join("nobody.sock");
        let error = Client::connect(&nobody, client.namespace().clone()).await;
        let error = error.expect_err("nobody listens").to_string();
        assert_eq!(
            error,
            format!("no containerd answers at {}", nobody.display())
        );
    });
}

fn a_pods_containers_share_one_shim_and_one_sandbox(lab: &Lab) {
    let small = SmallPod {
        root: plain_root(lab),
        archive: lab.fixture().join("app.tar"),
        cgroup: Cgroup::new(),
    };
    Image::busybox("example.org/app:1").write(&small.archive);
    on_runtime(async {
        let lease = Lease::create(lab, "pod-a").await;
        let client = &lease.client;
        let mut events = client
            .events()
            .subscribe(&[Topic::TaskStart, Topic::TaskExit], None)
            .await
            .expect("a subscription");
        let pid = small.create_pause(client).await;
        small.create_web(client, &lease, pid).await;
        assert_eq!(shims(lab), 1);
        assert!(client.shim_socket(GROUP).exists());
        let ours = [Filter::label("compose-executor/pod", "0123456789ab")];
        let containers = client.containers();
        assert_eq!(containers.list(&ours).await.expect("a list").len(), 2);
        let others = [Filter::label("compose-executor/pod", "ba9876543210")];
        assert!(containers.list(&others).await.expect("a list").is_empty());
        for id in ["pause", "web"] {
            let started = client.tasks().start(Process::init(id)).await;
            started.expect("it starts");
        }
        exec_beside_pause(client).await;
        end_both(client).await;

        // A shim may end before it has told of the last deletion, but not of an exit.
        let mut told = BTreeMap::new();
        while told.len() < 5 {
            let event = tokio::time::timeout(PATIENCE, events.next()).await;
            let event = event.unwrap_or_else(|_| panic!("more than {told:?}"));
            *told
                .entry(tell(&event.expect("the stream lives")))
                .or_insert(0) += 1;
        }
        insta::assert_debug_snapshot!(told, @r#"
        {
            "exit pause, 137": 1,
            "exit probe in pause, 7": 1,
            "exit web, 42": 1,
            "start pause": 1,
            "start web": 1,
        }
        "#);
        end_of_shim(lab, client);
        lease.end().await;
    });
}

/// A pause container and one service, as the supervisor makes them.
struct SmallPod {
    root: PathBuf,
    archive: PathBuf,
    cgroup: Cgroup,
}

impl SmallPod {
    /// The container that owns the namespaces: no image, no snapshot. Gives its process id.
    async fn create_pause(&self, client: &Client) -> u32 {
        let words = ["/busybox", "sleep", "1000"];
        let kinds = ["mount", "pid", "ipc", "network"].map(|kind| (kind, None));
        let pause = document(&self.root, &self.cgroup.path("pause"), &words, &kinds);
        let pause = record("pause", &pause);
        let created = client.containers().create(pause.clone()).await;
        created.expect("a new container");
        if client.server().has_sandboxes() {
            let sandboxes = client.sandboxes();
            let created = sandboxes.create("pause", &pause.runtime, Labels::new());
            created.await.expect("a sandbox record");
        }
        let task = NewTask {
            container: "pause".to_owned(),
            ..NewTask::default()
        };
        let created = client.tasks().create(task).await;
        created.expect("a root of its own needs no snapshot")
    }

    /// A container of an image, in the other's namespaces.
    async fn create_web(&self, client: &Client, lease: &Lease<'_>, pause: u32) {
        let image = import(client, lease, &self.archive).await;
        let snapshots = client.snapshots(&image.snapshotter);
        let parent = image.chain_id.to_string();
        let mounts = snapshots.prepare("web", Some(&parent), Labels::new()).await;
        let joined = [("pid", "pid"), ("ipc", "ipc"), ("network", "net")];
        let joined = joined.map(|(kind, file)| (kind, Some(format!("/proc/{pause}/ns/{file}"))));
        let namespaces: Vec<_> = joined.into_iter().chain([("mount", None)]).collect();
        let words = ["sh", "-c", "exit 42"];
        let cgroup = self.cgroup.path("web");
        let web = document(Path::new("rootfs"), &cgroup, &words, &namespaces);
        let web = ContainerRecord {
            snapshot: Some(SnapshotKey {
                snapshotter: image.snapshotter.clone(),
                key: "web".to_owned(),
            }),
            sandbox: client.server().has_sandboxes().then(|| "pause".to_owned()),
            ..record("web", &web)
        };
        let containers = client.containers();
        let created = containers.create(web.clone()).await;
        created.expect("a new container");
        let again = containers.create(web.clone()).await;
        assert!(again.expect_err("it is there").is_already_exists());
        let found = containers.get("web").await.expect("an answer");
        let found = found.expect("it is there");
        assert_eq!((found.runtime, found.snapshot), (web.runtime, web.snapshot));

        let task = NewTask {
            container: "web".to_owned(),
            rootfs: mounts.expect("a snapshot"),
            ..NewTask::default()
        };
        let created = client.tasks().create(task).await;
        created.expect("it joins the pause container");
    }
}

async fn exec_beside_pause(client: &Client) {
    let tasks = client.tasks();
    let exec = Process::exec("pause", "probe");
    let process = json!({
        "user": {"uid": 0, "gid": 0}, "args": ["/busybox", "sh", "-c", "exit 7"],
        "env": [], "cwd": "/",
    });
    let process = serde_json::to_vec(&process).expect("JSON");
    let added = tasks.exec(exec, process, Stdio::default()).await;
    added.expect("a process");
    tasks.start(exec).await.expect("it starts");
    let exit = tasks.wait(exec, PATIENCE).await.expect("it ends");
    assert_eq!(exit.status, 7);
    assert_eq!(tasks.delete(exec).await.expect("an answer"), Some(exit));
    assert_eq!(tasks.delete(exec).await.expect("an answer"), None);
}

async fn end_both(client: &Client) {
    let tasks = client.tasks();
    let (pause, web) = (Process::init("pause"), Process::init("web"));
    let exit = tasks.wait(web, PATIENCE).await.expect("it ends");
    assert_eq!(exit.status, 42);
    let stopped = tasks.get(web).await.expect("an answer");
    let stopped = stopped.expect("it is there");
    assert_eq!(stopped.status, TaskStatus::Stopped);
    assert_eq!(stopped.exit, Some(exit));
    // Runtimes answer differently, but none with an error.
    tasks.kill(web, 9).await.expect("an answer");

    let early = tasks.wait(pause, Duration::from_millis(1)).await;
    assert_eq!(early.expect_err("it runs").code, Code::DeadlineExceeded);
    let killed = tasks.kill(pause, 9).await;
    assert_eq!(killed.expect("an answer"), Signalled::Sent);
    let exit = tasks.wait(pause, PATIENCE).await.expect("it ends");
    assert_eq!(exit.status, 137);

    let containers = client.containers();
    for id in ["web", "pause"] {
        let deleted = tasks.delete(Process::init(id)).await;
        assert!(deleted.expect("it has ended").is_some());
        let deleted = tasks.delete(Process::init(id)).await;
        assert_eq!(deleted.expect("an answer"), None);
        containers.delete(id).await.expect("its task is gone");
        containers.delete(id).await.expect("twice is once");
    }
    if client.server().has_sandboxes() {
        let deleted = client.sandboxes().delete("pause").await;
        deleted.expect("it can be removed");
    }
    assert!(tasks.list().await.expect("a list").is_empty());
}

async fn import(
    client: &Client,
    pod: &Lease<'_>,
    archive: &Path,
) -> compose_executor::image::UnpackedImage {
    let source = Source::Tar(fs::File::open(archive).expect("it was written"));
    let archive = Archive::read("app.tar", source, Limits::default()).await;
    let archive = archive.expect("a good archive");
    let importer = Importer::new(client, &pod.id, Platform::host());
    let images = importer.import(&archive).await.expect("a good image");
    let unpacker = Unpacker::new(client, &pod.id).expect("a snapshotter");
    unpacker
        .unpack(images[0].manifest)
        .await
        .expect("good layers")
}

fn tell(event: &Event) -> String {
    match event {
        Event::TaskCreate { container, .. } => format!("create {container}"),
        Event::TaskStart { container, .. } => format!("start {container}"),
        Event::TaskOom { container } => format!("oom {container}"),
        Event::TaskDelete(event) => format!("delete {}, {}", event.container, event.exit.status),
        Event::TaskExit(event) => {
            let exec = event.exec.as_ref().map(|exec| format!("{exec} in "));
            let exec = exec.unwrap_or_default();
            format!("exit {exec}{}, {}", event.container, event.exit.status)
        }
    }
}

fn the_runtimes_words_survive(lab: &Lab) {
    let root = plain_root(lab);
    let cgroup = Cgroup::new();
    on_runtime(async {
        let pod = Lease::create(lab, "pod-a").await;
        let client = &pod.client;
        let words = ["/no/such/program"];
        let document = document(
            &root,
            &cgroup.path("web"),
            &words,
            &[("mount", None), ("pid", None)],
        );
        let created = client.containers().create(record("web", &document)).await;
        created.expect("a new container");
        let task = NewTask {
            container: "web".to_owned(),
            ..NewTask::default()
        };
        let error = client
            .tasks()
            .create(task)
            .await
            .expect_err("no such program");
        assert_eq!(
            (error.call, error.subject.as_str()),
            ("Tasks.Create", "web")
        );
        assert!(error.message.contains("/no/such/program"), "{error}");
        assert_eq!(
            client
                .tasks()
                .get(Process::init("web"))
                .await
                .expect("an answer"),
            None
        );
        client
            .containers()
            .delete("web")
            .await
            .expect("it can be removed");
        end_of_shim(lab, client);
        pod.end().await;
    });
}

fn a_call_that_hangs_has_an_end(lab: &Lab) {
    on_runtime(async {
        let client = crate::lease::connect(lab).await;
        let short = Duration::from_millis(50);
        let deadlines = compose_executor::containerd::Deadlines {
            read: short,
            ..*client.deadlines()
        };
        let impatient = client.with_deadlines(deadlines);
        let pid = lab.containerd().pid().expect("it runs");
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).expect("it can be stopped");
        wait::until("a stop of every thread", PATIENCE, || {
            all_stopped(pid).then_some(())
        });
        let error = impatient.tasks().list().await;
        let subscription = impatient.events().subscribe(&[Topic::TaskExit], None).await;
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).expect("it goes on");
        let error = error.expect_err("nobody answers");
        assert_eq!(error.code, Code::DeadlineExceeded);
        assert!(error.is_transient());
        let error = subscription.expect_err("nobody answers");
        assert_eq!(error.code, Code::DeadlineExceeded);
        assert!(
            client
                .tasks()
                .list()
                .await
                .expect("it answers again")
                .is_empty()
        );
    });
}

/// A signal is sent at once and felt a little later, by each thread for itself.
fn all_stopped(pid: nix::unistd::Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it lives");
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The name before the state is in brackets, and may have some itself.
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" T"))
    })
}

fn content_is_what_was_written(lab: &Lab) {
    let blob: Vec<u8> = (0..=u8::MAX).cycle().take(3_500_000).collect();
    let digest = Digest::of(&blob).to_string();
    let wrong = Digest::of(b"something else").to_string();
    on_runtime(async {
        let pod = Lease::create(lab, "pod-a").await;
        let content = pod.client.content();
        let begin = async |reference: &str| match content.ingest(reference, None).await {
            Ok(Ingest::Writing(writer)) => writer,
            other => panic!("{other:?}"),
        };
        // Another's digest is not taken, and what was written stays to be begun again.
        let mut writer = begin("pod-a/blob").await;
        writer.write(&blob[..100]).await.expect("it is written");
        let error = writer.commit(&wrong, Labels::new()).await;
        assert_eq!(error.expect_err("it is not").code, Code::FailedPrecondition);
        assert_eq!(content.ingests("pod-a/").await.expect("a list").len(), 1);
        assert!(content.ingests("pod-b/").await.expect("a list").is_empty());

        let mut writer = begin("pod-a/blob").await;
        writer.write(&blob).await.expect("it is written");
        writer
            .commit(&digest, Labels::new())
            .await
            .expect("it is that");
        let again = content.ingest("pod-a/blob", Some(&digest)).await;
        assert!(matches!(again, Ok(Ingest::Present)));

        let read = content
            .read(&digest, blob.len())
            .await
            .expect("it is there");
        assert!(read == blob);
        let error = content.read(&digest, blob.len() - 1).await;
        assert_eq!(error.expect_err("it is larger").code, Code::OutOfRange);
        assert!(
            content
                .read(&wrong, 1)
                .await
                .expect_err("none")
                .is_not_found()
        );

        let label = Labels::from([("example.org/a".to_owned(), "1".to_owned())]);
        content
            .set_labels(&digest, label.clone())
            .await
            .expect("it is there");
        let info = content
            .info(&digest)
            .await
            .expect("an answer")
            .expect("it is there");
        assert_eq!(info.size, blob.len() as u64);
        assert_eq!(info.labels, label);
        pod.end().await;
    });
}

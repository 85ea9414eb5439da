//! The programs that are embedded: where they are placed on the host.
//!
//! They lie in folders of `--root`, named by their digest, so that another version of the executor
//! brings its own and pods of the old one keep theirs. They hold nothing of any pod, and stay.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A read-only folder of programs.
struct Folder {
    /// The folder of `--root` that has one of these for each digest.
    home: &'static str,
    programs: &'static [(&'static str, &'static [u8])],
    /// Empty folders, for who mounts something there.
    mount_points: &'static [&'static str],
}

/// The root of every pause container: pause, and the init that a service may have.
const PAUSE_ROOT: Folder = Folder {
    home: "pause",
    programs: &[
        ("pause", include_bytes!(concat!(env!("OUT_DIR"), "/pause"))),
        ("init", include_bytes!(concat!(env!("OUT_DIR"), "/init"))),
    ],
    mount_points: &["proc", "dev"],
};

/// What containerd starts instead of its own shim, for a service whose pod has one.
const POD_SHIM: Folder = Folder {
    home: "shim",
    programs: &[(
        "containerd-shim-pod",
        include_bytes!(concat!(env!("OUT_DIR"), "/shim")),
    )],
    mount_points: &[],
};

/// Where pause's root is, or would be.
pub(super) fn pause_root(root: &Path) -> PathBuf {
    PAUSE_ROOT.place(root)
}

/// Makes pause's root where it is missing, and gives its path.
pub(super) fn ensure_pause_root(root: &Path) -> io::Result<PathBuf> {
    PAUSE_ROOT.ensure(root)
}

/// Places the program that joins a service to its pod's shim, where it is missing, and gives its
/// path.
pub(super) fn ensure_pod_shim(root: &Path) -> io::Result<PathBuf> {
    Ok(POD_SHIM.ensure(root)?.join(POD_SHIM.programs[0].0))
}

impl Folder {
    fn place(&self, root: &Path) -> PathBuf {
        let programs = self.programs.iter();
        let digest = programs.fold(Sha256::new(), |digest, (_, program)| {
            digest.chain_update(program)
        });
        let name = format!("{:016x}", leading(&digest.finalize()));
        root.join(self.home).join(name)
    }

    fn ensure(&self, root: &Path) -> io::Result<PathBuf> {
        let home = root.join(self.home);
        let place = self.place(root);
        if place.exists() {
            return Ok(place);
        }
        let folder = |mode| {
            let mut builder = fs::DirBuilder::new();
            builder.mode(mode);
            builder
        };
        folder(0o755).recursive(true).create(&home)?;
        // Another executor may be at it: each makes its own, and the first to rename wins.
        let part = home.join(format!(".part-{}", std::process::id()));
        match fs::remove_dir_all(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        folder(0o755).create(&part)?;
        for name in self.mount_points {
            folder(0o555).create(part.join(name))?;
        }
        for (name, program) in self.programs {
            let path = part.join(name);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o555)
                .open(&path)?;
            file.write_all(program)?;
            // Whole on the disk before it has its name: it is not looked at again.
            file.sync_all()?;
            fs::set_permissions(&path, Permissions::from_mode(0o555))?;
        }
        fs::set_permissions(&part, Permissions::from_mode(0o555))?;
        match fs::rename(&part, &place) {
            Ok(()) => Ok(place),
            Err(_) if place.exists() => {
                fs::set_permissions(&part, Permissions::from_mode(0o700))?;
                fs::remove_dir_all(&part)?;
                Ok(place)
            }
            Err(error) => Err(error),
        }
    }
}

fn leading(digest: &[u8]) -> u64 {
    digest[..8]
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::process::{Command, Output, Stdio};

    use super::*;
    use crate::pod::names::{ContainerId, PodId};

    #[test]
    fn the_init_ends_as_its_command_does() {
        let root = tempfile::tempdir().unwrap();
        let place = ensure_pause_root(root.path()).unwrap();
        let code = |words: &[&str]| {
            let mut command = Command::new(place.join("init"));
            let ended = command.args(words).stderr(Stdio::null());
            ended.status().unwrap().code()
        };
        assert_eq!(code(&["sh", "-c", "exit 7"]), Some(7));
        assert_eq!(code(&["/bin/sh", "-c", "kill -TERM $$"]), Some(128 + 15));
        // What is left to it does not keep it.
        assert_eq!(code(&["sh", "-c", "sleep 1 & exit 3"]), Some(3));
        assert_eq!(code(&["no-such-command"]), Some(127));
        assert_eq!(code(&["/etc/passwd"]), Some(126));
        assert_eq!(code(&[]), Some(127));
        let_go(&place);
    }

    #[test]
    fn the_folder_is_made_once_and_is_read_only() {
        let root = tempfile::tempdir().unwrap();
        let place = ensure_pause_root(root.path()).unwrap();
        assert_eq!(place, pause_root(root.path()));
        assert_eq!(ensure_pause_root(root.path()).unwrap(), place);
        for (name, program) in PAUSE_ROOT.programs {
            assert_eq!(&fs::read(place.join(name)).unwrap(), program);
        }
        assert_eq!(
            place.metadata().unwrap().permissions().mode() & 0o777,
            0o555
        );
        assert_eq!(fs::read_dir(root.path().join("pause")).unwrap().count(), 1);
        let_go(&place);
    }

    /// So that the test's folder can be removed by any user.
    fn let_go(place: &Path) {
        fs::set_permissions(place, Permissions::from_mode(0o755)).unwrap();
    }

    /// A pod's bundles as containerd makes them, and a script in the place of its shim.
    struct Bundles {
        root: tempfile::TempDir,
        program: PathBuf,
        pod: PodId,
    }

    impl Bundles {
        fn make() -> Self {
            let root = tempfile::tempdir().unwrap();
            let program = ensure_pod_shim(root.path()).unwrap();
            let pod = PodId::try_from("0123456789ab").unwrap();
            let it = Self { root, program, pod };
            fs::create_dir(it.pause()).unwrap();
            fs::create_dir(it.service()).unwrap();
            let shim = it.root.path().join("containerd-shim-runc-v2");
            fs::write(&shim, "#!/bin/sh\necho \"their own: $*\"\n").unwrap();
            fs::set_permissions(&shim, Permissions::from_mode(0o755)).unwrap();
            it
        }

        fn pause(&self) -> PathBuf {
            self.root
                .path()
                .join(ContainerId::pause(&self.pod).as_str())
        }

        fn id(&self) -> ContainerId {
            ContainerId::service("my-task", &self.pod, "web")
        }

        fn service(&self) -> PathBuf {
            self.root.path().join(self.id().as_str())
        }

        /// Somebody listens where pause's bundle says.
        fn serve(&self) -> (UnixListener, String) {
            let socket = self.root.path().join("socket");
            let listener = UnixListener::bind(&socket).unwrap();
            let address = format!("unix://{}", socket.display());
            fs::write(self.pause().join("address"), &address).unwrap();
            (listener, address)
        }

        fn asked(&self, words: &[&str]) -> String {
            let containerd = self.root.path().join("containerd");
            let output: Output = Command::new(&self.program)
                .args(["-namespace", "ns", "-address", "/c.sock", "-publish-binary"])
                .arg(containerd)
                .args(words)
                .current_dir(self.service())
                .env("PATH", "/nowhere:")
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        }

        fn remembered(&self) -> Option<String> {
            fs::read_to_string(self.service().join("address")).ok()
        }
    }

    impl Drop for Bundles {
        fn drop(&mut self) {
            let_go(self.program.parent().unwrap());
        }
    }

    #[test]
    fn a_service_is_joined_to_the_shim_of_its_pod() {
        let bundles = Bundles::make();
        let (_listener, address) = bundles.serve();
        let id = bundles.id();
        assert_eq!(bundles.asked(&["-id", id.as_str(), "start"]), address);
        // For containerd, when it begins again.
        assert_eq!(bundles.remembered(), Some(address.clone()));
        assert_eq!(fs::read_dir(bundles.service()).unwrap().count(), 1);
        // It debugs, or makes the task of the container again.
        assert_eq!(
            bundles.asked(&["-id", id.as_str(), "-debug", "start"]),
            address
        );
    }

    #[test]
    fn in_doubt_containerds_own_shim_is_asked() {
        let bundles = Bundles::make();
        let id = bundles.id();
        let is_theirs = |words: &[&str]| {
            let answer = bundles.asked(words);
            let all = answer.strip_prefix("their own: -namespace ns -address /c.sock ");
            let end = format!(" {}\n", words.join(" "));
            all.is_some_and(|rest| rest.ends_with(&end)) && bundles.remembered().is_none()
        };
        let start = ["-id", id.as_str(), "start"];
        // The pod has no shim, or one whose address nobody could connect to.
        assert!(is_theirs(&start));
        for address in [
            "",
            "unix://",
            "unix:///nowhere",
            "vsock://3:1",
            &"u".repeat(200),
        ] {
            fs::write(bundles.pause().join("address"), address).unwrap();
            assert!(is_theirs(&start), "{address}");
        }
        let (listener, _) = bundles.serve();
        let bundle = ["-id", id.as_str(), "-bundle", "/b", "delete"];
        assert!(is_theirs(&bundle));
        assert!(is_theirs(&["-v"]));
        for id in [
            "web",
            "",
            "0123456789ab.web",
            "pod-0123456789ab",
            "t-0123456789AB.web",
        ] {
            assert!(is_theirs(&["-id", id, "start"]), "{id}");
        }
        // It has died.
        drop(listener);
        assert!(is_theirs(&start));
    }
}

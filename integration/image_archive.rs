//! Images for the tests and the demo, made from the host's static busybox.
//!
//! They come in every form in which images are passed around as files: an OCI layout as a folder
//! or a tar, and what `docker save` writes, plain or compressed. Some are broken on purpose.
//! See the OCI image layout and image configuration specifications.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

/// The form of the file or folder that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// An OCI image layout in a tar; its layers are compressed.
    OciTar,
    /// The same, compressed once more.
    OciTarGz,
    /// An OCI image layout as a folder.
    OciFolder,
    /// What `docker save` has written for years: `manifest.json` and plain layers.
    DockerSave,
    /// The same, compressed.
    DockerSaveGz,
}

/// What is wrong with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A bit of the last layer's blob is not what it was.
    CorruptLayer,
    /// The configuration gives the last layer a digest that is not its content's.
    LyingDiffId,
    /// The last layer is named but not there.
    MissingBlob,
    /// The file ends in its middle.
    Truncated,
}

/// An image that is being put together.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    name: String,
    form: Form,
    flaw: Option<Flaw>,
    config: Value,
    layers: Vec<Vec<u8>>,
}

impl Image {
    /// busybox with all its commands in /bin, root and nobody as users, a /tmp; runs `sh`.
    pub(crate) fn busybox(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            form: Form::OciTar,
            flaw: None,
            config: json!({ "Cmd": ["sh"], "Env": ["PATH=/bin"] }),
            layers: vec![base().to_vec()],
        }
    }

    pub(crate) fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    pub(crate) fn flaw(mut self, flaw: Flaw) -> Self {
        self.flaw = Some(flaw);
        self
    }

    pub(crate) fn entrypoint(self, words: &[&str]) -> Self {
        self.set("Entrypoint", json!(words)).set("Cmd", Value::Null)
    }

    pub(crate) fn cmd(self, words: &[&str]) -> Self {
        self.set("Cmd", json!(words))
    }

    pub(crate) fn user(self, user: &str) -> Self {
        self.set("User", json!(user))
    }

    pub(crate) fn working_dir(self, path: &str) -> Self {
        self.set("WorkingDir", json!(path))
    }

    /// A variable of the image's environment, `NAME=value`.
    pub(crate) fn env(mut self, pair: &str) -> Self {
        let list = self.config["Env"]
            .as_array_mut()
            .expect("busybox() has made a list");
        list.push(json!(pair));
        self
    }

    /// A label of the image's configuration.
    pub(crate) fn label(mut self, key: &str, value: &str) -> Self {
        self.config["Labels"][key] = json!(value);
        self
    }

    pub(crate) fn stop_signal(self, signal: &str) -> Self {
        self.set("StopSignal", json!(signal))
    }

    /// What a Dockerfile's HEALTHCHECK leaves: a command for a shell, and milliseconds between.
    pub(crate) fn healthcheck(self, line: &str, interval: u64) -> Self {
        let test = json!({ "Test": ["CMD-SHELL", line], "Interval": interval * 1_000_000 });
        self.set("Healthcheck", test)
    }

    /// One more layer, with one file in it.
    pub(crate) fn file(mut self, path: &str, mode: u32, content: &[u8]) -> Self {
        let mut layer = Tar::new();
        layer.file(path.trim_start_matches('/'), mode, content);
        self.layers.push(layer.finish());
        self
    }

    /// One more layer, with one folder in it, of this owner.
    pub(crate) fn folder(mut self, path: &str, mode: u32, owner: (u64, u64)) -> Self {
        let mut layer = Tar::new();
        layer.folder_of(path.trim_start_matches('/'), mode, owner);
        self.layers.push(layer.finish());
        self
    }

    /// One more layer, with folders of root's in it.
    #[allow(dead_code, reason = "the benches make such images, the tests do not")]
    pub(crate) fn folders(mut self, paths: &[&str]) -> Self {
        let mut layer = Tar::new();
        for path in paths {
            layer.folder(path.trim_start_matches('/'), 0o755);
        }
        self.layers.push(layer.finish());
        self
    }

    /// One more layer, with one link in it.
    pub(crate) fn link(mut self, path: &str, target: &str) -> Self {
        let mut layer = Tar::new();
        layer.link(path.trim_start_matches('/'), target);
        self.layers.push(layer.finish());
        self
    }

    /// A path that the image declares to be a volume.
    pub(crate) fn volume(mut self, path: &str) -> Self {
        if self.config["Volumes"].is_null() {
            self.config["Volumes"] = json!({});
        }
        self.config["Volumes"][path] = json!({});
        self
    }

    /// Writes it, over what may be there.
    ///
    /// # Panics
    /// If the disk does not take it.
    pub(crate) fn write(&self, path: &Path) {
        let written = match self.form {
            Form::OciFolder => self.write_folder(path),
            _ => fs::write(path, self.archive()),
        };
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    fn set(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    fn write_folder(&self, folder: &Path) -> io::Result<()> {
        for (name, content) in self.oci_layout() {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, content)?;
        }
        Ok(())
    }

    fn archive(&self) -> Vec<u8> {
        let files = match self.form {
            Form::DockerSave | Form::DockerSaveGz => self.docker_save(),
            Form::OciTar | Form::OciTarGz | Form::OciFolder => self.oci_layout(),
        };
        let mut tar = Tar::new();
        for (name, content) in files {
            tar.file(&name, 0o644, &content);
        }
        let mut bytes = tar.finish();
        if matches!(self.form, Form::OciTarGz | Form::DockerSaveGz) {
            bytes = gzip(&bytes);
        }
        if self.flaw == Some(Flaw::Truncated) {
            bytes.truncate(bytes.len() / 2);
        }
        bytes
    }

    /// The files of an OCI image layout.
    fn oci_layout(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = vec![(
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        )];
        let mut add = |media: &str, blob: Vec<u8>| {
            let digest = digest(&blob);
            let descriptor = json!({
                "mediaType": format!("application/vnd.oci.image.{media}"),
                "digest": format!("sha256:{digest}"),
                "size": blob.len(),
            });
            files.push((format!("blobs/sha256/{digest}"), blob));
            descriptor
        };
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|layer| add("layer.v1.tar+gzip", gzip(layer)))
            .collect();
        let config = add("config.v1+json", self.configuration());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": layers,
        });
        let mut entry = add("manifest.v1+json", manifest.to_string().into_bytes());
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": self.name });
        let index = json!({ "schemaVersion": 2, "manifests": [entry] });
        files.push(("index.json".to_owned(), index.to_string().into_bytes()));
        let last = self.layers.len();
        self.spoil(&mut files, last);
        files
    }

    /// The files of a `docker save`, from before that wrote an OCI layout as well.
    fn docker_save(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        let mut layers = Vec::new();
        for layer in &self.layers {
            let name = format!("{}/layer.tar", digest(layer));
            layers.push(name.clone());
            files.push((name, layer.clone()));
        }
        let last = files.len() - 1;
        let configuration = self.configuration();
        let config = format!("{}.json", digest(&configuration));
        files.push((config.clone(), configuration));
        let manifest = json!([{ "Config": config, "RepoTags": [self.name], "Layers": layers }]);
        files.push((
            "manifest.json".to_owned(),
            manifest.to_string().into_bytes(),
        ));
        self.spoil(&mut files, last);
        files
    }

    /// Breaks the file of the last layer, if that is the flaw.
    fn spoil(&self, files: &mut Vec<(String, Vec<u8>)>, last_layer: usize) {
        match self.flaw {
            Some(Flaw::CorruptLayer) => {
                let blob = &mut files[last_layer].1;
                let middle = blob.len() / 2;
                blob[middle] ^= 1;
            }
            Some(Flaw::MissingBlob) => drop(files.remove(last_layer)),
            Some(Flaw::LyingDiffId | Flaw::Truncated) | None => {}
        }
    }

    fn configuration(&self) -> Vec<u8> {
        let mut diff_ids: Vec<_> = self.layers.iter().map(|layer| digest(layer)).collect();
        if self.flaw == Some(Flaw::LyingDiffId) {
            *diff_ids.last_mut().expect("busybox() has made one") = digest(b"something else");
        }
        let diff_ids: Vec<_> = diff_ids.iter().map(|hex| format!("sha256:{hex}")).collect();
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let configuration = json!({
            "architecture": architecture,
            "os": "linux",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        configuration.to_string().into_bytes()
    }
}

/// The layer that every image begins with. Made once: it is two megabytes to read and to hash.
fn base() -> &'static [u8] {
    static BASE: OnceLock<Vec<u8>> = OnceLock::new();
    BASE.get_or_init(|| {
        let program = busybox().expect("a static busybox is installed");
        let list = Command::new(&program)
            .arg("--list")
            .output()
            .expect("busybox runs");
        let commands = String::from_utf8(list.stdout).expect("busybox lists its commands in ASCII");
        let mut layer = Tar::new();
        for (folder, mode) in [("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777)] {
            layer.folder(folder, mode);
        }
        let content =
            fs::read(&program).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        layer.file("bin/busybox", 0o755, &content);
        for command in commands.lines().filter(|&name| name != "busybox") {
            layer.link(&format!("bin/{command}"), "busybox");
        }
        let passwd = "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
        layer.file("etc/passwd", 0o644, passwd.as_bytes());
        layer.file("etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n");
        layer.finish()
    })
}

/// The static busybox that `integration/install-tools` has looked for: Debian's package
/// busybox-static, here or on the system. One that needs libraries would run in no image.
pub(crate) fn busybox() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_static = |program: &PathBuf| {
        let libraries = Command::new("ldd").arg(program).output();
        program.exists() && libraries.is_ok_and(|output| !output.status.success())
    };
    [concat!(env!("CARGO_MANIFEST_DIR"), "/lab/tools/bin")]
        .into_iter()
        .map(PathBuf::from)
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join("busybox"))
        .find(is_static)
}

/// A tar that is the same whenever and wherever it is made.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        let mut header = Self::header(EntryType::Regular, mode);
        header.set_size(content.len().try_into().expect("a file's size fits"));
        self.append(|tar| tar.append_data(&mut header, path, content));
    }

    fn folder(&mut self, path: &str, mode: u32) {
        self.folder_of(path, mode, (0, 0));
    }

    fn folder_of(&mut self, path: &str, mode: u32, (uid, gid): (u64, u64)) {
        let mut header = Self::header(EntryType::Directory, mode);
        header.set_uid(uid);
        header.set_gid(gid);
        self.append(|tar| tar.append_data(&mut header, path, io::empty()));
    }

    fn link(&mut self, path: &str, target: &str) {
        let mut header = Self::header(EntryType::Symlink, 0o777);
        self.append(|tar| tar.append_link(&mut header, path, target));
    }

    fn fifo(&mut self, path: &str) {
        let mut header = Self::header(EntryType::Fifo, 0o666);
        self.append(|tar| tar.append_data(&mut header, path, io::empty()));
    }

    fn append(&mut self, entry: impl FnOnce(&mut tar::Builder<Vec<u8>>) -> io::Result<()>) {
        entry(&mut self.0).expect("memory takes all that is written, and our names are short");
    }

    fn header(kind: EntryType, mode: u32) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(0);
        header
    }

    fn finish(self) -> Vec<u8> {
        self.0
            .into_inner()
            .expect("memory takes all that is written")
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("memory takes all that is written")
}

fn digest(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
    }
    text
}

/// A tar of no image, with one empty folder in it.
pub(crate) fn archive_with_folder(path: &Path, name: &str) {
    write_tar(path, |tar| tar.folder(name, 0o755));
}

/// A tar of no image, with one link in it, as a hostile task would bring it.
pub(crate) fn archive_with_link(path: &Path, name: &str, target: &str) {
    write_tar(path, |tar| tar.link(name, target));
}

/// A tar with a FIFO in it, as an attacker might have it fetched into a sandbox.
pub(crate) fn archive_with_fifo(path: &Path, name: &str) {
    write_tar(path, |tar| tar.fifo(name));
}

fn write_tar(path: &Path, fill: impl FnOnce(&mut Tar)) {
    let mut tar = Tar::new();
    fill(&mut tar);
    fs::write(path, tar.finish()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

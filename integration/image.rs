//! Images against a real containerd: archives of every form, damaged and lying ones, leases.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use compose_executor::containerd::Resource;
use compose_executor::image::{
    Archive, ArchiveError, ChainId, Digest, ImageError, ImageRef, ImageStore, ImportedImage,
    Importer, LayoutFolder, Limits, Origin, Platform, Source, UnpackedImage, Unpacker,
};

use crate::image_archive::{Flaw, Form, Image};
use crate::lab::Lab;
use crate::lease::{Lease, on_runtime};
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        every_form_of_archive_gives_the_same_snapshot,
        a_gzipped_layer_in_an_old_docker_archive,
        a_second_import_changes_nothing,
        one_pods_end_leaves_the_others_image,
        two_pods_at_once_share_what_they_unpack,
        a_corrupt_layer_is_named,
        a_lying_diff_id_is_not_committed,
        a_claimed_snapshot_is_not_given_away,
        what_is_missing_or_cut_off_is_told,
        an_import_that_is_dropped_leaves_what_its_lease_holds,
        an_unpacking_that_is_dropped_leaves_what_its_lease_holds,
        a_loaded_image_is_a_name_for_all,
        an_archives_names_are_its_pods_alone,
        an_image_for_another_processor_is_refused,
    ]
    .into()
}

/// A pod's way to its images.
struct Images<'a> {
    lease: Lease<'a>,
}

impl<'a> Images<'a> {
    async fn of(lab: &'a Lab, pod: &str) -> Self {
        Self {
            lease: Lease::create(lab, pod).await,
        }
    }

    fn importer(&self) -> Importer {
        Importer::new(&self.lease.client, &self.lease.id, Platform::host())
    }

    fn store(&self) -> ImageStore {
        ImageStore::new(&self.lease.client, &self.lease.id, Platform::host())
    }

    async fn import(&self, path: &Path) -> Result<ImportedImage, ImageError> {
        let archive = archive(path).await?;
        let mut images = self.importer().import(&archive).await?;
        Ok(images.remove(0))
    }

    fn unpacker(&self) -> Unpacker {
        Unpacker::new(&self.lease.client, &self.lease.id).expect("overlayfs works here")
    }

    async fn unpack(&self, manifest: Digest) -> Result<UnpackedImage, ImageError> {
        self.unpacker().unpack(manifest).await
    }

    async fn import_and_unpack(&self, path: &Path) -> Result<UnpackedImage, ImageError> {
        let image = self.import(path).await?;
        self.unpack(image.manifest).await
    }

    async fn has_snapshot(&self, chain_id: ChainId) -> bool {
        let snapshots = self.lease.client.snapshots("overlayfs");
        let found = snapshots.stat(&chain_id.to_string()).await;
        found.expect("containerd answers").is_some()
    }

    async fn snapshots(&self) -> BTreeSet<String> {
        let snapshots = self.lease.client.snapshots("overlayfs").list(&[]).await;
        let snapshots = snapshots.expect("containerd lists its snapshots");
        snapshots.into_iter().map(|snapshot| snapshot.key).collect()
    }
}

async fn archive(path: &Path) -> Result<Archive, ImageError> {
    let source = if path.is_dir() {
        Source::Folder(Box::new(Folder(path.to_owned())))
    } else {
        Source::Tar(File::open(path).expect("the archive can be opened"))
    };
    let name = path.file_name().expect("an archive has a name");
    Archive::read(&name.to_string_lossy(), source, Limits::default()).await
}

struct Folder(PathBuf);

impl LayoutFolder for Folder {
    fn open(&self, path: &str) -> io::Result<File> {
        File::open(self.0.join(path))
    }
}

fn busybox() -> Image {
    Image::busybox("example.org/busybox:1").file("/etc/motd", 0o644, b"welcome\n")
}

fn named(name: &str) -> ImageRef {
    name.parse().expect("a good name")
}

fn every_form_of_archive_gives_the_same_snapshot(lab: &Lab) {
    let folder = lab.fixture();
    on_runtime(async {
        let mut chains = BTreeSet::new();
        for form in [
            Form::OciFolder,
            Form::OciTar,
            Form::OciTarGz,
            Form::DockerSave,
            Form::DockerSaveGz,
        ] {
            let path = folder.join(format!("{form:?}"));
            busybox().form(form).write(&path);
            let pod = Images::of(lab, "pod-a").await;
            let image = pod.import(&path).await.expect("the image is good");
            assert_eq!(image.names, [named("example.org/busybox:1")]);
            let unpacked = pod.unpack(image.manifest).await.expect("so are its layers");
            assert_eq!(unpacked.config.cmd, ["sh"]);
            assert_eq!(unpacked.config.diff_ids.len(), 2);
            assert!(pod.has_snapshot(unpacked.chain_id).await);
            chains.insert(unpacked.chain_id);
            pod.lease.end().await;
        }
        assert_eq!(chains.len(), 1);
    });
}

fn a_gzipped_layer_in_an_old_docker_archive(lab: &Lab) {
    let folder = lab.fixture();
    let plain = folder.join("plain.tar");
    busybox().form(Form::DockerSave).write(&plain);
    let gzipped = folder.join("gzipped.tar");
    let mut tar = tar::Builder::new(File::create(&gzipped).expect("a new file"));
    let mut members = tar::Archive::new(File::open(&plain).expect("it was written"));
    for member in members.entries().expect("it is a tar") {
        let mut member = member.expect("it is whole");
        let path = member.path().expect("a path").into_owned();
        let mut content = Vec::new();
        member.read_to_end(&mut content).expect("it is whole");
        if path.ends_with("layer.tar") {
            let fast = flate2::Compression::fast();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), fast);
            encoder.write_all(&content).expect("memory");
            content = encoder.finish().expect("memory");
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, content.as_slice())
            .expect("the disk takes it");
    }
    tar.finish().expect("the disk takes it");
    on_runtime(async {
        let pod = Images::of(lab, "pod-a").await;
        let plain = pod.import_and_unpack(&plain).await.expect("plain layers");
        let gzipped = pod.import_and_unpack(&gzipped).await.expect("gzipped ones");
        assert_eq!(plain.chain_id, gzipped.chain_id);
        assert_ne!(plain.manifest, gzipped.manifest);
        pod.lease.end().await;
    });
}

fn a_second_import_changes_nothing(lab: &Lab) {
    let path = lab.fixture().join("app.tar");
    busybox().form(Form::DockerSave).write(&path);
    on_runtime(async {
        let pod = Images::of(lab, "pod-a").await;
        let first = pod
            .import_and_unpack(&path)
            .await
            .expect("the image is good");
        let blobs = pod.lease.client.content().list(&[]).await;
        let second = pod.import_and_unpack(&path).await.expect("it still is");
        assert_eq!(first, second);
        let blobs_after = pod.lease.client.content().list(&[]).await;
        let digests = |blobs: Result<Vec<_>, _>| -> BTreeSet<String> {
            let blobs: Vec<compose_executor::containerd::BlobInfo> =
                blobs.expect("containerd lists its blobs");
            blobs.into_iter().map(|blob| blob.digest).collect()
        };
        assert_eq!(digests(blobs), digests(blobs_after));
        pod.lease.end().await;
    });
}

fn one_pods_end_leaves_the_others_image(lab: &Lab) {
    let path = lab.fixture().join("app.tar");
    busybox().write(&path);
    on_runtime(async {
        let one = Images::of(lab, "pod-a").await;
        let other = Images::of(lab, "pod-b").await;
        let image = one.import_and_unpack(&path).await.expect("a good image");
        let same = other.import_and_unpack(&path).await.expect("the same");
        assert_eq!(image, same);
        one.lease.end().await;
        assert!(other.has_snapshot(image.chain_id).await);
        let manifest = image.manifest.to_string();
        let content = other.lease.client.content();
        assert!(content.info(&manifest).await.expect("an answer").is_some());
        assert!(other.unpack(image.manifest).await.is_ok());
        let client = other.lease.client.clone();
        other.lease.end().await;
        assert!(client.content().list(&[]).await.expect("a list").is_empty());
        let snapshots = client.snapshots("overlayfs").list(&[]).await;
        assert!(snapshots.expect("a list").is_empty());
    });
}

fn two_pods_at_once_share_what_they_unpack(lab: &Lab) {
    let folder = lab.fixture();
    let (old, new) = (folder.join("old.tar"), folder.join("new.tar"));
    busybox().form(Form::DockerSave).write(&old);
    busybox().form(Form::OciTar).write(&new);
    on_runtime(async {
        let one = Images::of(lab, "pod-a").await;
        let other = Images::of(lab, "pod-b").await;
        let third = Images::of(lab, "pod-c").await;
        let (first, second, third_image) = tokio::join!(
            one.import_and_unpack(&new),
            other.import_and_unpack(&new),
            third.import_and_unpack(&old),
        );
        let first = first.expect("a good image");
        assert_eq!(first, second.expect("the same"));
        let chain_id = third_image.expect("the same in another form").chain_id;
        assert_eq!(chain_id, first.chain_id);
        // Two layers, and nothing that was prepared.
        assert_eq!(one.snapshots().await.len(), 2);
        one.lease.end().await;
        other.lease.end().await;
        assert!(third.has_snapshot(chain_id).await);
        third.lease.end().await;
    });
}

fn a_corrupt_layer_is_named(lab: &Lab) {
    let folder = lab.fixture();
    on_runtime(async {
        let pod = Images::of(lab, "pod-a").await;
        for form in [Form::OciTar, Form::OciTarGz, Form::OciFolder] {
            let path = folder.join(format!("{form:?}"));
            let corrupt = busybox().form(form).flaw(Flaw::CorruptLayer);
            corrupt.write(&path);
            let error = pod.import(&path).await.expect_err("the digest is wrong");
            let ImageError::Archive { archive, source } = error else {
                panic!("{error}");
            };
            assert_eq!(archive, format!("{form:?}"));
            let ArchiveError::Digest { path, .. } = source else {
                panic!("{source}");
            };
            assert!(path.starts_with("blobs/sha256/"), "{path}");
        }
        // Without a digest, the layer's content is all there is to compare.
        let path = folder.join("old.tar");
        let corrupt = busybox().form(Form::DockerSave).flaw(Flaw::CorruptLayer);
        corrupt.write(&path);
        let error = pod.import_and_unpack(&path).await.expect_err("a bad layer");
        let named = matches!(
            error,
            ImageError::LyingDiffId { .. } | ImageError::CorruptLayer { .. }
        );
        assert!(named, "{error}");
        pod.lease.end().await;
    });
}

fn a_lying_diff_id_is_not_committed(lab: &Lab) {
    let folder = lab.fixture();
    on_runtime(async {
        let pod = Images::of(lab, "pod-a").await;
        for form in [Form::OciTar, Form::DockerSave] {
            let path = folder.join(format!("{form:?}"));
            busybox().form(form).flaw(Flaw::LyingDiffId).write(&path);
            let error = pod.import_and_unpack(&path).await.expect_err("a lie");
            let ImageError::LyingDiffId { said, .. } = error else {
                panic!("{error}");
            };
            // The layer below is good and stays, what was prepared is gone.
            let left = pod.snapshots().await;
            assert_eq!(left.len(), 1, "{left:?}");
            assert!(!left.contains(&said.to_string()));
        }
        pod.lease.end().await;
    });
}

fn a_claimed_snapshot_is_not_given_away(lab: &Lab) {
    let folder = lab.fixture();
    let (owners, thiefs) = (folder.join("owner.tar"), folder.join("thief.tar"));
    let secret = Image::busybox("example.org/secret:1").file("/etc/secret", 0o600, b"secret");
    secret.clone().form(Form::DockerSave).write(&owners);
    // The same configuration, and so the same diff_ids, above a layer of the thief's own.
    let decoy = Image::busybox("example.org/secret:1").file("/etc/decoy", 0o600, b"decoy");
    decoy.form(Form::DockerSave).write(&thiefs);
    let stolen = with_configuration_of(&owners, &thiefs, &folder.join("stolen.tar"));
    on_runtime(async {
        let owner = Images::of(lab, "pod-a").await;
        let image = owner
            .import_and_unpack(&owners)
            .await
            .expect("a good image");
        let thief = Images::of(lab, "pod-b").await;
        let error = thief.import_and_unpack(&stolen).await.expect_err("a claim");
        assert!(matches!(error, ImageError::LyingDiffId { .. }), "{error}");
        let leases = thief.lease.client.leases();
        let held = leases.resources(&thief.lease.id).await.expect("a list");
        let secret = Resource::Snapshot {
            snapshotter: "overlayfs".to_owned(),
            key: image.chain_id.to_string(),
        };
        assert!(!held.contains(&secret));
        thief.lease.end().await;
        owner.lease.end().await;
    });
}

/// An old docker archive with the members of `from`, but the configuration of `other`.
fn with_configuration_of(other: &Path, from: &Path, path: &Path) -> PathBuf {
    let read = |path: &Path| -> Vec<(String, Vec<u8>)> {
        let mut tar = tar::Archive::new(File::open(path).expect("it was written"));
        let members = tar.entries().expect("it is a tar").map(|member| {
            let mut member = member.expect("it is whole");
            let name = member.path().expect("a path").display().to_string();
            let mut content = Vec::new();
            member.read_to_end(&mut content).expect("it is whole");
            (name, content)
        });
        members.collect()
    };
    let is_config = |(name, _): &(String, Vec<u8>)| {
        Path::new(name).extension().is_some_and(|it| it == "json") && name != "manifest.json"
    };
    let config = read(other).into_iter().find(is_config);
    let config = config.expect("there is a configuration");
    let mut members = read(from);
    let own = members.iter().position(is_config);
    let own = own.expect("there is a configuration");
    let (name, _) = std::mem::replace(&mut members[own], config.clone());
    let mut tar = tar::Builder::new(File::create(path).expect("a new file"));
    for (member, content) in members {
        let content = if member == "manifest.json" {
            let text = String::from_utf8(content).expect("JSON is text");
            text.replace(&name, &config.0).into_bytes()
        } else {
            content
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, member, content.as_slice())
            .expect("the disk takes it");
    }
    tar.finish().expect("the disk takes it");
    path.to_owned()
}

fn what_is_missing_or_cut_off_is_told(lab: &Lab) {
    let folder = lab.fixture();
    on_runtime(async {
        let pod = Images::of(lab, "pod-a").await;
        for form in [
            Form::OciTar,
            Form::OciTarGz,
            Form::OciFolder,
            Form::DockerSave,
        ] {
            let path = folder.join(format!("{form:?}"));
            busybox().form(form).flaw(Flaw::MissingBlob).write(&path);
            let error = pod.import(&path).await.expect_err("a layer is missing");
            let ImageError::Archive { source, .. } = error else {
                panic!("{error}");
            };
            assert!(matches!(source, ArchiveError::Missing { .. }), "{source}");
        }
        for form in [
            Form::OciTar,
            Form::OciTarGz,
            Form::DockerSave,
            Form::DockerSaveGz,
        ] {
            let path = folder.join(format!("cut-{form:?}"));
            busybox().form(form).flaw(Flaw::Truncated).write(&path);
            let error = pod.import(&path).await.expect_err("half is missing");
            assert!(matches!(error, ImageError::Archive { .. }), "{error}");
        }
        pod.lease.end().await;
    });
}

/// An image that is large enough to be met on its way, and can't be compressed away.
fn large_image(path: &Path) {
    let mut noise = vec![0; 48 << 20];
    let mut urandom = File::open("/dev/urandom").expect("Linux has it");
    urandom.read_exact(&mut noise).expect("it never ends");
    let image = busybox().file("/noise", 0o644, &noise);
    image.form(Form::DockerSave).write(path);
}

/// Does something until the look sees it at work, and drops it there.
async fn interrupted<T>(work: impl Future<Output = T>, mut look: impl AsyncFnMut() -> bool) {
    let begun = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        while !look().await {
            ticks.tick().await;
        }
    };
    tokio::select! {
        // The work first: the look must not see its end.
        biased;
        _ = work => panic!("it was not met on its way"),
        () = begun => {}
    }
}

fn an_import_that_is_dropped_leaves_what_its_lease_holds(lab: &Lab) {
    let path = lab.fixture().join("app.tar");
    large_image(&path);
    on_runtime(async {
        let pod = Images::of(lab, "pod-a").await;
        let archive = archive(&path).await.expect("a good archive");
        let content = pod.lease.client.content();
        let importer = pod.importer();
        interrupted(importer.import(&archive), async || {
            let ingests = content.ingests("pod-a/").await.expect("a list");
            ingests.iter().any(|ingest| ingest.offset > 0)
        })
        .await;
        assert!(!content.ingests("pod-a/").await.expect("a list").is_empty());
        importer.abort_ingests().await.expect("they can be aborted");
        assert!(content.ingests("").await.expect("a list").is_empty());

        // Again, from the start; this time the lease's end is all that is left to clear it away.
        interrupted(importer.import(&archive), async || {
            let ingests = content.ingests("pod-a/").await.expect("a list");
            ingests.iter().any(|ingest| ingest.offset > 0)
        })
        .await;
        pod.lease.end().await;
    });
}

fn an_unpacking_that_is_dropped_leaves_what_its_lease_holds(lab: &Lab) {
    let path = lab.fixture().join("app.tar");
    large_image(&path);
    on_runtime(async {
        let pod = Images::of(lab, "pod-a").await;
        let image = pod.import(&path).await.expect("a good image");
        interrupted(pod.unpack(image.manifest), async || {
            is_on_its_way(&pod).await
        })
        .await;
        assert!(is_on_its_way(&pod).await);
        // What lies there does not hinder the next.
        let unpacked = pod.unpack(image.manifest).await.expect("a good image");
        assert!(pod.has_snapshot(unpacked.chain_id).await);
        pod.lease.end().await;
    });
}

/// Whether a layer is being unpacked, or was when that was given up.
async fn is_on_its_way(pod: &Images<'_>) -> bool {
    let snapshots = pod.snapshots().await;
    snapshots.iter().any(|key| key.contains("/unpack/"))
}

fn a_loaded_image_is_a_name_for_all(lab: &Lab) {
    let path = lab.fixture().join("app.tar");
    busybox().write(&path);
    on_runtime(async {
        let operator = Images::of(lab, "operator").await;
        let archive = archive(&path).await.expect("a good archive");
        let unpacker = operator.unpacker();
        let loaded = operator.store().load(&archive, &unpacker).await;
        let loaded = loaded.expect("it loads");
        let again = operator.store().load(&archive, &unpacker).await;
        let again = again.expect("and again");
        assert_eq!(loaded, again);
        let image = loaded[0].unpacked.clone();
        operator.lease.end().await;

        let pod = Images::of(lab, "pod-a").await;
        let list = pod.store().list().await.expect("a list");
        let names: Vec<_> = list.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, ["example.org/busybox:1"]);
        assert!(pod.has_snapshot(image.chain_id).await);
        let wanted = [
            named("example.org/busybox:1"),
            named(&format!("example.org/busybox@{}", image.manifest)),
        ];
        let found = pod
            .store()
            .resolve(&wanted, &[])
            .await
            .expect("it is there");
        for found in found {
            assert_eq!(found.manifest, image.manifest);
            assert_eq!(found.origin, Origin::Loaded);
        }
        assert_eq!(pod.unpack(image.manifest).await.expect("it is good"), image);

        // What the pod uses outlives the name.
        let client = pod.lease.client.clone();
        let removed = client.images().delete("example.org/busybox:1").await;
        removed.expect("it can be removed");
        assert!(pod.has_snapshot(image.chain_id).await);
        pod.lease.end().await;
        assert!(client.content().list(&[]).await.expect("a list").is_empty());
    });
}

fn an_archives_names_are_its_pods_alone(lab: &Lab) {
    let path = lab.fixture().join("app.tar");
    busybox().write(&path);
    on_runtime(async {
        let pod = Images::of(lab, "pod-a").await;
        let archives = [archive(&path).await.expect("a good archive")];
        let wanted = [named("example.org/busybox:1")];
        let found = pod.store().resolve(&wanted, &archives).await;
        let found = found.expect("it is in the archive");
        assert_eq!(found[0].origin, Origin::Archive("app.tar".to_owned()));

        assert!(pod.store().list().await.expect("a list").is_empty());
        let other = Images::of(lab, "pod-b").await;
        let error = other.store().resolve(&wanted, &[]).await;
        let error = error.expect_err("it is another pod's").to_string();
        insta::assert_snapshot!(error, @"image example.org/busybox:1 is in no archive of the pod and was not loaded");
        let missing = other.store().missing(&wanted, &[]).await;
        assert_eq!(missing.expect("an answer"), wanted);
        let missing = pod.store().missing(&wanted, &archives).await;
        assert!(missing.expect("an answer").is_empty());
        let misspelt = [named("example.org/busibox:1")];
        let error = pod.store().resolve(&misspelt, &archives).await;
        let error = error.expect_err("nothing is called so").to_string();
        insta::assert_snapshot!(error, @"image example.org/busibox:1 is in no archive of the pod and was not loaded; the archives hold example.org/busybox:1");
        other.lease.end().await;
        pod.lease.end().await;
    });
}

fn an_image_for_another_processor_is_refused(lab: &Lab) {
    let path = lab.fixture().join("app.tar");
    busybox().write(&path);
    on_runtime(async {
        let pod = Images::of(lab, "pod-a").await;
        let archives = [archive(&path).await.expect("a good archive")];
        let platform = Platform::new("linux", "s390x", "");
        let store = ImageStore::new(&pod.lease.client, &pod.lease.id, platform);
        let wanted = [named("example.org/busybox:1")];
        let error = store.resolve(&wanted, &archives).await;
        let error = error.expect_err("it is for this processor").to_string();
        let expected = format!(
            "image example.org/busybox:1 is not for linux/s390x, but for {}",
            Platform::host()
        );
        assert_eq!(error, expected);
        pod.lease.end().await;
    });
}

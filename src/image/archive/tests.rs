//! What archives are read as, and which are refused.

use std::ops::ControlFlow;

use insta::assert_debug_snapshot;
use proptest::prelude::*;
use serde_json::json;
use tar::{Builder, EntryType};
use tokio_util::sync::CancellationToken;

use super::fixture::{
    Members, append, config, gzip, link, named, read, read_source, read_within, summary,
};
use super::{Archive, ArchiveError, Limits, Piece, Source};
use crate::image::digest::Digest;

const OCI_NAME: &str = "org.opencontainers.image.ref.name";
const CONTAINERD_NAME: &str = "io.containerd.image.name";

fn layout() -> Members {
    let mut members = Members::default();
    let image = members.image("amd64", b"layer");
    members.index(&[named(image, OCI_NAME, "example.org/app:1")]);
    members
}

fn docker() -> Members {
    let mut members = Members::default();
    let config = config("amd64", b"layer");
    let name = format!("{}.json", Digest::of(&config).hex());
    members.add(&name, config);
    members.add("one/layer.tar", "layer");
    let entry =
        json!({"Config": name, "RepoTags": ["app:1", "app:2"], "Layers": ["one/layer.tar"]});
    members.add("manifest.json", json!([entry]).to_string());
    members
}

/// The content of an archive's first image's layers.
fn layers(archive: &Archive) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let layers = &archive.images()[0].variants[0].layers;
    let wanted: Vec<_> = layers.iter().map(|layer| layer.path.clone()).collect();
    let mut read = vec![Vec::new(); wanted.len()];
    let mut current = 0;
    let given_up = CancellationToken::new();
    archive.contents.stream(&wanted, &given_up, &mut |piece| {
        match piece {
            Piece::Begin(number) => current = number,
            Piece::Data(data) => read[current].extend(data),
            Piece::End(digest) => assert_eq!(digest, Digest::of(&read[current])),
        }
        ControlFlow::Continue(())
    })?;
    Ok(read)
}

#[test]
fn a_layout_is_the_same_as_tar_as_gzipped_tar_and_as_folder() {
    let members = layout();
    let tar = members.tar();
    let folder = move |path: &str| members.open(path);
    for archive in [
        read(&tar),
        read(&gzip(&tar)),
        read_source(Source::Folder(Box::new(folder)), Limits::default()),
    ] {
        let archive = archive.unwrap();
        assert_eq!(
            summary(&archive),
            [r#"["example.org/app:1"] [] ["linux/amd64"]"#]
        );
        assert_eq!(layers(&archive).unwrap(), [b"layer"]);
    }
}

#[test]
fn what_docker_saved_for_years_is_read_with_all_its_tags() {
    for tar in [docker().tar(), gzip(&docker().tar())] {
        let archive = read(&tar).unwrap();
        let names = r#"["docker.io/library/app:1", "docker.io/library/app:2"]"#;
        let expected = format!(r#"{names} [] ["linux/amd64"]"#);
        assert_eq!(summary(&archive), [expected]);
        assert_eq!(layers(&archive).unwrap(), [b"layer"]);
    }
}

#[test]
fn a_linked_layer_is_the_layer_it_is_linked_to() {
    for (kind, target) in [
        (EntryType::Symlink, "../one/layer.tar"),
        (EntryType::Link, "one/layer.tar"),
    ] {
        let mut members = docker();
        let (_, manifest) = members.0.last_mut().unwrap();
        *manifest = String::from_utf8_lossy(manifest)
            .replace("[\"one/layer.tar\"", "[\"two/layer.tar\"")
            .into();
        let mut tar = Builder::new(Vec::new());
        for (path, content) in &members.0 {
            append(&mut tar, EntryType::Regular, path.as_bytes(), content);
        }
        link(&mut tar, kind, "two/layer.tar", target);
        let archive = read(&tar.into_inner().unwrap()).unwrap();
        assert_eq!(layers(&archive).unwrap(), [b"layer"]);
    }
}

#[test]
fn a_newer_docker_save_is_a_layout_whose_manifest_json_adds_names() {
    let mut members = Members::default();
    let image = members.image("amd64", b"layer");
    let config = format!(
        "blobs/sha256/{}",
        Digest::of(&config("amd64", b"layer")).hex()
    );
    let mut entry = named(image, OCI_NAME, "1");
    entry["annotations"][CONTAINERD_NAME] = json!("docker.io/library/app:1");
    members.index(&[entry]);
    let entry = json!({"Config": config, "RepoTags": ["app:1", "other:2"], "Layers": []});
    members.add("manifest.json", json!([entry]).to_string());
    assert_debug_snapshot!(summary(&read(&members.tar()).unwrap()), @r#"
    [
        "[\"docker.io/library/app:1\", \"docker.io/library/other:2\"] [\"1\"] [\"linux/amd64\"]",
    ]
    "#);
}

#[test]
fn an_index_over_platforms_is_one_image_and_attestations_are_none() {
    let mut members = Members::default();
    let mut amd64 = members.image("amd64", b"one");
    amd64["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let mut arm64 = members.image("arm64", b"two");
    arm64["platform"] = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    let mut attestation = members.image("unknown", b"three");
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    let mut not_saved = amd64.clone();
    not_saved["digest"] = json!(Digest::of(b"not saved").to_string());
    not_saved["platform"] = json!({"os": "linux", "architecture": "s390x"});
    let manifests = [amd64, arm64, attestation, not_saved];
    let index = json!({"schemaVersion": 2, "manifests": manifests}).to_string();
    let index = members.blob("application/vnd.oci.image.index.v1+json", index.as_bytes());
    members.index(&[named(index, CONTAINERD_NAME, "docker.io/library/app:1")]);
    assert_debug_snapshot!(summary(&read(&members.tar()).unwrap()), @r#"
    [
        "[\"docker.io/library/app:1\"] [] [\"linux/amd64\", \"linux/arm64\"]",
    ]
    "#);
}

#[test]
fn what_is_no_archive_of_images_is_refused_with_the_reason() {
    let empty = Builder::new(Vec::new()).into_inner().unwrap();
    assert!(matches!(read(&empty), Err(ArchiveError::NoImages)));
    assert!(matches!(read(b""), Err(ArchiveError::NoImages)));
    assert!(matches!(read(&[b'x'; 2000]), Err(ArchiveError::NotATar(_))));
    assert!(matches!(
        read(b"\x28\xb5\x2f\xfd...."),
        Err(ArchiveError::Zstd)
    ));
    let mut members = Members::default();
    members.add("index.json", "{}");
    assert!(matches!(
        read(&members.tar()),
        Err(ArchiveError::Document { .. })
    ));
}

#[test]
fn an_archive_that_ends_in_its_middle_is_refused() {
    for members in [layout(), docker()] {
        let tar = members.tar();
        let gzipped = gzip(&tar);
        for cut in [700, 1500, tar.len() / 2] {
            assert!(read(&tar[..cut]).is_err(), "{cut}");
        }
        for cut in [20, gzipped.len() / 2, gzipped.len() - 20] {
            let read = read(&gzipped[..cut]);
            assert!(
                matches!(read, Err(ArchiveError::Truncated)),
                "{cut}: {read:?}"
            );
        }
    }
}

#[test]
fn documents_that_are_not_what_their_digests_say_are_refused() {
    // Configuration and manifest; the layer between them is looked at when it is imported.
    for spoiled in [0, 2] {
        let mut members = layout();
        let (path, content) = &mut members.0[spoiled];
        let path = path.clone();
        // Within a text of the JSON, so that it stays JSON.
        let place = content.iter().position(u8::is_ascii_alphabetic).unwrap();
        content[place] ^= 1;
        let read = read(&members.tar());
        assert!(
            matches!(&read, Err(ArchiveError::Digest { path: named, .. }) if *named == path),
            "{read:?}"
        );
    }
}

#[test]
fn a_blob_that_is_missing_is_named() {
    let missing = |members: &Members, position: usize| {
        let mut members = members.clone();
        let (path, _) = members.0.remove(position);
        let error = match read(&members.tar()) {
            Ok(archive) => layers(&archive).unwrap_err(),
            Err(error) => error,
        };
        assert!(
            matches!(&error, ArchiveError::Missing { path: named } if *named == path),
            "{error}"
        );
    };
    for position in 0..3 {
        missing(&layout(), position);
    }
    for position in 0..2 {
        missing(&docker(), position);
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in [
        "../../etc/passwd",
        "/etc/passwd",
        "blobs/../../x",
        "a\u{0}/../b/../../c",
    ] {
        let mut tar = Builder::new(Vec::new());
        append(&mut tar, EntryType::Regular, name.as_bytes(), b"x");
        let read = read(&tar.into_inner().unwrap());
        // A name ends at a zero.
        let ends = name.contains('\0') && matches!(read, Err(ArchiveError::NoImages));
        assert!(
            ends || matches!(read, Err(ArchiveError::Path { .. })),
            "{name:?}: {read:?}"
        );
    }
    for (kind, target) in [
        (EntryType::Symlink, "/etc/shadow"),
        (EntryType::Symlink, "../../etc/shadow"),
        (EntryType::Link, "../etc/shadow"),
    ] {
        let mut tar = Builder::new(Vec::new());
        link(&mut tar, kind, "one/layer.tar", target);
        let read = read(&tar.into_inner().unwrap());
        assert!(
            matches!(read, Err(ArchiveError::Path { .. })),
            "{target}: {read:?}"
        );
    }
}

#[test]
fn long_names_count_and_are_held_to_the_same_rules() {
    for (kind, header) in [
        (EntryType::GNULongName, b"../../etc/passwd\0".to_vec()),
        (EntryType::XHeader, b"25 path=../../etc/passwd\n".to_vec()),
    ] {
        let mut tar = Builder::new(Vec::new());
        append(&mut tar, kind, b"header", &header);
        append(&mut tar, EntryType::Regular, b"harmless", b"x");
        let read = read(&tar.into_inner().unwrap());
        assert!(matches!(read, Err(ArchiveError::Path { .. })), "{read:?}");
    }
    let mut tar = Builder::new(Vec::new());
    append(&mut tar, EntryType::XHeader, b"header", b"12 size=999\n");
    append(&mut tar, EntryType::Regular, b"harmless", b"x");
    let read = read(&tar.into_inner().unwrap());
    assert!(
        matches!(read, Err(ArchiveError::EntryTooLarge { .. })),
        "{read:?}"
    );
}

#[test]
fn two_members_of_one_name_are_refused() {
    let mut members = layout();
    members.add("./index.json", "{}");
    let read = read(&members.tar());
    assert!(matches!(read, Err(ArchiveError::Duplicate { path }) if path == "index.json"));
}

#[test]
fn devices_and_pipes_are_no_files() {
    let mut tar = Builder::new(Vec::new());
    for kind in [
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Directory,
    ] {
        append(&mut tar, kind, b"index.json", b"");
    }
    let read = read(&tar.into_inner().unwrap());
    assert!(matches!(read, Err(ArchiveError::NoImages)), "{read:?}");
}

#[test]
fn every_limit_is_kept() {
    let tar = layout().tar();
    let none = Limits::default();
    let total = Limits {
        total: 2000,
        ..none
    };
    assert!(matches!(
        read_within(&tar, total),
        Err(ArchiveError::TooLarge { limit: 2000 })
    ));
    assert!(matches!(
        read_within(&gzip(&tar), total),
        Err(ArchiveError::TooLarge { limit: 2000 })
    ));
    let entries = Limits { entries: 2, ..none };
    assert!(matches!(
        read_within(&tar, entries),
        Err(ArchiveError::TooManyEntries { .. })
    ));
    let document = Limits {
        document: 20,
        ..none
    };
    assert!(matches!(
        read_within(&tar, document),
        Err(ArchiveError::DocumentTooLarge { .. })
    ));
    let documents = Limits {
        documents: 200,
        ..none
    };
    assert!(matches!(
        read_within(&tar, documents),
        Err(ArchiveError::DocumentsTooLarge { .. })
    ));
    let images = Limits { images: 0, ..none };
    assert!(matches!(
        read_within(&tar, images),
        Err(ArchiveError::TooManyImages { .. })
    ));
    assert!(matches!(
        read_within(&docker().tar(), images),
        Err(ArchiveError::TooManyImages { .. })
    ));
}

#[test]
fn a_long_name_of_a_gigabyte_is_not_read_into_memory() {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..1].copy_from_slice(b"x");
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let mut bomb = header.as_bytes().to_vec();
    bomb.resize(1 << 20, b'a');
    let read = read(&gzip(&bomb));
    assert!(
        matches!(read, Err(ArchiveError::HeaderTooLarge { .. })),
        "{read:?}"
    );
}

#[test]
fn a_file_that_is_shorter_or_longer_than_it_was_is_noticed() {
    let pieces = |mut content: &[u8]| {
        let mut read = |_| ControlFlow::Continue(());
        super::contents::pieces(0, "layer", 5, &mut content, &mut read)
    };
    assert!(pieces(b"layer").is_ok());
    assert!(matches!(pieces(b"lay"), Err(ArchiveError::Truncated)));
    assert!(matches!(
        pieces(b"layers"),
        Err(ArchiveError::Size { named: 5, .. })
    ));
}

#[test]
fn a_reading_that_is_given_up_stops() {
    let given_up = CancellationToken::new();
    given_up.cancel();
    for tar in [layout().tar(), gzip(&layout().tar())] {
        let source = Source::Tar(super::fixture::file(&tar));
        let opened = super::Contents::open(source, Limits::default(), &given_up);
        assert!(opened.is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
        prop_assert!(read(&bytes).is_err());
        prop_assert!(read(&gzip(&bytes)).is_err());
    }

    #[test]
    fn a_spoiled_archive_is_read_or_refused_without_a_panic(place in 0usize..8000, byte: u8) {
        for mut tar in [layout().tar(), docker().tar()] {
            let place = place % tar.len();
            tar[place] = byte;
            if let Ok(archive) = read(&tar) {
                let _ = layers(&archive);
            }
        }
    }
}

//! What can be opened beneath a folder, and what can't.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use super::*;

fn sandbox() -> (tempfile::TempDir, Folder) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("sandbox");
    fs::create_dir_all(path.join("conf")).unwrap();
    fs::write(outer.path().join("secret"), "root's").unwrap();
    fs::write(path.join("conf/env"), "A=1\n").unwrap();
    let folder = Folder::open(&path).unwrap();
    (outer, folder)
}

fn read(folder: &Folder, path: &str) -> Result<Vec<u8>, Error> {
    folder.read(Path::new(path), 100)
}

#[test]
fn a_file_beneath_is_read_by_relative_and_absolute_path() {
    let (_outer, folder) = sandbox();
    assert_eq!(read(&folder, "conf/env").unwrap(), b"A=1\n");
    assert_eq!(read(&folder, "conf/../conf/env").unwrap(), b"A=1\n");
    let absolute = folder.path().join("conf/env");
    assert_eq!(folder.read(&absolute, 4).unwrap(), b"A=1\n");
}

#[test]
fn what_leads_out_is_refused() {
    let (_outer, folder) = sandbox();
    for path in ["../secret", "conf/../../secret", "/etc/passwd"] {
        let error = read(&folder, path).unwrap_err();
        assert!(matches!(error, Error::Outside { .. }), "{error:?}");
    }
    let error = folder.create_folder(Path::new("../new"), 0o755);
    assert!(matches!(error, Err(Error::Outside { .. })));
}

#[test]
fn a_link_is_refused_wherever_it_points() {
    let (_outer, folder) = sandbox();
    symlink("conf/env", folder.path().join("inside")).unwrap();
    symlink("..", folder.path().join("up")).unwrap();
    symlink("/proc/self/environ", folder.path().join("magic")).unwrap();
    for path in ["inside", "up/secret", "magic"] {
        let error = read(&folder, path).unwrap_err();
        assert!(matches!(error, Error::Symlink { .. }), "{error:?}");
        let error = folder.create(Path::new(path), 0o644).unwrap_err();
        assert!(matches!(error, Error::Symlink { .. }), "{error:?}");
    }
}

#[test]
fn only_regular_files_with_one_name_are_read() {
    let (_outer, folder) = sandbox();
    nix::unistd::mkfifo(&folder.path().join("fifo"), Mode::S_IRUSR).unwrap();
    fs::hard_link(folder.path().join("conf/env"), folder.path().join("twin")).unwrap();
    let messages: Vec<String> = ["fifo", "conf", "twin", "conf/env/deeper"]
        .map(|path| read(&folder, path).unwrap_err().to_string())
        .into();
    assert_eq!(
        messages,
        [
            "fifo is a FIFO, not a regular file",
            "conf is a folder, not a regular file",
            "twin has 2 names (hard links), and may be someone else's file",
            "conf/env/deeper is not a folder",
        ]
    );
}

#[test]
fn a_file_is_read_up_to_the_limit() {
    let (_outer, folder) = sandbox();
    let path = Path::new("conf/env");
    assert!(folder.read(path, 4).is_ok());
    let error = folder.read(path, 3).unwrap_err();
    assert_eq!(error.to_string(), "conf/env is larger than 3 bytes");
}

#[test]
fn files_and_folders_are_made_beneath() {
    let (_outer, folder) = sandbox();
    let logs = folder.create_folder(Path::new("a/b"), 0o755).unwrap();
    assert_eq!(logs.path(), folder.path().join("a/b"));
    for text in ["long text\n", "short\n"] {
        let mut file = logs.create(Path::new("x"), 0o644).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
    logs.append(Path::new("x"), 0o644)
        .unwrap()
        .write_all(b"more\n")
        .unwrap();
    assert_eq!(read(&folder, "a/b/x").unwrap(), b"short\nmore\n");
}

#[test]
fn what_is_missing_is_told_apart() {
    let (_outer, folder) = sandbox();
    assert!(read(&folder, "none").unwrap_err().is_not_found());
    let error = io::Error::from(read(&folder, "none").unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(!read(&folder, "../none").unwrap_err().is_not_found());
}

#[test]
fn an_image_root_follows_links_within_itself() {
    let (outer, _folder) = sandbox();
    let root = outer.path().join("sandbox");
    symlink("/conf", root.join("etc")).unwrap();
    symlink("/../../secret", root.join("escape")).unwrap();
    let root = Folder::open_root(&root).unwrap();
    assert_eq!(read(&root, "/etc/env").unwrap(), b"A=1\n");
    assert!(read(&root, "/escape").unwrap_err().is_not_found());
}

#[test]
fn links_of_an_image_are_followed_to_where_nothing_is() {
    let (outer, _folder) = sandbox();
    let root = outer.path().join("sandbox");
    for (name, target) in [
        ("fds", "/proc/self/fd"),
        ("up", "../../../sys"),
        ("conf/back", "../fds/./7/.."),
        ("loop", "loop"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    let root = Folder::open_root(&root).unwrap();
    let real = |path: &str| root.real_path(Path::new(path));
    for (path, expected) in [
        ("/fds/7", "/proc/self/fd/7"),
        ("up/fs", "/sys/fs"),
        ("/conf/back/x", "/proc/self/fd/x"),
        ("/conf/env", "/conf/env"),
        ("/conf/env/x", "/conf/env/x"),
        ("/none/../conf", "/conf"),
        ("/", "/"),
    ] {
        assert_eq!(real(path).unwrap(), Path::new(expected), "{path}");
    }
    assert!(matches!(real("/loop/x"), Err(Error::Symlink { .. })));
}

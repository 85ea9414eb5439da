//! Names within an archive. They are keys here and never paths of the host, but a name that tries
//! to be one betrays its maker.

/// A member's name in its one form: parts joined by `/`, none of them `.` or empty. None for a
/// name that leads out of the archive or is no text.
pub(super) fn normal(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    if name.starts_with('/') || name.contains('\0') || name.split('/').any(|part| part == "..") {
        return None;
    }
    let parts = name.split('/').filter(|part| !matches!(*part, "" | "."));
    Some(parts.collect::<Vec<_>>().join("/"))
}

/// The name that a symbolic link at `link` points to.
pub(super) fn link_target(link: &str, target: &[u8]) -> Option<String> {
    let target = std::str::from_utf8(target).ok()?;
    let folder = link.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if target.starts_with('/') || target.contains('\0') {
        return None;
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_member_has_one_name() {
        for name in ["blobs/a", "./blobs/a", "blobs//a", "blobs/./a/"] {
            assert_eq!(normal(name.as_bytes()).as_deref(), Some("blobs/a"));
        }
        assert_eq!(normal(b"./").as_deref(), Some(""));
        for name in ["/etc/passwd", "../a", "a/../b", "a\0b"] {
            assert_eq!(normal(name.as_bytes()), None, "{name:?}");
        }
        assert_eq!(normal(b"\xff"), None);
    }

    #[test]
    fn links_are_followed_within_the_archive_alone() {
        assert_eq!(
            link_target("a/layer.tar", b"../b/layer.tar").as_deref(),
            Some("b/layer.tar")
        );
        assert_eq!(link_target("a", b"b").as_deref(), Some("b"));
        assert_eq!(link_target("a/layer.tar", b"../../etc/passwd"), None);
        assert_eq!(link_target("a", b"/etc/passwd"), None);
    }

    proptest! {
        #[test]
        fn no_name_leads_out(name: Vec<u8>, link in "[a-z/]{0,9}") {
            for found in [normal(&name), link_target(&link, &name)].into_iter().flatten() {
                prop_assert!(!found.starts_with('/'));
                prop_assert!(found.split('/').all(|part| !matches!(part, "." | "..")));
            }
        }
    }
}

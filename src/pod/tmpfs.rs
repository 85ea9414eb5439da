//! Which options a tmpfs may have.

/// Those of tmpfs(5), and of mount(8) those that give nothing away.
pub(crate) fn is_option(option: &str) -> bool {
    const FLAGS: [&str; 12] = [
        "rw",
        "ro",
        "exec",
        "noexec",
        "nosuid",
        "nodev",
        "sync",
        "async",
        "noatime",
        "relatime",
        "strictatime",
        "nodiratime",
    ];
    const VALUES: [&str; 6] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"];
    match option.split_once('=') {
        None => FLAGS.contains(&option),
        Some((name, value)) => {
            VALUES.contains(&name)
                && value.starts_with(|c: char| c.is_ascii_digit())
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'%')
        }
    }
}

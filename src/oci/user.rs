//! Who a container's process is: a user's name or number, looked up in the image's own
//! `/etc/passwd` and `/etc/group`.
//!
//! The two files are the image author's, so they are read within bounds, and a number that doesn't
//! fit is refused, never wrapped: see CVE-2024-40635 (uid 4294967296 became root) and CVE-2026-47262 (a
//! group file without end).

/// The user and groups of a process, as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedUser {
    pub uid: u32,
    pub gid: u32,
    /// With `gid` first, so that a process can't get rid of its group's denials (CVE-2022-36109).
    pub groups: Vec<u32>,
    pub home: String,
}

/// A user that can't be resolved, or a file that can't be trusted to resolve one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("the image's {file} is larger than {MAX_BYTES} bytes")]
    TooLarge { file: &'static str },
    #[error("the image's {file} has more than {MAX_LINES} lines")]
    TooManyLines { file: &'static str },
    #[error("the image's /etc/passwd has no \"{name}\"")]
    NoSuchUser { name: String },
    #[error("the image's /etc/group has no \"{name}\"")]
    NoSuchGroup { name: String },
    #[error("\"{id}\" is no user's or group's number: 0 to {MAX_ID} are")]
    OutOfRange { id: String },
    #[error("the image's /etc/passwd makes root of the user \"{id}\"")]
    RootByNumber { id: String },
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
const MAX_BYTES: usize = 1 << 20;
const MAX_LINES: usize = 10_000;
/// Above it, programs that keep ids in an `int` see negative numbers, and −1 means "unchanged".
const MAX_ID: u32 = i32::MAX as u32;

/// An image's users and groups. An image without these files has none, and knows numbers only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
}

/// A line of passwd(5). Numbers stay text until they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    name: String,
    uid: String,
    gid: String,
    home: String,
}

/// A line of group(5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    gid: String,
    members: Vec<String>,
}

impl Accounts {
    /// The longest text of either file that [`Accounts::parse`] takes: a reader can stop behind it.
    pub const MAX_BYTES: usize = MAX_BYTES;

    /// From the contents of the image's `/etc/passwd` and `/etc/group`; a file it lacks is empty.
    /// Lines that are no entries are passed over, as every libc does.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Result<Self, UserError> {
        let users =
            entries(PASSWD, passwd)?
                .into_iter()
                .filter_map(|fields| match fields.as_slice() {
                    [name, _, uid, gid, _, home, ..] => Some(User {
                        name: name.clone(),
                        uid: uid.clone(),
                        gid: gid.clone(),
                        home: home.clone(),
                    }),
                    _ => None,
                });
        let groups =
            entries(GROUP, group)?
                .into_iter()
                .filter_map(|fields| match fields.as_slice() {
                    [name, _, gid, rest @ ..] => Some(Group {
                        name: name.clone(),
                        gid: gid.clone(),
                        members: rest
                            .first()
                            .into_iter()
                            .flat_map(|members| members.split(','))
                            .map(str::to_owned)
                            .collect(),
                    }),
                    _ => None,
                });
        Ok(Self {
            users: users.collect(),
            groups: groups.collect(),
        })
    }

    /// Resolves `user[:group]`, both a name or a number; an empty user is root. As Docker has it, a
    /// user's further groups count only where no group is given.
    pub fn resolve(&self, user: &str) -> Result<ResolvedUser, UserError> {
        let (user, group) = user.split_once(':').unwrap_or((user, ""));
        let user = if user.is_empty() { "0" } else { user };
        let number = number(user)?;
        let entry = self
            .users
            .iter()
            .find(|entry| entry.name == user || number.is_some_and(|uid| is(&entry.uid, uid)));
        let (uid, mut gid, home) = match (entry, number) {
            (Some(entry), _) => (id(&entry.uid)?, id(&entry.gid)?, entry.home.clone()),
            (None, Some(uid)) => (uid, 0, String::new()),
            (None, None) => return Err(UserError::NoSuchUser { name: user.into() }),
        };
        // All digits can be a name, too. Who writes 1000 has ruled root out, and so may a policy have.
        if uid == 0 && number.is_some_and(|number| number != 0) {
            return Err(UserError::RootByNumber { id: user.into() });
        }
        let mut groups = Vec::new();
        if !group.is_empty() {
            gid = self.group(group)?;
        } else if let Some(entry) = entry {
            for group in &self.groups {
                if group.members.contains(&entry.name) {
                    groups.push(id(&group.gid)?);
                }
            }
        }
        groups.retain(|&other| other != gid);
        groups.sort_unstable();
        groups.dedup();
        groups.insert(0, gid);
        let home = if home.starts_with('/') {
            home
        } else {
            "/".into()
        };
        Ok(ResolvedUser {
            uid,
            gid,
            groups,
            home,
        })
    }

    /// Resolves a group's name or number.
    pub fn group(&self, group: &str) -> Result<u32, UserError> {
        let number = number(group)?;
        let entry = self
            .groups
            .iter()
            .find(|entry| entry.name == group || number.is_some_and(|gid| is(&entry.gid, gid)));
        match (entry, number) {
            (Some(entry), _) => id(&entry.gid),
            (None, Some(gid)) => Ok(gid),
            (None, None) => Err(UserError::NoSuchGroup { name: group.into() }),
        }
    }
}

/// The fields of each line.
fn entries(file: &'static str, text: &[u8]) -> Result<Vec<Vec<String>>, UserError> {
    if text.len() > MAX_BYTES {
        return Err(UserError::TooLarge { file });
    }
    let text = String::from_utf8_lossy(text);
    if text.lines().count() > MAX_LINES {
        return Err(UserError::TooManyLines { file });
    }
    let fields = |line: &str| line.split(':').map(str::to_owned).collect();
    Ok(text.lines().map(str::trim).map(fields).collect())
}

/// The number that `text` is; none where it is a name.
fn number(text: &str) -> Result<Option<u32>, UserError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse() {
        Ok(id) if id <= MAX_ID => Ok(Some(id)),
        _ => Err(UserError::OutOfRange { id: text.into() }),
    }
}

/// The number that an entry's field must be.
fn id(text: &str) -> Result<u32, UserError> {
    number(text)?.ok_or_else(|| UserError::OutOfRange { id: text.into() })
}

fn is(field: &str, id: u32) -> bool {
    number(field) == Ok(Some(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD_TEXT: &[u8] = b"\
root:x:0:0:root:/root:/bin/sh
# a comment
www:x:33:33:www:/srv/www:/usr/sbin/nologin
1000:x:7:7::/seven:
homeless:x:50:50:::
wrapped:x:4294967296:0::/:
negative:x:-1:0::/:
short:x:1
";
    const GROUP_TEXT: &[u8] = b"\
root:x:0:
www:x:33:
ssl:x:101:www,mail
disk:x:6:root,www
wrapped:x:4294967295:nobody
";

    fn accounts() -> Accounts {
        Accounts::parse(PASSWD_TEXT, GROUP_TEXT).unwrap()
    }

    fn refused(user: &str) -> UserError {
        accounts().resolve(user).unwrap_err()
    }

    #[test]
    fn a_user_is_a_name_or_a_number_with_or_without_a_group() {
        // The text, uid, gid, all groups, home.
        let table: [(&str, u32, u32, &[u32], &str); 14] = [
            ("", 0, 0, &[0, 6], "/root"),
            ("root", 0, 0, &[0, 6], "/root"),
            ("0", 0, 0, &[0, 6], "/root"),
            ("www", 33, 33, &[33, 6, 101], "/srv/www"),
            ("33", 33, 33, &[33, 6, 101], "/srv/www"),
            ("www:", 33, 33, &[33, 6, 101], "/srv/www"),
            ("www:ssl", 33, 101, &[101], "/srv/www"),
            ("www:0", 33, 0, &[0], "/srv/www"),
            (":ssl", 0, 101, &[101], "/root"),
            ("4711", 4711, 0, &[0], "/"),
            ("4711:4712", 4711, 4712, &[4712], "/"),
            // A name of digits is a name, as for Docker.
            ("1000", 7, 7, &[7], "/seven"),
            ("homeless", 50, 50, &[50], "/"),
            ("2147483647", 2_147_483_647, 0, &[0], "/"),
        ];
        for (text, uid, gid, groups, home) in table {
            let user = accounts().resolve(text).unwrap();
            assert_eq!((user.uid, user.gid), (uid, gid), "{text}");
            assert_eq!(user.groups, groups, "{text}");
            assert_eq!(user.home, home, "{text}");
        }
    }

    #[test]
    fn a_number_that_would_wrap_is_refused() {
        for id in [
            "4294967296",
            "2147483648",
            "4294967295",
            "99999999999999999999",
        ] {
            let out_of_range = UserError::OutOfRange { id: id.into() };
            assert_eq!(refused(id), out_of_range);
            assert_eq!(refused(&format!("0:{id}")), out_of_range);
        }
        assert!(matches!(refused("wrapped"), UserError::OutOfRange { .. }));
        assert!(matches!(refused("negative"), UserError::OutOfRange { .. }));
        assert!(matches!(refused("0:wrapped"), UserError::OutOfRange { .. }));
    }

    #[test]
    fn a_number_never_becomes_root() {
        let passwd = b"1000:x:0:0::/:\nzero:x:0:0::/:\n";
        let accounts = Accounts::parse(passwd, b"").unwrap();
        let error = accounts.resolve("1000:1000").unwrap_err();
        assert_eq!(error, UserError::RootByNumber { id: "1000".into() });
        assert_eq!(accounts.resolve("zero").unwrap().uid, 0);
        assert_eq!(accounts.resolve("0").unwrap().uid, 0);
        assert_eq!(accounts.resolve("1001").unwrap().uid, 1001);
    }

    #[test]
    fn a_name_that_the_files_lack_is_refused() {
        for name in ["nobody", "-1", "short", "# a comment", "+0", "0x0", " 0"] {
            assert_eq!(refused(name), UserError::NoSuchUser { name: name.into() });
        }
        let name = "staff".to_owned();
        assert_eq!(refused("0:staff"), UserError::NoSuchGroup { name });
    }

    #[test]
    fn an_image_without_the_files_knows_numbers() {
        let accounts = Accounts::parse(b"", b"").unwrap();
        assert_eq!(accounts.resolve("5:6").unwrap().gid, 6);
        assert!(accounts.resolve("root").is_err());
    }

    #[test]
    fn files_without_end_are_refused() {
        let long = vec![b'x'; MAX_BYTES + 1];
        let file = PASSWD;
        assert_eq!(
            Accounts::parse(&long, b""),
            Err(UserError::TooLarge { file })
        );
        let many = b"a:x:1:\n".repeat(MAX_LINES + 1);
        let file = GROUP;
        assert_eq!(
            Accounts::parse(b"", &many),
            Err(UserError::TooManyLines { file })
        );
        assert!(Accounts::parse(b"", &b"a:x:1:\n".repeat(MAX_LINES)).is_ok());
    }

    proptest! {
        #[test]
        fn no_file_and_no_text_gives_an_id_out_of_range(
            passwd in "([a-c]:x:[0-9-]{0,12}:[0-9]{0,12}::/:\n){0,4}.{0,40}",
            group in "([a-c]:x:[0-9]{0,12}:[a-c,]{0,5}\n){0,4}.{0,40}",
            user in "[a-c0-9:-]{0,14}",
        ) {
            let accounts = Accounts::parse(passwd.as_bytes(), group.as_bytes()).unwrap();
            if let Ok(user) = accounts.resolve(&user) {
                prop_assert!(user.uid <= MAX_ID);
                prop_assert!(user.groups.iter().all(|&gid| gid <= MAX_ID));
                prop_assert_eq!(user.groups[0], user.gid);
            }
        }
    }
}

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

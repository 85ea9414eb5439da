//! The short form of a mount: `[SOURCE:]TARGET[:OPTION,…]`.
//!
//! A letter before the first colon is taken for a Windows drive, whatever the machine, as Docker
//! Compose does: [`ShortVolume::drive`] lets the caller warn.

/// Why a text is no mount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum VolumeError {
    #[error("a mount can't be empty")]
    Empty,
    #[error("nothing stands between two colons")]
    EmptySection,
    #[error("there are too many colons")]
    TooManyColons,
}

/// What a short form says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, of which any can be given"
)]
pub(super) struct ShortVolume {
    /// None: an anonymous volume.
    pub source: Option<String>,
    pub target: String,
    pub read_only: bool,
    pub nocopy: bool,
    pub propagation: Option<String>,
    pub selinux: Option<String>,
    /// Whether the source is a path of the host's.
    pub bind: bool,
    /// A form of one or two characters, which is nothing but a target.
    pub bare: bool,
    /// Options that nobody knows: they are ignored.
    pub unknown: Vec<String>,
    /// The volume of one letter that the text seems to name.
    pub drive: Option<char>,
}

/// Reads a short form.
pub(super) fn parse(text: &str) -> Result<ShortVolume, VolumeError> {
    let mut volume = ShortVolume::default();
    match text.len() {
        0 => return Err(VolumeError::Empty),
        1 | 2 => {
            text.clone_into(&mut volume.target);
            volume.bare = true;
            return Ok(volume);
        }
        _ => {}
    }
    let mut sections = sections(text);
    let last = sections.pop().expect("a text has one section at least");
    for section in &sections {
        volume.take(section, false)?;
    }
    volume.take(&last, true)?;
    let source = volume.source.as_deref().unwrap_or_default();
    volume.bind = is_path(source);
    volume.drive = drive(&volume);
    Ok(volume)
}

/// The text cut at its colons, but for those of a drive and those within `${…}`.
fn sections(text: &str) -> Vec<String> {
    let (mut sections, mut section, mut depth) = (Vec::new(), String::new(), 0_usize);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '$' && chars.peek() == Some(&'{') {
            depth += 1;
        } else if c == '}' && depth > 0 {
            depth -= 1;
        } else if c == ':' && depth == 0 && !is_drive(&section) {
            sections.push(std::mem::take(&mut section));
            continue;
        }
        section.push(c);
    }
    sections.push(section);
    sections
}

/// Whether a section that a colon follows is a drive.
fn is_drive(section: &str) -> bool {
    let mut chars = section.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
}

impl ShortVolume {
    fn take(&mut self, section: &str, last: bool) -> Result<(), VolumeError> {
        if section.is_empty() {
            return Err(VolumeError::EmptySection);
        }
        if self.source.is_none() && last {
            section.clone_into(&mut self.target);
        } else if self.source.is_none() {
            self.source = Some(section.to_owned());
        } else if self.target.is_empty() {
            section.clone_into(&mut self.target);
        } else if !last {
            return Err(VolumeError::TooManyColons);
        } else {
            section.split(',').for_each(|option| self.option(option));
        }
        Ok(())
    }

    fn option(&mut self, option: &str) {
        match option {
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            "nocopy" => self.nocopy = true,
            "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => {
                self.propagation = Some(option.to_owned());
            }
            "z" | "Z" => self.selinux = Some(option.to_owned()),
            // They say something on other machines, and are known to say nothing here.
            "cached" | "delegated" | "consistent" => {}
            _ => self.unknown.push(option.to_owned()),
        }
    }
}

fn is_path(source: &str) -> bool {
    let mut chars = source.chars();
    match (chars.next(), chars.next()) {
        (Some('.' | '/' | '~'), _) | (Some('\\'), Some('\\')) => true,
        (Some(letter), Some(':')) => letter.is_alphabetic(),
        _ => false,
    }
}

/// `v:/data` has a target that only Windows has, `v:/data:ro` a source of that kind.
fn drive(volume: &ShortVolume) -> Option<char> {
    let text = volume.source.as_deref().unwrap_or(&volume.target);
    let mut chars = text.chars();
    let letter = chars.next().filter(|letter| letter.is_alphabetic())?;
    (chars.next() == Some(':') && chars.next() != Some('\\')).then_some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let volume = parse(text).unwrap();
        let kind = if volume.bind { "bind" } else { "volume" };
        let access = if volume.read_only { " ro" } else { "" };
        let source = volume.source.unwrap_or_default();
        format!("{kind} {source} at {}{access}", volume.target)
    }

    #[test]
    fn sources_that_look_like_paths_are_binds() {
        assert_eq!(shown("./r:/d"), "bind ./r at /d");
        assert_eq!(shown("/a:/d:ro"), "bind /a at /d ro");
        assert_eq!(shown("vol:/d:rw"), "volume vol at /d");
        assert_eq!(shown("/d"), "volume  at /d");
        assert_eq!(shown("C:\\x:/d"), "bind C:\\x at /d");
    }

    #[test]
    fn one_letter_is_a_drive_and_that_is_told() {
        assert_eq!(shown("v:/d"), "volume  at v:/d");
        assert_eq!(parse("v:/d").unwrap().drive, Some('v'));
        assert_eq!(parse("v:/d:ro").unwrap().drive, Some('v'));
        assert_eq!(parse("C:\\x:/d").unwrap().drive, None);
        assert_eq!(parse("vol:/d").unwrap().drive, None);
    }

    #[test]
    fn mistakes_are_told_apart() {
        assert_eq!(parse(""), Err(VolumeError::Empty));
        assert_eq!(parse(":/d"), Err(VolumeError::EmptySection));
        assert_eq!(parse("vol:"), Err(VolumeError::EmptySection));
        assert_eq!(parse("vol:/d:ro:x"), Err(VolumeError::TooManyColons));
        assert_eq!(parse("vol:/d:exec").unwrap().unknown, ["exec"]);
    }

    #[test]
    fn a_colon_of_a_variable_cuts_nothing() {
        assert_eq!(shown("${V:-/a}:/d"), "volume ${V:-/a} at /d");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-c:/.,~${}\\\\-]{0,24}") {
            let _ = parse(&text);
        }
    }
}

//! Bytes of a file to text: UTF-8, and what editors of Windows write instead.

use std::borrow::Cow;

/// The text of a Compose file: UTF-8, or UTF-16 that begins with a byte order mark, as YAML has it.
pub(super) fn yaml_text(bytes: Vec<u8>) -> Option<String> {
    match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8(bytes).ok(),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return None;
    }
    String::from_utf16(&pairs.iter().copied().map(unit).collect::<Vec<_>>()).ok()
}

/// The text of an env file: UTF-8, in which a comment may hold what is none.
pub(super) fn env_text(bytes: Vec<u8>) -> Option<String> {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Some(text),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let is_comment = line.trim_ascii_start().starts_with(b"#");
        match String::from_utf8_lossy(line) {
            Cow::Owned(_) if !is_comment => return None,
            line => text.push_str(&line),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_tells_of_utf_16() {
        let utf16 = |bytes: fn(u16) -> [u8; 2]| {
            let units = "\u{feff}a: é😀".encode_utf16();
            yaml_text(units.flat_map(bytes).collect())
        };
        assert_eq!(utf16(u16::to_le_bytes).as_deref(), Some("a: é😀"));
        assert_eq!(utf16(u16::to_be_bytes).as_deref(), Some("a: é😀"));
        assert_eq!(yaml_text(b"\xff\xfea".to_vec()), None);
        assert_eq!(yaml_text(b"\xff\xfe\x00\xd8".to_vec()), None);
        assert_eq!(yaml_text(b"a: \xe9".to_vec()), None);
    }

    #[test]
    fn a_comment_of_an_env_file_may_be_in_any_encoding() {
        let read = |bytes: &[u8]| env_text(bytes.to_vec());
        assert_eq!(
            read(b"A=1\n # \xe9\nB=2").as_deref(),
            Some("A=1\n # \u{fffd}\nB=2")
        );
        assert_eq!(read(b"A=\xe9"), None);
        assert_eq!(read(b"A=1 # \xe9"), None);
    }
}

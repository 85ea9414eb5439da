//! What Aurora puts into `TaskInfo.data`: its `AssignedTask`, in Thrift's binary protocol.
//!
//! Nothing else tells which port has which name, and the job's own words to its executor are in it
//! (`ExecutorConfig(data=…)`). Everything else is skipped, known or not. The bytes are a stranger's:
//! no length is believed beyond the bytes that are there, and no nesting beyond what Aurora uses.
//!
//! Specified in Aurora's `api.thrift`, and in
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md>.

use std::collections::BTreeMap;

/// Structures within structures; Aurora's own are five deep.
const DEPTH_MAX: u32 = 16;

/// As much of an `AssignedTask` as concerns a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AssignedTask {
    /// The agent's host name.
    pub(super) host: Option<String>,
    /// By the names that the job gives its ports.
    pub(super) ports: BTreeMap<String, u16>,
    /// What the job's configuration says to its executor.
    pub(super) executor_data: Option<String>,
    /// The job is to go on until somebody ends it.
    pub(super) is_service: bool,
}

/// A Thrift type, as far as its length goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fixed(usize),
    Text,
    Struct,
    Map,
    List,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            // bool, byte; double, i64; i16; i32.
            2 | 3 => Self::Fixed(1),
            4 | 10 => Self::Fixed(8),
            6 => Self::Fixed(2),
            8 => Self::Fixed(4),
            11 => Self::Text,
            12 => Self::Struct,
            13 => Self::Map,
            // Sets are written as lists are.
            14 | 15 => Self::List,
            _ => return None,
        })
    }
}

impl AssignedTask {
    /// None for what is no such thing.
    pub(super) fn decode(data: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(data);
        let mut task = Self::default();
        let mut has_id = false;
        bytes.fields(|field, bytes| match field {
            (1, Kind::Text) => {
                has_id = !bytes.text()?.is_empty();
                Some(())
            }
            (3, Kind::Text) => {
                task.host = Some(bytes.text()?).filter(|host| !host.is_empty());
                Some(())
            }
            (4, Kind::Struct) => bytes.fields(|field, bytes| match field {
                (7, Kind::Fixed(1)) => {
                    task.is_service = bytes.array()? != [0];
                    Some(())
                }
                (25, Kind::Struct) => bytes.fields(|field, bytes| match field {
                    (2, Kind::Text) => {
                        task.executor_data = Some(bytes.text()?);
                        Some(())
                    }
                    (_, kind) => bytes.skip(kind, 0),
                }),
                (_, kind) => bytes.skip(kind, 0),
            }),
            (5, Kind::Map) => {
                task.ports = bytes.ports()?;
                Some(())
            }
            (_, kind) => bytes.skip(kind, 0),
        })?;
        (has_id && bytes.0.is_empty()).then_some(task)
    }
}

/// What has not been read yet.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn kind(&mut self) -> Option<Kind> {
        let [kind] = self.array()?;
        Kind::of(kind)
    }

    fn number(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn length(&mut self) -> Option<usize> {
        self.number()?.try_into().ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    /// The fields of a structure, up to its end.
    fn fields(&mut self, mut each: impl FnMut((i16, Kind), &mut Self) -> Option<()>) -> Option<()> {
        loop {
            let [kind] = self.array()?;
            if kind == 0 {
                return Some(());
            }
            let id = i16::from_be_bytes(self.array()?);
            each((id, Kind::of(kind)?), self)?;
        }
    }

    /// A map from names to ports. Numbers that are no ports are left out.
    fn ports(&mut self) -> Option<BTreeMap<String, u16>> {
        let (names, numbers) = (self.array::<1>()?, self.array::<1>()?);
        let length = self.length()?;
        if length > 0 && (names, numbers) != ([11], [8]) {
            return None;
        }
        let mut ports = BTreeMap::new();
        for _ in 0..length {
            let (name, number) = (self.text()?, self.number()?);
            if let Ok(port) = u16::try_from(number) {
                ports.insert(name, port);
            }
        }
        Some(ports)
    }

    fn skip(&mut self, kind: Kind, depth: u32) -> Option<()> {
        if depth == DEPTH_MAX {
            return None;
        }
        match kind {
            Kind::Fixed(length) => self.take(length).map(drop),
            Kind::Text => {
                let length = self.length()?;
                self.take(length).map(drop)
            }
            Kind::Struct => self.fields(|(_, kind), bytes| bytes.skip(kind, depth + 1)),
            Kind::List => {
                let each = self.kind()?;
                (0..self.length()?).try_for_each(|_| self.skip(each, depth + 1))
            }
            Kind::Map => {
                let kinds = self.array::<2>()?;
                let length = self.length()?;
                if length == 0 {
                    return Some(()); // Its kinds may be missing then.
                }
                let (key, value) = (Kind::of(kinds[0])?, Kind::of(kinds[1])?);
                (0..length).try_for_each(|_| {
                    self.skip(key, depth + 1)?;
                    self.skip(value, depth + 1)
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(id: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[11, 0, id][..], &length, text.as_bytes()].concat()
    }

    /// With a list, a set and a map among what is not of interest.
    fn assigned() -> Vec<u8> {
        let executor = [&[12, 0, 25][..], &text(1, "compose"), &text(2, "{}"), &[0]];
        let list = [15, 0, 21, 8, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        let set = [
            14, 0, 32, 12, 0, 0, 0, 1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        let none = [13, 0, 33, 0, 0, 0, 0, 0, 0];
        let config = [
            &[12, 0, 4, 2, 0, 7, 1][..],
            &list,
            &set,
            &none,
            &executor.concat(),
            &[0],
        ];
        let ports = [
            &[13, 0, 5, 11, 8, 0, 0, 0, 1, 0, 0, 0, 4][..],
            b"http",
            &31_000u32.to_be_bytes(),
        ];
        [
            text(1, "www-data-prod-hello-0"),
            text(2, "agent-1"),
            text(3, "host-1"),
            config.concat(),
            ports.concat(),
            vec![8, 0, 6, 0, 0, 0, 0, 0],
        ]
        .concat()
    }

    #[test]
    fn host_ports_and_the_jobs_own_words_are_found() {
        let expected = AssignedTask {
            host: Some("host-1".to_owned()),
            ports: BTreeMap::from([("http".to_owned(), 31_000)]),
            executor_data: Some("{}".to_owned()),
            is_service: true,
        };
        assert_eq!(AssignedTask::decode(&assigned()), Some(expected));
    }

    #[test]
    fn what_is_torn_or_of_another_kind_is_none() {
        let whole = assigned();
        for length in 0..whole.len() {
            assert_eq!(AssignedTask::decode(&whole[..length]), None, "{length}");
        }
        for other in [&b""[..], b"{}", b"\0", b"\x0b\0\x01\x7f\xff\xff\xff"] {
            assert_eq!(AssignedTask::decode(other), None);
        }
        let deep = [[12, 0, 9]; 1000].concat();
        assert_eq!(AssignedTask::decode(&deep), None);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = AssignedTask::decode(&bytes);
            let _ = AssignedTask::decode(&[text(1, "t"), bytes].concat());
        }
    }
}

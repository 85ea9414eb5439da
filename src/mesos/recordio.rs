//! The framing of the agent's event stream: a decimal length, a line end, that many bytes; repeated.
//!
//! Records have nothing to do with HTTP's chunks: one may span many, many may share one. The agent
//! bounds nothing, so this side does: a length is believed only up to [`RECORD_MAX`].

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::Decoder;

/// The longest record that is taken. A LAUNCH is as large as its task, a few kB in practice.
pub(super) const RECORD_MAX: usize = 16 * 1024 * 1024;
/// As many digits as the largest 64-bit number has.
const LENGTH_DIGITS_MAX: usize = 20;

/// What is wrong with a stream of records. There is no way to find the next record after it.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("a record's length is not a decimal number")]
    Length,
    #[error("a record has no bytes")]
    Empty,
    #[error("a record of {length} bytes is longer than the {RECORD_MAX} that are taken")]
    TooLong { length: u64 },
    #[error("the stream ended within a record")]
    Cut(#[from] io::Error),
}

/// Takes records out of a buffer that is filled in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct RecordDecoder {
    /// The length of the record whose bytes come next; none while a length is being read.
    length: Option<usize>,
}

impl Decoder for RecordDecoder {
    type Item = Bytes;
    type Error = RecordError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, RecordError> {
        if self.length.is_none() {
            self.length = take_length(buffer)?;
        }
        match self.length {
            Some(length) if buffer.len() >= length => {
                self.length = None;
                Ok(Some(buffer.split_to(length).freeze()))
            }
            _ => Ok(None),
        }
    }
}

/// None while the line is not complete. Empty lines between records are skipped.
fn take_length(buffer: &mut BytesMut) -> Result<Option<usize>, RecordError> {
    let blank = buffer.iter().take_while(|byte| **byte == b'\n').count();
    buffer.advance(blank);
    let digits = buffer
        .iter()
        .take(LENGTH_DIGITS_MAX + 1)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits > LENGTH_DIGITS_MAX {
        return Err(RecordError::Length);
    }
    match buffer.get(digits) {
        None => return Ok(None),
        Some(b'\n') => {}
        Some(_) => return Err(RecordError::Length),
    }
    let line = buffer.split_to(digits);
    buffer.advance(1);
    let length: u64 = std::str::from_utf8(&line)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or(RecordError::Length)?;
    match usize::try_from(length) {
        Ok(0) => Err(RecordError::Empty),
        Ok(length) if length <= RECORD_MAX => Ok(Some(length)),
        _ => Err(RecordError::TooLong { length }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(pieces: &[&[u8]]) -> Result<Vec<Bytes>, RecordError> {
        let mut decoder = RecordDecoder::default();
        let mut buffer = BytesMut::new();
        let mut records = Vec::new();
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Some(record) = decoder.decode(&mut buffer)? {
                records.push(record);
            }
        }
        while let Some(record) = decoder.decode_eof(&mut buffer)? {
            records.push(record);
        }
        Ok(records)
    }

    #[test]
    fn empty_lines_between_records_are_skipped() {
        let records = decode(&[b"\n\n3\nabc\n1\n\n"]).unwrap();
        assert_eq!(records, ["abc", "\n"]);
    }

    #[test]
    fn hostile_lengths_are_refused_before_a_byte_is_stored() {
        let told: Vec<String> = [
            "-1\n",
            "+1\n",
            " 1\n",
            "1 \n",
            "0x10\n",
            "1\r\n",
            "0\n",
            "00\n",
            "16777217\n",
            "18446744073709551615\n",
            "18446744073709551616\n",
            "000000000000000000001\n",
            "111111111111111111111111111111",
            "\u{ff}",
            "5\nabc",
        ]
        .into_iter()
        .map(|text| format!("{text:?}: {}", decode(&[text.as_bytes()]).unwrap_err()))
        .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        "-1\n": a record's length is not a decimal number
        "+1\n": a record's length is not a decimal number
        " 1\n": a record's length is not a decimal number
        "1 \n": a record's length is not a decimal number
        "0x10\n": a record's length is not a decimal number
        "1\r\n": a record's length is not a decimal number
        "0\n": a record has no bytes
        "00\n": a record has no bytes
        "16777217\n": a record of 16777217 bytes is longer than the 16777216 that are taken
        "18446744073709551615\n": a record of 18446744073709551615 bytes is longer than the 16777216 that are taken
        "18446744073709551616\n": a record's length is not a decimal number
        "000000000000000000001\n": a record's length is not a decimal number
        "111111111111111111111111111111": a record's length is not a decimal number
        "ÿ": a record's length is not a decimal number
        "5\nabc": the stream ended within a record
        "#);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_records(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 0..20),
            cuts in prop::collection::vec(1usize..50, 1..50),
        ) {
            let mut stream = Vec::new();
            for record in &records {
                stream.extend_from_slice(format!("{}\n", record.len()).as_bytes());
                stream.extend_from_slice(record);
            }
            let mut pieces = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, others) = rest.split_at(rest.len().min(*cut));
                pieces.push(piece);
                rest = others;
            }
            let decoded = decode(&pieces).unwrap();
            prop_assert_eq!(decoded, records);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&[&bytes]);
        }
    }
}

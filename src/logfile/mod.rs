//! A service's own log: what it wrote, as it wrote it, bounded in size; and when it did.
//!
//! Beside each file `web.log` there is `web.log.times`, a line for each piece that was read at once:
//! where it begins, when it was read in milliseconds since 1970, and whether it came from standard
//! output (`o`) or error (`e`). So the log itself stays plain text, as fast to write as it can be,
//! and `logs --timestamps --since` still knows. A full file is `web.log.1`, the one before it
//! `web.log.2`.
//!
//! [`LogFile`] writes, [`LogReader`] reads, also while the other writes.

mod reader;
mod times;
mod writer;

pub use reader::{Chunk, LogReader};
pub use times::Side;
pub use writer::{LogFile, Rotation};

/// The name of a service's log, and of the file that was in its place so many rotations ago.
fn name(service: &str, age: u32) -> String {
    match age {
        0 => format!("{service}.log"),
        age => format!("{service}.log.{age}"),
    }
}

/// The name of the file that tells the times of another.
fn times_name(service: &str, age: u32) -> String {
    format!("{}.times", name(service, age))
}

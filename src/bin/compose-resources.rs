//! The program `compose-resources`.

fn main() {}

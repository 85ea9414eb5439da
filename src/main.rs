//! The program `compose-executor`.

fn main() {}

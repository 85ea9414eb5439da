//! Builds what the executor embeds: the programs without the standard library, and the code for Mesos' messages.
//!
//! All belong to the feature `executor`; the pure half of the crate needs no build step.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "executor")]
    executor::build();
}

#[cfg(feature = "executor")]
mod executor {
    use std::env;
    use std::path::PathBuf;
    use std::process::Command;

    /// What those programs share.
    const BARE: &str = "src/pause/bare.rs";
    const MESOS: &str = "src/mesos/proto/mesos.proto";

    pub(super) fn build() {
        println!("cargo::rerun-if-changed={BARE}");
        program("pause");
        program("init");
        program("shim");
        messages();
    }

    /// A program without the standard library can't be a target of this package: its panic
    /// strategy would have to be the whole package's. One call of the compiler does.
    fn program(name: &str) {
        let source = format!("src/pause/{name}.rs");
        println!("cargo::rerun-if-changed={source}");
        let rustc = env::var("RUSTC").expect("cargo names the compiler");
        let target = env::var("TARGET").expect("cargo names the target");
        let out = PathBuf::from(env::var("OUT_DIR").expect("cargo names a folder")).join(name);
        let status = Command::new(rustc)
            .args([
                "--edition=2024",
                "--crate-name",
                name,
                "--crate-type=bin",
                "--target",
                &target,
            ])
            .args([
                "-Copt-level=z",
                "-Cpanic=abort",
                "-Cstrip=symbols",
                "-Crelocation-model=static",
            ])
            .args([
                "-Ctarget-feature=+crt-static",
                "-Clink-arg=-nostartfiles",
                "-Clink-arg=-nostdlib",
            ])
            .args([
                "-Clink-arg=-static",
                "-Clink-arg=-Wl,--build-id=none,-z,norelro,-z,noexecstack,-n",
            ])
            .arg("-o")
            .arg(&out)
            .arg(&source)
            .status()
            .expect("the compiler that builds this script runs");
        assert!(status.success(), "{source} does not build");
    }

    fn messages() {
        println!("cargo::rerun-if-changed={MESOS}");
        let out = PathBuf::from(env::var("OUT_DIR").expect("cargo names a folder"));
        prost_build::Config::new()
            // A test compares the tags with Mesos' own.
            .file_descriptor_set_path(out.join("mesos.fds"))
            // The task of a LAUNCH is kept as the bytes that came: see src/mesos/proto/mesos.proto.
            .bytes([".mesos"])
            .compile_protos(&[MESOS], &["src/mesos/proto"])
            .expect("protoc is installed, and the messages are well formed");
    }
}

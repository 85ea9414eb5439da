//! What the program is built from: it has to run on any laptop, and nothing of it speaks to containerd.

use std::process::Command;

#[test]
fn it_links_neither_containerd_nor_an_asynchronous_runtime() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--no-default-features"])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs this test");
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).expect("cargo writes text");
    let crates: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(crates.contains(&"clap"), "{tree}");
    for name in [
        "tokio",
        "tonic",
        "hyper",
        "prost",
        "containerd-client",
        "nix",
    ] {
        assert!(!crates.contains(&name), "{name} is linked:\n{tree}");
    }
}

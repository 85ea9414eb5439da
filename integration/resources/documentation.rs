//! `docs/resources.md`: its examples are run, and what they print is what the page says.
//!
//! A block of the kind ```` ```yaml title=NAME ```` is a file; it lasts until the next heading. A block
//! ```` ```console ```` is a terminal: lines with `$ ` are run by a shell where the files are, with the
//! program in the path, and the lines below each are all that it prints, errors and all.

use std::path::Path;
use std::process::Command;

use crate::program::{Folder, PROGRAM, Run};

const PAGE: &str = include_str!("../../docs/resources.md");

/// A block between fences, or a heading.
enum Piece<'p> {
    Heading(&'p str),
    Block { kind: &'p str, text: String },
}

fn pieces(page: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| !line.starts_with("```"));
            let text = inside.flat_map(|line| [line, "\n"]).collect();
            pieces.push(Piece::Block { kind, text });
        } else if line.starts_with('#') {
            pieces.push(Piece::Heading(line));
        }
    }
    pieces
}

/// The commands of a terminal, each with what it prints.
fn commands(terminal: &str) -> Vec<(&str, String)> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in terminal.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, String::new())),
            (None, Some((_, output))) => {
                output.push_str(line);
                output.push('\n');
            }
            (None, None) => panic!("output without a command: {line}"),
        }
    }
    commands
}

fn shell(command: &str, folder: &Path) -> String {
    let programs = Path::new(PROGRAM)
        .parent()
        .expect("a program is in a folder");
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let run = Run::of(
        Command::new("/bin/sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(folder)
            .env_clear()
            .env("PATH", path)
            .env("PWD", folder),
    );
    run.out
}

#[test]
fn the_pages_examples_print_what_it_says() {
    let mut folder = Folder::new(&[]);
    let mut section = "";
    let mut ran = 0;
    for piece in pieces(PAGE) {
        match piece {
            Piece::Heading(heading) => {
                section = heading;
                folder = Folder::new(&[]);
            }
            Piece::Block {
                kind: "console",
                text,
            } => {
                for (command, expected) in commands(&text) {
                    let printed = shell(command, folder.path());
                    assert_eq!(printed, expected, "{section}: {command}");
                    ran += 1;
                }
            }
            Piece::Block { kind, text } => {
                if let Some((_, name)) = kind.split_once("title=") {
                    std::fs::write(folder.path().join(name), text).unwrap();
                }
            }
        }
    }
    assert!(ran > 10, "the page lost its examples: only {ran} were run");
}

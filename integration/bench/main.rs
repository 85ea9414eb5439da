//! What the project promises in numbers, measured: `make bench`.
//!
//! `cargo bench --bench bench -- WORDS` runs the measurements whose names have the words. Each
//! prints tables as it ends; `--json FILE` keeps them, and the machine they are of, for
//! `docs/performance.md`. Nothing here asserts a time: readers judge.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program for people at a terminal"
)]

mod config_speed;
mod density;
mod health;
mod idle;
mod logs;
mod machine;
mod peers;
mod pods;
mod raw;
mod soak;
mod table;

#[allow(dead_code, reason = "the tests make more images than this")]
#[path = "../image_archive.rs"]
mod image_archive;
#[allow(dead_code, reason = "the tests ask more of the lab than this")]
#[path = "../lab/mod.rs"]
mod lab;
#[allow(dead_code, reason = "the lab asks it where hierarchies are")]
#[path = "../oracle/mod.rs"]
mod oracle;
#[path = "../wait.rs"]
mod wait;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use lab::Lab;
use lab::containerd::Events;
use machine::Machine;
use table::Table;

/// A measurement by its name.
struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn(&Lab, rounds: usize) -> Vec<Table>,
}

const BENCHES: [Bench; 8] = [
    Bench {
        name: "config",
        about: "`config` beside docker compose's, and on files that grow",
        run: config_speed::run,
    },
    Bench {
        name: "pods",
        about: "from the request to all containers running, and back, beside raw runtimes",
        run: pods::run,
    },
    Bench {
        name: "health",
        about: "a chain of ten health conditions beside the probes' own times",
        run: health::run,
    },
    Bench {
        name: "soak",
        about: "a thousand restarts, and a day's probes",
        run: soak::run,
    },
    Bench {
        name: "logs",
        about: "1 GiB of log lines from one service",
        run: logs::run,
    },
    Bench {
        name: "idle",
        about: "memory and wake-ups of a pod that does nothing",
        run: idle::run,
    },
    Bench {
        name: "burst",
        about: "fifty pods at once",
        run: density::burst,
    },
    Bench {
        name: "density",
        about: "a hundred pods side by side",
        run: density::run,
    },
];

/// Measures, and prints tables.
#[derive(Parser)]
struct Args {
    /// Only the measurements whose names have one of these words
    words: Vec<String>,
    /// How often each variant is measured, in turns
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Also write the figures here, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// What `cargo bench` adds by itself
    #[arg(long, hide = true)]
    bench: bool,
}

/// Stops the lab in any case: a measurement that fails panics.
struct Stopped(Lab);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(missing) = lab::host::check() {
        eprintln!("nothing can be measured here:\n{missing}");
        return ExitCode::FAILURE;
    }
    let lab = match Lab::start(Events::Unheard) {
        Ok(lab) => lab,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let lab = Stopped(lab);
    let machine = Machine::look();
    println!("{machine}\n");
    let wanted = |bench: &&Bench| {
        args.words.is_empty() || args.words.iter().any(|word| bench.name.contains(word))
    };
    let mut all = Vec::new();
    for bench in BENCHES.iter().filter(wanted) {
        eprintln!("{}: {}", bench.name, bench.about);
        for table in (bench.run)(&lab.0, args.rounds) {
            println!("{table}");
            all.push(json!({ "bench": bench.name, "table": table.to_json() }));
        }
    }
    drop(lab);
    let Some(path) = args.json else {
        return ExitCode::SUCCESS;
    };
    let text = json!({ "schema": 1, "machine": machine.to_json(), "tables": all });
    match std::fs::write(&path, format!("{text:#}\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

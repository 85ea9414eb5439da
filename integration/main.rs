//! The black-box tests: the program, a real containerd, a real Mesos.
//!
//! `cargo test --test integration -- WORDS` runs those whose names have the words. They run one
//! after the other, since each compares the whole host before and after. [`lab`] is where they
//! happen, [`oracle`] what looks for leaks, [`image_archive`] makes what they run.

#![allow(
    clippy::print_stderr,
    clippy::exit,
    reason = "a program for people at a terminal, which must end when they say so"
)]

mod agent_restart;
mod app;
mod attributes;
mod aurora;
mod checks;
mod cleanup;
mod client;
mod commands;
mod complaints;
mod corpora;
mod doctor;
mod executor_crash;
mod faults;
mod health;
mod hooks;
mod image;
mod image_archive;
mod images;
mod isolation;
mod json;
mod kill_during_launch;
mod lab;
mod lease;
mod lifecycle;
mod logs;
mod managed;
mod many_pods;
mod marathon;
mod names;
mod namespaces;
mod network_infos;
mod operators_volumes;
mod oracle;
mod oracle_sees;
mod order;
mod own_cgroup;
mod placement;
mod pod_security;
mod policy;
mod refusals;
mod restarts;
mod runtimes;
mod services;
mod several_tasks;
mod soak;
mod stop;
mod storage;
mod storage_attacks;
mod sys;
mod terminal;
mod threats;
mod time_limit;
mod trial;
mod up;
mod wait;

use std::process::{self, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use libtest_mimic::Arguments;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use lab::host;
use oracle::Oracle;
use trial::{Needs, SharedLab, Test};

/// The themes, a module each.
fn tests() -> Vec<Test> {
    let themes = [
        oracle_sees::tests(),
        client::tests(),
        image::tests(),
        sys::tests(),
        lifecycle::tests(),
        placement::tests(),
        namespaces::tests(),
        isolation::tests(),
        agent_restart::tests(),
        executor_crash::tests(),
        kill_during_launch::tests(),
        refusals::tests(),
        policy::tests(),
        pod_security::tests(),
        operators_volumes::tests(),
        threats::tests(),
        logs::tests(),
        images::tests(),
        services::tests(),
        order::tests(),
        health::tests(),
        checks::tests(),
        network_infos::tests(),
        time_limit::tests(),
        restarts::tests(),
        hooks::tests(),
        stop::tests(),
        attributes::tests(),
        corpora::tests(),
        storage::tests(),
        storage_attacks::tests(),
        names::tests(),
        several_tasks::tests(),
        runtimes::tests(),
        up::tests(),
        commands::tests(),
        json::tests(),
        terminal::tests(),
        complaints::tests(),
        managed::tests(),
        own_cgroup::tests(),
        doctor::tests(),
        marathon::tests(),
        aurora::tests(),
        cleanup::tests(),
        faults::tests(),
        many_pods::tests(),
        soak::tests(),
    ];
    themes.into_iter().flatten().collect()
}

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads = Some(1);
    if !args.list
        && let Err(missing) = host::check()
    {
        eprintln!("the integration tests can't run here:\n{missing}");
        return ExitCode::FAILURE;
    }
    let lab = SharedLab::default();
    end_in_order(lab.clone());
    let oracle = Oracle::over_host();
    let before = oracle.look();
    let trials = tests()
        .into_iter()
        .filter(|test| test.needs == Needs::Containerd || !host::without_mesos())
        .map(|test| test.trial(lab.clone()))
        .collect();

    let conclusion = libtest_mimic::run(&args, trials);

    stop(&lab);
    let left = oracle.left_since(&before, Duration::from_secs(10));
    if !left.is_empty() {
        eprintln!("left on the host:\n{}", oracle::report(&left));
    }
    if conclusion.has_failed() || !left.is_empty() {
        return ExitCode::from(101);
    }
    ExitCode::SUCCESS
}

/// Stops the lab, once, whoever asks.
fn stop(lab: &SharedLab) {
    static STOPPED: Mutex<bool> = Mutex::new(false);
    let mut stopped = STOPPED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(lab) = lab.started()
        && !*stopped
    {
        lab.stop();
    }
    *stopped = true;
}

/// Ctrl-C and SIGTERM stop the lab before they end the program.
///
/// By handlers, which end with an exec: blocked signals would stay blocked in the programs under
/// test.
fn end_in_order(lab: SharedLab) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime for two signals can be made");
    thread::spawn(move || {
        runtime.block_on(async {
            let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
            let [mut interrupt, mut terminate] = signals.map(|it| it.expect("it can be handled"));
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        stop(&lab);
        process::exit(130);
    });
}

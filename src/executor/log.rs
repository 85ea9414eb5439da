//! The executor's own log: standard error at first, executor.log once the sandbox is known.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use super::config::{LogLevel, LogsConfig};

/// Where the log goes, and how much of it. Clones share it.
#[derive(Clone, Debug)]
pub struct LogTarget {
    file: Arc<Mutex<Option<File>>>,
    level: reload::Handle<Targets, Registry>,
}

impl LogTarget {
    /// Starts the process' log, on standard error.
    ///
    /// # Errors
    /// When it has been started before.
    pub fn start(level: LogLevel) -> Result<Self, tracing_subscriber::util::TryInitError> {
        let (filter, handle) = reload::Layer::new(filter(level));
        let target = Self {
            file: Arc::default(),
            level: handle,
        };
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_target(false)
            .with_writer(target.clone());
        tracing_subscriber::registry()
            .with(filter)
            .with(layer)
            .try_init()?;
        Ok(target)
    }

    /// From now on, to this file.
    pub fn switch(&self, file: File) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    pub fn configure(&self, config: &LogsConfig) {
        // The subscriber lives as long as the process.
        let _ = self.level.reload(filter(config.level));
    }
}

/// What the libraries below tell is of interest only when something is wrong.
fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_target(env!("CARGO_CRATE_NAME"), level)
}

impl<'a> MakeWriter<'a> for LogTarget {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { target: self }
    }
}

/// One line on its way.
#[derive(Debug)]
pub struct Line<'a> {
    target: &'a LogTarget,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self
            .target
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            Some(file) => file.write(bytes),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

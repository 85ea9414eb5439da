//! What a command is started with: the environment, read once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::Future;

use super::exit::CommandError;

/// The process' environment. The agent's token is taken out of it when it is read.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    pub fn new(variables: Vec<(OsString, OsString)>) -> Self {
        Self {
            variables: variables.into_iter().collect(),
        }
    }

    pub fn get(&self, name: &str) -> Option<&OsString> {
        self.variables
            .get(&OsString::from(name))
            .filter(|value| !value.is_empty())
    }

    /// Those that are text: Compose files know no others.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let text = |(name, value): (&OsString, &OsString)| {
            Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()))
        };
        self.variables.iter().filter_map(text).collect()
    }
}

/// Runs the asynchronous part of a command: one thread, since it only waits.
pub(super) fn block_on<T>(
    work: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    let result = runtime.block_on(work);
    // A thread that reads a terminal or writes to a stuck pipe must not keep the process.
    runtime.shutdown_background();
    result
}

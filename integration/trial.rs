//! One test: what it needs, and what is looked at around it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};

use crate::lab::Lab;
use crate::lab::containerd::Events;
use crate::oracle::{self, Oracle};

/// How long what is on its way out may take: Mesos reaps, containerd collects.
const SETTLE: Duration = Duration::from_secs(30);

/// The lab, started by the first test that runs.
#[derive(Debug, Default, Clone)]
pub(crate) struct SharedLab(Arc<OnceLock<Result<Lab, String>>>);

impl SharedLab {
    fn get(&self) -> Result<&Lab, String> {
        self.0
            .get_or_init(|| Lab::start(Events::Witnessed))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// None if no test has wanted it.
    pub(crate) fn started(&self) -> Option<&Lab> {
        self.0.get()?.as_ref().ok()
    }
}

/// What a test needs beside the containerd that each gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Containerd,
    Mesos,
}

/// A function that is a test: it panics if something is not as it should be.
pub(crate) struct Test {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
    pub(crate) body: fn(&Lab),
}

/// The tests of a module: what they need, then their names.
macro_rules! tests {
    ($needs:ident: $($name:ident),+ $(,)?) => {
        [$($crate::trial::Test {
            module: module_path!(),
            name: stringify!($name),
            needs: $crate::trial::Needs::$needs,
            body: $name,
        }),+]
    };
}
pub(crate) use tests;

impl Test {
    /// `module::name`: the theme, and the file in it if it has several.
    pub(crate) fn full_name(&self) -> String {
        let module = self.module.split_once("::").map(|(_, module)| module);
        format!("{}::{}", module.unwrap_or(self.module), self.name)
    }

    /// The test, as libtest's interface wants it.
    pub(crate) fn trial(self, lab: SharedLab) -> Trial {
        Trial::test(self.full_name(), move || self.run(&lab))
    }

    /// A test that panics still drops what it holds, which ends its pods; then the oracle looks,
    /// and what explains the failure is told.
    fn run(&self, lab: &SharedLab) -> Result<(), Failed> {
        let lab = lab.get()?;
        if self.needs == Needs::Mesos {
            lab.try_mesos()?;
        }
        lab.begin_evidence();
        let oracle = Oracle::over(lab);
        let before = oracle.look();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| (self.body)(lab)));
        let left = oracle.left_since(&before, SETTLE);

        let mut report = String::new();
        if let Err(payload) = &outcome {
            let words = payload.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| payload.downcast_ref::<&str>().copied());
            report.push_str(words.unwrap_or("(a panic without words)"));
            report.push('\n');
        }
        if !left.is_empty() {
            report = format!("{report}left behind:\n{}\n", oracle::report(&left));
        }
        if report.is_empty() {
            return Ok(());
        }
        report.push_str(&lab.take_evidence());
        if !left.is_empty() {
            lab.sweep();
        }
        Err(report.into())
    }
}

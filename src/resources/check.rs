//! Whether a task fits: `--check cpus=4,mem=8g`, for CI.

use std::fmt;
use std::str::FromStr;

use super::amount::{AmountError, MilliCpus, parse_size};
use super::sum::TaskSum;
use crate::compose::model::ByteSize;

/// What a task may ask for; what is not given is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    pub cpus: Option<MilliCpus>,
    pub mem: Option<ByteSize>,
    pub disk: Option<ByteSize>,
    pub gpus: Option<u64>,
}

/// Why a text is no budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    #[error("`{0}` is not of the form cpus=N,mem=SIZE")]
    Form(String),
    #[error("`{0}` is no resource: there are cpus, mem, disk and gpus")]
    Resource(String),
    #[error("{0} is given twice")]
    Twice(String),
    #[error("`{0}` is no number of GPUs")]
    Gpus(String),
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        fn set<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), BudgetError> {
            match slot.replace(value) {
                None => Ok(()),
                Some(_) => Err(BudgetError::Twice(name.to_owned())),
            }
        }
        let mut budget = Self::default();
        for part in text.split(',') {
            let Some((name, value)) = part.split_once('=') else {
                return Err(BudgetError::Form(part.to_owned()));
            };
            let gpus = || {
                let wrong = |_| BudgetError::Gpus(value.to_owned());
                value.parse().map_err(wrong)
            };
            match name.trim() {
                "cpus" => set(&mut budget.cpus, name, value.parse()?)?,
                "mem" => set(&mut budget.mem, name, parse_size(value)?)?,
                "disk" => set(&mut budget.disk, name, parse_size(value)?)?,
                "gpus" => set(&mut budget.gpus, name, gpus()?)?,
                other => return Err(BudgetError::Resource(other.to_owned())),
            }
        }
        Ok(budget)
    }
}

/// A resource of which a task needs more than there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    pub resource: &'static str,
    pub needed: String,
    pub allowed: String,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resource,
            needed,
            allowed,
        } = self;
        write!(
            f,
            "{resource}: the task needs {needed}, and {allowed} is allowed"
        )
    }
}

impl Budget {
    /// Where the task does not fit. It may ask for all of the budget.
    pub fn exceeded_by(&self, task: &TaskSum) -> Vec<Excess> {
        fn over<T: PartialOrd + fmt::Display>(
            resource: &'static str,
            needed: &T,
            allowed: Option<&T>,
        ) -> Option<Excess> {
            let allowed = allowed.filter(|allowed| needed > allowed)?;
            Some(Excess {
                resource,
                needed: needed.to_string(),
                allowed: allowed.to_string(),
            })
        }
        let amounts = &task.amounts;
        [
            over("cpus", &amounts.cpus, self.cpus.as_ref()),
            over("mem", &amounts.mem, self.mem.as_ref()),
            over("disk", &amounts.disk, self.disk.as_ref()),
            over("gpus", &task.gpus, self.gpus.as_ref()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::amount::Amounts;

    fn task() -> TaskSum {
        TaskSum {
            amounts: Amounts {
                cpus: MilliCpus(610),
                mem: ByteSize(400 << 20),
                disk: ByteSize(0),
            },
            gpus: 1,
            ports: Vec::new(),
            limits: None,
        }
    }

    #[test]
    fn a_task_may_use_all_that_is_allowed() {
        let budget: Budget = "cpus=0.61,mem=400m,gpus=1,disk=0".parse().unwrap();
        assert_eq!(budget.exceeded_by(&task()), []);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let budget: Budget = "cpus=0.5,mem=256m,gpus=0".parse().unwrap();
        let excess: Vec<String> = budget
            .exceeded_by(&task())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            excess,
            [
                "cpus: the task needs 0.61, and 0.5 is allowed",
                "mem: the task needs 400MiB, and 256MiB is allowed",
                "gpus: the task needs 1, and 0 is allowed"
            ]
        );
    }

    #[test]
    fn what_is_no_budget_is_refused() {
        for text in [
            "",
            "cpus",
            "cpus=x",
            "mem=64Mi",
            "ram=1g",
            "cpus=1,cpus=2",
            "gpus=-1",
        ] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
    }
}

//! The ids that Mesos gives: opaque texts, each a type of its own.
//!
//! They are data of others: a framework chooses its task ids, slashes and line ends included. Who
//! makes a path, a name or a log line from one has to reduce or quote it first.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A framework, as the master registered it.
    FrameworkId
}
id! {
    /// An executor, unique within its framework on an agent.
    ExecutorId
}
id! {
    /// An agent; another one after it lost its state.
    AgentId
}
id! {
    /// A task, unique within its framework.
    TaskId
}
id! {
    /// One run of an executor: a UUID that the agent makes at launch.
    ContainerId
}

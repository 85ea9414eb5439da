//! Why a command can't be run. Runtimes tell it in words of their own, which change from version to
//! version; those here are of crun 1.8 and 1.28, and of runc 1.1 and 1.3.

use crate::containerd::RpcError;

/// What is wrong with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NotThere,
    /// It, or what it needs to run: its interpreter, its libraries.
    Incomplete,
    NotExecutable,
    /// A folder, for one.
    NotAFile,
    OtherMachine,
}

/// A command that can't be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandFault {
    fault: Fault,
    /// Empty where the runtime does not name it.
    pub(super) command: String,
}

/// Who wrote a line did not name the shell, and would not know what is missing.
const NO_SHELL: &str = "the image has no such shell, and so can't run a line of one, as a health check's CMD-SHELL or string, or \
     a Dockerfile's CMD without brackets; give a program with its arguments instead";

impl CommandFault {
    /// What a runtime says of it; none where something else went wrong.
    pub(super) fn of(error: &RpcError) -> Option<Self> {
        let fault = Fault::told(&error.message.to_ascii_lowercase())?;
        let command = named(&error.message).unwrap_or_default().to_owned();
        Some(Self { fault, command })
    }

    pub(super) fn why(&self) -> &'static str {
        match self.fault {
            Fault::NotThere | Fault::Incomplete if is_shell(&self.command) => NO_SHELL,
            Fault::NotThere => "it is not in the image",
            Fault::Incomplete => "it is not in the image, or what it needs to run is not",
            Fault::NotExecutable => "it is not executable",
            Fault::NotAFile => "it is not a file",
            Fault::OtherMachine => "it was built for another kind of machine",
        }
    }

    /// What a shell says of it: 127 where there is none, 126 where it can't be executed.
    fn code(&self) -> u8 {
        match self.fault {
            Fault::NotThere | Fault::Incomplete => 127,
            Fault::NotExecutable | Fault::NotAFile | Fault::OtherMachine => 126,
        }
    }
}

impl Fault {
    fn told(message: &str) -> Option<Self> {
        let said = |words: &str| message.contains(words);
        let of_exec = ["exec: ", "exec `", "exec container process"]
            .into_iter()
            .any(said);
        if said("executable file not found in $path") || said("executable file `") {
            Some(Self::NotThere)
        } else if said("exec format error") {
            Some(Self::OtherMachine)
        } else if (said("the path `") && said("is not a regular file"))
            || said("open executable: operation not permitted")
            || (of_exec && said("is a directory"))
        {
            Some(Self::NotAFile)
        } else if said("it is not executable")
            || said("open executable")
            || (of_exec && said("permission denied"))
        {
            Some(Self::NotExecutable)
        } else if of_exec && said("no such file or directory") {
            Some(Self::Incomplete)
        } else {
            None
        }
    }
}

/// The command as the runtime quotes it.
fn named(message: &str) -> Option<&str> {
    let quoted = [
        ("exec: \"", '"'),
        ("executable file `", '`'),
        ("the path `", '`'),
        ("exec `", '`'),
    ];
    let mut quoted = quoted.into_iter();
    let behind = quoted.find_map(|(words, quote)| {
        let (_, command) = message.split_once(words)?;
        command.split(quote).next()
    });
    // crun may make a remark before it.
    behind.or_else(|| {
        let (_, remark) = message.split_once("exec container process ")?;
        remark.split('`').nth(1)
    })
}

fn is_shell(command: &str) -> bool {
    let name = command.rsplit('/').next().unwrap_or_default();
    matches!(name, "sh" | "ash" | "bash" | "dash")
}

/// What a shell says of a command that can't be run: 127 where there is none, 126 where it can't be
/// executed; none where something else went wrong.
pub fn command_code(error: &RpcError) -> Option<u8> {
    CommandFault::of(error).map(|fault| fault.code())
}

/// Why a further process of a container was not started: a probe's, a check's, or a person's.
pub fn not_run(source: &RpcError) -> String {
    match CommandFault::of(source) {
        Some(fault) if fault.command.is_empty() => format!("it can't be run: {}", fault.why()),
        Some(fault) => format!("\"{}\" can't be run: {}", fault.command, fault.why()),
        None => format!("it can't be run: {source}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containerd::Code;

    fn said(message: &str) -> RpcError {
        RpcError {
            call: "Tasks.Start",
            subject: "web".to_owned(),
            code: Code::Unknown,
            message: format!("OCI runtime exec failed: {message}: unknown"),
        }
    }

    /// The command, why it can't be run and its code.
    fn told(message: &str) -> (String, &'static str, u8) {
        let fault = CommandFault::of(&said(message)).expect(message);
        (fault.command.clone(), fault.why(), fault.code())
    }

    fn of(command: &str, why: &'static str, code: u8) -> (String, &'static str, u8) {
        (command.to_owned(), why, code)
    }

    const RUNC: &str = "exec failed: unable to start container process: exec: ";

    #[test]
    fn a_command_that_is_not_there() {
        let there_is_none = of("nope", "it is not in the image", 127);
        let runc = format!("{RUNC}\"nope\": executable file not found in $PATH");
        assert_eq!(told(&runc), there_is_none);
        for crun in [
            "executable file `nope` not found in $PATH: No such file or directory",
            "executable file `nope` not found: No such file or directory",
        ] {
            assert_eq!(told(crun), there_is_none);
        }
        let why = "it is not in the image, or what it needs to run is not";
        let runc = format!("{RUNC}\"/nope\": stat /nope: no such file or directory");
        assert_eq!(told(&runc), of("/nope", why, 127));
        for (crun, command) in [
            ("exec: No such file or directory", ""),
            ("exec `/x`: No such file or directory", "/x"),
            (
                "exec container process (missing dynamic library?) `/x`: No such file or directory",
                "/x",
            ),
        ] {
            assert_eq!(told(crun), of(command, why, 127));
        }
    }

    #[test]
    fn a_command_that_can_not_be_executed() {
        let not_executable = |command| of(command, "it is not executable", 126);
        let runc = format!("{RUNC}\"/x\": permission denied");
        assert_eq!(told(&runc), not_executable("/x"));
        assert_eq!(
            told("open executable: Permission denied"),
            not_executable("")
        );
        let crun = "the path `/x` exists but it is not executable: Operation not permitted";
        assert_eq!(told(crun), not_executable("/x"));

        let folder = |command| of(command, "it is not a file", 126);
        let runc = format!("{RUNC}\"/etc\": is a directory");
        assert_eq!(told(&runc), folder("/etc"));
        assert_eq!(told("open executable: Operation not permitted"), folder(""));
        let crun = "the path `/etc` is not a regular file: Operation not permitted";
        assert_eq!(told(crun), folder("/etc"));

        let other = |command| of(command, "it was built for another kind of machine", 126);
        assert_eq!(told("exec: Exec format error"), other(""));
        assert_eq!(told("exec `/x`: Exec format error"), other("/x"));
        let crun = "exec container process `/x`: Exec format error";
        assert_eq!(told(crun), other("/x"));
    }

    #[test]
    fn a_missing_shell_is_named_with_what_needs_it() {
        let runc = format!("{RUNC}\"/bin/sh\": stat /bin/sh: no such file or directory");
        let crun = "executable file `/bin/sh` not found in $PATH: No such file or directory";
        for text in [runc.as_str(), crun] {
            assert_eq!(told(text), of("/bin/sh", NO_SHELL, 127));
            let told = not_run(&said(text));
            assert!(
                told.starts_with("\"/bin/sh\" can't be run: the image has no"),
                "{told}"
            );
        }
    }

    #[test]
    fn what_else_goes_wrong_is_not_the_commands_fault() {
        for text in [
            "no space left on device",
            "chdir `/nope`: No such file or directory",
            "chdir to `/nope`: No such file or directory",
            "exec failed: unable to start container process: chdir to cwd (\"/nope\") set in config.json failed: no such file or directory",
            "mount `/a` to `etc/a`: Is a directory",
            "mount `/a` to `etc/a`: Permission denied",
        ] {
            assert_eq!(CommandFault::of(&said(text)), None, "{text}");
        }
        let told = not_run(&said("no space left on device"));
        assert!(told.contains("no space left"), "{told}");
    }
}

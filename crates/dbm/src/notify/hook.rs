//! A command of the user's, before and after.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Runs a command with the shell: variables tell it the most, its standard input all, as JSON. What it says goes to
/// standard error, since standard output is the command's own.
///
/// # Errors
/// That it could not be started, did not end in time (it is ended then, with what it has started), or its status.
pub(super) async fn run(
    command: &str,
    variables: &[(&str, String)],
    input: &str,
    timeout: Duration,
) -> Result<(), String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).envs(variables.iter().map(|(name, value)| (name, value)));
    for name in crate::memory::OWN {
        shell.env_remove(name);
    }
    let mut child = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::from(std::io::stderr()))
        .stderr(Stdio::inherit())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let work = async {
        if let Some(mut stdin) = child.stdin.take() {
            // Whoever does not read it does not want it.
            let _gone = stdin.write_all(input.as_bytes()).await;
        }
        child.wait().await
    };
    match tokio::time::timeout(timeout, work).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("it ended with {status}")),
        Ok(Err(error)) => Err(format!("its end is not known: {error}")),
        Err(_) => {
            if let Some(group) = group {
                let _gone = kill_process_group(group, Signal::KILL);
            }
            Err(format!("it was ended since it took more than {timeout:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_gets_its_variables_and_its_input_and_is_ended_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seen");
        let variables = [("DBM_EVENT", "success".to_owned()), ("FILE", file.to_str().unwrap().to_owned())];
        let minute = Duration::from_secs(60);
        run("{ echo \"$DBM_EVENT\"; cat; } > \"$FILE\"", &variables, "{}", minute).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "success\n{}");
        assert!(run("exit 3", &[], "x", minute).await.unwrap_err().contains("exit status: 3"));
        let ended = run("sleep 600 & wait", &[], "", Duration::from_millis(200)).await.unwrap_err();
        assert!(ended.contains("took more than"), "{ended}");
        let own = [(crate::memory::OWN[0], "1".to_owned())];
        run(&format!("test -z \"${}\"", crate::memory::OWN[0]), &own, "", minute).await.unwrap();
        // More than a pipe holds, for one who does not read.
        run("true", &[], &"x".repeat(1 << 20), minute).await.unwrap();
    }
}

//! Reasons why a run from a manifest failed, from its log: which processes, instances and volumes failed, and how.

use capos_schema::grants::CONSOLE;

use super::behind::{Behind, SERVER, VOLUME, with_host};
use super::full::{self, of_manifest};
use super::hints::{Fields, with_limit};
use crate::manifest::Manifest;

/// Prefix of a wasm host's log lines about an instance.
const INSTANCE: &str = "[wasm-host] ";
/// Prefix of `init`'s log lines about a process.
const PROCESS: &str = "[user] init: ";
/// The beginning of the line about a regular exit.
const EXITED: &str = "exited with status ";
/// The beginnings of the lines about an instance's end.
const ENDS: [&str; 6] = [EXITED, "trap: ", "out of ", "killed", "failed to start", "did not start"];
/// The beginning of an instance's line about an output that it does not have.
const UNHEARD: &str = "fd_write needs ";
/// Maximum number of unfinished entries to name.
const MOST_NAMED: usize = 10;

/// The subject of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Instance,
    Process,
    Volume,
}

/// The log lines about one process or instance since its last start.
struct Account<'a> {
    name: &'a str,
    kind: Kind,
    lines: Vec<&'a str>,
}

impl Account<'_> {
    /// Whether it is among the reasons for a failed run: a regular exit with status 0 is not.
    fn is_failure(&self) -> bool {
        !self.lines.iter().any(|line| status(line) == Some("0")) && !self.lines.is_empty()
    }

    /// Whether it has nothing but an exit with its own status.
    fn only_exited(&self) -> bool {
        self.lines.iter().all(|line| status(line).is_some())
    }
}

/// The status in a line about an exit.
fn status(line: &str) -> Option<&str> {
    line.strip_prefix(EXITED)
}

/// The reasons why a run of `manifest` ended with a non-zero status, one line each: `NAME: REASON`. Empty if the status
/// is that of the only program, which has then reported its own errors. `behind` has the host files of volumes.
pub(super) fn reasons(manifest: &Manifest, log: &[String], behind: &Behind) -> Vec<String> {
    let hosts = |name: &str| {
        manifest.processes.iter().any(|process| process.name == name && process.wasm_host.is_some())
    };
    let instances = accounts(log, Kind::Instance, |line| !line.starts_with("compiled in "));
    let instance_failed = instances.iter().any(Account::is_failure);
    let volumes = accounts(log, Kind::Volume, |line| !full::is_told_by(line));
    let processes = accounts(log, Kind::Process, |_| true);
    // The server of a volume has logged why it ended.
    let said = |name: &str| {
        let volume = name.strip_prefix(SERVER);
        volume.is_some_and(|name| volumes.iter().any(|volume| volume.name == name))
    };
    // A host's status is that of its instances, so it adds nothing.
    let processes = processes.into_iter().filter(|process| {
        !(said(process.name) || hosts(process.name) && instance_failed && process.only_exited())
    });
    let failed: Vec<_> = instances.into_iter().chain(processes).filter(Account::is_failure).collect();
    let entries = manifest.processes.iter().map(|process| match &process.wasm_host {
        Some(host) => host.instances.len(),
        None => 1,
    });
    let mut added = of_manifest(manifest, log, behind);
    added.extend(failed.iter().filter_map(|account| silence(manifest, account)));
    if entries.sum::<usize>() == 1 && failed.iter().all(Account::only_exited) {
        return added;
    }
    let told = volumes.iter().flat_map(|volume| {
        volume.lines.iter().map(|line| with_host(&format!("{SERVER}{}: {line}", volume.name), behind))
    });
    let lines = failed.iter().flat_map(|account| {
        let fields = match account.kind {
            Kind::Instance => Fields::of_instance(manifest, account.name),
            Kind::Process | Kind::Volume => Fields::of_process(manifest, account.name),
        };
        let lines: Vec<String> =
            account.lines.iter().map(|line| fields.in_manifest(&with_limit(line))).collect();
        counted(&lines.iter().map(String::as_str).collect::<Vec<_>>())
            .into_iter()
            .map(move |line| with_host(&format!("{}: {line}", account.name), behind))
            .collect::<Vec<_>>()
    });
    told.chain(lines).chain(added).collect()
}

/// The line about a native process whose exit status is not explained, since it could not write an explanation.
fn silence(manifest: &Manifest, account: &Account<'_>) -> Option<String> {
    let process = manifest.processes.iter().find(|process| process.name == account.name)?;
    // A hint about a host's instance comes from the host, which knows whether it wrote anything.
    let is_silent = account.kind == Kind::Process
        && account.only_exited()
        && process.wasm_host.is_none()
        && !process.grants.iter().any(|grant| grant.name == CONSOLE.name);
    let hint = "its output, if any, was discarded: grant `console` in the manifest";
    is_silent.then(|| {
        format!("{}: {}", account.name, Fields::of_process(manifest, account.name).in_manifest(hint))
    })
}

/// The lines about outputs that programs wrote to and did not have, in a run that succeeded.
pub(super) fn unheard(manifest: &Manifest, log: &[String]) -> Vec<String> {
    let instances = accounts(log, Kind::Instance, |line| line.starts_with(UNHEARD));
    let lines = instances.iter().flat_map(|account| {
        let fields = Fields::of_instance(manifest, account.name);
        let lines = account.lines.iter().map(move |line| fields.in_manifest(line));
        lines.map(|line| format!("{}: its output was discarded: {line}", account.name))
    });
    lines.collect()
}

/// A line with the processes and instances of `manifest` whose end is not in the log of a run whose time was over.
pub(super) fn unfinished(manifest: &Manifest, log: &[String]) -> Option<String> {
    let processes = accounts(log, Kind::Process, |_| true);
    let instances = accounts(log, Kind::Instance, |line| ENDS.iter().any(|end| line.starts_with(end)));
    // The last word about it, unless it was started again.
    let has_ended = |accounts: &[Account<'_>], name: &str| {
        let account = accounts.iter().find(|account| account.name == name);
        account.and_then(|account| account.lines.last()).is_some_and(|line| !line.contains("; restart "))
    };
    let running = manifest.processes.iter().filter(|process| !has_ended(&processes, &process.name));
    let names: Vec<String> = running
        .flat_map(|process| match process.wasm_host.as_ref().filter(|host| !host.instances.is_empty()) {
            Some(host) => {
                let instances = host.instances.iter().filter(|one| !has_ended(&instances, &one.name));
                instances.map(|instance| format!("{}/{}", process.name, instance.name)).collect()
            }
            None => vec![process.name.clone()],
        })
        .collect();
    let more = names.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named = names.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| format!("not ended by then: {named}{more}"))
}

/// The lines about items of this kind, grouped by the name that they begin with, in the order of the names' first lines.
fn accounts<'a>(log: &'a [String], kind: Kind, wanted: impl Fn(&str) -> bool) -> Vec<Account<'a>> {
    let prefix = match kind {
        Kind::Instance => INSTANCE,
        Kind::Process => PROCESS,
        Kind::Volume => VOLUME,
    };
    let mut accounts: Vec<Account<'a>> = Vec::new();
    for line in log {
        let Some((name, line)) = line.split_once(prefix).and_then(|(_, rest)| rest.split_once(": ")) else {
            continue;
        };
        if !wanted(line) {
            continue;
        }
        match accounts.iter_mut().find(|account| account.name == name) {
            Some(account) => account.lines.push(line),
            None => accounts.push(Account { name, kind, lines: vec![line] }),
        }
    }
    accounts
}

/// Merges identical consecutive lines, such as those of a recursion.
pub(super) fn counted(lines: &[&str]) -> Vec<String> {
    let runs = lines.chunk_by(|one, other| one == other);
    let runs = runs.filter_map(|run| run.first().map(|line| (*line, run.len())));
    runs.map(|(line, count)| if count > 1 { format!("{line} ({count} times)") } else { line.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::decode::decode;
    use serde_json::{Value, json};

    fn reasons(manifest: &Value, log: &str) -> Vec<String> {
        let manifest = decode(manifest).unwrap();
        let behind = [("v".to_owned(), "/srv/v.img".into())];
        super::reasons(&manifest, &log.lines().map(str::to_owned).collect::<Vec<_>>(), &behind)
    }

    fn one() -> Value {
        json!({"name": "m", "wasm": [{"instances": [{"name": "a"}]}]})
    }

    fn several() -> Value {
        json!({"name": "m", "processes": [{"name": "server"}], "wasm": [{"instances": [{"name": "a"}, {"name": "b"}]}]})
    }

    #[test]
    fn a_trap_is_told_with_its_functions_and_without_the_host() {
        let log = "[user] [wasm-host] a: compiled in 3 ns\n[user] [wasm-host] a: trap: unreachable\n\
                   [user] [wasm-host] a:   in rec\n[user] [wasm-host] a:   in rec\n\
                   [user] init: wasm: exited with status 134\n";
        assert_eq!(reasons(&one(), log), ["a: trap: unreachable", "a:   in rec (2 times)"]);
    }

    #[test]
    fn an_end_at_a_limit_comes_with_what_raises_it() {
        let log = "[user] [wasm-host] a: out of fuel after 1000\n[user] init: wasm: exited with status 137\n";
        assert_eq!(
            reasons(&one(), log),
            ["a: out of fuel after 1000: raise `wasm.0.instances.0.limits.fuel` in the manifest"]
        );
        assert!(with_limit("out of time").ends_with("or pass --wall-time"));
        assert_eq!(with_limit("trap: out of bounds"), "trap: out of bounds");
    }

    #[test]
    fn an_end_without_memory_in_the_machine_is_no_limit_of_the_instance() {
        let log = "[user] init: wasm: the machine is out of memory, at address 0x1000, instruction 0x2000\n";
        let line = "wasm: the machine is out of memory: give it more with --mem";
        assert_eq!(reasons(&one(), log), [line]);
    }

    #[test]
    fn the_status_of_the_only_program_is_its_own_affair() {
        let log = "[user] [wasm-host] a: exited with status 42\n[user] init: wasm: exited with status 42\n";
        assert_eq!(reasons(&one(), log), [""; 0]);
        let hint = "random_get needs EntropySource: grant `entropy` in the manifest or pass --entropy";
        let lacked = format!("{log}[user] [wasm-host] a: {hint}\n");
        let told =
            "a: random_get needs EntropySource: grant `wasm.0.instances.0.grants.entropy` in the manifest";
        assert_eq!(reasons(&one(), &lacked).last().map(String::as_str), Some(told));
    }

    #[test]
    fn of_several_it_is_told_which_one_failed() {
        let log = "[user] [wasm-host] a: exited with status 0\n[user] [wasm-host] b: exited with status 3\n\
                   [user] init: wasm: exited with status 3\n[user] init: server: exception 14 at address 0x0\n";
        assert_eq!(
            reasons(&several(), log),
            ["b: exited with status 3", "server: exception 14 at address 0x0"]
        );
    }

    #[test]
    fn a_failed_process_without_a_console_cannot_say_why() {
        let manifest = |grants: Value| json!({"name": "m", "processes": [{"name": "p", "grants": grants}]});
        let log = "[user] init: p: exited with status 3\n";
        assert_eq!(
            reasons(&manifest(json!({})), log),
            ["p: its output, if any, was discarded: grant `processes.0.grants.console` in the manifest"]
        );
        assert_eq!(reasons(&manifest(json!({"console": true})), log), [""; 0]);
    }

    #[test]
    fn output_without_a_console_is_told_of_a_success_too() {
        let log = "[user] [wasm-host] a: exited with status 0\n[user] [wasm-host] a: fd_write needs a Console, pipe or File \
                   as standard output: grant `console` or set `stdout` in the manifest\n[user] init: wasm: exited with status 0\n";
        let log: Vec<_> = log.lines().map(str::to_owned).collect();
        assert_eq!(
            unheard(&decode(&one()).unwrap(), &log),
            [
                "a: its output was discarded: fd_write needs a Console, pipe or File as standard output: grant \
              `wasm.0.instances.0.grants.console` or set `wasm.0.instances.0.stdout` in the manifest"
            ]
        );
        assert_eq!(unheard(&decode(&one()).unwrap(), log.get(..1).unwrap()), [""; 0]);
    }

    #[test]
    fn accounts_of_several_are_not_mixed() {
        let log = "[user] [wasm-host] a: trap: unreachable\n[user] [wasm-host] b: trap: unreachable\n\
                   [user] [wasm-host] a:   in f\n[user] [wasm-host] b:   in g\n";
        let told = reasons(&several(), log);
        assert_eq!(told, ["a: trap: unreachable", "a:   in f", "b: trap: unreachable", "b:   in g"]);
    }

    #[test]
    fn what_had_not_ended_is_named() {
        let manifest = decode(&several()).unwrap();
        let unfinished =
            |log: &str| super::unfinished(&manifest, &log.lines().map(str::to_owned).collect::<Vec<_>>());
        let all = "not ended by then: server, wasm/a, wasm/b";
        assert_eq!(unfinished("[user] [wasm-host] a: compiled in 3 ns\n").as_deref(), Some(all));
        let log = "[user] [wasm-host] a: out of time\n[user] init: server: exited with status 0\n\
                   [user] [wasm-host] b: exited with status 1; restart 1\n";
        assert_eq!(unfinished(log).as_deref(), Some("not ended by then: wasm/b"));
        let log = format!("{log}[user] init: wasm: exited with status 0\n");
        assert_eq!(unfinished(&log), None);
    }

    #[test]
    fn a_host_that_failed_by_itself_is_told() {
        let log = "[user] init: wasm: out of memory at address 0x1000\n";
        assert_eq!(
            reasons(&one(), log),
            ["wasm: out of memory: raise `wasm.0.limits.memory` in the manifest"]
        );
    }
    #[test]
    fn a_full_volume_is_told_of_the_only_program_too() {
        let mut manifest = one();
        manifest["volumes"] = json!({"v": {"ram": "8MiB"}});
        let log = "[user] fs: v: the volume is full\n[user] [wasm-host] a: exited with status 1\n\
                   [user] init: wasm: exited with status 1\n";
        let wanted = "volume v was full: raise `volumes.v.ram` in the manifest, where it is 8MiB";
        assert_eq!(reasons(&manifest, log), [wanted]);
    }

    #[test]
    fn a_volume_that_failed_is_told_with_its_image() {
        let log = "[user] fs: v: it is damaged; `capos volume check FILE` gives details\n\
                   [user] fs: w: the volume is full\n\
                   [user] init: volume v: exited with status 1\n[user] init: server: did not start: no volume\n\
                   [user] init: volume v/disk: exited with status 1\n\
                   [user] init: volume v: not served, and nothing was written to it: disconnected\n";
        assert_eq!(
            reasons(&several(), log),
            [
                "volume v (/srv/v.img): it is damaged; `capos volume check /srv/v.img` gives details",
                "server: did not start: no volume",
                "volume v (/srv/v.img)/disk: exited with status 1",
            ]
        );
    }
}

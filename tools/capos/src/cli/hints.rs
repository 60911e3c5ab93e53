//! Hints in a run's log, adapted to their reader: the full path of the field for a manifest, the option for a program
//! on the command line. The log has both, as `WHAT: raise LIMIT in the manifest or pass --OPTION`.

use capos_volume_tool::show_size;

use crate::manifest::{Manifest, Process, ProcessLimits};

/// Ends by a limit: the host's wording, the field of the limit in a manifest, and its option.
const LIMITS: [(&str, &str, &str); 4] = [
    ("out of fuel", "fuel", "--fuel"),
    ("out of memory", "memory", "--memory"),
    ("out of time", "wallTime", "--wall-time"),
    ("out of output", "outputBytes", "--output"),
];
/// The end of a process when its own budget was not exhausted.
const MACHINE: &str = "the machine is out of memory";
/// The failed start of a process because of its memory budget or the machine's memory.
const NO_ROOM: &str = "did not start: Overloaded: the limits given, or the machine's memory, do not suffice";
/// Separates a hint's part for manifests from that for the command line.
const OR_PASS: &str = " or pass --";
/// Fields of an instance in hints, besides its limits and grants.
const FIELDS: [&str; 4] = ["preopens", "stdin", "stdout", "stderr"];
/// A field of an instance's host in hints about the instance.
const HOST_FIELD: &str = "limits.capabilitySlots";
/// A part of errors about values that a schema of another version defines.
const OTHER_SCHEMA: &str = "Enum value or union discriminant";

/// A line about an end; if a limit caused it, with the setting that raises it, for both readers.
pub(super) fn with_limit(line: &str) -> String {
    let line = without_addresses(line);
    if line.contains(OTHER_SCHEMA) {
        return format!(
            "{line}; a program in the image was built from another version than this capos: build both again, as \
             `make programs` does, and programs of your own as well"
        );
    }
    if line.starts_with(MACHINE) {
        return format!("{line}: give it more with --mem");
    }
    match LIMITS.iter().find(|(end, ..)| line.strip_prefix(end).is_some_and(|rest| !rest.contains(':'))) {
        Some((_, field, option)) => {
            format!("{line}: raise `limits.{field}` in the manifest or pass {option}")
        }
        None => line.to_owned(),
    }
}

/// A line about an end without memory says where that was found out, which tells nothing about why.
fn without_addresses(line: &str) -> &str {
    let is_of_memory = ["out of memory", MACHINE].iter().any(|start| line.starts_with(start));
    let cut = [", at address ", " at address "].iter().find_map(|at| line.split_once(at));
    cut.filter(|_| is_of_memory).map_or(line, |(before, _)| before)
}

/// The manifest entries that lines with one name refer to.
pub(super) struct Fields<'a> {
    /// Their places; several if several hosts have an instance of that name.
    places: Vec<&'a str>,
    /// For instances: the places of their hosts.
    hosts: Vec<&'a str>,
    process: Option<&'a Process>,
    /// Limits of the process, or of the server of a volume.
    limits: Option<&'a ProcessLimits>,
}

impl<'a> Fields<'a> {
    /// For the process with this name, or for `volume NAME`.
    pub(super) fn of_process(manifest: &'a Manifest, name: &str) -> Self {
        if let Some(name) = name.strip_prefix("volume ") {
            let volume = manifest.volumes.iter().find(|volume| volume.name == name);
            let places = volume.iter().map(|volume| volume.at.as_str()).collect();
            let limits = volume.map(|volume| &volume.limits);
            return Self { places, hosts: Vec::new(), process: None, limits };
        }
        let process = manifest.processes.iter().find(|process| process.name == name);
        let places = process.iter().map(|process| process.at.as_str()).collect();
        Self { places, hosts: Vec::new(), process, limits: process.map(|process| &process.limits) }
    }

    /// For the instances with this name.
    pub(super) fn of_instance(manifest: &'a Manifest, name: &str) -> Self {
        let hosts =
            manifest.processes.iter().filter_map(|process| Some((process, process.wasm_host.as_ref()?)));
        let all = hosts.flat_map(|(process, host)| host.instances.iter().map(move |one| (process, one)));
        let (hosts, places) = all
            .filter(|(_, instance)| instance.name == name)
            .map(|(process, instance)| (process.at.as_str(), instance.at.as_str()))
            .unzip();
        Self { places, hosts, process: None, limits: None }
    }

    /// The line without command line options, which do not apply to a run from a manifest, and with full field paths.
    pub(super) fn in_manifest(&self, line: &str) -> String {
        if line == NO_ROOM {
            return format!("{}: {}", plain(line), self.room());
        }
        let line = self.with_grants(line);
        let hint = line.split_once(OR_PASS).map_or(line.as_str(), |(hint, _)| hint);
        let mut text = String::new();
        for (index, part) in hint.split('`').enumerate() {
            match index % 2 == 1 {
                true => text.push_str(&self.quoted(part, &text)),
                false => text.push_str(part),
            }
        }
        let memory = self.limits.and_then(|limits| limits.memory_bytes);
        match memory.filter(|_| hint.contains("raise `limits.memory`")) {
            Some(bytes) => format!("{text}, where it is {}", show_size(bytes)),
            None => text,
        }
    }

    /// The line with the fields of the grants that it names; a host's grants have generated names that are not
    /// in the manifest.
    fn with_grants(&self, line: &str) -> String {
        let grants = self.process.iter().flat_map(|process| &process.grants);
        grants.filter(|grant| !grant.at.is_empty()).fold(plain(line), |line, grant| {
            line.replacen(&format!("the grant {:?}: ", grant.name), &format!("`{}`: ", grant.at), 1)
        })
    }

    /// The word in backquotes of a hint that follows `before`.
    fn quoted(&self, word: &str, before: &str) -> String {
        let path = match before.ends_with("grant ") {
            true => Some(format!("grants.{word}")),
            false => (word.starts_with("limits.") || FIELDS.contains(&word)).then(|| word.to_owned()),
        };
        let places = if word == HOST_FIELD && !self.hosts.is_empty() { &self.hosts } else { &self.places };
        let Some(path) = path.filter(|_| !places.is_empty()) else { return format!("`{word}`") };
        let paths: Vec<_> = places.iter().map(|place| format!("`{place}.{path}`")).collect();
        paths.join(" or ")
    }

    /// The way to give a process enough memory to start.
    fn room(&self) -> String {
        let limit = self.process.and_then(|process| Some((&process.at, process.limits.memory_bytes?)));
        match limit {
            Some((at, bytes)) => format!(
                "raise `{at}.limits.memory` in the manifest, where it is {}, or give the machine more with --mem",
                show_size(bytes)
            ),
            None => "give the machine more with --mem".to_owned(),
        }
    }
}

/// A line about a start without the kind of its exception, which the following text explains better.
fn plain(line: &str) -> String {
    ["Failed", "Overloaded"].iter().fold(line.to_owned(), |line, kind| {
        line.replacen(&format!("did not start: {kind}: "), "did not start: ", 1)
    })
}

/// The line with only the option, for a program without a manifest.
pub(super) fn for_options(line: &str) -> String {
    if line == NO_ROOM {
        return format!("{}: give the machine more with --mem", plain(line));
    }
    let Some((text, option)) = line.split_once(OR_PASS) else { return plain(line) };
    let Some((what, field)) = text.rsplit_once(": ") else { return plain(line) };
    // An option that takes a value is "passed", whatever the verb was.
    let verb = if field.starts_with("raise `limits.") && !option.contains(' ') { "raise" } else { "pass" };
    let condition =
        field.split_once(", ").map_or_else(String::new, |(condition, _)| format!("{condition}, "));
    format!("{what}: {condition}{verb} --{option}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::decode::decode;
    use serde_json::json;

    fn manifest() -> Manifest {
        let volumes = json!({"v": {"ram": "4MiB", "limits": {"memory": "6MiB"}}});
        decode(&json!({"name": "m", "volumes": volumes, "processes": [{"name": "p", "limits": {"memory": "64KiB"}}, {"name": "q"}], "wasm": [
            {"name": "one", "instances": [{"name": "a"}, {"name": "b"}], "limits": {"memory": "1MiB"}},
            {"name": "two", "instances": [{"name": "b"}]}
        ]}))
        .unwrap()
    }

    #[test]
    fn a_limit_is_named_with_its_whole_path() {
        let manifest = manifest();
        let end = with_limit("out of memory at address 0x10");
        for (fields, wanted) in [
            (
                Fields::of_process(&manifest, "p"),
                "raise `processes.0.limits.memory` in the manifest, where it is 64KiB",
            ),
            (Fields::of_process(&manifest, "q"), "raise `processes.1.limits.memory` in the manifest"),
            (
                Fields::of_process(&manifest, "one"),
                "raise `wasm.0.limits.memory` in the manifest, where it is 1MiB",
            ),
            (Fields::of_instance(&manifest, "a"), "raise `wasm.0.instances.0.limits.memory` in the manifest"),
            (
                Fields::of_instance(&manifest, "b"),
                "raise `wasm.0.instances.1.limits.memory` or `wasm.1.instances.0.limits.memory` in the manifest",
            ),
            (
                Fields::of_process(&manifest, "volume v"),
                "raise `volumes.v.limits.memory` in the manifest, where it is 6MiB",
            ),
            (Fields::of_process(&manifest, "volume w"), "raise `limits.memory` in the manifest"),
        ] {
            assert_eq!(fields.in_manifest(&end), format!("out of memory: {wanted}"));
        }
    }

    #[test]
    fn other_fields_are_named_so_too() {
        let manifest = manifest();
        let fields = Fields::of_instance(&manifest, "a");
        for (hint, wanted) in [
            (
                "grant `entropy` in the manifest or pass --entropy",
                "grant `wasm.0.instances.0.grants.entropy` in the manifest",
            ),
            (
                "grant `console` or set `stdin` in the manifest",
                "grant `wasm.0.instances.0.grants.console` or set `wasm.0.instances.0.stdin` in the manifest",
            ),
            (
                "raise the `rights` of its entry in `preopens` or pass --dir or --volume without `:ro`",
                "raise the `rights` of its entry in `wasm.0.instances.0.preopens`",
            ),
            (
                "raise `limits.capabilitySlots` of its host in the manifest",
                "raise `wasm.0.limits.capabilitySlots` of its host in the manifest",
            ),
            (
                "raise the `quota` of its entry in `preopens`",
                "raise the `quota` of its entry in `wasm.0.instances.0.preopens`",
            ),
            ("build it with `-O2`", "build it with `-O2`"),
        ] {
            assert_eq!(fields.in_manifest(&format!("f needs x: {hint}")), format!("f needs x: {wanted}"));
        }
    }

    #[test]
    fn a_program_on_the_command_line_gets_the_option() {
        for (line, wanted) in [
            ("out of fuel after 7", "out of fuel after 7: raise --fuel"),
            ("out of time", "out of time: raise --wall-time"),
            ("f: bad: grant `entropy` in the manifest or pass --entropy", "f: bad: pass --entropy"),
            (
                "its limit is 1: raise `limits.memory` to 2KiB in the manifest or pass --memory 2KiB",
                "its limit is 1: pass --memory 2KiB",
            ),
            (
                "f needs x: if it is to use files, list one in `preopens` in the manifest or pass --dir or --volume",
                "f needs x: if it is to use files, pass --dir or --volume",
            ),
            ("trap: unreachable", "trap: unreachable"),
        ] {
            assert_eq!(for_options(&with_limit(line)), wanted);
        }
    }

    #[test]
    fn a_program_of_another_version_is_recognised() {
        let line = "did not start: Failed: Enum value or union discriminant 7 was not present in schema.";
        for told in [
            for_options(&with_limit(line)),
            Fields::of_process(&manifest(), "p").in_manifest(&with_limit(line)),
        ] {
            assert!(
                told.contains("another version than this capos") && told.contains("`make programs`"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_directory_is_named_by_its_field() {
        let preopen = json!({"guest": "/d", "volume": "v", "path": "none", "rights": "r"});
        let manifest = decode(&json!({"name": "m", "volumes": {"v": {"ram": "4MiB"}}, "wasm": [
            {"name": "host", "instances": [{"name": "h", "preopens": [preopen]}]}
        ]}))
        .unwrap();
        let line =
            "did not start: Failed: the grant \"preopen/h/0\": volume v: directory \"none\": it is not there";
        assert_eq!(
            Fields::of_process(&manifest, "host").in_manifest(line),
            "did not start: `wasm.0.instances.0.preopens.0`: volume v: directory \"none\": it is not there"
        );
    }

    #[test]
    fn a_process_without_room_is_told_what_gives_it_some() {
        let manifest = manifest();
        let told = Fields::of_process(&manifest, "p").in_manifest(NO_ROOM);
        assert!(
            told.contains("`processes.0.limits.memory`") && told.contains("64KiB") && told.contains("--mem"),
            "{told}"
        );
        let told = Fields::of_process(&manifest, "q").in_manifest(NO_ROOM);
        assert!(told.ends_with("do not suffice: give the machine more with --mem"), "{told}");
        assert!(for_options(NO_ROOM).ends_with("give the machine more with --mem"));
    }
}

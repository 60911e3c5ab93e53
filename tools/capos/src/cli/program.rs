//! `capos run PROGRAM.wasm`: a user's program, with grants from the command line.

use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use capos_volume_tool::show_size;

use super::BadUsage;
use super::behind::of_host;
use super::boot::{self, Around};
use super::ending::counted;
use super::full::{Full, full};
use super::hints::{for_options, with_limit};
use super::log_file::LogFile;
use super::prepare::within;

use crate::app::folders::{self, Folders, Plan};
use crate::app::{App, Dir, VolumeFile, together};
use crate::image;
use crate::inspect;
use crate::problem::BadManifest;
use crate::project::Project;
use crate::qemu::{ConsoleLine, FinishedRun};
use crate::say::{print, say};
use crate::workplace::Workplace;

/// The default limit of an instance's linear memory.
const DEFAULT_MEMORY: u64 = 64 << 20;
/// Memory for the kernel and the services of a run.
const SYSTEM_MIB: u64 = 192;

pub(super) fn run(around: &Around<'_>, workplace: Workplace, module: &Path) -> Result<u8> {
    let Around { project, args, time, .. } = *around;
    ensure!(module.to_str().is_some(), "{}: the program's file name must be UTF-8", module.display());
    if !args.disks.is_empty() {
        let reason = "--disk: only for a manifest; use --volume FILE::GUEST for a program";
        return Err(BadUsage(reason.to_owned()).into());
    }
    let mut app = args.program.app(module, args.what.as_deref().unwrap_or(module), args.memory.as_deref())?;
    if let Some(function) = &app.invoke {
        inspect::check_call(module, function, &app.args)?;
    }
    app.find_cache(project);
    app.dirs.iter().try_for_each(Dir::check)?;
    app.volumes.iter().try_for_each(VolumeFile::check)?;
    together::check(&app.dirs, &app.volumes)?;
    let plan = {
        let (dirs, room, links) = (app.dirs.clone(), args.program.dir_size, app.links);
        within(time, move || Plan::make(&dirs, room, links))?
    };
    let Some(plan) = plan else { return Ok(boot::never_started(time)) };
    let sizes = plan.image_sizes();
    if args.program.print_manifest {
        ensure!(
            !module.starts_with(workplace.path()),
            "--print-manifest: the program must be a file, because a manifest names one"
        );
        print(app.manifest(&sizes))?;
        return Ok(0);
    }
    // Removed at the end in any case; the images are separate, because they may have to stay.
    let work = {
        let (project, app, place) = (project.clone(), app.clone(), workplace.path().to_owned());
        let (line, images) = (args.line(), workplace.images()?);
        move || prepare(&project, &app, &sizes, plan, line, &place, &images)
    };
    let Some((prepared, folders)) = within(time, work)? else { return Ok(boot::never_started(time)) };
    let log = LogFile::open(project, args.log.as_deref(), &prepared.name)?;
    let ended = boot::boot(around, prepared, None, &log, workplace.path());
    if let Ok(ended) = &ended {
        explain(ended, &app, &folders);
    }
    // However the machine ended, everything that the program had synced is there, and no operation only in
    // part.
    let brought =
        folders.bring_back(|folder, left_out| warn(folders::line(folder, left_out, "not brought back")));
    if let Ok(ended) = &ended {
        log.end(ended.exit_status());
    }
    if let Err(error) = brought {
        let kept = workplace.keep_images();
        let error = anyhow!(
            "{error:#}; the program's data is in the images in {}, and `capos volume export` extracts it",
            kept.display()
        );
        match &ended {
            Ok(ended) if ended.exit_status() == 0 => return Err(error),
            _ => say(error),
        }
    }
    Ok(ended?.exit_status())
}

/// Packs the boot images into `place`, and copies the folders into images in `images`.
fn prepare(
    project: &Project,
    app: &App,
    sizes: &[u64],
    plan: Plan,
    line: ConsoleLine,
    place: &Path,
    images: &Path,
) -> Result<(boot::Prepared, Folders)> {
    let checked = image::check_app(project, app, sizes, place, line).map_err(without_manifest)?;
    let folders =
        plan.copy_in(images, |folder, left_out| warn(folders::line(folder, left_out, "left out")))?;
    let mut prepared = boot::prepare(project, &checked, place, &folders.disks(), boot::FOREVER)?;
    // A stated limit is included already.
    let linear_mib = if app.limits.memory_bytes.is_none() { DEFAULT_MEMORY >> 20 } else { 0 };
    prepared.memory_mib += SYSTEM_MIB + linear_mib;
    Ok((prepared, folders))
}

fn warn(line: Option<String>) {
    if let Some(line) = line {
        say(line);
    }
}

/// The user wrote no manifest, so the errors do not name one.
fn without_manifest(error: anyhow::Error) -> anyhow::Error {
    let Some(bad) = error.downcast_ref::<BadManifest>() else { return error };
    let lines = bad.problems().iter().map(|problem| match problem.path.rsplit('.').next() {
        None | Some("" | "module" | "files" | "memory" | "tableElements") => problem.reason.clone(),
        Some("disk") => format!("--volume: {}", problem.reason),
        Some(field) => format!("{field}: {}", problem.reason),
    });
    anyhow!("{}", lines.collect::<Vec<_>>().join("\ncapos: "))
}

/// Statuses of a program that never ran: it, or a part of the system, could not be started.
const NOT_STARTED: [u8; 2] = [125, 126];

/// Prints the log's lines about the program's end, unless it exited by itself; and which folders were full.
fn explain(ended: &FinishedRun, app: &App, folders: &Folders) {
    let (status, behind) = (ended.exit_status(), app.behind());
    if status != 0 {
        let name = &app.name();
        for line in reasons(&ended.log, name, status) {
            say(format_args!("{name}: {}", of_host(&line, &behind)));
        }
    }
    for (volume, full) in full(&ended.log) {
        if let Some((folder, room)) = folders.find(volume) {
            let (folder, room) = (folder.display(), show_size(room));
            say(match full {
                Full::Data => {
                    format!("{folder}: the program ran out of space, which is {room}; --dir-size raises it")
                }
                Full::Names => format!(
                    "{folder}: the program ran out of space for names, though not necessarily for data; the space for names and \
                     attributes is proportional to --dir-size, which is {room}"
                ),
            });
        } else if let Some((_, image)) = behind.iter().find(|(name, _)| name == volume) {
            say(full.of_image(image));
        }
    }
}

/// The log's lines about a program's end, unless it exited by itself; if there are none, because a part of
/// the system ended or was never started, the other lines.
fn reasons(log: &[String], name: &str, status: u8) -> Vec<String> {
    let of = |process: &str| -> Vec<&str> {
        let lines = log.iter().filter_map(|line| line.split_once(process)).map(|(_, rest)| rest);
        lines.filter(|line| !line.contains("exited with") && !line.starts_with("compiled in")).collect()
    };
    let told = of(&format!("[wasm-host] {name}: "));
    let mut lines: Vec<_> = told.into_iter().map(|line| for_options(&with_limit(line))).collect();
    if lines.is_empty() {
        if NOT_STARTED.contains(&status) {
            lines = of("[user] fs: ").iter().map(|line| format!("volume {line}")).collect();
        }
        // The host's own lines, and lines about it and other processes.
        lines.extend(of("[wasm-host] wasm: ").iter().map(|line| format!("wasm: {line}")));
        lines.extend(of("[user] init: ").iter().map(|line| match line.split_once(": ") {
            Some((process, end)) => format!("{process}: {}", for_options(&with_limit(end))),
            None => (*line).to_owned(),
        }));
    }
    counted(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    fn reasons(log: &str, name: &str, status: u8) -> Vec<String> {
        super::reasons(&log.lines().map(str::to_owned).collect::<Vec<_>>(), name, status)
    }

    #[test]
    fn the_end_of_a_program_is_told_once() {
        let log = "[wasm-host] app: compiled in 3 us\n[wasm-host] app: trap: unreachable\n[wasm-host] app:   in rec\n\
                   [wasm-host] app:   in rec\n[wasm-host] app:   in main\n[wasm-host] apple: in rec\n\
                   [user] init: wasm: exited with status 134\n";
        assert_eq!(reasons(log, "app", 134), ["trap: unreachable", "  in rec (2 times)", "  in main"]);
        assert!(reasons("[wasm-host] app: exited with status 3\n", "app", 3).is_empty());
    }

    #[test]
    fn the_end_of_what_runs_a_program_is_told() {
        let log = "[user] fs: checked\n[user] init: wasm: out of memory at address 0x1000\n";
        assert_eq!(reasons(log, "app", 137), ["wasm: out of memory: raise --memory"]);
        assert_eq!(reasons(log, "app", 126).len(), 2);
        let log = "[user] init: wasm: the machine is out of memory, at address 0x1000\n";
        let line = "wasm: the machine is out of memory: give it more with --mem";
        assert_eq!(reasons(log, "app", 137), [line]);
        let log = "[wasm-host] wasm: no entry\n[user] init: wasm: exited with status 125\n";
        assert_eq!(reasons(log, "app", 125), ["wasm: no entry"]);
    }
}

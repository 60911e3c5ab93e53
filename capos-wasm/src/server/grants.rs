//! Reading grants from a message.

use super::terminals;
use crate::{Grants, NamedGrant, Preopen, Sink, Source, WrongInterface, well_known};
use capnp::{Error, capability::Client, struct_list};
use capos_schema::{
    grants,
    wasm_capnp::{held_grant, instance_grants},
};

/// Longer lists of preopened directories are refused.
const MAX_PREOPENS: u32 = 256;
/// Longer lists of named grants are refused; a message has space for fewer capabilities.
const MAX_GRANTS: u32 = 256;
/// A longer name of a grant is refused.
const MAX_NAME_BYTES: usize = 255;

/// Reads the capabilities from a message; null streams are not granted. Whether programs see a console as a
/// terminal is determined by asking the console.
pub(super) async fn grants(reader: instance_grants::Reader<'_>) -> Result<(Grants, Vec<NamedGrant>), Error> {
    let named = named(reader.get_grants()?)?;
    let mut grants = read(reader, &named)?;
    terminals::ask(&mut grants).await;
    Ok((grants, named))
}

fn named(list: struct_list::Reader<'_, held_grant::Owned>) -> Result<Vec<NamedGrant>, Error> {
    if list.len() > MAX_GRANTS {
        return Err(Error::failed(format!("more than {MAX_GRANTS} grants")));
    }
    let mut named: Vec<NamedGrant> = Vec::with_capacity(list.len() as usize);
    for grant in list {
        let name = grant.get_name()?.to_str()?;
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(Error::failed(format!("the name of a grant has 1 to {MAX_NAME_BYTES} bytes")));
        }
        if named.iter().any(|other| other.name == name) {
            return Err(Error::failed(format!("two grants are called {name:?}")));
        }
        let client: Client = grant.get_capability().get_as_capability().map_err(|error| {
            Error::failed(format!("the grant {name:?} has no capability: {}", error.extra))
        })?;
        named.push(NamedGrant { name: name.to_owned(), interface: grant.get_interface_id(), client });
    }
    Ok(named)
}

fn read(reader: instance_grants::Reader<'_>, named: &[NamedGrant]) -> Result<Grants, Error> {
    macro_rules! take {
        ($has:ident, $get:ident) => {
            if reader.$has() { Some(reader.$get()?) } else { None }
        };
    }
    let list = reader.get_preopens()?;
    if list.len() > MAX_PREOPENS {
        return Err(Error::failed(format!("more than {MAX_PREOPENS} preopened directories")));
    }
    let mut preopens = Vec::with_capacity(list.len() as usize);
    for preopen in list {
        let path = preopen.get_path()?.to_str()?.to_owned();
        preopens.push(Preopen { path, directory: preopen.get_directory()? });
    }
    let stdin_file = take!(has_stdin_file, get_stdin_file).map(Source::File);
    let stdout_file = take!(has_stdout_file, get_stdout_file).map(Sink::File);
    let stderr_file = take!(has_stderr_file, get_stderr_file).map(Sink::File);
    let failed = |error: WrongInterface| Error::failed(error.to_string());
    Ok(Grants {
        stdin: take!(has_stdin, get_stdin).map(Source::Console).or(stdin_file),
        stdout: take!(has_stdout, get_stdout).map(Sink::Console).or(stdout_file),
        stderr: take!(has_stderr, get_stderr).map(Sink::Console).or(stderr_file),
        preopens,
        timer: well_known(named, &grants::TIMER).map_err(failed)?,
        // The time page of another process's timer cannot be read by this process.
        fast_clock: None,
        fast_sleep: None,
        wall_clock: well_known(named, &grants::WALL_CLOCK).map_err(failed)?,
        entropy: well_known(named, &grants::ENTROPY).map_err(failed)?,
    })
}

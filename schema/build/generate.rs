//! Generates constants from the compiled schema: type ids and method numbers, the well-known grants, and text
//! constants.

use super::words::{camel, constant, joined};
use capnp::message::ReaderOptions;
use capnp::schema_capnp::{code_generator_request, node, value};
use capnp::serialize::read_message_from_flat_slice;
use std::{collections::BTreeMap, error::Error, fmt::Write as _, fs, path::Path};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The enum of the well-known grants, and the annotation that names each one's interface, by file and name.
const GRANTS: &str = "grants.capnp:WellKnownGrant";
const SERVES: &str = "grants.capnp:serves";

/// Writes `methods.rs`, `grants.rs` and `names.rs` into `out`. `request` is the schema compiler's input to code
/// generators.
pub(crate) fn write(mut request: &[u8], out: &Path) -> Outcome {
    let message = read_message_from_flat_slice(&mut request, ReaderOptions::new())?;
    let request: code_generator_request::Reader<'_> = message.get_root()?;
    let mut nodes = BTreeMap::new();
    for node in request.get_nodes()? {
        nodes.insert(node.get_display_name()?.to_string()?, node);
    }
    let interfaces = interfaces(&nodes)?;
    fs::write(out.join("methods.rs"), methods(&interfaces)?)?;
    fs::write(out.join("grants.rs"), grants(&nodes, &interfaces)?)?;
    fs::write(out.join("names.rs"), names(&nodes)?)?;
    Ok(())
}

type Nodes<'a> = BTreeMap<String, node::Reader<'a>>;

/// The name of a node without its file and enclosing nodes.
fn short(name: &str) -> &str {
    name.rsplit([':', '.']).next().unwrap_or(name)
}

/// Every interface by its short name, which must be unique.
fn interfaces<'a>(nodes: &Nodes<'a>) -> Outcome<Nodes<'a>> {
    let mut found = BTreeMap::new();
    for (name, node) in nodes {
        if let node::Interface(_) = node.which()?
            && found.insert(short(name).to_owned(), *node).is_some()
        {
            return Err(format!("two interfaces have the name {}", short(name)).into());
        }
    }
    Ok(found)
}

/// A module for each interface, with its type id and the number of each method.
fn methods(interfaces: &Nodes<'_>) -> Outcome<String> {
    let mut text = String::new();
    for (name, node) in interfaces {
        let node::Interface(interface) = node.which()? else { continue };
        writeln!(text, "/// `{name}`.\npub mod {} {{", joined(name, '_'))?;
        writeln!(text, "    /// Its type id.\n    pub const INTERFACE_ID: u64 = {:#x};", node.get_id())?;
        for (number, method) in interface.get_methods()?.iter().enumerate() {
            let method = method.get_name()?.to_str()?;
            writeln!(text, "    /// `{method}`.\n    pub const {}: u16 = {number};", constant(method))?;
        }
        writeln!(text, "}}")?;
    }
    Ok(text)
}

/// A constant for each well-known grant, and the list of them.
fn grants(nodes: &Nodes<'_>, interfaces: &Nodes<'_>) -> Outcome<String> {
    let get = |name: &str| nodes.get(name).ok_or_else(|| format!("the schema has no {name}"));
    let serves = get(SERVES)?.get_id();
    let node::Enum(grants) = get(GRANTS)?.which()? else {
        return Err(format!("{GRANTS} is not an enum").into());
    };
    let mut text = String::new();
    let mut all = Vec::new();
    for grant in grants.get_enumerants()? {
        let field = grant.get_name()?.to_str()?;
        let mut interface = None;
        for annotation in grant.get_annotations()? {
            if let (true, value::Text(name)) =
                (annotation.get_id() == serves, annotation.get_value()?.which()?)
            {
                interface = interfaces.get(name?.to_str()?);
            }
        }
        let interface = interface.ok_or_else(|| format!("{field} does not state its interface"))?;
        writeln!(
            text,
            "/// `{field}` in a manifest.\npub const {}: WellKnown = WellKnown {{\n    grant: WellKnownGrant::{},\n    \
             field: {field:?},\n    name: {:?},\n    interface_id: {:#x},\n}};",
            constant(field),
            camel(field),
            joined(field, '-'),
            interface.get_id()
        )?;
        all.push(constant(field));
    }
    let count = all.len();
    writeln!(
        text,
        "/// All of them, in the order of [`WellKnownGrant`].\npub const ALL: [WellKnown; {count}] = [{}];",
        all.join(", ")
    )?;
    Ok(text)
}

/// Every text constant.
fn names(nodes: &Nodes<'_>) -> Outcome<String> {
    let mut text = String::new();
    for (name, node) in nodes {
        let node::Const(found) = node.which()? else { continue };
        let value::Text(value) = found.get_value()?.which()? else { continue };
        let name = short(name);
        writeln!(text, "/// `{name}`.\npub const {}: &str = {:?};", constant(name), value?.to_str()?)?;
    }
    Ok(text)
}

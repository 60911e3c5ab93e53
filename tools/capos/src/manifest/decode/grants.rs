//! Decodes grants and exports.

use capos_schema::grants::{ALL, UNKNOWN_INTERFACE, WellKnown};

use super::super::candidates::closest;
use super::super::json::{Node, Object};
use super::super::model::*;
use super::{check_name, name, storage};

/// The fields that determine the kind of a grant's source.
const KINDS: [&str; 6] = ["from", "volume", "disk", "device", "compiler", "wellKnown"];
const FORMS: &str = "{from: PROCESS}, {volume: VOLUME, rights: \"r\"}, {disk: FILE}, {device: {vendor: NUMBER, device: NUMBER}}, \
                     {compiler: \"code\"} or {wellKnown: NAME}";

pub(super) fn grants(object: &Object<'_>) -> Vec<Grant> {
    let entries = object.get("grants").map(|node| node.entries("console: true")).unwrap_or_default();
    entries.iter().filter_map(|(field, node)| grant(field, node)).collect()
}

fn grant(field: &str, node: &Node<'_>) -> Option<Grant> {
    if let Some(now) = earlier_form(field, node) {
        node.problem(format!("grants are listed here directly, each with its source: {now}"));
        return None;
    }
    check_name(node, field);
    let known = WellKnown::with_field(field);
    if let (None, Some(meant)) = (known, WellKnown::with_name(field)) {
        node.problem(format!("the grant {field:?} has the field name {:?}", meant.field));
        return None;
    }
    let name = known.map_or(field, |known| known.name);
    let source = if node.is_boolean() { well_known(field, node) } else { source(name, node) }?;
    let (at, name) = (node.path().to_owned(), name.to_owned());
    Some(Grant { at, name, source, read_only: false, held_as: String::new() })
}

/// `true` grants the well-known source with the field's name. `false` is refused, since it would suggest that a default
/// is being disabled.
fn well_known(field: &str, node: &Node<'_>) -> Option<Source> {
    let Some(known) = WellKnown::with_field(field) else {
        let fields = ALL.map(|known| known.field);
        let meant = closest(field, &fields).map(|meant| format!("; did you mean {meant:?}"));
        let end = if meant.is_some() { "?" } else { ";" };
        node.problem(format!(
            "unknown grant{}{end} `true` grants one of {}; any other grant names its source: {FORMS}",
            meant.unwrap_or_default(),
            fields.join(", ")
        ));
        return None;
    };
    if node.boolean() == Some(false) {
        node.problem("a grant must be `true` or omitted");
        return None;
    }
    Some(Source::WellKnown(known.grant))
}

fn source(name: &str, node: &Node<'_>) -> Option<Source> {
    if !node.is_object() {
        return node.wrong(&format!("true or a source: {FORMS}"));
    }
    let fields = node.entries("from: PROCESS");
    let mut kinds = fields.iter().map(|(field, _)| *field).filter(|field| KINDS.contains(field));
    let (kind, other) = (kinds.next(), kinds.next());
    if let (Some(kind), Some(other)) = (kind, other) {
        node.problem(format!("a grant must have one source, but this has both {kind:?} and {other:?}"));
        return None;
    }
    match kind {
        Some("from") => Some(Source::Export(export_ref(name, node))),
        Some("volume") => {
            let object = node.object(&["volume", "path", "rights", "create", "quota"]);
            Some(Source::Directory(storage::directory(node, &object)))
        }
        Some("disk") => storage::disk(node).map(Source::Disk),
        Some("device") => device(node).map(Source::Device),
        Some("compiler") => super::compiler::export(node).map(Source::Compiler),
        Some(_) => {
            let node = node.object(&["wellKnown"]).need("wellKnown")?;
            let field = node.string()?;
            let known = WellKnown::with_field(field);
            if known.is_none() {
                let fields = ALL.map(|known| known.field);
                node.problem(super::super::candidates::not_found("well-known grant", field, fields));
            }
            Some(Source::WellKnown(known?.grant))
        }
        None => {
            node.problem(format!("a grant that is not `true` must name its source: {FORMS}"));
            None
        }
    }
}

fn export_ref(own_name: &str, node: &Node<'_>) -> ExportRef {
    let object = node.object(&["from", "export"]);
    let process = object.need("from").as_ref().and_then(name).unwrap_or_default();
    let export = match object.get("export") {
        Some(node) => name(&node).unwrap_or_default(),
        None => own_name.to_owned(),
    };
    ExportRef { process, export }
}

fn device(node: &Node<'_>) -> Option<Device> {
    let object = node.object(&["device"]).need("device")?.object(&["vendor", "device", "index"]);
    let vendor = object.need("vendor").and_then(|node| node.number(u16::MAX.into()));
    let devices = object.need("device").map(|node| {
        let numbers = if node.is_list() { node.list() } else { vec![node.clone()] };
        if numbers.is_empty() {
            node.problem("at least one number is required");
        }
        numbers.iter().filter_map(|node| node.number(u16::MAX.into())).collect::<Vec<_>>()
    });
    let index = object.get("index").and_then(|node| node.number(u32::MAX.into())).unwrap_or(0);
    let devices = devices?.into_iter().filter_map(|number| number.try_into().ok()).collect();
    Some(Device { vendor: vendor?.try_into().ok()?, devices, index: index.try_into().ok()? })
}

/// The current form of a list of grants of one kind, from an earlier version of manifests.
fn earlier_form(field: &str, node: &Node<'_>) -> Option<&'static str> {
    let is_source = || node.entries("from: PROCESS").iter().any(|(field, _)| KINDS.contains(field));
    let now = match field {
        "services" => "`NAME: {from: PROCESS, export: EXPORT}`",
        "namespaces" => "`NAME: {volume: VOLUME, path: PATH, rights: \"r\"}`",
        "disks" => "`NAME: {disk: FILE}`",
        _ => return None,
    };
    (node.is_object() && !is_source()).then_some(now)
}

pub(super) fn exports(object: &Object<'_>) -> Vec<Export> {
    object.items("exports").iter().filter_map(export).collect()
}

fn export(node: &Node<'_>) -> Option<Export> {
    if node.is_string() {
        return Some(Export { name: name(node)?, interface: UNKNOWN_INTERFACE });
    }
    if !node.is_object() {
        return node.wrong("the name of a service or {name: NAME, interface: \"0x...\"}");
    }
    let object = node.object(&["name", "interface"]);
    let interface = object.get("interface").and_then(|node| interface_id(&node));
    let interface = interface.unwrap_or(UNKNOWN_INTERFACE);
    Some(Export { name: object.need("name").as_ref().and_then(name)?, interface })
}

/// The id of an interface, as written by the schema compiler.
fn interface_id(node: &Node<'_>) -> Option<u64> {
    let text = node.string()?;
    let digits = text.strip_prefix('@').unwrap_or(text).strip_prefix("0x");
    let id = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    // The schema compiler sets the highest bit of every id.
    let id = id.filter(|id| id >> 63 == 1);
    if id.is_none() {
        node.problem(format!(
            "invalid interface id {text:?}: expected 0x and 16 hexadecimal digits, the first 8 or higher"
        ));
    }
    id
}

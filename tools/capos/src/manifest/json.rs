//! Decodes JSON with the path of every value, collecting all problems instead of stopping at the first.

use std::cell::RefCell;
use std::fmt::Display;

use serde_json::{Map, Number, Value};

use super::candidates::closest;
use super::units;
use crate::problem::Problem;

/// Collects problems while reading.
#[derive(Default)]
pub(super) struct Sink(RefCell<Vec<Problem>>);

impl Sink {
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// A value and its path.
#[derive(Clone)]
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
    sink: &'a Sink,
}

/// An object whose field names have been checked.
pub(super) struct Object<'a> {
    map: Option<&'a Map<String, Value>>,
    path: String,
    sink: &'a Sink,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value, sink: &'a Sink) -> Self {
        Self { value, path: String::new(), sink }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn problem(&self, reason: impl Into<String>) {
        self.sink.0.borrow_mut().push(Problem::new(self.path.clone(), reason));
    }

    pub(super) fn wrong<T>(&self, wanted: &str) -> Option<T> {
        self.wrong_here(wanted, "")
    }

    /// The same, with a description of the expected value.
    fn wrong_here<T>(&self, wanted: &str, right: &str) -> Option<T> {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "a structure",
        };
        self.problem(format!("expected {wanted}, found {found}{right}"));
        None
    }

    /// The structure here; its fields must all be among `known`.
    pub(super) fn object(&self, known: &[&str]) -> Object<'a> {
        let map = self.map(|| format!("; fields here: {}", known.join(", ")));
        for name in map.iter().flat_map(|map| map.keys()).filter(|name| !known.contains(&name.as_str())) {
            let all = known.join(", ");
            let reason = match belongs(name) {
                Some(place) if closest(name, known).is_none() => {
                    format!("unknown field; `{name}` belongs in {place}. Known here: {all}")
                }
                _ => match closest(name, known) {
                    Some(meant) => format!("unknown field; did you mean {meant:?}? Known here: {all}"),
                    None => format!("unknown field; known here: {all}"),
                },
            };
            self.sink.0.borrow_mut().push(Problem::new(join(&self.path, name), reason));
        }
        Object { map, path: self.path.clone(), sink: self.sink }
    }

    /// The entries of a structure with arbitrary field names; `example` shows one.
    pub(super) fn entries(&self, example: &str) -> Vec<(&'a str, Node<'a>)> {
        let entries = self.map(|| format!("; as in {{{example}}}")).into_iter().flatten();
        entries.map(|(name, value)| (name.as_str(), self.child(name, value))).collect()
    }

    pub(super) fn list(&self) -> Vec<Node<'a>> {
        let Value::Array(items) = self.value else {
            return self.wrong_here("a list", "; write [VALUE] for a list of one").unwrap_or_default();
        };
        items.iter().enumerate().map(|(index, value)| self.child(index, value)).collect()
    }

    pub(super) fn string(&self) -> Option<&'a str> {
        match self.value {
            Value::String(text) => Some(text),
            _ => self.wrong("a string"),
        }
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(*value),
            _ => self.wrong("true or false"),
        }
    }

    /// A whole number between 1 and `most`.
    pub(super) fn count(&self, most: u64) -> Option<u64> {
        let Value::Number(number) = self.value else {
            return self.wrong("a number");
        };
        let count = whole(number).filter(|count| (1..=most).contains(count));
        if count.is_none() {
            self.problem(format!("{number} is not a whole number from 1 to {most}"));
        }
        count
    }

    /// A whole number from 0 to `most`.
    pub(super) fn number(&self, most: u64) -> Option<u64> {
        let Value::Number(number) = self.value else {
            return self.wrong("a number");
        };
        let found = number.as_u64().filter(|number| *number <= most);
        if found.is_none() {
            self.problem(format!("{number} is not a whole number from 0 to {most}"));
        }
        found
    }

    /// Bytes: a number or a string with a unit.
    pub(super) fn size(&self, most: u64) -> Option<u64> {
        let bytes = match self.value {
            Value::Number(_) => self.count(most),
            Value::String(text) => self.parsed(super::size_of(text)),
            _ => self.wrong("a number of bytes or a string such as \"64MiB\""),
        }?;
        if bytes > most {
            self.problem(format!("{bytes} bytes exceed the maximum of {most}"));
            return None;
        }
        Some(bytes)
    }

    /// Nanoseconds, from a string with a unit.
    pub(super) fn duration(&self) -> Option<u64> {
        match self.value {
            Value::String(text) => self.parsed(units::duration(text)),
            _ => self.wrong("a string such as \"500ms\""),
        }
    }

    pub(super) fn is_string(&self) -> bool {
        self.value.is_string()
    }

    pub(super) fn is_object(&self) -> bool {
        self.value.is_object()
    }

    pub(super) fn is_boolean(&self) -> bool {
        self.value.is_boolean()
    }

    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    fn parsed(&self, result: Result<u64, String>) -> Option<u64> {
        result.map_err(|reason| self.problem(reason)).ok()
    }

    /// `right` describes the expected structure.
    fn map(&self, right: impl FnOnce() -> String) -> Option<&'a Map<String, Value>> {
        match self.value {
            Value::Object(map) => Some(map),
            _ => self.wrong_here("a structure", &right()),
        }
    }

    fn child(&self, name: impl Display, value: &'a Value) -> Self {
        Self { value, path: join(&self.path, name), sink: self.sink }
    }
}

impl<'a> Object<'a> {
    /// The field with that name, if present.
    pub(super) fn get(&self, name: &str) -> Option<Node<'a>> {
        let value = self.map?.get(name)?;
        Some(Node { value, path: join(&self.path, name), sink: self.sink })
    }

    /// The field with that name; its absence is a problem.
    pub(super) fn need(&self, name: &str) -> Option<Node<'a>> {
        let found = self.get(name);
        if found.is_none() && self.map.is_some() {
            self.sink.0.borrow_mut().push(Problem::new(join(&self.path, name), "missing"));
        }
        found
    }

    /// The items of the list with that name; none if the field is absent.
    pub(super) fn items(&self, name: &str) -> Vec<Node<'a>> {
        self.get(name).map(|node| node.list()).unwrap_or_default()
    }

    /// The boolean with that name, false if absent.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(|node| node.boolean()).unwrap_or(false)
    }
}

/// A number without a fraction, also one that is written with an exponent.
fn whole(number: &Number) -> Option<u64> {
    /// Above, not every whole number is one of floating point.
    const MOST_EXACT: f64 = 9_007_199_254_740_992.0;
    let float = || {
        let float =
            number.as_f64().filter(|float| float.fract() == 0.0 && (0.0..=MOST_EXACT).contains(float))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is in the range of u64"
        )]
        Some(float as u64)
    };
    number.as_u64().or_else(float)
}

/// The entry of a manifest that has a field of this name.
fn belongs(field: &str) -> Option<&'static str> {
    const INSTANCE: &str = "an entry of `instances`";
    const VOLUME: &str = "an entry of `volumes`";
    const PREOPEN: &str = "an entry of `preopens`";
    Some(match field {
        "processes" | "wasm" | "volumes" | "exitFrom" | "include" => "the manifest itself, beside its `name`",
        "instances" | "sequence" => "an entry of `wasm`",
        "module" | "argv0" | "preopens" | "stdin" | "stdout" | "stderr" | "unknownImports" | "invoke" => {
            INSTANCE
        }
        "binary" | "executable" | "expectFault" => "an entry of `processes`",
        "grants" | "args" | "env" => "an entry of `processes` or of `instances`",
        "limits" => "an entry of `processes`, `instances` or `volumes`",
        "memory" => "`limits`",
        "fuel" | "wallTime" | "outputBytes" | "tableElements" | "stack" | "descriptors" => {
            "`limits` of an entry of `instances`"
        }
        "capabilitySlots" | "threads" | "priority" => "`limits` of a process",
        "ram" | "files" | "disk" | "readOnly" | "links" => VOLUME,
        "guest" | "volume" | "rights" | "quota" => PREOPEN,
        _ => return None,
    })
}

fn join(path: &str, name: impl Display) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

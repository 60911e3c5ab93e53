//! Unreadable parts of a manifest; parts that depend on them are not checked.

use super::model::Manifest;
use crate::problem::Problem;

/// The places of the unreadable parts.
#[derive(Debug, Default, Clone, Copy)]
pub struct Broken<'a>(&'a [Problem]);

impl<'a> Broken<'a> {
    /// The places of `problems`.
    pub fn new(problems: &'a [Problem]) -> Self {
        Self(problems)
    }

    /// Whether a part at `place`, around it or within it could not be read. A `*` in a place stands for any one
    /// component.
    pub fn has(&self, place: &str) -> bool {
        self.0.iter().any(|problem| {
            problem.path.is_empty()
                || problem
                    .path
                    .split('.')
                    .zip(place.split('.'))
                    .all(|(one, other)| other == "*" || one == other)
        })
    }

    /// Whether exactly this place could not be read.
    pub fn is_at(&self, place: &str) -> bool {
        self.0.iter().any(|problem| problem.path == place)
    }

    /// Whether the manifest has an unknown field, which may be a misspelt one.
    pub fn has_unknown_field(&self) -> bool {
        self.0
            .iter()
            .any(|problem| !problem.path.contains('.') && !Manifest::FIELDS.contains(&problem.path.as_str()))
    }

    /// Whether there is a process with an unreadable name.
    pub fn has_process_name(&self) -> bool {
        self.has("processes.*.name") || self.has("wasm.*.name")
    }

    /// Whether there is an instance with an unreadable name.
    pub fn has_instance_name(&self) -> bool {
        self.has("wasm.*.instances.*.name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_or_within_a_place_counts() {
        let problems =
            [Problem::new("wasm.0.instances.1.limits.memory", "bad"), Problem::new("volumes.a", "bad")];
        let broken = Broken::new(&problems);
        for place in
            ["wasm", "wasm.0.instances.1.limits", "wasm.*.instances.*.limits.memory", "volumes.a.disk"]
        {
            assert!(broken.has(place), "{place}");
        }
        for place in
            ["processes", "wasm.1", "wasm.0.instances.1.limits.fuel", "volumes.b", "wasm.*.instances.*.name"]
        {
            assert!(!broken.has(place), "{place}");
        }
        assert!(Broken::new(&[Problem::new("", "bad")]).has("name"));
        assert!(!Broken::default().has("name"));
    }
}

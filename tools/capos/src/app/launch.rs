//! The program's arguments and environment.
//!
//! CUE's time is quadratic in a list's length, and `prog *.c` can have very many arguments. So CUE evaluates a manifest
//! without them, and they are added to the result, where decoding checks them as it checks those of any manifest.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{App, quoted};

/// Path of the one instance of [`App::manifest`].
const INSTANCE: &str = "/wasm/0/instances/0";

impl App {
    /// The manifest without the fields that [`App::complete`] adds to its evaluated form.
    pub fn outline(&self, sizes: &[u64]) -> String {
        self.text(sizes, "")
    }

    /// Turns the evaluated [`App::outline`] into that of [`App::manifest`].
    ///
    /// # Errors
    /// If something else was evaluated.
    pub fn complete(&self, evaluated: &mut Value) -> Result<()> {
        let instance = evaluated.pointer_mut(INSTANCE).and_then(Value::as_object_mut);
        let instance = instance.context("the evaluated manifest has no instance")?;
        instance.insert("args".to_owned(), Value::from(self.args.as_slice()));
        if let Some(argv0) = &self.argv0 {
            instance.insert("argv0".to_owned(), Value::from(argv0.as_str()));
        }
        let env = self.env.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        instance.insert("env".to_owned(), Value::Object(env.collect()));
        Ok(())
    }

    /// The fields for arguments and environment, in CUE.
    pub(super) fn launch(&self) -> String {
        let mut text = String::new();
        self.write_launch(&mut text).unwrap_or_default();
        text
    }

    fn write_launch(&self, to: &mut String) -> std::fmt::Result {
        if !self.args.is_empty() {
            let args: Vec<String> = self.args.iter().map(|arg| quoted(arg)).collect();
            writeln!(to, "\targs: [{}]", args.join(", "))?;
        }
        if let Some(argv0) = &self.argv0 {
            writeln!(to, "\targv0: {}", quoted(argv0))?;
        }
        if !self.env.is_empty() {
            writeln!(to, "\tenv: {{")?;
            for (name, value) in &self.env {
                writeln!(to, "\t\t{}: {}", quoted(name), quoted(value))?;
            }
            writeln!(to, "\t}}")?;
        }
        Ok(())
    }
}

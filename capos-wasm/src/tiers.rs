//! The engines of a host, and which of them runs an instance.
//!
//! With [`EngineChoice::Auto`], a module is interpreted until its code has been generated, which is begun at its first start and
//! delays nothing. A module for which there is no code is interpreted for ever.

mod upgrade;

use crate::{
    EngineChoice, HostConfig, InstanceSpec, Limits, UnknownImports,
    account::Control,
    cache::{Cache, Cached, Key},
    engine::{Engine, Settings, Urgency, check_early},
    instance::{Compiled, Remains},
    pace::Pace,
    preview1::Preview1,
};
use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::{Rc, Weak},
};
pub(crate) use upgrade::{Code, Upgrade};

pub(crate) type Module = Rc<Cached<Compiled>>;

/// More modules without code are forgotten, and tried again.
const MAX_WITHOUT_CODE: usize = 1024;

/// Modules that are kept although no instance has them, where there is code: each holds capabilities, of which a process has
/// 256 by default.
const MOST_WITH_CODE: usize = 48;

/// The reason for refusing an instance that must run generated code.
const NO_COMPILER: &str =
    "`engine` is \"compiler\", and this host has no compiler: \"auto\" interprets where there is none";

/// The engines and their modules.
pub(crate) struct Tiers {
    interpreter: Rc<dyn Engine<Preview1>>,
    compiled: Option<Rc<dyn Engine<Preview1>>>,
    modules: Cache<Settings, Compiled>,
    remains: Rc<Remains>,
    /// Modules for which there is no code.
    without_code: RefCell<BTreeSet<Key<Settings>>>,
    /// Code that is being generated for instances that are interpreted.
    upgrades: RefCell<BTreeMap<Key<Settings>, Weak<Upgrade>>>,
}

/// The module of an instance for its present engine, and the code that is being generated for it.
pub(crate) struct Choice {
    pub(crate) module: Module,
    pub(crate) upgrade: Option<Rc<Upgrade>>,
}

impl From<Module> for Choice {
    fn from(module: Module) -> Self {
        Self { module, upgrade: None }
    }
}

/// The urgency of code that an instance waits for.
fn urgent() -> Urgency {
    Urgency::raised_at_once()
}

/// The inputs of compiling besides the module.
#[derive(Clone, Copy)]
struct Wanted {
    limits: Limits,
    unknown_imports: UnknownImports,
    has_clock: bool,
    /// Whether the instance may move to generated code.
    may_move: bool,
}

impl Wanted {
    fn settings(&self, engine: &dyn Engine<Preview1>, is_generated: bool) -> Settings {
        let counts_fuel = engine.counts_fuel(&self.limits, self.has_clock);
        let settings = Settings::new(&self.limits, self.unknown_imports, counts_fuel, is_generated);
        if self.may_move { settings.exposing_state() } else { settings }
    }
}

impl Tiers {
    pub(crate) fn new(
        config: &HostConfig,
        interpreter: Rc<dyn Engine<Preview1>>,
        compiled: Option<Rc<dyn Engine<Preview1>>>,
    ) -> Self {
        let has_code = compiled.is_some();
        Self {
            interpreter,
            compiled,
            modules: Cache::new(
                config.module_cache_bytes,
                if has_code { MOST_WITH_CODE } else { usize::MAX },
            ),
            remains: Rc::new(Remains::new(config.spawn.clone(), config.clock)),
            without_code: RefCell::default(),
            upgrades: RefCell::default(),
        }
    }

    /// The module of an instance, for the engine that is to run it now. Takes the module's bytes.
    pub(crate) async fn module(
        self: &Rc<Self>,
        spec: &mut InstanceSpec,
        config: &HostConfig,
        pace: &mut Pace,
    ) -> Result<Choice, String> {
        let engine = spec.options.engine.unwrap_or(config.engine);
        let wanted = Wanted {
            limits: spec.limits,
            unknown_imports: spec.options.unknown_imports,
            has_clock: config.clock.is_some(),
            may_move: engine == EngineChoice::Auto && self.compiled.is_some() && !spec.run,
        };
        let bytes = std::mem::take(&mut spec.module);
        match (engine, &self.compiled) {
            (EngineChoice::Compiler, None) => Err(NO_COMPILER.to_owned()),
            (EngineChoice::Compiler, Some(compiled)) => {
                self.hurry(&**compiled, &bytes, &wanted, pace).await;
                self.get(&**compiled, true, bytes, &wanted, &urgent(), pace).await.map(Choice::from)
            }
            (EngineChoice::Auto, Some(compiled)) => {
                let upgrade = match self.generated(compiled, &bytes, wanted, config, pace).await {
                    Ok(module) => return Ok(module.into()),
                    Err(upgrade) => upgrade,
                };
                match (self.get(&*self.interpreter, false, bytes, &wanted, &urgent(), pace).await, upgrade) {
                    (Ok(module), upgrade) => Ok(Choice { module, upgrade }),
                    // It may use what only generated code has.
                    (Err(reason), Some(upgrade)) => upgrade.wait(pace).await.map(Choice::from).ok_or(reason),
                    (Err(reason), None) => Err(reason),
                }
            }
            _ => self.get(&*self.interpreter, false, bytes, &wanted, &urgent(), pace).await.map(Choice::from),
        }
    }

    async fn get(
        &self,
        engine: &dyn Engine<Preview1>,
        is_generated: bool,
        bytes: Cow<'static, [u8]>,
        wanted: &Wanted,
        urgency: &Urgency,
        pace: &mut Pace,
    ) -> Result<Module, String> {
        let settings = wanted.settings(engine, is_generated);
        if let Some(module) = self.modules.get_placed(&bytes, settings) {
            return Ok(module);
        }
        let compile = async |bytes: &[u8], pace: &mut Pace| {
            // A cached module has passed these checks, except for limits, which instantiation checks too.
            check_early::<Preview1>(engine.name(), bytes, &wanted.limits, wanted.unknown_imports, pace)
                .await?;
            let module = engine.compile(bytes, settings, urgency, pace).await?;
            Ok(Compiled::new(module, self.remains.clone()))
        };
        // Boxed, since starting a cached module does not need this state.
        Box::pin(self.modules.get(bytes, settings, pace, compile)).await
    }

    /// The generated code of a module, if it is there. Otherwise it is requested, for later.
    #[expect(clippy::ptr_arg, reason = "whether the bytes are borrowed for ever is what matters")]
    async fn generated(
        self: &Rc<Self>,
        compiled: &Rc<dyn Engine<Preview1>>,
        bytes: &Cow<'static, [u8]>,
        wanted: Wanted,
        config: &HostConfig,
        pace: &mut Pace,
    ) -> Result<Module, Option<Rc<Upgrade>>> {
        let settings = wanted.settings(&**compiled, true);
        if let Some(module) = self.modules.get_placed(bytes, settings) {
            return Ok(module);
        }
        let key = self.modules.key(bytes, settings, pace).await;
        if let Some(module) = self.modules.get_known(&key, bytes, pace).await {
            return Ok(module);
        }
        if self.without_code.borrow().contains(&key) {
            return Err(None);
        }
        let requested = self.upgrades.borrow().get(&key).and_then(Weak::upgrade);
        Err(Some(match requested {
            Some(upgrade) => {
                upgrade.hurry();
                upgrade
            }
            None => self.request(compiled.clone(), key, bytes.clone(), wanted, config),
        }))
    }

    /// Says that an instance waits for a module that may be among the upgrades.
    #[expect(clippy::ptr_arg, reason = "whether the bytes are borrowed for ever is what matters")]
    async fn hurry(
        &self,
        compiled: &dyn Engine<Preview1>,
        bytes: &Cow<'static, [u8]>,
        wanted: &Wanted,
        pace: &mut Pace,
    ) {
        if self.upgrades.borrow().is_empty() {
            return;
        }
        let key = self.modules.key(bytes, wanted.settings(compiled, true), pace).await;
        if let Some(upgrade) = self.upgrades.borrow().get(&key).and_then(Weak::upgrade) {
            upgrade.hurry();
        }
    }

    /// Has a module's code generated, in a task of its own.
    fn request(
        self: &Rc<Self>,
        compiled: Rc<dyn Engine<Preview1>>,
        key: Key<Settings>,
        bytes: Cow<'static, [u8]>,
        wanted: Wanted,
        config: &HostConfig,
    ) -> Rc<Upgrade> {
        let (tiers, note, clock) = (self.clone(), config.note.clone(), config.clock);
        let upgrade = Rc::new(Upgrade::default());
        self.upgrades.borrow_mut().insert(key, Rc::downgrade(&upgrade));
        let requested = upgrade.clone();
        (config.spawn)(Box::pin(async move {
            let mut pace = Pace::starting(clock, Rc::new(Control::new(&wanted.limits)));
            let code = tiers.get(&*compiled, true, bytes, &wanted, &upgrade.urgency, &mut pace).await;
            upgrade.finish(code.as_ref().ok());
            tiers.upgrades.borrow_mut().remove(&key);
            let Err(reason) = code else { return };
            let mut without_code = tiers.without_code.borrow_mut();
            if without_code.len() >= MAX_WITHOUT_CODE {
                without_code.clear();
            }
            without_code.insert(key);
            if let Some(note) = note {
                note(format!("a module stays interpreted, since it could not be compiled: {reason}"));
            }
        }));
        requested
    }
}

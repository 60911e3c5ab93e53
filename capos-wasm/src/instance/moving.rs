//! Moving an instance that serves calls from the interpreter to generated code, between two calls.

use super::guest::{Compiled, Guest};
use crate::{
    Discard, Grants, HostConfig, Launch, Limits, Note,
    account::Control,
    cache::Cached,
    engine::{Means, transfer},
    pace::Pace,
    preview1::{Context, Preview1},
    resources::FastClock,
    tiers::{Code, Upgrade},
};
use std::{mem, rc::Rc};

/// An instance that has served this many calls moves as soon as there is code.
const CALLS: u32 = 100;

/// The one attempt of an instance to move.
pub(crate) struct Moving {
    upgrade: Rc<Upgrade>,
    /// Calls served.
    calls: u32,
    name: String,
    note: Option<Note>,
    limits: Limits,
    clock: Option<FastClock>,
    discard: Option<Discard>,
}

impl Moving {
    pub(crate) fn new(upgrade: Rc<Upgrade>, limits: Limits, name: String, config: &HostConfig) -> Self {
        let HostConfig { note, clock, discard, .. } = config;
        let (note, clock, discard) = (note.clone(), *clock, *discard);
        Self { upgrade, calls: 0, name, note, limits, clock, discard }
    }

    /// Counts a call, and returns whether the instance is to try to move now, which it does once.
    pub(super) fn is_due(&mut self) -> bool {
        self.calls = self.calls.saturating_add(1);
        if self.calls < CALLS {
            return false;
        }
        self.upgrade.hurry();
        !matches!(self.upgrade.code(), Code::Pending)
    }
}

impl Guest {
    /// Moves the instance, or leaves it unchanged where it is, and notes which.
    pub(super) async fn move_over(&mut self, moving: Moving) {
        // That there is no code has been noted.
        let Code::Ready(code) = moving.upgrade.code() else { return };
        let moved = self.try_to_move(code, &moving).await;
        if self.interrupts.control().is_killed() {
            return;
        }
        if let Some(note) = moving.note {
            let name = moving.name;
            note(match moved {
                Ok(()) => format!("instance {name:?} continues as compiled code"),
                Err(reason) => format!("instance {name:?} stays interpreted: {reason}"),
            });
        }
    }

    async fn try_to_move(&mut self, code: Rc<Cached<Compiled>>, moving: &Moving) -> Result<(), String> {
        let Moving { limits, clock, discard, .. } = *moving;
        let control = self.interrupts.control();
        let mut pace = Pace::starting(clock, control.clone());
        // Modules with the same hash share an upgrade.
        if !code.is(&self.module.bytes, &mut pace).await {
            return Err("the code is that of another module".to_owned());
        }
        let movable = moving.upgrade.movable(&code.bytes, &mut pace).await?;
        // What the new instance takes is not charged until it is this one: each part of memory is freed here when it has been
        // copied. And its data have been paid for by this one's start.
        let aside = Rc::new(Control::new(&limits));
        let nothing = Context::new(Launch::default(), Grants::default(), 0, aside.clone());
        let unlimited = Limits { fuel: None, ..limits };
        let host = Preview1::new(nothing);
        let means = Means { host, limits: unlimited, control: aside, clock, discard };
        let mut instance = code.compiled.instantiate(means, &mut pace).await?;
        let moved = transfer(&mut *self.instance, &mut *instance, &movable, discard, &mut pace).await;
        if let Err(reason) = moved {
            instance.free(Pace::new(clock)).await;
            return Err(reason);
        }
        if let (Some(from), Some(to)) = (self.instance.host(), instance.host()) {
            mem::swap(from, to);
        }
        instance.charge_to(control, &limits);
        self.module = code;
        mem::replace(&mut self.instance, instance).free(Pace::new(clock)).await;
        Ok(())
    }
}

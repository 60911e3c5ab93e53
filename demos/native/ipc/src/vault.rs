use crate::vault_capnp::{door, vault};
use capnp::Error;
use capos_rt::Revocable;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Opens doors and can lock them all.
#[derive(Default)]
pub struct Vault {
    opened: RefCell<Vec<Revocable<door::Client>>>,
    open_count: Rc<Cell<u32>>,
}

struct Door {
    visitor: String,
    open_count: Rc<Cell<u32>>,
}

impl vault::Server for Vault {
    async fn open(
        self: Rc<Self>,
        params: vault::OpenParams,
        mut results: vault::OpenResults,
    ) -> Result<(), Error> {
        let visitor = params.get()?.get_visitor()?.to_string()?;
        self.open_count.set(self.open_count.get() + 1);
        let door = capos_rt::serve(Door { visitor, open_count: self.open_count.clone() });
        // The caller gets a copy derived from the vault's own, so that it can be revoked.
        let revocable = Revocable::new(&door)?;
        results.get().set_door(revocable.client());
        self.opened.borrow_mut().push(revocable);
        Ok(())
    }

    async fn announce(
        self: Rc<Self>,
        params: vault::AnnounceParams,
        _results: vault::AnnounceResults,
    ) -> Result<(), Error> {
        let mut request = params.get()?.get_listener()?.hear_request();
        request.get().set_news(format!("{} doors are open", self.open_count.get()).as_str());
        request.send().promise.await?;
        Ok(())
    }

    async fn lock(
        self: Rc<Self>,
        _params: vault::LockParams,
        _results: vault::LockResults,
    ) -> Result<(), Error> {
        for door in self.opened.take() {
            door.revoke()?;
        }
        Ok(())
    }

    async fn whose(
        self: Rc<Self>,
        params: vault::WhoseParams,
        mut results: vault::WhoseResults,
    ) -> Result<(), Error> {
        // A door that comes back is recognised as the same object.
        match capos_rt::local_server::<Door, _>(&params.get()?.get_door()?) {
            Some(door) => {
                results.get().set_visitor(door.visitor.as_str());
                Ok(())
            }
            None => Err(Error::failed("not a door of this vault".into())),
        }
    }

    async fn meet(
        self: Rc<Self>,
        params: vault::MeetParams,
        mut results: vault::MeetResults,
    ) -> Result<(), Error> {
        results.get().set_listener(params.get()?.get_listener()?);
        Ok(())
    }
}

impl door::Server for Door {
    async fn knock(
        self: Rc<Self>,
        params: door::KnockParams,
        mut results: door::KnockResults,
    ) -> Result<(), Error> {
        let times = params.get()?.get_times();
        results.get().set_answer(format!("{} knocked {times} times", self.visitor).as_str());
        Ok(())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.open_count.set(self.open_count.get() - 1);
    }
}

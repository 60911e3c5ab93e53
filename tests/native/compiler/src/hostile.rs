//! Requests that no honest client makes.

use std::rc::Rc;

use capnp::Result;
use capos_rt::{Endpoint, serve};
use capos_schema::memory_capnp::memory_object::{
    self, SealParams, SealResults, Server, SizeParams, SizeResults,
};

use crate::asking::{Asking, Settings};
use crate::{expect_reason, modules};
use capos_rt::object_with;

/// An object of this process that says it is memory, and sealed.
struct Liar;

impl Server for Liar {
    async fn size(self: Rc<Self>, _: SizeParams, mut results: SizeResults) -> Result<()> {
        results.get().set_bytes(1 << 40);
        results.get().set_sealed(true);
        Ok(())
    }

    async fn seal(self: Rc<Self>, _: SealParams, _: SealResults) -> Result<()> {
        Ok(())
    }
}

pub(crate) async fn run(asking: &Asking) -> Result<()> {
    let module = modules::constant(1);
    for (length, words) in
        [(0, "0 bytes"), (1 << 30, "are possible"), (u64::MAX, "are possible"), (4097, "fewer")]
    {
        let object = object_with(&module).await?;
        let outcome = asking.compile_object(object, length, Settings::default()).await;
        expect_reason(&format!("{length} bytes"), outcome, words)?;
    }
    println!("bad lengths are refused");

    let liar: memory_object::Client = serve(Liar);
    expect_reason("no memory", asking.compile_object(liar, 4096, Settings::default()).await, "")?;
    // Nobody receives from this one.
    let endpoint = Endpoint::new()?;
    let silent = asking.compile_object(endpoint.mint(0)?, 4096, Settings::default());
    let deadline = std::time::Instant::now() + std::time::Duration::from_millis(200);
    let waited = capos_rt::with_deadline(silent, deadline).await;
    if waited.is_ok() {
        return Err(capnp::Error::failed("an object that does not answer was answered for".into()));
    }
    drop(endpoint);
    println!("objects that are no memory are refused");

    let component = Settings { is_component: true, ..Settings::default() };
    for (what, bytes, settings) in [
        ("zeros", vec![0; 100], Settings::default()),
        ("half a module", module[..module.len() - 3].to_vec(), Settings::default()),
        ("a component", modules::COMPONENT.to_vec(), Settings::default()),
        ("a module as a component", module.clone(), component),
        ("text", b"(module)".to_vec(), Settings::default()),
        ("an unbalanced stack", modules::with_bodies(&[vec![0, 0x41, 1, 0x0b]]), Settings::default()),
        ("too many locals", modules::locals(60_000), Settings::default()),
        ("very many locals", modules::locals(usize::from(u16::MAX) << 14), Settings::default()),
    ] {
        let reason = crate::reason(what, asking.code(&bytes, settings).await)?;
        if !reason.contains("is invalid") && !reason.contains("cannot be compiled") {
            return Err(capnp::Error::failed(format!("{what}: {reason}")));
        }
    }
    println!("what is no module is refused with the reason");
    asking.code(&module, Settings::default()).await?;
    println!("others are served");
    Ok(())
}

//! Ordinary requests.

use capnp::Result;
use capos_rt::virtual_memory;

use crate::asking::{Asking, Code, Settings, code};
use crate::{expect, expect_reason, modules};
use capos_rt::object_with;

pub(crate) async fn run(asking: &Asking) -> Result<()> {
    let first = asking.code(&modules::constant(7), Settings::default()).await?;
    expect("sealed", first.is_sealed().await?, true)?;
    expect("begins as", first.beginning().await?, *b"\x7fELF")?;
    expect_reason("mapped for writing", map_writable(&first).await, "")?;
    println!("a module is compiled, and its code is sealed");

    let component = Settings { is_component: true, ..Settings::default() };
    let portable = Settings { is_portable: true, ..Settings::default() };
    asking.code(&modules::COMPONENT, component).await?;
    asking.code(&modules::constant(7), portable).await?;
    expect("compiled", asking.counters().await?.compiled, 3)?;
    println!("components and portable code are compiled too");

    let again = asking.code(&modules::constant(7), Settings::default()).await?;
    let counters = asking.counters().await?;
    expect("compiled, shared", (counters.compiled, counters.shared), (3, 1))?;
    expect("length", again.length, first.length)?;
    println!("code in use is shared");

    let module = modules::long(8, 50, 1);
    let one = asking.compile(&module, Settings::default()).await?;
    let other = asking.compile(&module, Settings { is_low: true, ..Settings::default() }).await?;
    code(&one).await?;
    code(&other).await?;
    let counters = asking.counters().await?;
    expect("compiled, shared", (counters.compiled, counters.shared), (4, 2))?;
    let response = one.progress_request().send().promise.await?;
    expect("functions", response.get()?.get_functions(), 8)?;
    println!("equal requests are compiled once");

    drop((one, other, first, again));
    while asking.counters().await?.code_bytes != 0 {}
    asking.code(&modules::constant(7), Settings::default()).await?;
    expect("compiled", asking.counters().await?.compiled, 5)?;
    println!("code that is not in use is forgotten");

    changed(asking).await
}

async fn map_writable(code: &Code) -> Result<()> {
    let mut request = virtual_memory().map_object_request();
    request.get().set_object(code.object.clone());
    request.get().set_length(capos_abi::PAGE_SIZE);
    request.get().init_protection().set_write(true);
    request.send().promise.await.map(drop)
}

/// The module is what it was when it was requested.
async fn changed(asking: &Asking) -> Result<()> {
    let module = modules::long(4, 40, 2);
    let object = object_with(&module).await?;
    let request = asking.compile_object(object.clone(), module.len() as u64, Settings::default()).await?;
    let memory = capos_rt::MappedMemory::map(object, module.len() as u64, true).await?;
    memory.write(0, &[0; 64]).map_err(|error| capnp::Error::failed(error.to_string()))?;
    code(&request).await?;
    println!("a change of the module during the request does not matter");
    Ok(())
}

//! Starts WebAssembly instances from modules in the directory granted as "modules", passes each some of its own
//! capabilities, and observes one that is restarted after each failure.

use capnp::Error;
use capos_rt::schema::console_capnp::console;
use capos_rt::schema::file_capnp::namespace;
use capos_rt::schema::wasm_capnp::{instance_end, wasm_host, wasm_instance};
use std::fmt;

/// The capabilities of this program.
struct Capabilities {
    host: wasm_host::Client,
    modules: namespace::Client,
    console: console::Client,
}

/// How an instance ended.
enum HowEnded {
    Exited(i32),
    Trapped,
    Otherwise,
}

impl fmt::Display for HowEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Trapped => f.write_str("trapped"),
            Self::Otherwise => f.write_str("ended in another way"),
        }
    }
}

fn ended(end: instance_end::Reader<'_>) -> Result<HowEnded, Error> {
    Ok(match end.which()? {
        instance_end::Exited(status) => HowEnded::Exited(status),
        instance_end::Trap(_) => HowEnded::Trapped,
        _ => HowEnded::Otherwise,
    })
}

impl Capabilities {
    /// Starts the module in a file, optionally with a standard output, and with up to `restarts` restarts.
    async fn start(&self, path: &str, output: bool, restarts: u32) -> Result<wasm_instance::Client, Error> {
        let mut request = self.host.start_request();
        let mut spec = request.get().init_spec();
        let mut file = spec.reborrow().init_module().init_file();
        file.set_directory(self.modules.clone());
        file.set_path(path.as_bytes());
        spec.set_name(path);
        spec.set_run(true);
        if output {
            spec.reborrow().init_grants().set_stdout(self.console.clone());
        }
        spec.init_options().init_restart().set_on_failure(restarts);
        request.send().promise.await?.get()?.get_instance()
    }

    async fn end(&self, instance: &wasm_instance::Client) -> Result<HowEnded, Error> {
        let response = instance.wait_request().send().promise.await?;
        ended(response.get()?.get_end()?)
    }

    async fn run(&self) -> Result<(), Error> {
        // One file, three instances: the host compiles it once.
        for output in [true, false, true] {
            let instance = self.start("wasi-hello-rust.wasm", output, 0).await?;
            println!("with{} a console: {}", if output { "" } else { "out" }, self.end(&instance).await?);
        }
        let instance = self.start("wasi-stack.wasm", false, 2).await?;
        println!("the last run {}", self.end(&instance).await?);
        let response = instance.restarts_request().send().promise.await?;
        let restarts = response.get()?;
        println!("started again {} times:", restarts.get_count());
        for cause in restarts.get_causes()? {
            println!("  because it {}", ended(cause)?);
        }
        for path in ["no-such.wasm", "../outside.wasm"] {
            match self.start(path, false, 0).await {
                Ok(_) => println!("{path} was started"),
                Err(error) => println!("{}", error.extra),
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let held = Capabilities {
        host: capos_rt::grant(capos_rt::schema::names::WASM_HOST_EXPORT)?,
        modules: capos_rt::grant("modules")?,
        console: capos_rt::grant(capos_rt::schema::grants::CONSOLE)?,
    };
    capos_rt::block_on(held.run())?;
    Ok(())
}

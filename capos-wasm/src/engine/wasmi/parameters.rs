//! The parameters of host functions.

use wasmi::{Caller, Error, Linker, WasmRet, WasmTy, errors::LinkerError};

/// Parameters that wasmi can pass: a tuple of its types.
pub(crate) trait Parameters: Sized {
    /// Defines a function with these parameters.
    fn define<T: 'static, R>(
        linker: &mut Linker<T>,
        module: &str,
        name: &str,
        serve: impl Fn(Caller<'_, T>, Self) -> Result<R, Error> + Send + Sync + 'static,
    ) -> Result<(), LinkerError>
    where
        Result<R, Error>: WasmRet;
}

macro_rules! parameters {
    ($($name:ident: $ty:ident),*) => {
        impl<$($ty: WasmTy),*> Parameters for ($($ty,)*) {
            fn define<T: 'static, R>(
                linker: &mut Linker<T>,
                module: &str,
                name: &str,
                serve: impl Fn(Caller<'_, T>, Self) -> Result<R, Error> + Send + Sync + 'static,
            ) -> Result<(), LinkerError>
            where
                Result<R, Error>: WasmRet,
            {
                let serve = move |caller: Caller<'_, T>, $($name: $ty),*| serve(caller, ($($name,)*));
                linker.func_wrap(module, name, serve).map(drop)
            }
        }
    };
}

parameters!();
parameters!(a: A);
parameters!(a: A, b: B);
parameters!(a: A, b: B, c: C);
parameters!(a: A, b: B, c: C, d: D);
parameters!(a: A, b: B, c: C, d: D, e: E);
parameters!(a: A, b: B, c: C, d: D, e: E, f: F);
parameters!(a: A, b: B, c: C, d: D, e: E, f: F, g: G);
parameters!(a: A, b: B, c: C, d: D, e: E, f: F, g: G, i: I);
parameters!(a: A, b: B, c: C, d: D, e: E, f: F, g: G, i: I, j: J);

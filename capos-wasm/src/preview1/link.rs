//! The functions of Preview 1 as an engine's imports, one for each line of the table.

use super::{Call, Snapshot, for_each_function};
use crate::engine::{Host, Linker};

macro_rules! define_link {
    (
        done { $($name:ident($($arg:ident: $ty:ident),*) = $_f:path, $_n:ident, $_m:expr, $_b:ident;)* }
        exit { $exit:ident($($earg:ident: $ety:ident),*) = $_ef:path, $_en:ident, $_em:expr, $_eb:ident; }
    ) => {
        /// Defines one function; unknown names are ignored.
        pub(super) fn define<H: Host<Call = (Snapshot, Call)>, L: Linker<H>>(
            linker: &mut L,
            snapshot: Snapshot,
            name: &str,
        ) -> Result<(), String> {
            let module = snapshot.module();
            match name {
                $(stringify!($name) => linker.function(
                    module,
                    name,
                    move |($($arg,)*): ($($ty,)*)| (snapshot, Call::$name { $($arg),* }),
                ),)*
                stringify!($exit) => linker.procedure(
                    module,
                    name,
                    move |($($earg,)*): ($($ety,)*)| (snapshot, Call::$exit { $($earg),* }),
                ),
                _ => Ok(()),
            }
        }
    };
}
for_each_function!(define_link);

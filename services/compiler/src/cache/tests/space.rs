//! Memory that is refused.

use futures::executor::block_on;

use super::{device, folder, open};
use crate::cache::Space;

struct Refused;

impl Space for Refused {
    async fn create(&self, _: u64) -> Result<(), String> {
        Err("no memory".to_owned())
    }

    fn write(&self, _: usize, _: &[u8]) -> bool {
        false
    }
}

#[test]
fn without_memory_an_entry_stays() {
    let opened = open(folder(&device(16 << 20), "/cache"));
    opened.store(b"module", b"code");
    assert_eq!(block_on(opened.cache.find(&opened.name(b"module"), &Refused)), None);
    assert_eq!(opened.rejected(), 0);
    assert_eq!(opened.find(b"module"), Some(b"code".to_vec()));
}

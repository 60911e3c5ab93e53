//! Checks `docs/wasi.md` against the table in the code.

use capos_wasm::preview1::FUNCTIONS;
use std::{fs, path::Path};

#[test]
fn the_documented_table_is_the_codes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/wasi.md");
    let page = fs::read_to_string(path).expect("docs/wasi.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), FUNCTIONS.len());
    for (row, function) in rows.iter().zip(FUNCTIONS) {
        let name = format!("`{}`", function.name);
        let missing = function.missing.map_or("—", |errno| errno.name());
        let [documented, capability, granted, not_granted, state] = row[..] else {
            panic!("{row:?} has not five cells");
        };
        assert_eq!(documented, name);
        assert_eq!(capability, function.needs.capabilities(), "{name}");
        assert_eq!(not_granted, missing, "{name}");
        assert_eq!(state, format!("done, {}", function.basis.name()), "{name}");
        assert!(!granted.is_empty(), "{name}");
    }
}

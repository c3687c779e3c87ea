//! Owns the words of scripts: text files below a store's directory, and nothing else.

use std::path::Path;

use crate::generation::programs::store_paths;

use super::file;
use super::root::Root;

/// The largest script that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// The words of a script, or why they cannot be had.
pub(super) fn words(root: &Root, path: &str) -> Result<String, String> {
    let place = root
        .locate(Path::new(path))
        .and_then(|place| root.resolve(&place))
        .map_err(|error| error.to_string())?;
    let inner = root.inner(&place);
    let in_store = inner.to_str().is_some_and(|inner| {
        let found = store_paths(inner).next();
        found.is_some_and(|found| inner.starts_with(found.path))
    });
    if !in_store {
        return Err("it is not in a store".to_owned());
    }
    let bytes = file::read(&place, LIMIT).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

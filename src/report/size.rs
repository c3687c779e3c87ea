//! Owns how a number of bytes is written.

use super::summary::count;

/// A number of bytes, in the largest unit of 1024 that leaves one digit before the point.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return count(usize::try_from(bytes).unwrap_or(usize::MAX), "byte");
    }
    let mut number = bytes as f64 / 1024.0;
    let mut units = UNITS.iter().peekable();
    let mut unit = "";
    while let Some(next) = units.next() {
        unit = next;
        if number < 1024.0 || units.peek().is_none() {
            break;
        }
        number /= 1024.0;
    }
    format!("{number:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (12 << 20, "12.0 MiB"),
            (3 << 29, "1.5 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}

//! Owns the named points at which tests make nixmig fail, die or wait. They exist only with the feature `faults`, which is in
//! nothing that is shipped; without it a point is no code at all.

/// What happens at a point, and where: `NIXMIG_FAULT=POINT[#N]:ACTION`, the N-th time that it is passed (1 without).
///
/// | action | what it does |
/// |---|---|
/// | `kill` | SIGKILL to nixmig |
/// | `term` | SIGTERM to nixmig, which goes on until it notices |
/// | `wait` | makes the file `$NIXMIG_FAULT_AT` and sleeps until it is killed |
/// | `full` | the disk is full |
///
/// # Errors
///
/// Fails with "no space left on device" where the action is `full`.
#[cfg(feature = "faults")]
pub fn point(name: &str) -> std::io::Result<()> {
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    static PASSED: AtomicU32 = AtomicU32::new(0);

    let Ok(fault) = std::env::var("NIXMIG_FAULT") else {
        return Ok(());
    };
    let Some((place, action)) = fault.split_once(':') else {
        return Err(std::io::Error::other("NIXMIG_FAULT must be POINT[#N]:ACTION"));
    };
    let (place, nth) = match place.split_once('#') {
        Some((place, nth)) => (place, nth.parse().map_err(std::io::Error::other)?),
        None => (place, 1),
    };
    if place != name || PASSED.fetch_add(1, Ordering::SeqCst) + 1 != nth {
        return Ok(());
    }
    match action {
        "kill" => kill_process(getpid(), Signal::KILL)?,
        "term" => kill_process(getpid(), Signal::TERM)?,
        "wait" => {
            if let Some(at) = std::env::var_os("NIXMIG_FAULT_AT") {
                std::fs::write(at, name)?;
            }
            loop {
                std::thread::park();
            }
        }
        "full" => return Err(rustix::io::Errno::NOSPC.into()),
        other => {
            return Err(std::io::Error::other(format!(
                "NIXMIG_FAULT: no action `{other}`"
            )));
        }
    }
    Ok(())
}

/// A point, in what is shipped.
///
/// # Errors
///
/// None.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_: &str) -> std::io::Result<()> {
    Ok(())
}

/// Whether what is written is to be flushed. One test takes out every flush, to see that it notices; the library's own tests,
/// which no power loss can end, need none.
pub fn flushes() -> bool {
    !cfg!(test) && (!cfg!(feature = "faults") || std::env::var_os("NIXMIG_FAULT_NO_FLUSH").is_none())
}

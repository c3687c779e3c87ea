//! Owns nixmig's handlers of signals: while processes run, a signal ends them first; otherwise it does what it always does.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use super::{Hub, Stop};

// Handlers belong to the whole process, so this does too.
static HANDLERS: Mutex<Handlers> = Mutex::new(Handlers {
    installed: false,
    hubs: Vec::new(),
});

struct Handlers {
    installed: bool,
    hubs: Vec<Weak<Hub>>,
}

fn handlers() -> MutexGuard<'static, Handlers> {
    HANDLERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a hub know of signals.
pub(super) fn subscribe(hub: &Arc<Hub>) -> io::Result<()> {
    let mut handlers = handlers();
    if !handlers.installed {
        install()?;
        handlers.installed = true;
    }
    handlers.hubs.push(Arc::downgrade(hub));
    Ok(())
}

/// Leaves signals to what they do without it.
pub(super) fn unsubscribe(hub: &Arc<Hub>) {
    handlers()
        .hubs
        .retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(hub)));
}

/// Ends nixmig by a signal, so that whoever started it sees that.
pub fn die_of(signal: i32) -> ! {
    // Where the signal's own effect is not to be had, the number says what shells say of it.
    let _ = low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal)
}

fn install() -> io::Result<()> {
    let ignored = ignored();
    let wanted: Vec<i32> = [SIGHUP, SIGINT, SIGQUIT, SIGTERM]
        .into_iter()
        .filter(|signal| ignored >> (signal - 1) & 1 == 0)
        .collect();
    let mut signals = Signals::new(&wanted)?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            let hubs: Vec<_> = handlers().hubs.iter().filter_map(Weak::upgrade).collect();
            if hubs.is_empty() {
                die_of(signal);
            }
            for hub in hubs {
                hub.stop(Stop::Signal(signal));
            }
        }
    })?;
    Ok(())
}

/// The set of signals that nixmig was started to ignore (`nohup`, `&` in a script), a bit each from 1: proc(5), `SigIgn`.
/// Empty where there is no such file.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

//! Owns the wait for a service's lock, and who is named meanwhile: the nixmig that runs, or the script that outlived one.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use super::progress::{Happening, Progress, ProgressEvent};
use crate::model::{RunId, ServiceName};
use crate::record::{Holder, LockError, Place, ServiceLock, Wait, lock_service};

/// Takes the lock of a service, and says for whom it waits: the nixmig that holds it, else the scripts of one that is gone. `stopped` breaks the wait off.
///
/// # Errors
///
/// Fails where another holds it for longer than is waited, where the wait was broken off, and where there cannot be a lock.
pub fn lock(
    place: &Place,
    service: &ServiceName,
    wait: Wait,
    progress: &dyn Progress,
    stopped: &dyn Fn() -> bool,
) -> Result<ServiceLock, LockError> {
    let mut waiting = waiting(place, service, None, progress, stopped);
    lock_service(place, service, wait, &mut waiting)
}

/// The same for a step, which comes before its turn: the step before it is waited for in silence.
///
/// # Errors
///
/// Fails where the wait was broken off, and where there cannot be a lock.
pub fn lock_for_step(
    place: &Place,
    service: &ServiceName,
    run: &RunId,
    progress: &dyn Progress,
    stopped: &dyn Fn() -> bool,
) -> Result<ServiceLock, LockError> {
    let mut waiting = waiting(place, service, Some(run), progress, stopped);
    lock_service(place, service, Wait::Forever, &mut waiting)
}

fn waiting<'w>(
    place: &'w Place,
    service: &'w ServiceName,
    own: Option<&'w RunId>,
    progress: &'w dyn Progress,
    stopped: &'w dyn Fn() -> bool,
) -> impl FnMut(Option<&Holder>) -> ControlFlow<()> {
    let mut waits = None;
    move |holder| {
        if stopped() {
            return ControlFlow::Break(());
        }
        let holder = holder.filter(|holder| lives(holder));
        let is_own = own.is_some() && holder.and_then(|holder| holder.run.as_ref()) == own;
        if !is_own && waits.as_ref() != Some(&holder.cloned()) {
            let text = waits_for(place, service, holder);
            progress.event(&ProgressEvent {
                service,
                step: None,
                happening: Happening::Note { text: &text },
            });
            waits = Some(holder.cloned());
        }
        ControlFlow::Continue(())
    }
}

fn lives(holder: &Holder) -> bool {
    Path::new("/proc").join(holder.pid.to_string()).exists()
}

fn waits_for(place: &Place, service: &ServiceName, holder: Option<&Holder>) -> String {
    if let Some(holder) = holder {
        let run = holder.run.as_ref().map(|run| format!(" (run {run})"));
        let run = run.unwrap_or_default();
        return format!(
            "Waiting for process {}{run}, which works on {service}.",
            holder.pid
        );
    }
    let file = place.state_dir.join("locks").join(format!("{service}.lock"));
    let left: Vec<_> = holders(&file).iter().map(u32::to_string).collect();
    match left.as_slice() {
        [] => format!("Waiting for the lock of {service}."),
        left => format!(
            "Waiting for a script of {service} that outlived its nixmig: process {}. It is let finish; what it did is then brought \
             back. If it never ends by itself, end it: kill {}",
            left.join(", "),
            left.join(" ")
        ),
    }
}

/// The processes of other programs that have a file open, ascending, as far as one may see that. Another nixmig waits as this
/// one does.
fn holders(file: &Path) -> Vec<u32> {
    let Ok(file) = fs::canonicalize(file) else {
        return Vec::new();
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
    let program = |process: &str| {
        let program = fs::read_link(format!("/proc/{process}/exe")).ok()?;
        program.file_name().map(std::ffi::OsStr::to_owned)
    };
    let own = program("self");
    let holds = |process: &u32| {
        let open = fs::read_dir(format!("/proc/{process}/fd"));
        let mut open = open.into_iter().flatten().flatten();
        program(&process.to_string()) != own
            && open.any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|target| target == file))
    };
    let mut holders: Vec<_> = processes.filter(holds).collect();
    holders.sort_unstable();
    holders
}

//! Owns asking at a terminal whether what a step destroys is accepted.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd;

use nixmig::plan::{ServicePlan, Step};
use nixmig::report::escape;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::output;

/// How long a signal may have come and not be seen: one that comes in between looking and waiting wakes nobody.
const BLINK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// Asks at the terminal for the name of the service, where there is one. `stopped` says whether nixmig was told to end, which
/// is an answer, too.
pub(super) fn at_terminal(service: &ServicePlan, steps: &[&Step], stopped: &dyn Fn() -> bool) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() || stopped() {
        return false;
    }
    let name = &service.name;
    for step in steps {
        let warn = step.action().warn.value().and_then(|warn| warn.text.as_deref());
        let what = warn.unwrap_or("It has no script that undoes it.");
        let direction = step.direction.name();
        output::complain(&format!(
            "{name}: {direction} {}: {}\n",
            step.version(),
            escape(what)
        ));
    }
    output::complain("Type the name of the service to accept this: ");
    let line = line(&io::stdin(), stopped);
    if line.is_none() {
        output::complain("\n");
    }
    line.is_some_and(|line| line.trim_ascii() == name.as_str().as_bytes())
}

/// One line of what somebody types; none where it has no end, or was not waited for.
fn line(from: &impl AsFd, stopped: &dyn Fn() -> bool) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut bytes = [0; 256];
    while !line.ends_with(b"\n") {
        if stopped() {
            return None;
        }
        match poll(&mut [PollFd::new(from, PollFlags::IN)], Some(&BLINK)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return None,
        }
        match rustix::io::read(from, &mut bytes) {
            Ok(0) => return None,
            Ok(read) => line.extend_from_slice(&bytes[..read]),
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write as _;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_line_ends_when_it_ends() {
        let (from, mut to) = io::pipe().unwrap();
        to.write_all(b"db").unwrap();
        let typing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            to.write_all(b"\n").unwrap();
        });
        assert_eq!(line(&from, &|| false).unwrap(), b"db\n");
        typing.join().unwrap();
        assert_eq!(line(&from, &|| false), None, "nobody types any more");
    }

    #[test]
    fn nobody_is_waited_for_once_it_is_told_to_end() {
        let (from, mut to) = io::pipe().unwrap();
        to.write_all(b"db").unwrap();
        let (begun, looks) = (Instant::now(), Cell::new(0));
        let stopped = || looks.replace(looks.get() + 1) == 2;
        assert_eq!(line(&from, &stopped), None);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}

//! Owns asking at a terminal whether what a step destroys is accepted.

use std::io::{self, BufRead as _, IsTerminal as _};

use nixmig::plan::{ServicePlan, Step};
use nixmig::report::escape;

use super::output;

/// Asks at the terminal for the name of the service, where there is one.
pub(super) fn at_terminal(service: &ServicePlan, steps: &[&Step]) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
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
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).is_ok() && line.trim() == name.as_str()
}

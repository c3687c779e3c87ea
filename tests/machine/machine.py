"""One guest, in the words of the NixOS test driver: what a test script can do with `machine`.

Owns what is asked of a guest; how it is booted, entered and killed is guest.py's. Whatever the NixOS driver says of a
method (nixos/doc/manual/development/writing-nixos-tests.section.md in nixpkgs) holds here as well.
"""

import shlex
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

# Between two looks at something that is waited for. The real driver takes a second; a guest here boots in one.
STEP = 0.05


class RequestedAssertionFailed(Exception):
    """What a test script asserted does not hold."""


class Log:
    """Says what the script is at, indented as its subtests are, with the seconds since it began."""

    def __init__(self):
        self.began = time.monotonic()
        self.depth = 0

    def say(self, text):
        since = time.monotonic() - self.began
        for line in text.splitlines() or [""]:
            print(f"{since:7.2f}  {'  ' * self.depth}{line}", file=sys.stderr, flush=True)

    @contextmanager
    def nested(self, text):
        self.say(text)
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


def retry(function, timeout, what):
    """Calls until it gives something true; a last time when the time is over."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if function(False):
            return
        time.sleep(STEP)
    if not function(True):
        raise RequestedAssertionFailed(f"{what}: not within {timeout} s")


class Machine:
    """A guest that may or may not run."""

    def __init__(self, name, guest, log, out_dir):
        self.name = name
        self.guest = guest
        self.log = log
        # Where a script leaves files for those who ran it.
        self.out_dir = out_dir
        out_dir.mkdir()

    @contextmanager
    def nested(self, text):
        with self.log.nested(f"{self.name}: {text}"):
            yield

    # Running and ending.

    def start(self, allow_reboot=False):
        """Boots it, on what its disk has; nothing where it runs. A guest may always reboot."""
        del allow_reboot
        if not self.guest.is_running():
            self.log.say(f"{self.name}: starts")
            self.guest.boot()

    def booted(self):
        return self.guest.is_running()

    def wait_for_shutdown(self, timeout=300):
        self.guest.wait(timeout)
        self.log.say(f"{self.name}: is off")

    def shutdown(self):
        """Has it power off in good order, and waits."""
        if self.guest.is_running():
            self.execute("systemctl poweroff", check_output=False)
            self.wait_for_shutdown()

    def reboot(self):
        """Has it reboot in good order, and waits until it is up again."""
        self.log.say(f"{self.name}: reboots")
        self.execute("systemctl reboot", check_output=False)
        self.guest.wait(60)
        self.guest.boot()

    def crash(self):
        """Takes the power away. What was not flushed is gone, as it is where the real driver ends its virtual machine."""
        self.log.say(f"{self.name}: crashes")
        self.guest.lose_power()

    # Commands.

    def execute(self, command, check_return=True, check_output=True, timeout=900):
        """Runs a shell command as root; its status and what it printed on standard output."""
        self.start()
        # As in NixOS, where a test has no other programs than the system's.
        script = f"set -euo pipefail\n{command}"
        process = subprocess.Popen(
            self.guest.command(["bash", "-c", script], timeout),
            preexec_fn=self.guest.enter_cgroup,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if check_output else subprocess.DEVNULL,
            stderr=self.guest.errors,
        )
        output, _ = process.communicate()
        text = (output or b"").decode(errors="replace")
        return (process.returncode if check_return else -2, text)

    def succeed(self, *commands, timeout=900):
        """Runs commands that must succeed, and gives what they printed."""
        output = ""
        for command in commands:
            with self.nested(f"must succeed: {command}"):
                at = self.guest.errors_at()
                status, out = self.execute(command, timeout=timeout)
                if status != 0:
                    self.log.say(out + self.guest.errors_since(at))
                    raise RequestedAssertionFailed(f"command `{command}` failed (exit code {status})")
                output += out
        return output

    def fail(self, *commands, timeout=900):
        """Runs commands that must fail, and gives what they printed."""
        output = ""
        for command in commands:
            with self.nested(f"must fail: {command}"):
                status, out = self.execute(command, timeout=timeout)
                if status == 0:
                    raise RequestedAssertionFailed(f"command `{command}` unexpectedly succeeded")
                output += out
        return output

    def wait_until_succeeds(self, command, timeout=900):
        output = ""

        def succeeds(_last):
            nonlocal output
            status, output = self.execute(command, timeout=timeout)
            return status == 0

        with self.nested(f"waiting for success: {command}"):
            retry(succeeds, timeout, f"success of `{command}`")
            return output

    def wait_until_fails(self, command, timeout=900):
        output = ""

        def fails(_last):
            nonlocal output
            status, output = self.execute(command, timeout=timeout)
            return status != 0

        with self.nested(f"waiting for failure: {command}"):
            retry(fails, timeout, f"failure of `{command}`")
            return output

    # Units.

    def systemctl(self, query, user=None):
        """Runs `systemctl QUERY`; its status and output."""
        assert user is None, "guests have no sessions of users"
        return self.execute(f"systemctl {query}")

    def get_unit_property(self, unit, property, user=None):
        status, lines = self.systemctl(f'--no-pager show "{unit}" --property="{property}"', user)
        if status != 0:
            raise RequestedAssertionFailed(f'retrieving systemctl property "{property}" of {unit} failed')
        return lines.partition("=")[2].rstrip("\n")

    def get_unit_info(self, unit, user=None):
        """The properties of a unit, by name."""
        status, lines = self.systemctl(f'--no-pager show "{unit}"', user)
        if status != 0:
            raise RequestedAssertionFailed(f'retrieving systemctl info for unit "{unit}" failed')
        return dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)

    def require_unit_state(self, unit, require_state="active"):
        with self.nested(f"checking if unit '{unit}' has reached state '{require_state}'"):
            state = self.get_unit_info(unit)["ActiveState"]
            if state != require_state:
                raise RequestedAssertionFailed(
                    f"expected unit '{unit}' to be in state '{require_state}', but it is in state '{state}'"
                )

    def wait_for_unit(self, unit, user=None, timeout=900):
        """Waits until a unit is active. One that failed, or that nothing starts, will never be."""
        quiet_since = None

        def is_active(_last):
            nonlocal quiet_since
            info = self.get_unit_info(unit, user)
            state = info["ActiveState"]
            if state == "failed":
                raise RequestedAssertionFailed(f'unit "{unit}" reached state "failed"')
            if state == "inactive":
                _, jobs = self.systemctl("list-jobs --full --no-legend")
                if jobs.strip() and "No jobs" not in jobs:
                    quiet_since = None
                elif quiet_since is None:
                    quiet_since = time.monotonic()
                elif time.monotonic() - quiet_since > 1 and self.get_unit_info(unit, user)["ActiveState"] == state:
                    raise RequestedAssertionFailed(f'unit "{unit}" is inactive and there are no pending jobs')
            return state == "active"

        with self.nested(f"waiting for unit {unit}"):
            retry(is_active, timeout, f"unit {unit}")

    def start_job(self, jobname, user=None):
        return self.systemctl(f"start {jobname}", user)

    def stop_job(self, jobname, user=None):
        return self.systemctl(f"stop {jobname}", user)

    # Files and time.

    def wait_for_file(self, filename, timeout=900):
        def exists(_last):
            return self.execute(f"test -e {shlex.quote(filename)}")[0] == 0

        with self.nested(f"waiting for file '{filename}'"):
            retry(exists, timeout, f"file {filename}")

    def copy_from_host(self, source, target):
        """Copies a file or directory of the machine that the test runs on into the guest."""
        outside = Path(source)
        inside = self.guest.shared / outside.name
        if outside.is_dir():
            shutil.copytree(outside, inside, dirs_exist_ok=True)
        else:
            shutil.copy(outside, inside)
        self.succeed(
            f"mkdir -p {shlex.quote(str(Path(target).parent))}",
            f"cp -r /tmp/shared/{shlex.quote(outside.name)} {shlex.quote(target)}",
        )

    def sleep(self, secs):
        """Waits so many seconds of the guest's time, which is also the host's."""
        time.sleep(secs)

    def get_console_log(self):
        """All that the guest has written to its console."""
        return self.guest.console.read_text(errors="replace")

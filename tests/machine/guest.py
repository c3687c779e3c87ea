"""A guest: systemd in a container of its own, over an overlay whose upper directory is on its disk, a file system in an image.
It may have further disks, mounted where its system says.

Owns mounts, cgroup, boot, entering and killing. Everything happens in mount and process namespaces that end with the
driver, so that whatever kills it leaves neither mounts nor processes.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
BOOT_TIMEOUT = 60

# Of its own disk in MiB, most of which is never written to.
DISK_SIZE = 4 << 10

# What nobody flushes does not come to a disk by a commit of something else, every five seconds as is usual: how long a test took
# would say what a loss of power leaves.
OPTIONS = "loop,commit=3600"

# What a guest's commands see: NixOS's search path, then Debian's, which has what NixOS's packages bring.
ENVIRONMENT = {
    "PATH": "/run/current-system/sw/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


class GuestError(Exception):
    """The guest does not do what every guest does."""


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def own_cgroups():
    """Has this mount namespace see the unified hierarchy alone, whatever the machine has."""
    mount("-t", "cgroup2", "cgroup2", str(CGROUPS))


class Disk:
    """A file system in an image, `size` MiB large, mounted as soon as it is made."""

    def __init__(self, place, size):
        self.place = place
        self.image = place.with_suffix(".img")
        self.lost = place.with_suffix(".lost")
        place.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(size << 20)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1", str(self.image)], check=True)
        self.mount()

    def mount(self):
        mount("-o", OPTIONS, str(self.image), str(self.place))

    def unmount(self):
        subprocess.run(["umount", str(self.place)], check=True)

    def copy(self):
        """Notes what is on it now, which is not what it will be unmounted with."""
        subprocess.run(["cp", "--sparse=always", str(self.image), str(self.lost)], check=True)

    def insert_copy(self):
        self.lost.rename(self.image)


class Guest:
    """A guest whose files are those of `layers`, the first before the others, and what it wrote to `directory`; with `disks`
    besides, each with a size in MiB and where it is mounted."""

    def __init__(self, directory, layers, boot, toplevel, disks):
        self.directory = directory
        self.root = directory / "root"
        self.shared = directory / "shared"
        self.console = directory / "console.log"
        self.boot_loader = boot
        self.toplevel = toplevel
        self.supervisor = None
        self.leader = None
        self.last_status = None
        self.cgroup = CGROUPS / f"nixmig-{directory.name}"
        self.layers = layers
        for part in [self.root, self.shared]:
            part.mkdir(parents=True)
        # Held as long as this process lives: see `sweep`.
        self.lock = open(directory / "lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.errors = open(directory / "errors.log", "ab")
        self.disk = Disk(directory / "disk", DISK_SIZE)
        self.others = [
            (Disk(directory / f"disk-{number}", disk["size"]), disk["mountPoint"])
            for number, disk in enumerate(disks, start=2)
        ]
        self._mount_root()

    @property
    def disks(self):
        """All of them."""
        return [self.disk, *(disk for disk, _ in self.others)]

    def _mount_root(self):
        upper, work = (self.disk.place / part for part in ["upper", "work"])
        for part in [upper, work]:
            part.mkdir(exist_ok=True)
        lower = ":".join(str(layer).replace(":", "\\:") for layer in self.layers)
        mount(
            "-t", "overlay", "overlay", str(self.root),
            "-o", f"lowerdir={lower},upperdir={upper},workdir={work}",
        )  # fmt: skip

    def _unmount(self):
        subprocess.run(["umount", str(self.root)], check=True)
        for disk in self.disks:
            disk.unmount()

    def errors_at(self):
        return os.path.getsize(self.directory / "errors.log")

    def errors_since(self, at):
        with open(self.directory / "errors.log", "rb") as file:
            file.seek(at)
            return file.read().decode(errors="replace")

    def is_running(self):
        return self.supervisor is not None and self.supervisor.poll() is None

    def boot(self):
        """Starts it, and comes back when its systemd answers, while most units are yet to be started."""
        self._clear_cgroup()
        self.cgroup.mkdir()
        # An abstract one, for paths of sockets are short.
        address = f"nixmig-{os.getpid()}-{self.directory.name}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(f"\0{address}")
            notify.settimeout(BOOT_TIMEOUT)
            with open(self.console, "ab") as console:
                self.supervisor = subprocess.Popen(
                    [
                        "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network",
                        "--notify-ready=yes", "--console=pipe", "--kill-signal=SIGRTMIN+4", "--link-journal=no",
                        "--resolv-conf=off", "--timezone=off", "--hostname=machine", "--directory", str(self.root),
                        f"--bind-ro={self.boot_loader}:/opt/boot", f"--bind={self.shared}:/tmp/shared",
                        *(f"--bind={disk.place}:{mount_point}" for disk, mount_point in self.others),
                        "/opt/boot", str(self.toplevel),
                    ],
                    env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": f"@{address}", "UNIFIED_CGROUP_HIERARCHY": "1"},
                    preexec_fn=lambda: self._join(self.cgroup),
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                )  # fmt: skip
            self.leader = None
            try:
                while self.leader is None:
                    for line in notify.recv(65536).decode().splitlines():
                        if line.startswith("X_NSPAWN_LEADER_PID="):
                            self.leader = int(line.partition("=")[2])
            except TimeoutError:
                raise GuestError(f"systemd-nspawn does not start it: {self._end_of_console()}") from None
        self._wait_for_systemd()

    def _wait_for_systemd(self):
        until = time.monotonic() + BOOT_TIMEOUT
        while time.monotonic() < until:
            if not self.is_running():
                raise GuestError(f"ended while it booted: {self._end_of_console()}")
            # The link is the last thing before systemd, the socket its first one.
            try:
                root = Path(f"/proc/{self.leader}/root")
                if (root / "run/systemd/private").exists() and os.path.lexists(root / "run/booted-system"):
                    answer = subprocess.run(
                        self.command(["systemctl", "show", "--property=Version"], 10),
                        preexec_fn=self.enter_cgroup,
                        capture_output=True,
                    )
                    if answer.returncode == 0:
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise GuestError(f"systemd does not answer: {self._end_of_console()}")

    def wait(self, timeout):
        """Waits until it has ended by itself."""
        self.last_status = self.supervisor.wait(timeout)
        self._clear_cgroup()

    def lose_power(self):
        """Ends it at once. What was not flushed is not on its disks: they are as their images were while all stood still."""
        if not self.is_running():
            return
        (self.cgroup / "cgroup.freeze").write_text("1")
        while "frozen 1" not in (self.cgroup / "cgroup.events").read_text():
            time.sleep(0.005)
        for disk in self.disks:
            disk.copy()
        self.kill()
        self._unmount()
        for disk in self.disks:
            disk.insert_copy()
            disk.mount()
        self._mount_root()

    def kill(self):
        """Ends it at once, and keeps what it has written."""
        if self.is_running():
            (self.cgroup / "cgroup.kill").write_text("1")
            self.supervisor.wait(30)
        self._clear_cgroup()

    def command(self, command, timeout):
        """The arguments that run a command in it, with no more rights than the guest itself has."""
        with open(f"/proc/{self.leader}/status") as status:
            bound = next(int(line.split()[1], 16) for line in status if line.startswith("CapBnd:"))
        kept = ",".join(f"+cap_{number}" for number in range(64) if bound >> number & 1)
        return [
            "nsenter", "--all", f"--target={self.leader}", "--",
            "setpriv", f"--bounding-set=-all,{kept}", "--inh-caps=-all",
            "env", "-i", *(f"{name}={value}" for name, value in ENVIRONMENT.items()),
            "timeout", str(timeout), *command,
        ]  # fmt: skip

    def enter_cgroup(self):
        """For a child that is about to run such a command: the guest's systemd must not take it for anyone else's."""
        self._join(self.cgroup / "payload" / "driver")

    def release(self):
        """Takes all of it away but its directory."""
        self.kill()
        self._unmount()
        self.errors.close()

    def journal(self):
        """All that its journal has, as text."""
        journals = self.root / "var/log/journal"
        return subprocess.run(
            ["journalctl", "--directory", str(journals), "--no-pager", "--output=short-monotonic"],
            capture_output=True,
        ).stdout.decode(errors="replace")

    def _end_of_console(self):
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-15:])

    def _clear_cgroup(self):
        if not self.cgroup.exists():
            return
        # Nothing in it outlives the leader, but for what is just being reaped.
        for _ in range(200):
            (self.cgroup / "cgroup.kill").write_text("1")
            try:
                for directory, _, _ in os.walk(self.cgroup, topdown=False):
                    os.rmdir(directory)
                return
            except OSError:
                time.sleep(0.02)
        raise GuestError(f"{self.cgroup} does not become empty")

    @staticmethod
    def _join(cgroup):
        os.makedirs(cgroup, exist_ok=True)
        with open(cgroup / "cgroup.procs", "w") as file:
            file.write("0")


def sweep(runs):
    """Removes what drivers that were killed left behind: directories that nobody holds any more, and their cgroups."""
    for directory in runs.glob("*"):
        try:
            with open(directory / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                discard(directory)
        except OSError:
            continue
        for path, _, _ in os.walk(CGROUPS / f"nixmig-{directory.name}", topdown=False):
            with suppress(OSError):
                os.rmdir(path)


def discard(directory):
    """Removes a guest's directory."""
    shutil.rmtree(directory, ignore_errors=True)

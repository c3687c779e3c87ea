"""Scenarios as Nix evaluates and builds them.

Owns what is below target/machine but for guests: one store for all scenarios, which is /nix/store to those who build in it;
for each scenario a /nix with what its generations need, and nothing that a collection in a guest would find to be garbage;
and nixmig, as a layer over it.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
# Those that nixpkgs could have, those that need what only this repository has, and those that measure.
SCENARIOS = [
    REPOSITORY / "nixpkgs-patches/nixos/tests/migrations",
    REPOSITORY / "tests/machine/scenarios",
    REPOSITORY / "benches/side_by_side/guests",
]

# What scenarios are made of, besides their own files.
INPUTS = [
    "benches/side_by_side/guests",
    "nixpkgs-patches/nixos/lib",
    "nixpkgs-patches/nixos/modules",
    "nixpkgs-patches/nixos/tests/migrations",
    "test-fixtures/lib",
    "test-fixtures/machine",
    "test-fixtures/nixos",
    "test-fixtures/postgresql",
    "test-fixtures/services/postgresql",
    "tests/machine/default.nix",
    "tests/machine/framework.nix",
    "tests/machine/scenarios",
]

RELEASES = {"252": "bookworm", "257": "trixie"}

NIX = {
    "NIX_REMOTE": "local",
    "NIX_STORE_DIR": "/nix/store",
    "NIX_STATE_DIR": "/nix/var/nix",
    "NIX_LOG_DIR": "/nix/var/log/nix",
    "NIX_PATH": "",
    "NIX_CONFIG": "experimental-features = nix-command flakes\nsandbox = false\nsubstituters =\nbuild-users-group =\n"
    "max-jobs = auto\nwarn-dirty = false",
}


def names():
    """All scenarios there are."""
    return sorted(path.stem for directory in SCENARIOS for path in directory.glob("*.nix"))


def place(name):
    """The directory that a scenario is in."""
    return next(directory for directory in SCENARIOS if (directory / f"{name}.nix").exists())


def owner(path):
    """The name of the scenario that a file is of, or nothing."""
    directory = next((directory for directory in SCENARIOS if path.is_relative_to(directory)), None)
    name = path.relative_to(directory).parts[0].removesuffix(".nix") if directory else ""
    return name if name in names() else ""


@contextmanager
def locked(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def mounted_nix(directory):
    """Has /nix be a directory, for this mount namespace."""
    directory.mkdir(parents=True, exist_ok=True)
    Path("/nix").mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", str(directory), "/nix"], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "/nix"], check=True)


def run(command, input=None, **environment):
    return subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **NIX, **environment},
        text=True,
        input=input,
    ).stdout


def key(name):
    """One word that changes with everything that a scenario is made of."""
    digest = hashlib.sha256(f"{name} {os.environ.get('NIXPKGS', '')}".encode())
    for part in INPUTS:
        root = REPOSITORY / part
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            # Another scenario is none of its business.
            if path.is_file() and owner(path) in ("", name):
                digest.update(f"{path.relative_to(REPOSITORY)}\0{path.stat().st_mode}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


class Scenario:
    """A scenario that is built."""

    def __init__(self, target, name):
        self.name = name
        self.base = target / "machine"
        self.directory = self.base / "scenarios" / name
        with locked(self.base / "scenarios.lock"):
            self._build()
        self.evaluated = json.loads((self.directory / "evaluated").read_text())

    def _build(self):
        wanted = key(self.name)
        stamp = self.directory / "key"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        store = self.base / "nix"
        servers = self.base.parent / "servers"
        if "pkgs.postgresql_" in (place(self.name) / f"{self.name}.nix").read_text():
            subprocess.run([REPOSITORY / "scripts/postgresql", servers, "15", "17"], check=True)
        with mounted_nix(store):
            evaluated = json.loads(
                run(
                    ["nix", "eval", "--json", "--impure", "--file", str(REPOSITORY / "tests/machine"), self.name],
                    NIXMIG_SERVERS=str(servers),
                )
            )
            run(["nix-store", "--quiet", "--no-gc-warning", "--realise", *evaluated["derivations"]])
            closure = run(["nix-store", "--query", "--requisites", *evaluated["systems"]]).split()
            registration = run(["nix-store", "--dump-db", *closure])
        # Hard links: what is in a store is never written to.
        inside = self.directory / "layer/nix"
        (inside / "store").mkdir(parents=True)
        paths = [str(store / Path(path).relative_to("/nix")) for path in closure]
        subprocess.run(["cp", "-al", "--target-directory", str(inside / "store"), *paths], check=True)
        with mounted_nix(inside):
            run(["nix-store", "--load-db"], input=registration)
            Path("/nix/var/nix/profiles").mkdir(exist_ok=True)
        (self.directory / "evaluated").write_text(json.dumps(evaluated))
        stamp.write_text(wanted)

    def layers(self, systemd, nixmig):
        """What a guest's files are, the first before the others."""
        return [self._nixmig(nixmig), self.directory / "layer", self.root(systemd)]

    def bless(self, found):
        """Has the texts that a script found be those that it expects; the names of those that are not what they were."""
        directory = place(self.name) / self.name
        changed = []
        for path in sorted(found.glob("*.txt")):
            expected = directory / path.name
            if not expected.exists() or expected.read_text() != path.read_text():
                directory.mkdir(exist_ok=True)
                shutil.copy(path, expected)
                changed.append(path.name)
        return changed

    def root(self, systemd):
        release = RELEASES[systemd]
        roots = self.base / "roots"
        subprocess.run([Path(__file__).parent / "roots", roots, release], check=True)
        return roots / release

    def _nixmig(self, program):
        """A layer with a copy of the program where the generations have theirs."""
        status = program.stat()
        place = Path(self.evaluated["nixmig"]).relative_to("/")
        word = f"{program} {status.st_mtime_ns} {status.st_size} {place}"
        layer = self.base / "nixmig" / hashlib.sha256(word.encode()).hexdigest()[:16]
        with locked(self.base / "nixmig.lock"):
            if not layer.exists():
                making = layer.with_suffix(".making")
                shutil.rmtree(making, ignore_errors=True)
                (making / place / "bin").mkdir(parents=True)
                shutil.copy(program, making / place / "bin/nixmig")
                # Guests that run now keep what they opened; the newest few are enough for those that start.
                old = sorted(self.base.glob("nixmig/*"), key=lambda path: path.stat().st_mtime)
                for path in old[:-4]:
                    shutil.rmtree(path, ignore_errors=True)
                making.rename(layer)
        return layer

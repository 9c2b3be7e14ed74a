"""The package on this machine: it comes and goes as the tests need it."""

import os
import subprocess
from pathlib import Path

import pytest

DIST = Path(os.environ["DIST"])
STORE = Path("/var/lib/keystead")


def run(*command, **options):
    """What a program says on both of its outputs; it must end well."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **options)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}"
    return done.stdout


def one(pattern):
    """The one file of that name among what was built."""
    (file,) = DIST.glob(pattern)
    return file


def install():
    # An edited configuration stays as it is, as an operator would answer dpkg's question.
    return run("dpkg", "--install", "--force-confold", one("*.deb"))


@pytest.fixture
def installed():
    """With the package's own settings and no store. Whoever wants it gone removes it; run sees to the end."""
    if not Path("/usr/bin/keystead").exists() or not STORE.exists():
        purge()
        install()
    yield
    for file in STORE.glob("*"):
        file.unlink()


def purge():
    return run("dpkg", "--purge", "keystead")

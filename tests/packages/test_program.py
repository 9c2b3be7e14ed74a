"""The static program alone: in an empty folder, and as the Dockerfile would have it."""

import json
import os
import re
import shlex
import socket
import subprocess
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from conftest import DIST, one, run
from served import Served

IMAGE = DIST / "image"


def program():
    return one("keystead-*-x86_64-unknown-linux-*")


def instructions():
    """The Dockerfile, as pairs of an instruction and its words."""
    text = (IMAGE / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def words_of(name):
    (words,) = [words for instruction, words in instructions() if instruction == name]
    return words


@pytest.fixture
def root(tmp_path):
    """What the Dockerfile makes: an empty folder with what it copies, and nothing else."""
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(0o755)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    for instruction, words in instructions():
        if instruction != "COPY":
            continue
        words = words.split()
        options = dict(word[2:].split("=") for word in words if word.startswith("--"))
        *sources, goal = [word for word in words if not word.startswith("--")]
        for source in sources:
            copy = root / goal.lstrip("/") if not goal.endswith("/") else root / goal.lstrip("/") / source
            # `docker build` copies what is in a folder.
            run("cp", "--recursive", "--no-target-directory", IMAGE / source, copy)
            if "chmod" in options:
                copy.chmod(int(options["chmod"], 8))
            if "chown" in options:
                run("chown", "--recursive", options["chown"], copy)
    return root


def environment():
    """The image's, but for the address: nothing but loopback in tests, and a port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = dict(word.split("=", 1) for word in words_of("ENV").split())
    assert settings["KEYSTEAD_SERVER_LISTEN"] == "0.0.0.0:8080"
    return settings | {"KEYSTEAD_SERVER_LISTEN": f"127.0.0.1:{port}", "KEYSTEAD_METRICS_LISTEN": "off"}


def inside(root, *command):
    # `chroot` goes to the root; the image's folder is another, as docker does it.
    return ["/usr/sbin/chroot", f"--userspec={words_of('USER')}", root, *command]


def test_the_program_needs_nothing_but_the_kernel():
    assert "INTERP" not in run("readelf", "--program-headers", "--wide", program())
    assert "NEEDED" not in run("readelf", "--dynamic", "--wide", program())


def test_the_program_knows_nothing_of_the_machine_that_made_it():
    inside = program().read_bytes()
    for place in [os.getcwd(), str(DIST.parent), f"{Path.home()}/"]:
        assert place.encode() not in inside, place


def test_the_program_runs_in_an_empty_folder(tmp_path):
    run("cp", program(), tmp_path / "keystead")
    if program().name.endswith("-gnu"):
        # The one thing that a static glibc wants besides the kernel.
        (tmp_path / "dev").mkdir()
        run("mknod", "--mode=444", tmp_path / "dev/urandom", "c", "1", "9")
    assert re.fullmatch(r"keystead \d+\.\d+\.\d+\n", run("/usr/sbin/chroot", tmp_path, "/keystead", "--version", env={}))
    with Served(
        ["/usr/sbin/chroot", tmp_path, "/keystead", "--listen", "127.0.0.1:0"], {"KEYSTEAD_METRICS_LISTEN": "off"}
    ) as server:
        key = (tmp_path / "first-key").read_text().strip()
        assert server.verdict(key, server.mint(key)) == "VALID"


def test_the_image_s_entry_point_serves_as_a_user_without_rights(root):
    settings = environment()
    entry = json.loads(words_of("ENTRYPOINT")) + json.loads(words_of("CMD"))
    health = json.loads(words_of("HEALTHCHECK").split("CMD", 1)[1])
    assert subprocess.run(inside(root, *health), env=settings, capture_output=True).returncode == 1
    with Served(inside(root, *entry), settings) as server:
        key = (root / "data/first-key").read_text().strip()
        assert server.verdict(key, server.mint(key)) == "VALID"
        assert "is ready" in run(*inside(root, *health), env=settings)
    assert {(file.stat().st_uid, file.stat().st_mode & 0o777) for file in (root / "data").iterdir()} == {(65532, 0o600)}


def test_the_linters_agree_with_the_image():
    run("hadolint", IMAGE / "Dockerfile")
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", IMAGE / "compose.yaml")


def linked():
    """Every crate that is in the program, as cargo sees it: name and version."""
    target = program().name.split("-", 2)[2]
    tree = run(
        "cargo", "tree", "--locked", "--target", target, "--edges", "normal", "--prefix", "none", "--format", "{p}"
    )
    crates = {tuple(line.split()[:2]) for line in tree.splitlines() if line and not line.startswith("keystead ")}
    assert len(crates) > 100
    return crates


def viewer():
    """The version of the viewer that is embedded in the program, as it says itself."""
    bundle = Path("src/http/docs/swagger-ui-bundle.js").read_text()
    return re.search(r'PACKAGE_VERSION:"([0-9.]+)"', bundle).group(1)


def templates():
    """The version of the console's template library, as it says itself."""
    library = Path("console/vendor/lit-html.js").read_text()
    return re.search(r'litHtmlVersions\?\?=\[\]\)\.push\("([0-9.]+)"\)', library).group(1)


def test_the_list_of_parts_is_one_and_whole():
    text = one("*.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    assert str(DIST.parent) not in text and "file:" not in text
    parts = {(part["name"], f'v{part["version"]}') for part in json.loads(text)["components"]}
    assert linked() - parts == set()
    assert [version for name, version in parts if name == "swagger-ui"] == ["v" + viewer()]
    assert [version for name, version in parts if name == "lit-html"] == ["v" + templates()]
    assert "proptest" not in text


def test_the_licences_of_all_parts_are_handed_on():
    licences = (IMAGE / "licences.txt").read_text()
    missing = {name for name, version in linked() if f"==== {name}-{version[1:]}: " not in licences}
    assert missing == set()
    assert f"==== swagger-ui-{viewer()}: NOTICE ====" in licences
    assert "==== console/vendor/LICENSE ====" in licences

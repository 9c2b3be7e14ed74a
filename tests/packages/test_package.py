"""The Debian package: what it installs, how its unit holds up, what it leaves."""

import configparser
import os
import pwd
import re
import shlex
import stat
from pathlib import Path


from conftest import DIST, STORE, install, one, purge, run
from served import Served

UNIT = Path("/usr/lib/systemd/system/keystead.service")
SETTINGS = Path("/etc/keystead/config.toml")
# The highest exposure, of 10, that systemd may find in the unit, as it wants it: times ten.
EXPOSURE = 20


class Directives(dict):
    """What a unit sets: a name that stands there again adds to what it had."""

    def __setitem__(self, name, value):
        if name in self and isinstance(value, list):
            self[name].extend(value)
        else:
            super().__setitem__(name, value)


def unit():
    parser = configparser.RawConfigParser(strict=False, dict_type=Directives, interpolation=None)
    parser.optionxform = str
    parser.read(UNIT)
    return parser["Service"]


def as_the_unit_does(*before):
    """The unit's own command, user, folder and umask; a free port instead of one that somebody may have here."""
    service = unit()
    return Served(
        [*before, *shlex.split(service["ExecStart"])],
        {"KEYSTEAD_SERVER_LISTEN": "127.0.0.1:0", "KEYSTEAD_METRICS_LISTEN": "off"},
        user=service["User"],
        group=service["Group"],
        extra_groups=[],
        umask=int(service["UMask"], 8),
        cwd=service["WorkingDirectory"],
    )


def keystead(*arguments):
    """As the manual says: with the service's user and settings."""
    user = unit()["User"]
    return run("/usr/bin/keystead", *arguments, "--config", SETTINGS, user=user, group=user, extra_groups=[], cwd="/")


def first_key():
    return (STORE / "first-key").read_text().strip()


def test_nothing_is_started_or_enabled_by_the_installation(installed):
    assert not list(Path("/etc/systemd/system").glob("*.wants/keystead.service"))
    assert list(STORE.iterdir()) == []


def test_the_folder_is_the_service_s_alone(installed):
    status = STORE.stat()
    assert stat.S_IMODE(status.st_mode) == 0o700
    assert pwd.getpwuid(status.st_uid).pw_name == unit()["User"] == "keystead"
    assert pwd.getpwnam("keystead").pw_shell.endswith("nologin")


def test_systemd_finds_nothing_wrong_with_the_unit(installed):
    assert run("systemd-analyze", "verify", "--man=no", UNIT) == ""


def test_systemd_finds_the_unit_well_protected(installed):
    said = run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", UNIT)
    print(said.splitlines()[-1])
    assert "Overall exposure level" in said


def test_the_service_mints_verifies_and_stops(installed):
    with as_the_unit_does() as server:
        minted = server.mint(first_key())
        assert server.verdict(first_key(), minted) == "VALID"
        assert server.verdict(first_key(), minted[:-1] + "x") == "UNKNOWN"
    for file in STORE.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert pwd.getpwuid(file.stat().st_uid).pw_name == "keystead", file


def test_an_operator_mints_and_revokes_beside_the_service(installed):
    with as_the_unit_does() as server:
        (value,) = re.findall("^confident_org_[0-9a-f]{32}$", keystead("keys", "create", "Admin"), re.MULTILINE)
        assert server.verdict(first_key(), value) == "VALID"
        keystead("keys", "revoke", "2", "--yes")
        assert server.verdict(first_key(), value) == "UNKNOWN"
    assert {pwd.getpwuid(file.stat().st_uid).pw_name for file in STORE.iterdir()} == {"keystead"}


def test_the_service_calls_nothing_that_its_unit_forbids(installed, tmp_path):
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    trace = tmp_path / "trace"
    with as_the_unit_does("strace", "--follow-forks", "--quiet=all", "--output", trace) as server:
        minted = server.mint(first_key())
        assert server.verdict(first_key(), minted) == "VALID"
    called = set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)[( ]", trace.read_text(), re.MULTILINE))
    assert {"accept4", "futex"} <= called
    allowed = calls_in("@system-service") - calls_in("@privileged") - calls_in("@resources")
    # systemd itself must start the program, and always allows these.
    assert called - allowed - calls_in("@default") - {"execve"} == set()


def calls_in(group):
    calls = set()
    for line in run("systemd-analyze", "syscall-filter", group).splitlines()[1:]:
        word = line.split("#")[0].strip()
        calls |= calls_in(word) if word.startswith("@") else {word} - {""}
    return calls


def test_the_manual_and_the_completions_are_where_they_are_looked_for(installed):
    assert run("man", "--where", "keystead", env={"MANPATH": "/usr/share/man", "PATH": os.environ["PATH"]}).strip()
    completions = "/usr/share/bash-completion/completions/keystead"
    assert "keystead" in run("bash", "-c", f"source {completions} && complete -p keystead")
    for file in ["zsh/vendor-completions/_keystead", "fish/vendor_completions.d/keystead.fish"]:
        assert (Path("/usr/share") / file).stat().st_size > 0


def test_the_dashboard_and_the_alerts_are_among_its_documents():
    # Not on the disk: a system may leave documents out of what it installs.
    contents = run("dpkg", "--contents", one("*.deb"))
    for file in ["grafana/keystead.json", "prometheus/keystead.rules.yml"]:
        assert f"/usr/share/doc/keystead/contrib/{file}" in contents


def test_the_settings_are_all_there_and_name_the_store(installed):
    settings = SETTINGS.read_text()
    assert f'path = "{STORE}/keystead.db"' in settings
    ours = Path("config.toml").read_text().splitlines()
    assert len(set(ours) - set(settings.splitlines())) == 1


def test_what_an_operator_set_survives_an_upgrade(installed):
    SETTINGS.write_text(SETTINGS.read_text().replace('"My organization"', '"Acme"'))
    install()
    assert '"Acme"' in SETTINGS.read_text()
    purge()


def test_a_removal_leaves_keys_and_settings_and_an_installation_finds_them(installed):
    with as_the_unit_does() as server:
        minted = server.mint(first_key())
    run("dpkg", "--remove", "keystead")
    assert not Path("/usr/bin/keystead").exists() and not UNIT.exists()
    assert (STORE / "keystead.db").exists() and SETTINGS.exists()
    install()
    with as_the_unit_does() as server:
        assert server.verdict(first_key(), minted) == "VALID"


def test_a_purge_leaves_the_keys_and_says_so(installed):
    with as_the_unit_does():
        pass
    said = purge()
    assert f"the keys in {STORE} were kept" in said and f"rm -r {STORE}" in said
    assert (STORE / "keystead.db").exists() and not SETTINGS.exists()


def test_a_purge_takes_an_empty_folder_away(installed):
    said = purge()
    assert "were kept" not in said and not STORE.exists()


def test_debian_s_own_checker_finds_no_error():
    # It wants the maintainers' address; none is made up here.
    addresses = "malformed-contact,bogus-mail-host-in-debian-changelog"
    run("lintian", "--allow-root", "--fail-on", "error", "--suppress-tags", addresses, one("*.deb"))


def test_the_checksums_are_those_of_what_is_there():
    run("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", cwd=DIST)
    named = {line.split("  ", 1)[1] for line in (DIST / "SHA256SUMS").read_text().splitlines()}
    there = {str(file.relative_to(DIST)) for file in DIST.rglob("*") if file.is_file()}
    assert named == there - {"SHA256SUMS"}

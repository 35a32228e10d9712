"""The Debian package and `make install`: what they bring, in what modes, and that nothing of it stays.

The package is installed in an overlay of this machine's root, seen by nobody else.
"""

import os
import re
import shutil
import stat
import subprocess

import pytest

from harness import ROOT

BUILD = os.path.join(ROOT, os.environ.get("PILOT_BUILD", "build"))
UNITS = sorted(name for name in os.listdir(f"{ROOT}/deploy/systemd") if name.endswith((".service", ".socket")))
CONFIG = "etc/pilotd/pilotd.yaml"
# What dpkg and the tools for users write on their own account.
OTHERS = re.compile(r"var/(lib/dpkg|log|cache)/|etc/((passwd|group|shadow|gshadow)-|\.pwd\.lock)$")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="overlays and dpkg are root's")


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                          check=False, **options)
    assert done.returncode == 0, (command, done.stdout)
    return done.stdout


class Overlay:
    """A root like this machine's; what is written there is in a tmpfs of its own namespace of mounts."""

    def __init__(self, at):
        script = ('mount -t tmpfs none "$0" && mkdir "$0/upper" "$0/work" "$0/root" && '
                  'mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root" && '
                  'mount --rbind /dev "$0/root/dev" && mount -t proc proc "$0/root/proc" && '
                  'mount -t tmpfs none "$0/root/tmp" && mount -t tmpfs none "$0/root/run" && echo up && exec cat')
        self.at = str(at)
        self.process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, self.at],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "up\n"
        self.seen = f"/proc/{self.process.pid}/root{self.at}"

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    def run(self, *command):
        return run("nsenter", f"--target={self.process.pid}", "--mount", "chroot", f"{self.at}/root", *command,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})

    def install(self, package):
        shutil.copy(package, f"{self.seen}/root/run/pilotd.deb")
        return self.run("dpkg", "--install", "/run/pilotd.deb")

    def written(self):
        """path -> status, of all that differs from the machine's root."""
        upper, found = f"{self.seen}/upper", {}
        for directory, directories, files in os.walk(upper):
            for name in directories + files:
                path = os.path.join(directory, name)
                relative = os.path.relpath(path, upper)
                if not OTHERS.match(relative) and self.differs(path, relative):
                    found[relative] = os.lstat(path)
        return found

    @staticmethod
    def differs(path, relative):
        theirs = "/" + relative
        if not os.path.lexists(theirs):
            return True
        if os.path.isdir(path):
            return False
        if stat.S_ISCHR(os.lstat(path).st_mode):
            return True  # it was there, and is gone
        with open(path, "rb") as new, open(theirs, "rb") as old:
            return new.read() != old.read()


@pytest.fixture(scope="module")
def package():
    return os.path.join(ROOT, run("make", "-C", ROOT, "--no-print-directory", f"BUILD={BUILD}", "deb").splitlines()[-1])


@pytest.fixture
def overlay(tmp_path):
    there = Overlay(tmp_path)
    yield there
    there.close()


def files_of(written):
    return {path: status for path, status in written.items() if stat.S_ISREG(status.st_mode)}


@needs_root
def test_it_is_installed_and_removed_and_nothing_stays(overlay, package):
    overlay.install(package)

    written = overlay.written()
    files = {path for path in files_of(written) if not path.startswith("etc/")}
    assert files >= {"usr/bin/pilotd", "usr/bin/pilotctl", "usr/share/man/man8/pilotd.8.gz",
                     "usr/share/man/man1/pilotctl.1.gz", "usr/share/man/man1/pilotctl-apply.1.gz",
                     "usr/share/bash-completion/completions/pilotctl", "usr/share/zsh/vendor-completions/_pilotctl",
                     "usr/share/fish/vendor_completions.d/pilotctl.fish", "usr/lib/sysusers.d/pilotd.conf",
                     "usr/share/doc/pilotd/README.md"} | {f"usr/lib/systemd/system/{unit}" for unit in UNITS}
    for path in files | {CONFIG}:
        mode = 0o755 if path.startswith("usr/bin/") else 0o644
        assert (stat.S_IMODE(written[path].st_mode), written[path].st_uid, written[path].st_gid) == (mode, 0, 0), path
    assert overlay.run("pilotd", "--version") == run(f"{BUILD}/pilotd", "--version")
    assert "pilotctl" in overlay.run("pilotctl", "--help")
    assert overlay.run("dpkg", "--verify", "pilotd") == ""
    assert re.match(r"pilotd:x:\d+:\d+:.*:/var/lib/pilotd:/usr/sbin/nologin\n", overlay.run("getent", "passwd", "pilotd"))

    overlay.run("mkdir", "/var/lib/pilotd")
    overlay.run("systemctl", "--quiet", "enable", "pilotd.service")
    overlay.run("dpkg", "--remove", "pilotd")
    left = files_of(overlay.written())
    assert set(left) - {"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"} == {CONFIG}

    overlay.run("dpkg", "--purge", "pilotd")
    assert overlay.written() == {}


@needs_root
def test_what_was_changed_in_the_configuration_stays_when_the_package_is_installed_again(overlay, package):
    overlay.install(package)
    overlay.run("sh", "-c", f"echo 'drain-spread: 30s' >> /{CONFIG}")

    overlay.install(package)

    assert "drain-spread: 30s" in overlay.run("cat", f"/{CONFIG}")


@needs_root
def test_the_configuration_that_comes_with_it_is_understood(overlay, package):
    overlay.install(package)
    overlay.run("sh", "-c", f"sed -i 's,^store:.*,store: file:/nowhere,' /{CONFIG}")

    said = overlay.run("sh", "-c", f"PILOTD_XDS=127.0.0.1:0 PILOTD_ADMIN=127.0.0.1:0 pilotd --config /{CONFIG} 2>&1 || true")

    assert "--data-dir: goes with etcd" in said  # all before it was good


def test_the_page_of_pilotd_has_every_flag_and_is_sound(tmp_path):
    run("make", "-C", ROOT, "--no-print-directory", f"BUILD={BUILD}", f"DESTDIR={tmp_path}", "PREFIX=/opt/p", "install")
    page = f"{tmp_path}/opt/p/share/man/man8/pilotd.8"
    flags = re.findall(r"^  (--[a-z-]+)", run(f"{BUILD}/pilotd", "--help"), re.M)

    shown = run("groff", "-Kutf8", "-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=100n", page)

    assert len(flags) > 20 and not [flag for flag in flags if not re.search(rf"^ +{flag}( [A-Z]|$| )", shown, re.M)]
    assert "warning" not in shown and "error:" not in shown


def test_make_install_goes_where_it_is_told_and_leaves_a_configuration_alone(tmp_path):
    config = tmp_path / "opt/p/etc/pilotd/pilotd.yaml"
    install = ["make", "-C", ROOT, "--no-print-directory", f"BUILD={BUILD}", f"DESTDIR={tmp_path}", "PREFIX=/opt/p",
               "install"]
    run(*install)
    config.write_text("id: mine\n")
    run(*install)

    assert config.read_text() == "id: mine\n"
    unit = (tmp_path / "opt/p/lib/systemd/system/pilotd.service").read_text()
    assert "ExecStart=/opt/p/bin/pilotd --config /opt/p/etc/pilotd/pilotd.yaml" in unit
    assert [entry.name for entry in tmp_path.iterdir()] == ["opt"]
    assert run(f"{tmp_path}/opt/p/bin/pilotd", "--version").startswith("pilotd ")

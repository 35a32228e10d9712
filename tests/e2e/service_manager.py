"""Plays systemd to a pilotd: hears what it tells (NOTIFY_SOCKET), hands listening sockets over (LISTEN_FDS) and holds
it to the unit's filter of system calls, of which a forbidden one kills it.

    with Unit(world, {"xds": listening_socket}) as unit:
        unit.start()
        unit.wait_told("READY=1")
"""

import ctypes
import fcntl
import functools
import os
import re
import socket
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNIT_FILE = f"{ROOT}/deploy/systemd/pilotd.service"
FIRST_FD = 3


# ---- the filter ----

@functools.lru_cache(None)
def calls_of(name):
    """A group's system calls, those of its groups among them."""
    if not name.startswith("@"):
        return frozenset([name])
    said = subprocess.run(["systemd-analyze", "syscall-filter", name], stdout=subprocess.PIPE, text=True, check=True)
    words = [line.strip() for line in said.stdout.splitlines()[1:]]
    return frozenset().union(*(calls_of(word) for word in words if word and not word.startswith("#")))


def allowed_calls(path=UNIT_FILE):
    with open(path, encoding="utf-8") as unit:
        lines = re.findall(r"^SystemCallFilter=(~?)(.*)$", unit.read(), re.M)
    allowed = set(calls_of("@default"))
    for is_taken_away, words in lines:
        for word in words.split():
            allowed = allowed - calls_of(word) if is_taken_away else allowed | calls_of(word)
    return sorted(allowed)


def hold_to(names):
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    kill_process, allow = 0x80000000, 0x7fff0000
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(kill_process)))
    for name in names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            assert library.seccomp_rule_add(context, ctypes.c_uint32(allow), number, 0) == 0, name
    assert library.seccomp_load(context) == 0


def launch(sockets, names, command):
    """In the child: sockets to where they belong, then it becomes pilotd."""
    high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sockets.split(",") if number]
    for place, fd in enumerate(high, FIRST_FD):
        os.dup2(fd, place)
        os.close(fd)
    os.environ["LISTEN_PID"] = os.environ["WATCHDOG_PID"] = str(os.getpid())
    hold_to(names.split(","))
    os.execv(command[0], command)


# ---- the manager ----

class Unit:
    """One service: sockets that outlive its process, and what the process tells."""

    def __init__(self, world, sockets=None, env=None):
        self.world, self.sockets, self.env = world, sockets or {}, env or {}
        self.told, self.news = [], threading.Condition()
        self.path = os.path.join(world.directory, "notify")
        self.hearing = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.hearing.bind(self.path)
        self.thread = threading.Thread(target=self._hear, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.path)
        self.thread.join()
        self.hearing.close()
        os.unlink(self.path)
        for listening in self.sockets.values():
            listening.close()

    def _hear(self):
        while text := self.hearing.recv(65536):
            with self.news:
                self.told += text.decode().splitlines()
                self.news.notify_all()

    def wait_told(self, line, since=0):
        """A line that matches whole, after the first `since`; returns how many lines there are then."""
        def place():
            return next((i + 1 for i, text in enumerate(self.told) if i >= since and re.fullmatch(line, text)), None)
        with self.news:
            assert self.news.wait_for(place, 20), (line, self.told)
            return place()

    def start(self, *arguments, **options):
        numbers = [listening.fileno() for listening in self.sockets.values()]
        launcher = [sys.executable, "-I", os.path.abspath(__file__), ",".join(map(str, numbers)),
                    ",".join(allowed_calls())]
        env = {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "30000000", "LISTEN_FDS": str(len(numbers)),
               "LISTEN_FDNAMES": ":".join(self.sockets), **self.env}
        return self.world.pilotd(*arguments, env=env, prefix=launcher, pass_fds=numbers, **options)


if __name__ == "__main__":
    launch(sys.argv[1], sys.argv[2], sys.argv[3:])

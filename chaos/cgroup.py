"""What a process may take from now on: memory, processor time; with groups of cgroup v1.

    limit(pid, "memory", bytes)   more than it has; at the limit the kernel kills it
    limit(pid, "cpu", 0.1)        of one processor
    release(pid, "memory")        returns the most that it took, or None
"""

import os

ROOT = "/sys/fs/cgroup"
PERIOD_US = 10000
MINE = f"chaos-{os.stat('/proc/self/ns/net').st_ino}-"


def write(group, name, value):
    with open(os.path.join(group, name), "w", encoding="ascii") as out:
        out.write(str(value))


def hierarchy(controller):
    root = os.path.join(ROOT, controller)
    if not os.path.exists(os.path.join(root, "cgroup.procs")):
        raise OSError(f"{root} is not there: limits of {controller} need cgroup v1")
    return root


def limit(pid, controller, amount):
    group = os.path.join(hierarchy(controller), f"{MINE}{pid}")
    os.makedirs(group, exist_ok=True)
    if controller == "memory":
        write(group, "memory.limit_in_bytes", amount)
    else:
        write(group, "cpu.cfs_period_us", PERIOD_US)
        write(group, "cpu.cfs_quota_us", max(1000, int(PERIOD_US * amount)))
    write(group, "cgroup.procs", pid)


def release(pid, controller):
    root = hierarchy(controller)
    group = os.path.join(root, f"{MINE}{pid}")
    write(root, "cgroup.procs", pid)
    try:
        with open(os.path.join(group, "memory.max_usage_in_bytes"), encoding="ascii") as used:
            return int(used.read())
    except FileNotFoundError:
        return None
    finally:
        os.rmdir(group)

"""The demo itself: three etcd, three pilotd, HAProxy, eight Envoys and more. It checks its own numbers."""

import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_every_number_of_the_demo_is_as_it_should_be():
    done = subprocess.run([os.path.join(ROOT, "build", "venv", "bin", "python"),
                           os.path.join(ROOT, "deploy", "demo", "demo.py")],
                          text=True, timeout=600, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    assert done.returncode == 0, done.stdout[-6000:]
    assert "OFF" not in done.stdout
    assert done.stdout.count(", 0 failed") == 2, "failover and upgrade under traffic"

"""Constant traffic: a few threads that ask again and again, and count what comes back."""

import collections
import http.client
import threading
import time


class Load:
    """Runs while the with-block does. `answers` counts statuses; what is no 200 is kept in `failures`."""

    def __init__(self, address, path, headers, threads=4, pause_s=0.005):
        self.address, self.path, self.headers = address, path, headers
        self.pause_s = pause_s
        self.answers, self.failures = collections.Counter(), []
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]

    def run(self):
        while not self.stopping.is_set():
            connection = http.client.HTTPConnection(self.address, timeout=10)
            try:
                while not self.stopping.is_set():
                    self.once(connection)
                    self.stopping.wait(self.pause_s)
            except (OSError, http.client.HTTPException) as problem:
                self.count("no answer", repr(problem))
            finally:
                connection.close()

    def once(self, connection):
        connection.request("GET", self.path, headers=self.headers)
        answer = connection.getresponse()
        body = answer.read()
        self.count(answer.status, body[:300].decode(errors="replace"))

    def count(self, outcome, detail):
        with self.lock:
            self.answers[outcome] += 1
            if outcome != 200:
                self.failures.append((time.strftime("%H:%M:%S"), outcome, detail))

    def total(self):
        with self.lock:
            return sum(self.answers.values())

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(15)

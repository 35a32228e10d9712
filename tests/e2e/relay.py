"""A TCP relay that can hold back what the far side says on the connections that are there (a watch
that lags, while requests, which have new connections, go through), or on all (a network cut)."""

import socket
import threading


class Relay:
    def __init__(self, host, port):
        self.far = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.flows, self.lock = [], threading.Lock()  # one event for each connection: it flows
        self.is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self):
        """All connections that are there; returns what lets them go."""
        with self.lock:
            held = list(self.flows)
        for flows in held:
            flows.clear()

        def let_go():
            for flows in held:
                flows.set()
        return let_go

    def cut(self):
        """Nothing comes through any more, on any connection; none is closed."""
        self.is_cut = True
        return self.hold()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.far)
            except OSError:
                return
            flows, always = threading.Event(), threading.Event()
            always.set()
            if not self.is_cut:
                flows.set()
            with self.lock:
                self.flows.append(flows)
            for source, target, event in ((near, far, always), (far, near, flows)):
                threading.Thread(target=self._pump, args=(source, target, event), daemon=True).start()

    @staticmethod
    def _pump(source, target, flows):
        try:
            while data := source.recv(65536):
                flows.wait()
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

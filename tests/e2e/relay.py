"""A TCP relay that can hold back what the far side says on the connections that are there (a watch
that lags, while requests, which have new connections, go through), or on all (a network cut). With
an ssl context it speaks TLS to the far side, for clients that do not."""

import select
import socket
import threading


class Relay:
    def __init__(self, host, port, context=None):
        self.far, self.context = (host, port), context
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
            if self.context:
                threading.Thread(target=self._pump_tls, args=(near, far), daemon=True).start()
                continue
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
        Relay._end(source, target)

    def _pump_tls(self, near, far):
        """Both ways in one thread, as OpenSSL wants it: who does not read is not read from."""
        try:
            far = self.context.wrap_socket(far, server_hostname=self.far[0])
            while True:
                for source in [far] if far.pending() else select.select([near, far], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    (near if source is far else far).sendall(data)
        except OSError:
            pass
        finally:
            self._end(near, far)

    @staticmethod
    def _end(*ends):
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

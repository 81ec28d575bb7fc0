import threading


class Registry:
    def __init__(self):
        self._lock = threading.Lock()
        self._ports = {}
        self._seen = 0

    def add(self, port):
        with self._lock:
            self._store(port)

    def rename(self, port, name):
        with self._lock:
            self._ports[port.id].name = name

    def forget(self, port_id):
        with self._lock:
            self._ports.pop(port_id, None)

    def _store(self, port):
        self._ports[port.id] = port

    def count(self):
        return len(self._ports)

    def block(self):
        self._seen += 1

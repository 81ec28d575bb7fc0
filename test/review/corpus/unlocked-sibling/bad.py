import threading


class Registry:
    def __init__(self):
        self._lock = threading.Lock()
        self._ports = {}

    def add(self, port):
        with self._lock:
            self._ports[port.id] = port

    def rename(self, port, name):
        with self._lock:
            self._ports[port.id].name = name

    def forget(self, port_id):  # finds: unlocked-sibling
        self._ports.pop(port_id, None)

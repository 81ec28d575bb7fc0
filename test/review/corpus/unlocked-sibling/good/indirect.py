import threading


class Pool:
    def __init__(self):
        self._lock = threading.Lock()
        self._used = []
        self._mine = threading.local()

    def get(self):
        with self._lock:
            self._used.append(self.make())

    def destroy(self, thing):
        thing.close()
        with self._lock:
            self._used.remove(thing)

    def release(self, thing):
        with self._lock:
            self._used.remove(thing)

    def get_and_destroy(self):
        self.destroy(self.get())

    def after_fork(self):
        self._lock = threading.Lock()
        self._used = []

    def check(self):
        self.after_fork()

    def begin(self):
        with self._lock:
            self._mine.data = b''

    def commit(self):
        with self._lock:
            self._mine.data += b'.'

    def put(self, data):
        self._mine.data += data

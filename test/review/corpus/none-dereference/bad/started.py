class Monitor:
    def __init__(self, factory):
        self._factory = factory
        self._process = None

    def start(self):
        self._process = self._factory()

    def stop(self):
        self._process.kill()  # finds: none-dereference

class Monitor:
    def __init__(self, factory):
        self._factory = factory
        self._process = None
        self._log = factory.log()

    def start(self):
        self._process = self._factory()

    def stop(self):
        self._log.write('stops')
        if self._process is not None:
            self._process.kill()

class Handler:
    def start(self, event):
        self.lock.acquire()
        try:
            self.done = event
        finally:
            self.lock.release()

    def restart(self, event):
        self.lock.acquire()
        try:
            self.done = event
        finally:
            self.lock.release()

    def abort(self):
        if self.done is not None:
            self.done.set()

class Queue:
    def send(self, item):
        self._slots_sem.acquire()
        if self.queue:
            self.queue.put(item)
        else:
            self._slots_sem.release()

    def swap(self, item):
        self.lock.acquire()
        try:
            return self.replace(item)
        finally:
            self.lock.release()

    def take_if_free(self, lock, job):
        if lock.acquire(False):
            try:
                job.run()
            finally:
                lock.release()

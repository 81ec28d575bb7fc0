import asyncio
import threading


class A:
    def __init__(self):
        self._lock = asyncio.Lock()
        self._jobs = []

    async def add(self, job):
        async with self._lock:
            self._jobs.append(job)

    async def drain(self):
        async with self._lock:
            self._jobs.clear()

    async def drop(self, job):  # finds: unlocked-sibling
        self._jobs.remove(job)


class B:
    def __init__(self):
        self.mutex = threading.RLock()
        self.count = 0
        self.seen = {}

    def inc(self):
        self.mutex.acquire()
        try:
            self.count += 1
            self.seen['a'] = 1
        finally:
            self.mutex.release()

    def dec(self):
        with self.mutex:
            self.count -= 1
            self.seen['b'] = 1

    def reset(self):  # finds: unlocked-sibling
        self.seen['c'] = 1

import time


def connect(client):
    for attempt in range(10):
        try:
            client.connect()
            return
        except ConnectionError:
            time.sleep(2 ** attempt)
    raise ConnectionError


def serve(queue):
    while True:
        try:
            job = queue.get()
            job.run()
        except ValueError:
            continue

def connect(client):
    while True:  # finds: endless-retry
        try:
            client.connect()
            return
        except ConnectionError:
            continue

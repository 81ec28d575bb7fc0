import requests


class Client:
    def __init__(self):
        self.session = requests.Session()

    def get(self, url):
        return self.session.get(url, timeout=10)


def fetch(cache, url):
    return cache.get(url)

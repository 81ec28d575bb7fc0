import requests


class Client:
    def __init__(self, url):
        self.url = url
        self.session = requests.Session()

    def request(self, verb, path):
        send = getattr(self.session, verb.lower())
        arguments = {'url': self.url + path, 'verify': True, 'timeout': 10}
        return send(**arguments)

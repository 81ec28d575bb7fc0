import requests


class Client:
    def __init__(self, url):
        self.url = url
        self.session = requests.Session()

    def request(self, verb, path):
        send = getattr(self.session, verb.lower())
        arguments = {'url': self.url + path, 'verify': True}
        return send(**arguments)  # finds: missing-timeout

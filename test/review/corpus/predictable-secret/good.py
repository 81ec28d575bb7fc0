import random
import secrets


def make_token():
    token = secrets.token_urlsafe(32)
    return token


def jitter(seconds):
    delay = seconds * random.random()
    return delay

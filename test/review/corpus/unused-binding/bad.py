import json
import socket  # finds: unused-binding


def save(path, state):
    text = json.dumps(state)
    written = path.write_text(text)  # finds: unused-binding
    return True

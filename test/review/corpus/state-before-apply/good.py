import subprocess


class Firewall:
    def __init__(self):
        self._rules = {}
        self._pending = {}

    def allow(self, manager, port):
        manager.add_rule('INPUT', port)
        try:
            manager.apply()
        except Exception:
            manager.remove_rule('INPUT', port)
            raise

    def deny(self, name, port):
        subprocess.check_call(['block', str(port)])
        self._rules[name] = port

    def ask(self, message):
        self._pending[message.id] = message
        self.channel.execute(message)

    def store(self, session, row):
        session.add(row)
        session.commit()

class Users:
    def add(self, user, group):
        self._require_user_and_group(user, group)
        return self._put(user, group)

    def remove(self, user, group):
        self._require_user_and_group(user, group)
        return self._delete(user, group)

    def update(self, user, name):
        return self._update(user, name)

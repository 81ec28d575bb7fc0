class Controller:
    def create_helper(self, context, body):
        self.policy.enforce(context, 'create_helper')
        return self.db.create(body)

    def update_helper(self, context, helper_id, body):
        self.policy.enforce(context, 'update_helper')
        return self.db.update(helper_id, body)

    def delete_helper(self, context, helper_id):  # finds: missing-authorisation
        return self.db.delete(helper_id)


@require_admin
def create(request, body):
    return db.create(body)


@require_admin
def update(request, body):
    return db.update(body)


def delete(request, body):  # finds: missing-authorisation
    return db.delete(body)

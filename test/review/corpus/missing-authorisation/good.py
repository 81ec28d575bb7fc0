class RouterApi:
    def create_router(self, context, body):
        self.enforce_policy(context, 'create_router')
        return self.store.create(body)

    def update_router(self, context, router_id, body):
        self.enforce_policy(context, 'update_router')
        return self.store.update(router_id, body)

    def delete_router(self, context, router_id):
        self._checked(context, 'delete_router')
        self.store.delete(router_id)

    def _checked(self, context, action):
        self.enforce_policy(context, action)

    def get_router(self, context, router_id):
        return self.store.get(router_id)

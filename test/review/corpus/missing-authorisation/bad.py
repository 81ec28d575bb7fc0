class RouterApi:
    def create_router(self, context, body):
        self.enforce_policy(context, 'create_router')
        return self.store.create(body)

    def update_router(self, context, router_id, body):
        self.enforce_policy(context, 'update_router')
        return self.store.update(router_id, body)

    def delete_router(self, context, router_id):  # finds: missing-authorisation
        self.store.delete(router_id)

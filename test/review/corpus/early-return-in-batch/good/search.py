class Validator:
    def any_of(self, instance, schemas):
        for schema in schemas:
            errors = self.errors_of(instance, schema)
            if not errors:
                return
            self.report(errors)

    def first_of(self, instance, schemas):
        for schema in schemas:
            match = self.match(instance, schema)
            if not match:
                break
            self.remember(match)
        else:
            self.accept(instance)

    def unsubscribe(self, path, value):
        components = self.root
        lookups = []
        for key in path:
            found = components.get(key)
            if found is None:
                return
            lookups.append((components, key))
            components = found
        self.drop(lookups, value)

def on_event(event_type, payload):
    if event_type == 'created':  # finds: dispatch-without-default
        create(payload)
    elif event_type == 'deleted':
        delete(payload)


class H:
    def handle(self, context, resource_type, items, event_type):
        match event_type:  # finds: dispatch-without-default
            case 'created':
                self.create(items)
            case 'deleted':
                self.delete(items)

def handle(event_type, router, driver):
    if event_type == 'created':  # finds: dispatch-without-default
        driver.create(router)
    elif event_type == 'deleted':  # continues the chain that begins a line before the last
        driver.delete(router)

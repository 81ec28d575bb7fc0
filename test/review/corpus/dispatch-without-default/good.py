def handle(event_type, router, driver):
    if event_type == 'created':
        driver.create(router)
    elif event_type == 'deleted':
        driver.delete(router)
    else:
        raise ValueError('unknown event %s' % event_type)


def size(width, height):
    if width == 0:
        return height
    elif width == 1:
        return height + 1
    return width * height

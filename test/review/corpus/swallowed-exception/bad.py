def restore(tables):
    for table in tables:
        try:
            table.restore()
        except Exception:  # finds: swallowed-exception
            pass


def close(socket):
    try:
        socket.close()
    except:  # finds: swallowed-exception
        pass

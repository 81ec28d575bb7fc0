import config

sourceslist = config.read('sources.list')
sourceslist.load()
sourceslist.sort()
sourceslist.check()
sourceslist.store()
sourceslist.close()


def find():
    sourcelist = config.find('source', 'list')
    return sourcelist

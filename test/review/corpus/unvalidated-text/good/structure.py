class View:
    def count(self, view):
        return view.schema.fetch('SELECT count(*) FROM %s WHERE f_index = %s' % (view.table, view.schema.plch), [view.index])

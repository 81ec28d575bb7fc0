class ExpectationTable:
    def __init__(self):
        self.expectations = {}

    def add_expectation(self, expectation):
        self.expectations[expectation.id] = expectation

    def get_expctation(self, expectation_id):  # finds: misspelt-identifier
        return self.expectations[expectation_id]

    def remove_expectation(self, expectation_id):
        del self.expectations[expectation_id]

    def count_expectation(self, expectation):
        return expectation.count

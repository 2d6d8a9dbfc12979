"""An augmentation that changes nothing, and keeps the probabilities that it is asked for."""


class Unchanged:
    def __init__(self):
        self.asked = []

    def draw(self, n, p):
        self.asked.append(p)
        return []

    def apply(self, samples, numbers):
        return samples

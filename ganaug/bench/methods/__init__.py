"""What is compared: arms, samplers and generators, the classifiers they are measured with, and scores."""

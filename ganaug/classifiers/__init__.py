"""The networks, their training and their features, that metrics, filters, the gate and the benchmark share."""

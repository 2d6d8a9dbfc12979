"""A data set at one size, and the tasks on it: for images and for tables, of a suite or one's own."""

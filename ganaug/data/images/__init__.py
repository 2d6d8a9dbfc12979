"""Labelled images: from arrays, folders, files and data sets, and pictures of them."""

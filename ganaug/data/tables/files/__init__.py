"""Tables in CSV and parquet files, and how these are written."""

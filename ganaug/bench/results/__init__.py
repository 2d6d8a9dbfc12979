"""From records to tables, verdicts, figures and the report."""

"""Texts to evaluate on, from a file or a paste of any usual form.

corpus          texts with a name and a digest
forms           which form a text has, if nobody says
records         records out of JSON, JSON lines, CSV and TSV
parquet         the same out of Parquet, through a process of its own
parquet_reader  that process
"""

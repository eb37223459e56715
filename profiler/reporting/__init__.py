"""Told to people and programs: reports, tables, pages and charts."""

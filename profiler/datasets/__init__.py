"""Rows of any file, prompts, the official files that others published, and small sets of our own."""

from profiler.datasets import mini
from profiler.datasets.download import Watch, downloaded, forbidden, forbidding, watched
from profiler.datasets.official import File, Source, cached, folder, found_in, official, officials
from profiler.datasets.prompts import COLUMNS, Prompts, Summary, prompts
from profiler.datasets.rows import Json, Row, load, parse_lines, read

__all__ = [
    "COLUMNS",
    "File",
    "Json",
    "Prompts",
    "Row",
    "Source",
    "Summary",
    "Watch",
    "cached",
    "downloaded",
    "folder",
    "forbidden",
    "forbidding",
    "found_in",
    "load",
    "mini",
    "official",
    "officials",
    "parse_lines",
    "prompts",
    "read",
    "watched",
]

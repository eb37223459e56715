"""Rows of any file, prompts, the official files that others published, and small sets of our own."""

from profiler.datasets import mini, settings
from profiler.datasets.download import Watch, downloaded, forbidden, forbidding, watched
from profiler.datasets.items import F, Item, drawn
from profiler.datasets.official import File, Source, cached, folder, found_in, official, officials
from profiler.datasets.prompts import COLUMNS, Prompts, Summary, prompts, template_of, with_input
from profiler.datasets.rows import Row, lines, load, parse_lines, read, text_column
from profiler.records import Json

__all__ = [
    "COLUMNS",
    "F",
    "File",
    "Item",
    "Json",
    "Prompts",
    "Row",
    "Source",
    "Summary",
    "Watch",
    "cached",
    "downloaded",
    "drawn",
    "folder",
    "forbidden",
    "forbidding",
    "found_in",
    "lines",
    "load",
    "mini",
    "official",
    "officials",
    "parse_lines",
    "prompts",
    "read",
    "settings",
    "template_of",
    "text_column",
    "watched",
    "with_input",
]

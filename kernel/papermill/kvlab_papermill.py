"""Parameters of papermill for notebooks of the kernel kvlab: values become TypeScript constants in a cell of their own.

    python kvlab_papermill.py lesson.ipynb done.ipynb -p keep 0.5

is papermill's own command line with this translator added; in Python, import this module before papermill runs."""

import json
import re

from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

DECLARED = re.compile(
    r"^\s*(?:const|let|var)\s+(?P<name>[A-Za-z_$][\w$]*)\s*(?::\s*(?P<type>[^=;]+?))?\s*=\s*(?P<value>.+?);?"
    r"\s*(?://\s*(?P<help>.*))?$"
)


class TypeScriptTranslator(Translator):
    """JSON is TypeScript, so every value that a command line or a YAML file can hold is written as JSON."""

    @classmethod
    def translate(cls, val):
        return json.dumps(val, ensure_ascii=False, default=str)

    @classmethod
    def comment(cls, cmt_str):
        return f"// {cmt_str}".strip()

    @classmethod
    def assign(cls, name, str_val):
        # The kernel lets a later cell declare a constant again, so this takes the place of the default above it.
        return f"const {name} = {str_val};"

    @classmethod
    def inspect(cls, parameters_cell):
        found = (DECLARED.match(line) for line in parameters_cell["source"].splitlines())
        return [
            Parameter(match["name"], match["type"] or "None", match["value"], match["help"] or "")
            for match in found
            if match
        ]


for name in ("kvlab", "typescript"):
    papermill_translators.register(name, TypeScriptTranslator)

if __name__ == "__main__":
    from papermill.cli import papermill

    papermill()

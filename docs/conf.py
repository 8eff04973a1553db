"""How the documentation is built: `python -m sphinx -W -n docs docs/_build`."""

from sphinx.application import Sphinx

import weft

project = "weft"
author = "the weft maintainers"
version = release = weft.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"weft {release}"

default_role = "code"  # docstrings write `name` for code
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

# The build asks no other site, so names of the standard library stay plain text; ours must all be found.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!weft\.).*"),
    (r"py:.*", r"weft\.(?:[a-z_]+\.)+[A-Za-z_]+"),
]


def fences_to_directives(*event: object) -> None:
    """Turn the Markdown code fences of docstrings into what autodoc reads."""
    lines = event[-1]
    assert isinstance(lines, list)
    inside = False
    for number, line in enumerate(lines):
        if line.lstrip().startswith("```"):
            indent = line[: len(line) - len(line.lstrip())]
            lines[number] = "" if inside else f"{indent}.. code-block:: {line.strip('` ') or 'text'}\n\n"
            inside = not inside
        elif inside:
            lines[number] = f"    {line}"
    lines[:] = "\n".join(lines).split("\n")


def setup(app: Sphinx) -> None:
    """Connect the hook above."""
    app.connect("autodoc-process-docstring", fences_to_directives)
